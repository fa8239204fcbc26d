//! One file with the lines of every `dsmil-*` identifier in the journal, whoever wrote them: what SHRINK reads.

mod config;
mod file;
mod outlet;
mod short_iso;
mod state;

use std::ffi::OsString;
use std::path::Path;

use futures_util::FutureExt;

pub use self::config::{Config, check};
pub use self::file::FlatLogError;
use self::file::LogFile;
pub use self::outlet::FlatLogOutlet;
use self::short_iso::ShortIso;
use crate::journal::{Entry, Follower, is_wanted};
use crate::limits;
use crate::observe::problem::Problem;

const NAME: &str = "flat-log";

pub struct FlatLog {
    follower: Follower,
    identifiers: Vec<String>,
    format: ShortIso,
    file: LogFile,
    /// Lines that are not in the file yet.
    lines: Vec<u8>,
    /// Entries taken since the last write, with or without lines.
    taken: bool,
}

impl FlatLog {
    /// Goes on where the last process ended; at the first start, with the oldest entry of the journal.
    ///
    /// # Errors
    /// The file or its position cannot be opened.
    pub fn open(config: &Config, state_dir: &Path) -> Result<Self, FlatLogError> {
        let file = LogFile::open(&config.path, state_dir)?;
        // All fields: that journalctl leaves some out costs it more than it saves here.
        let mut arguments = Vec::new();
        if let Some(directory) = &config.directory {
            let mut argument = OsString::from("--directory=");
            argument.push(directory);
            arguments.push(argument);
        }
        let ours = ["dsmild".to_owned(), "dsmil-*".to_owned()];
        Ok(Self {
            follower: Follower::new(NAME, arguments, file.cursor().map(str::to_owned)),
            identifiers: ours.into_iter().chain(config.identifiers.iter().cloned()).collect(),
            format: ShortIso::new(jiff::tz::TimeZone::system()),
            file,
            lines: Vec::new(),
            taken: false,
        })
    }

    /// Waits for entries, or for something to say, and collects their lines; no more once there are many. May be dropped
    /// at any time without loss.
    pub async fn collect(&mut self) -> Vec<Problem> {
        let mut problems = Vec::new();
        loop {
            while self.lines.len() < limits::FLAT_LOG_BATCH_BYTES
                && let Some(entry) = self.follower.entry(&mut problems)
            {
                self.take(&entry, &mut problems);
            }
            let is_enough = self.lines.len() >= limits::FLAT_LOG_BATCH_BYTES;
            if is_enough || !problems.is_empty() {
                return problems;
            }
            let more = self.follower.more(&mut problems);
            if !self.taken {
                more.await;
            } else if more.now_or_never().is_none() {
                return problems;
            }
        }
    }

    /// Whether something was collected since the last write.
    pub fn has_taken(&self) -> bool {
        self.taken
    }

    fn take(&mut self, entry: &Entry, problems: &mut Vec<Problem>) {
        self.taken = true;
        if !is_wanted(entry, &self.identifiers) {
            return;
        }
        if entry.curtailed > 0 {
            let text = "an entry was longer than is taken: its line was cut";
            problems.push(Problem::new(NAME, "entry_too_long", 1, text));
        }
        self.format.write(entry, &mut self.lines);
    }

    /// Writes what was collected.
    ///
    /// # Errors
    /// As [`LogFile::append`]; what was collected is kept for the next call.
    pub fn write(&mut self) -> Result<(), FlatLogError> {
        let Some(cursor) = self.follower.cursor().filter(|_| self.taken) else { return Ok(()) };
        if self.lines.is_empty() {
            self.file.pass(cursor);
        } else {
            self.file.append(&self.lines, cursor)?;
            self.lines.clear();
        }
        self.taken = false;
        Ok(())
    }

    /// About once a second: brings what was written to the disk, and goes on in a new file when the old one was renamed
    /// or removed.
    ///
    /// # Errors
    /// The disk is full, or the file cannot be opened.
    pub fn look(&mut self) -> Result<(), FlatLogError> {
        if self.file.is_replaced() {
            self.file.reopen()?;
        }
        self.file.sync()
    }
}
