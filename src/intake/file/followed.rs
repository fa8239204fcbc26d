//! One path: the file that stands there now, and those that stood there before and still have lines to read.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use serde_json::Value;

use super::locate;
use super::position::{Mark, Position};
use super::tail::{self, Filled, Identity, LinesOf, Poll, Tail};
use crate::config::IntakeFile;
use crate::event::{Draft, Stream, Timestamp};
use crate::intake::clock::{self, SourceClock};
use crate::intake::{Origin, Problem};
use crate::limits::ROTATED_FILES_MAX;

/// In one word: the same file is read under another path.
pub const ALIAS: &str = "alias";
/// Generations remembered after they were read to their end.
const FINISHED_MAX: usize = 16;

pub struct Followed {
    pub path: PathBuf,
    /// Found through a pattern: forgotten when it is gone.
    pub is_found: bool,
    /// The path as text: the name of its position.
    name: String,
    origin: Origin,
    lines: LinesOf,
    /// Oldest first.
    tails: Vec<Tail>,
    finished: VecDeque<Mark>,
    /// After the last line that was handed out, whichever file it stood in.
    clock: SourceClock,
    /// The believed time of the next line, and the clock after it.
    next: Option<(Timestamp, SourceClock)>,
    arrival: Timestamp,
    /// Where an earlier run was, until the file can be opened to go on there.
    pending: Option<Position>,
    /// Generations newer than this came while nobody looked.
    gap_after: Option<Timestamp>,
    reported: Vec<(u64, u64)>,
    /// What is wrong with the path, and in one word.
    opening: Option<(&'static str, String)>,
    /// What went wrong when open files were looked at, and when they were read.
    looking: Option<String>,
    reading: Option<String>,
    /// Nothing stands at the path since then, where something did.
    absent_since: Option<Instant>,
}

impl Followed {
    pub fn new(path: PathBuf, config: &IntakeFile, zone: TimeZone, is_found: bool) -> Self {
        let name = path.to_string_lossy().into_owned();
        let origin = Origin {
            stream: Stream::L3In,
            source: Arc::from(format!("file:{name}")),
            compartment: Arc::from(config.compartment.as_str()),
            format: config.format,
        };
        Self {
            path,
            is_found,
            name,
            origin,
            lines: LinesOf { zone, multiline: config.multiline },
            tails: Vec::new(),
            finished: VecDeque::new(),
            clock: SourceClock::default(),
            next: None,
            arrival: Timestamp::ZERO,
            pending: None,
            gap_after: None,
            reported: Vec::new(),
            opening: None,
            looking: None,
            reading: None,
            absent_since: None,
        }
    }

    /// As in [`Raw::source`](crate::event::Raw::source), in status and in problems.
    pub fn source(&self) -> &Arc<str> {
        &self.origin.source
    }

    /// Why nothing can be read from it now.
    pub fn failure(&self) -> Option<&str> {
        let opening = self.opening.as_ref().filter(|(reason, _)| *reason != ALIAS).map(|(_, text)| text);
        opening.or(self.looking.as_ref()).or(self.reading.as_ref()).map(String::as_str)
    }

    /// Nothing stands at the path: for how long by now, where something did.
    pub fn is_absent(&mut self, now: Instant) -> Duration {
        now.duration_since(*self.absent_since.get_or_insert(now))
    }

    pub fn is_there(&mut self) {
        self.absent_since = None;
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn identities(&self) -> impl Iterator<Item = Identity> {
        self.tails.iter().map(|tail| tail.identity)
    }

    pub fn current(&self) -> Option<Identity> {
        self.tails.last().map(|tail| tail.identity)
    }

    /// To be continued where an earlier run was: see [`resume`](Self::resume).
    pub fn continue_at(&mut self, position: Position) {
        self.clock = position.clock;
        self.pending = Some(position);
    }

    /// Something of an earlier run is still to be found.
    pub fn is_behind(&self) -> bool {
        self.pending.is_some() || self.gap_after.is_some()
    }

    /// Finds the files of an earlier run again.
    ///
    /// # Errors
    /// The file at the path cannot be opened now; nothing is changed, and it can be tried again.
    pub fn resume(&mut self, problems: &mut Vec<Problem>) -> io::Result<()> {
        let Some(position) = &self.pending else { return Ok(()) };
        match tail::open(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut tails: Vec<Tail> = Vec::new();
        for mark in &position.files {
            let taken: Vec<_> = tails.iter().map(|tail| tail.identity).collect();
            match locate::find(&self.path, mark, &taken) {
                Some(found) => {
                    let mut tail = Tail::start(found.file, mark.offset, &self.lines)?;
                    // What came after it is what came after it was last seen.
                    tail.modified = mark.modified;
                    tails.push(tail);
                }
                None => problems.push(self.gone(mark)),
            }
        }
        let here = std::fs::metadata(&self.path).ok().map(|metadata| Identity::of(&metadata));
        if here.is_none() || tails.last().map(|tail| tail.identity) != here {
            self.gap_after = position.files.last().map(|mark| mark.modified);
        }
        self.tails = tails;
        self.finished = self.pending.take().map(|position| position.finished.into()).unwrap_or_default();
        Ok(())
    }

    fn gone(&self, mark: &Mark) -> Problem {
        let text = format!(
            "the file that was read up to byte {} is neither there nor beside it under another name; if it held more \
             than that, it is lost (keep one rotated file uncompressed: `delaycompress`)",
            mark.offset
        );
        Problem::new(&*self.origin.source, "gone", 0, text)
    }

    /// Takes up what was rotated in and away again while nobody looked. `taken`: the files that anybody reads.
    ///
    /// # Errors
    /// One of them cannot be read; it can be tried again.
    pub fn close_gap(&mut self, taken: &[Identity]) -> io::Result<()> {
        let Some(modified) = self.gap_after else { return Ok(()) };
        let here = std::fs::metadata(&self.path).ok().map(|metadata| Identity::of(&metadata));
        let taken: Vec<_> = taken.iter().copied().chain(here).collect();
        let generations = locate::generations_after(&self.path, modified, self.finished.make_contiguous(), &taken);
        let mut tails = Vec::new();
        for found in generations {
            let mut tail = Tail::start(found.file, 0, &self.lines)?;
            tail.modified = modified;
            tails.push(tail);
        }
        self.tails.append(&mut tails);
        self.gap_after = None;
        Ok(())
    }

    /// Takes up another file at the path; before it, what came and went in between.
    ///
    /// # Errors
    /// It cannot be read; it can be tried again.
    pub fn rotate(
        &mut self,
        file: File,
        taken: &[Identity],
        now: Instant,
        problems: &mut Vec<Problem>,
    ) -> io::Result<()> {
        // As last seen: since then it may have been written to by somebody who has it open.
        self.gap_after = self.tails.last().map(|tail| tail.modified);
        // What else happened to it before it was rotated away is seen first: its copies are not generations.
        self.look_at_files(now, problems);
        let taken: Vec<_> = taken.iter().copied().chain(self.identities()).collect();
        self.close_gap(&taken)?;
        self.tails.push(Tail::start(file, 0, &self.lines)?);
        Ok(())
    }

    /// Gives a file away that has come to stand at another path.
    pub fn release(&mut self, identity: Identity) -> Option<Tail> {
        let index = self.tails.iter().position(|tail| tail.identity == identity)?;
        Some(self.tails.remove(index))
    }

    pub fn adopt(&mut self, tail: Tail) {
        self.tails.push(tail);
    }

    /// Says what is wrong with the path when that has changed.
    pub fn report(&mut self, reason: &'static str, text: Option<String>, problems: &mut Vec<Problem>) {
        let finding = text.map(|text| (reason, text));
        if let Some((_, text)) = finding.as_ref().filter(|finding| self.opening.as_ref() != Some(*finding)) {
            problems.push(Problem::new(&*self.origin.source, reason, 0, text.as_str()));
        }
        self.opening = finding;
    }

    /// Sees how far the files have grown, and lets go of those that are over.
    pub fn look(&mut self, poll: &Poll, quiet_after: Duration, problems: &mut Vec<Problem>) {
        self.look_at_files(poll.now, problems);
        let last = self.tails.len().saturating_sub(1);
        for tail in self.tails.iter_mut().take(last) {
            tail.ending |= tail.is_drained() && poll.now.duration_since(tail.changed_at) >= quiet_after;
        }
        self.let_go(problems);
    }

    fn look_at_files(&mut self, now: Instant, problems: &mut Vec<Problem>) {
        let mut failure = None;
        // The newest first: what stands in it was written after all that will then be seen in the older ones.
        for index in (0..self.tails.len()).rev() {
            let Some(tail) = self.tails.get_mut(index) else { continue };
            let looked = tail.look(now);
            let split = if tail.replaced { self.split(index) } else { Ok(()) };
            failure = looked.and(split).err().or(failure);
        }
        self.looking = self.say("looking at it", failure, self.looking.as_ref(), problems);
    }

    /// The same file with other content: what was read of the old goes on in the copy of it, if one was made.
    fn split(&mut self, index: usize) -> io::Result<()> {
        let taken: Vec<_> = self.identities().collect();
        let Some(tail) = self.tails.get_mut(index) else { return Ok(()) };
        let copy = locate::find_copy(&self.path, &tail.fingerprint(), tail.read_to(), &taken);
        if let Some(file) = tail.detach(copy)? {
            // The same inode at the same offset may now be another position.
            self.reported.clear();
            self.tails.insert(index + 1, Tail::start(file, 0, &self.lines)?);
        }
        Ok(())
    }

    fn let_go(&mut self, problems: &mut Vec<Problem>) {
        let last = self.tails.len().saturating_sub(1);
        let over: Vec<usize> = (0..last).filter(|index| self.tails.get(*index).is_some_and(Tail::is_over)).collect();
        for index in over.into_iter().rev() {
            let tail = self.tails.remove(index);
            self.finished.push_back(tail.mark());
            if self.finished.len() > FINISHED_MAX {
                self.finished.pop_front();
            }
        }
        while self.tails.len() > ROTATED_FILES_MAX {
            let tail = self.tails.remove(0);
            problems.push(Problem::new(
                &*self.origin.source,
                "lost",
                u64::from(!tail.is_drained()),
                format!(
                    "more than {ROTATED_FILES_MAX} rotated files are unread; the oldest is given up at byte {}. \
                     Rotate less often, or find out why reading is slow",
                    tail.offset()
                ),
            ));
        }
    }

    /// Nothing stands at the path and nothing is left to read: closes what is quiet. True when all is closed.
    pub fn leave(&mut self, poll: &Poll, quiet_after: Duration) -> bool {
        for tail in &mut self.tails {
            tail.ending |= tail.is_drained() && poll.now.duration_since(tail.changed_at) >= quiet_after;
        }
        self.tails.iter().all(Tail::is_over)
    }

    /// Makes sure that the path's next line is known, if it has one. An older file goes before a newer one.
    pub fn fill(&mut self, poll: &mut Poll, problems: &mut Vec<Problem>) -> Filled {
        poll.live.zone.clone_from(&self.lines.zone);
        let (mut failure, mut is_known) = (None, Filled::Empty);
        for index in 0..self.tails.len() {
            let Some(tail) = self.tails.get_mut(index) else { continue };
            match tail.fill(&self.origin, poll) {
                Ok(Filled::Empty) => {}
                Ok(filled) => {
                    self.judge_next(index, poll.live.reference);
                    is_known = filled;
                    break;
                }
                Err(error) => failure = Some(error),
            }
        }
        self.reading = self.say("reading", failure, self.reading.as_ref(), problems);
        is_known
    }

    /// Says what failed when it is another failure than before, and returns it.
    fn say(
        &self,
        what: &str,
        failure: Option<io::Error>,
        before: Option<&String>,
        problems: &mut Vec<Problem>,
    ) -> Option<String> {
        let text = format!("{what} failed ({}); it is tried again", failure?);
        if before != Some(&text) {
            problems.push(Problem::new(&*self.origin.source, "unreadable", 0, text.as_str()));
        }
        Some(text)
    }

    fn judge_next(&mut self, index: usize, arrival: Timestamp) {
        let Some(tail) = self.tails.get(index) else { return };
        let mut clock = self.clock;
        let believed = tail.judge_next(&mut clock, arrival, clock::skew());
        self.next = believed.map(|believed| (believed, clock));
        self.arrival = arrival;
    }

    /// The believed time of the next line.
    pub fn next_time(&self) -> Option<Timestamp> {
        self.next.map(|(believed, _)| believed)
    }

    /// Hands out the next line, with the number of its bytes.
    pub fn next_draft(&mut self) -> Option<(Draft, u64)> {
        let (believed, clock) = self.next.take()?;
        let next = self.tails.iter_mut().find_map(|tail| tail.next_draft(self.arrival, believed))?;
        self.clock = clock;
        Some(next)
    }

    /// The position, if it is another than when last asked.
    pub fn position(&mut self) -> Option<(String, Value)> {
        let now: Vec<_> = self.tails.iter().map(|tail| (tail.identity.inode, tail.offset())).collect();
        if now == self.reported || self.pending.is_some() {
            return None;
        }
        self.reported = now;
        let files = self.tails.iter().map(Tail::mark).collect();
        let position = Position { files, finished: self.finished.iter().cloned().collect(), clock: self.clock };
        Some((self.name.clone(), position.to_json()))
    }
}
