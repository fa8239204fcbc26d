//! What is known of the world as data: read from files, and the commands that test and explain it.

pub(crate) mod configured;
mod coverage;
mod envelope;
mod exit;
mod explain;
pub(crate) mod files;
pub(crate) mod loaded_rules;
pub(crate) mod rules;
pub(crate) mod scenarios;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use self::envelope::envelope;
use self::exit::{EXIT_BAD, EXIT_CONFIG, EXIT_INPUT};
use crate::formats::{self, FormatText, Library, builtin};

#[derive(Debug, clap::Subcommand)]
pub enum FormatsCommand {
    /// Run the samples of files of formats. Ends with 0, 1 when a sample fails, 65 when a file cannot be read, 78 when one
    /// is broken.
    Test {
        /// Files, or folders of .toml files.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Show which template a line fits and which bytes are which field, or which template comes nearest.
    Explain {
        /// The line, as it stands in a log; - reads lines from standard input.
        #[arg(value_name = "LINE")]
        line: String,
        /// The line is this program's message, without an envelope.
        #[arg(long, value_name = "NAME")]
        program: Option<String>,
        #[command(flatten)]
        library: LibraryPaths,
    },
    /// Print which share of the lines of log files has a template, and the most frequent shapes of those that have none.
    Coverage {
        /// Log files, or - for standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// How many shapes to print.
        #[arg(long, value_name = "N", default_value_t = 20)]
        top: usize,
        #[command(flatten)]
        library: LibraryPaths,
    },
}

#[derive(Debug, clap::Subcommand)]
pub enum RulesCommand {
    /// Print what each Sigma rule of the configuration needs of a line, and what of it no format ever fills.
    List,
    /// Show which rules a line matches and which scenarios count it, without the daemon. Ends with 0, or 78 for a bad configuration.
    Explain {
        /// The line, as it stands in a log.
        #[arg(value_name = "LINE")]
        line: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run the samples of files of scenarios. Ends with 0, 1 when a sample fails, 65 when a file cannot be read, 78 when one is
    /// broken.
    Test {
        /// Files, or folders of .yml files.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Let so many other clients come between two lines of a sample.
        #[arg(long, value_name = "N", default_value_t = 0)]
        strangers: u32,
    },
}

#[derive(Debug, clap::Args)]
pub struct LibraryPaths {
    /// Files or folders of formats beside the built-in ones; those of the same name take their place.
    #[arg(long, value_name = "PATH")]
    formats: Vec<PathBuf>,
}

/// Runs a command to its end.
pub fn run(command: &FormatsCommand) -> ExitCode {
    print(|out| match command {
        FormatsCommand::Test { paths } => test(paths, out),
        FormatsCommand::Explain { line, program, library } => {
            with(library, |library| explain::explain(library, line, program.as_deref(), out))
        }
        FormatsCommand::Coverage { files, top, library } => {
            with(library, |library| coverage::coverage(library, files, *top, out))
        }
    })
}

/// The exit code of what writes to standard output.
pub fn print(command: impl FnOnce(&mut io::BufWriter<io::StdoutLock<'static>>) -> io::Result<u8>) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match command(&mut out).and_then(|code| out.flush().map(|()| code)) {
        Ok(code) => ExitCode::from(code),
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dsmild: writing the output failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// With the built-in formats and those of the paths; a broken one is reported and left out.
fn with(paths: &LibraryPaths, command: impl FnOnce(&Library) -> io::Result<u8>) -> io::Result<u8> {
    let mut texts = builtin::texts();
    match files::read(&paths.formats) {
        Ok(more) => texts.extend(more),
        Err(problem) => {
            eprintln!("dsmild: {problem}");
            return Ok(EXIT_INPUT);
        }
    }
    let (library, diagnostics) = Library::new(&texts);
    for diagnostic in diagnostics {
        eprintln!("{diagnostic}");
    }
    command(&library)
}

fn test(paths: &[PathBuf], out: &mut impl Write) -> io::Result<u8> {
    let texts: Vec<FormatText> = match files::read(paths) {
        Ok(texts) => texts,
        Err(problem) => {
            eprintln!("dsmild: {problem}");
            return Ok(EXIT_INPUT);
        }
    };
    let (library, diagnostics) = Library::new(&texts);
    let report = formats::check(&library, envelope);
    for problem in diagnostics.iter().chain(&report.failures) {
        writeln!(out, "{problem}")?;
    }
    for untested in &report.untested {
        writeln!(out, "{untested} (warning)")?;
    }
    writeln!(
        out,
        "{} formats, {} templates, {} samples: {} fail; {} mistakes in files, {} entries without a sample",
        library.formats().len(),
        report.templates,
        report.samples,
        report.failures.len(),
        diagnostics.len(),
        report.untested.len(),
    )?;
    Ok(match (diagnostics.is_empty(), report.failures.is_empty()) {
        (false, _) => EXIT_CONFIG,
        (true, false) => EXIT_BAD,
        (true, true) => 0,
    })
}
