//! The command line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::client;
use crate::config::{self, Config, ConfigError, Loaded};
use crate::daemon::{self, Plan};
use crate::event::Stream;
use crate::knowledge;
use crate::manual;
use crate::observe::reload_mark;
use crate::outlet::notify;
use crate::replay;
use crate::respond::{accounts_helper, helper};

/// Security-operations daemon for one Linux machine: raw log lines in, fused SOC events out.
#[derive(Debug, Parser)]
#[command(name = "dsmild", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon in the foreground. Ends with 0 after SIGTERM or SIGINT, 78 for a bad configuration.
    Run(ConfigFile),
    /// Print everything that is wrong with the configuration. Ends with 0, or 78 when there is something.
    Check(ConfigFile),
    /// Run log files through the whole pipeline in memory and print one stream as NDJSON.
    Replay(Replay),
    /// Test and explain the formats that lines are understood by.
    #[command(subcommand)]
    Formats(knowledge::FormatsCommand),
    /// Print what each Sigma rule of the configuration needs of a line, what of it no format ever fills, and how often each has
    /// matched; test scenarios and lines.
    Rules(Rules),
    /// Try notifications out.
    #[command(subcommand)]
    Notify(Notify),
    #[command(flatten)]
    Client(client::ClientCommand),
    /// Tell the daemon to reload its configuration and wait until it has: what systemd runs. Ends with 1 when it was refused.
    #[command(hide = true)]
    Reload {
        #[arg(value_name = "PID")]
        pid: i32,
    },
    /// Do what the daemon may not do by itself; systemd runs it when the daemon asks.
    #[command(hide = true)]
    RespondHelper(helper::Options),
    /// As respond-helper, for accounts.
    #[command(hide = true)]
    RespondAccountsHelper(accounts_helper::Options),
    /// Write the manual pages and shell completions into a folder, for packages.
    #[command(hide = true)]
    Generate {
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[derive(Debug, Clone, clap::Args)]
pub struct ConfigFile {
    /// Configuration; without it $DSMIL_CONFIG, then /etc/dsmil/dsmil.toml, then the built-in defaults.
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Rules {
    #[command(flatten)]
    config: ConfigFile,
    #[command(subcommand)]
    command: Option<RulesCommand>,
}

#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    #[command(flatten)]
    Here(knowledge::RulesCommand),
    /// Ask a running daemon how often each rule has matched, and when it did last. Ends with 69 when there is no daemon.
    Hits {
        #[command(flatten)]
        connection: client::ConnectionArgs,
        /// The answer as it came.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Notify {
    /// Send a test message the way that a notifier of the configuration does, without the daemon, and print what the other side
    /// answered. Ends with 0 when it took the message, 1 when it did not, 78 for a bad configuration.
    Test {
        /// The name of the notifier; one without a name is called after its kind and number, like webhook1.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Debug, clap::Args)]
pub struct Replay {
    #[command(flatten)]
    config: ConfigFile,
    /// The stream to print.
    #[arg(long, value_name = "NAME", default_value = "SOC_EVENTS")]
    stream: Stream,
    /// The stream that the input stands for.
    #[arg(long = "as", value_name = "STREAM", default_value = "L3_IN", value_parser = ["L3_IN", "L4_IN"])]
    input_as: String,
    /// Log files, NDJSON, or - for standard input.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

pub fn dispatch(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Run(file) => daemon::run(file.config.as_deref()),
        Command::Check(file) => check(&file),
        Command::Replay(options) => run_replay(options),
        Command::Formats(command) => knowledge::run(&command),
        Command::Rules(rules) => run_rules(rules),
        Command::Notify(Notify::Test { name, config }) => test_notifier(&name, &config),
        Command::Client(command) => run_client(&command),
        Command::Reload { pid } => match reload_mark::ask(pid) {
            // The daemon's own line says the rest.
            Ok(_) => ExitCode::SUCCESS,
            Err(said) => {
                eprintln!("dsmild: reload {said}");
                ExitCode::FAILURE
            }
        },
        Command::RespondHelper(options) => helper::run(&options),
        Command::RespondAccountsHelper(options) => accounts_helper::run(&options),
        Command::Generate { folder } => match manual::generate(Cli::command(), &folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("dsmild: writing manual pages and completions to {}: {error}", folder.display());
                ExitCode::FAILURE
            }
        },
    }
}

fn check(file: &ConfigFile) -> ExitCode {
    match prepared(file) {
        Ok((loaded, plan)) => {
            for warning in daemon::warnings(&loaded, &plan) {
                eprintln!("{}: warning: {warning}", loaded.source);
            }
            eprintln!("{}: nothing wrong", loaded.source);
            ExitCode::SUCCESS
        }
        Err(error) => daemon::refuse(&error),
    }
}

fn list_rules(file: &ConfigFile) -> ExitCode {
    match prepared(file) {
        Ok((loaded, plan)) => {
            knowledge::print(|out| knowledge::rules::list(&loaded.config.l3, plan.parser.library(), out))
        }
        Err(error) => daemon::refuse(&error),
    }
}

fn test_notifier(name: &str, file: &ConfigFile) -> ExitCode {
    let config = match prepared(file) {
        Ok((loaded, _)) => loaded.config,
        Err(error) => return daemon::refuse(&error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("dsmild: starting failed: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(notify::trial(name, &config)) {
        Ok(said) => {
            eprintln!(
                "dsmild: {name} took the test message, and answered: {}",
                if said.is_empty() { "nothing" } else { &said }
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("dsmild: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_rules(rules: Rules) -> ExitCode {
    match rules.command {
        None | Some(RulesCommand::Here(knowledge::RulesCommand::List)) => list_rules(&rules.config),
        Some(RulesCommand::Here(knowledge::RulesCommand::Explain { line, json })) => {
            explain_line(&rules.config, &line, json)
        }
        Some(RulesCommand::Here(knowledge::RulesCommand::Test { paths, strangers })) => {
            knowledge::print(|out| knowledge::scenarios::test(&paths, strangers, out))
        }
        Some(RulesCommand::Hits { connection, json }) => {
            let file = connection.config.clone().or(rules.config.config);
            ask(file.as_deref(), async |config| client::rule_hits(&connection, config, json).await)
        }
    }
}

fn explain_line(file: &ConfigFile, line: &str, json: bool) -> ExitCode {
    match prepared(file) {
        Ok((_, plan)) => {
            let tried = plan.rules.try_line(line);
            knowledge::print(|out| match json {
                true => writeln!(out, "{:#}", serde_json::json!(tried)).map(|()| 0),
                false => knowledge::loaded_rules::print(&tried, out),
            })
        }
        Err(error) => daemon::refuse(&error),
    }
}

fn run_client(command: &client::ClientCommand) -> ExitCode {
    ask(command.config(), async |config| client::run(command, config).await)
}

/// Asks a running daemon. Its address is in the configuration; `--url` needs none.
fn ask(file: Option<&Path>, question: impl AsyncFnOnce(&Config) -> u8) -> ExitCode {
    let config = match config::load(file) {
        Ok(loaded) => loaded.config,
        Err(error) => return daemon::refuse(&error),
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => ExitCode::from(runtime.block_on(question(&config))),
        Err(error) => {
            eprintln!("dsmild: starting failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_replay(options: Replay) -> ExitCode {
    match prepared(&options.config) {
        Ok((loaded, plan)) => {
            for warning in daemon::warnings(&loaded, &plan) {
                eprintln!("{}: warning: {warning}", loaded.source);
            }
            let input_as = if options.input_as == "L4_IN" { Stream::L4In } else { Stream::L3In };
            replay::run(
                &loaded.config,
                plan,
                &replay::Options { stream: options.stream, input_as, inputs: options.inputs },
            )
        }
        Err(error) => daemon::refuse(&error),
    }
}

/// The configuration and what it comes to, with the findings of both.
fn prepared(file: &ConfigFile) -> Result<(Loaded, Plan), ConfigError> {
    daemon::load(file.config.as_deref())
}
