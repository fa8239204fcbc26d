//! `dsmild replay`: files through the whole pipeline in memory. The same input leads to the same bytes.

mod flow;

use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;

use crate::config::{Config, IntakeFile};
use crate::daemon::Plan;
use crate::event::{Format, InFile, Stream, Timestamp};
use crate::intake::Origin;
use crate::intake::multiline::Multiline;
use crate::intake::replay::{ReplayError, ReplayInput, lines_of};
use crate::limits;
use crate::parse::Calendar;
use crate::pool::Pool;

use self::flow::Printed;

/// Exit code for input that could not be read or used (EX_DATAERR of sysexits.h).
pub const EXIT_INPUT: u8 = 65;

/// What to replay.
#[derive(Debug, Clone)]
pub struct Options {
    /// The stream that is printed.
    pub stream: Stream,
    /// The stream that the input stands for: `L3_IN` or `L4_IN`.
    pub input_as: Stream,
    /// Files, or `-` for standard input.
    pub inputs: Vec<PathBuf>,
}

/// Prints the stream's events as NDJSON, in the shape that `/api/v1/streams/…` serves.
pub fn run(config: &Config, plan: Plan, options: &Options) -> ExitCode {
    let mut inputs = Vec::new();
    for path in &options.inputs {
        match open(config, path, options.input_as) {
            Ok(input) => inputs.push(input),
            Err(error) => {
                eprintln!(
                    "dsmild: {}: cannot be replayed ({error}); name a file of lines, or - for standard input",
                    path.display()
                );
                return ExitCode::from(EXIT_INPUT);
            }
        }
    }
    let progress = progress(&options.inputs);
    plan.parse_with(None);
    let result = print(inputs, plan, options.stream, &progress);
    progress.finish_and_clear();
    match result {
        Ok(0) => ExitCode::SUCCESS,
        Ok(refused) => {
            eprintln!("dsmild: {refused} lines or files could not be used; the rest was");
            ExitCode::from(EXIT_INPUT)
        }
        // Whoever read the output wants no more: `dsmild replay … | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dsmild: writing the output failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns how many lines or files could not be used.
fn print(inputs: Vec<ReplayInput>, plan: Plan, stream: Stream, progress: &ProgressBar) -> io::Result<u64> {
    let mut flow = flow::start(inputs, plan.stages, stream, Pool::of_all_cores())?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut unused = 0;
    while let Some(Printed { text, errors, bytes_given }) = flow.next() {
        out.write_all(text.as_bytes())?;
        for error in errors {
            progress.suspend(|| eprintln!("dsmild: {error}"));
            unused += u64::from(!matches!(error, ReplayError::Cut { .. }));
        }
        progress.set_position(bytes_given);
    }
    out.flush()?;
    if let Some(remark) = remark(flow.refused()) {
        eprintln!("dsmild: {remark}");
    }
    Ok(unused)
}

/// A file that the configuration names is read as the daemon would.
fn open(config: &Config, path: &Path, stream: Stream) -> io::Result<ReplayInput> {
    let named = config.intake.file.iter().find(|file| file.path == path);
    let zone = zone(named);
    let format = named.map_or(Format::Auto, |file| file.format);
    let compartment = named.map_or("", |file| file.compartment.as_str());
    let multiline = named.map_or(Multiline::Auto, |file| file.multiline);
    if path == Path::new("-") {
        return Ok(ReplayInput {
            origin: Origin { stream, source: Arc::from("stdin"), compartment: Arc::from(compartment), format },
            calendar: Calendar { zone, reference: Timestamp::now() },
            written: None,
            multiline,
            file: InFile::default(),
            reader: lines_of(BufReader::with_capacity(limits::FILE_CHUNK_BYTES, io::stdin()))?,
        });
    }
    let input = ReplayInput::open(path, stream, format, compartment, zone)?;
    Ok(ReplayInput { multiline, ..input })
}

fn zone(file: Option<&IntakeFile>) -> TimeZone {
    let named = file.and_then(|file| file.time_zone.as_deref()).and_then(|name| TimeZone::get(name).ok());
    named.unwrap_or_else(TimeZone::system)
}

/// Drawn on standard error where that is a terminal.
fn progress(inputs: &[PathBuf]) -> ProgressBar {
    let bytes = inputs.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|metadata| metadata.len()).sum();
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What the person who replays should know of outputs that were refused, as the daemon would refuse them.
fn remark(refused: u64) -> Option<String> {
    let most = limits::OUTPUTS_PER_EVENT_MAX;
    (refused > 0).then(|| format!("{refused} outputs were refused: a stage may write {most} for one event"))
}

#[cfg(test)]
mod tests;
