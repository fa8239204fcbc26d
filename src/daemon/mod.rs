//! The daemon: what starts in which order, what runs meanwhile, and how it stops.
//!
//! Start: hot store → bus → components in the order of their table ([`Components`]): outlets → writer (the commit point) →
//! stages in the order of their graph → HTTP → sources. Each waits only for those before it. Stop is the reverse: sources
//! fall silent first, the writer commits what is left, and the outlets take that outside.

mod component;
mod components;
pub mod config;
mod core;
mod formats;
mod plan;
mod reload;
mod signals;
mod start;
mod take_over;
mod web;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::core::Core;
pub use components::Components;
pub use plan::{Plan, prepare, prepare_with};
use signals::{Signals, Told};
pub use start::{Daemon, Hooks, StartError};

use crate::config::{self as configuration, Config, ConfigError, Finding, Loaded};
use crate::observe::memory::Memory;
use crate::observe::reload_mark::ReloadMark;
use crate::observe::{log as journal, systemd};

/// Exit code for a configuration that cannot be used (EX_CONFIG of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;

/// `dsmild run`.
pub fn run(path: Option<&Path>) -> ExitCode {
    run_with(path, Hooks::default())
}

/// The same with parts wrapped, for a daemon that fails on request.
pub fn run_with(path: Option<&Path>, hooks: Hooks) -> ExitCode {
    let (loaded, plan) = match load_here(&Arc::default(), path) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(&error),
    };
    if let Err(error) =
        journal::install(&loaded.config.log, &loaded.config.daemon.instance, plan.components.identifiers())
    {
        eprintln!("dsmild: logging could not be set up: {error}");
        return ExitCode::FAILURE;
    }
    for warning in warnings(&loaded, &plan) {
        log::warn!(target: "dsmild", "{warning}");
    }
    let code = actix::System::new().block_on(start_and_run(loaded, plan, path.map(Path::to_path_buf), hooks));
    log::logger().flush();
    code
}

async fn start_and_run(loaded: Loaded, plan: Plan, path: Option<PathBuf>, hooks: Hooks) -> ExitCode {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            log::error!(target: "dsmild", "signals could not be listened for: {error}");
            return ExitCode::FAILURE;
        }
    };
    let start = Daemon::start(loaded.config, loaded.source.to_string(), plan, hooks);
    let started = tokio::select! {
        started = start => started,
        // The start may wait for Postgres.
        () = signals.stop() => return ExitCode::SUCCESS,
    };
    match started {
        Ok(daemon) => until_told(daemon, signals, path).await,
        Err(error) => {
            log::error!(target: "dsmild", "the daemon could not start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The configuration and the stages that it comes to, or the findings of both.
///
/// # Errors
/// At least one finding.
pub fn load(path: Option<&Path>) -> Result<(Loaded, Plan), ConfigError> {
    load_by(path, prepare)
}

/// As [`load`], for these components, prepared for the machine that it runs on.
fn load_here(components: &Arc<Components>, path: Option<&Path>) -> Result<(Loaded, Plan), ConfigError> {
    load_by(path, |config| plan::prepare_here(Arc::clone(components), config))
}

fn load_by(
    path: Option<&Path>,
    prepare: impl Fn(&Config) -> Result<Plan, Vec<Finding>>,
) -> Result<(Loaded, Plan), ConfigError> {
    let prepared = RefCell::new(None);
    let loaded = configuration::load_with(path, &|config| match prepare(config) {
        Ok(plan) => {
            prepared.replace(Some(plan));
            Vec::new()
        }
        Err(findings) => findings,
    })?;
    match prepared.take() {
        Some(plan) => Ok((loaded, plan)),
        // Not reached: without findings there is a plan.
        None => Err(ConfigError { source: loaded.source, findings: Vec::new() }),
    }
}

/// What is no reason to refuse the configuration but an operator should know.
pub fn warnings(loaded: &Loaded, plan: &Plan) -> Vec<String> {
    loaded.warnings.iter().cloned().chain(plan.warnings.iter().map(Finding::to_string)).collect()
}

/// Prints the findings; gives the exit code for them.
pub fn refuse(error: &ConfigError) -> ExitCode {
    for finding in &error.findings {
        eprintln!("{}: {finding}", error.source);
    }
    ExitCode::from(EXIT_CONFIG)
}

/// How often the supervisor looks round.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A critical actor that gave no heartbeat for this long keeps the watchdog from being told that all is well.
const LATE_AFTER: Duration = Duration::from_secs(3);

async fn until_told(mut daemon: Daemon, mut signals: Signals, path: Option<PathBuf>) -> ExitCode {
    let mut fatal = daemon.tree.fatal();
    systemd::ready(&daemon.summary());
    let mut watchdog = Heartbeat::new();
    if watchdog.every.is_some() {
        daemon.tree.leave_critical_to_watchdog();
    }
    let mut mark = ReloadMark::begun();
    let mut meters = Instant::now();
    let mut memory = Memory::default();
    // One reload at a time; a signal that comes meanwhile is remembered and starts the next.
    let (mut reloading, mut again) = (None, false);
    let code = loop {
        tokio::select! {
            told = signals.next() => match told {
                Told::Stop => break ExitCode::SUCCESS,
                Told::Reload => again = true,
            },
            _ = fatal.changed() => break ExitCode::FAILURE,
            prepared = ready(&mut reloading) => {
                reloading = None;
                let result = daemon.reload(prepared).await;
                systemd::ready(&daemon.summary());
                mark.end(&result);
            }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if again && reloading.is_none() {
            again = false;
            mark.begin();
            systemd::reloading();
            reloading = Some(Box::pin(reload::prepare(Arc::clone(&daemon.components), path.clone())));
        }
        daemon.tree.look();
        watchdog.beat(daemon.tree.healthy(LATE_AFTER));
        daemon.watch_memory(&mut memory);
        if meters.elapsed() >= Duration::from_secs(1) {
            meters = Instant::now();
            daemon.observe();
        }
    };
    log::info!(target: "dsmild", "stopping");
    systemd::stopping();
    daemon.stop().await;
    code
}

/// What the running preparation gives; never while there is none.
async fn ready<Preparation: Future + Unpin>(preparation: &mut Option<Preparation>) -> Preparation::Output {
    match preparation {
        Some(preparation) => preparation.await,
        None => std::future::pending().await,
    }
}

/// Tells systemd's watchdog that all is well, as often as it asks for.
struct Heartbeat {
    every: Option<Duration>,
    last: Instant,
}

impl Heartbeat {
    fn new() -> Self {
        Self { every: systemd::watchdog_interval(), last: Instant::now() }
    }

    fn beat(&mut self, healthy: bool) {
        if healthy && self.every.is_some_and(|every| self.last.elapsed() >= every) {
            self.last = Instant::now();
            systemd::watchdog();
        }
    }
}
