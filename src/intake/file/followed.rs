//! One path: the file that stands there now, and those that stood there before and still have lines to read.

mod gap;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use serde_json::Value;

use super::locate;
use super::opened::{Identity, Opened};
use super::patience::{Next, Waited};
use super::position::{Mark, Position};
use super::tail::{Filled, LinesOf, Poll, Tail};
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
    /// The next line, and the clock after it.
    next: Option<(Next, SourceClock)>,
    pub waited: Waited,
    arrival: Timestamp,
    /// Where an earlier run was, until the file can be opened to go on there.
    pending: Option<Position>,
    /// What came after this file may have come while nobody looked.
    gap_after: Option<Mark>,
    /// Inodes of those of them that cannot be read, which was said.
    passed_over: Vec<u64>,
    reported: Vec<(u64, u64, usize)>,
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
            lines: LinesOf { path: Arc::from(path.as_path()), zone, multiline: config.multiline },
            path,
            is_found,
            name,
            origin,
            tails: Vec::new(),
            finished: VecDeque::new(),
            clock: SourceClock::default(),
            next: None,
            waited: Waited::default(),
            arrival: Timestamp::ZERO,
            pending: None,
            gap_after: None,
            passed_over: Vec::new(),
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

    /// All that was seen of it has been handed out.
    pub fn is_at_end(&self) -> bool {
        !self.is_behind() && self.tails.iter().all(Tail::is_drained)
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

    /// Takes up another file at the path; before it, what came and went in between.
    ///
    /// # Errors
    /// It cannot be read; it can be tried again.
    pub fn rotate(
        &mut self,
        opened: &Opened,
        taken: &[Identity],
        now: Instant,
        problems: &mut Vec<Problem>,
    ) -> io::Result<()> {
        // As last seen: since then it may have been written to by somebody who has it open.
        self.gap_after = self.tails.last().map(Tail::mark);
        // What else happened to it before it was rotated away is seen first: its copies are not generations.
        self.look_at_files(now, problems);
        let taken: Vec<_> = taken.iter().copied().chain(self.identities()).collect();
        self.close_gap(&taken, problems)?;
        // While there is no room for all that came before it, it waits.
        if self.gap_after.is_none() {
            self.tails.push(Tail::start(opened, 0, &self.lines, locate::target(&self.path))?);
        }
        Ok(())
    }

    /// Gives a file away that has come to stand at another path.
    pub fn release(&mut self, identity: Identity) -> Option<Tail> {
        let index = self.tails.iter().position(|tail| tail.identity == identity)?;
        let tail = self.tails.remove(index);
        self.tails.iter_mut().skip(index).for_each(Tail::end_loan);
        Some(tail)
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
        for tail in &mut self.tails {
            tail.give_up_after(quiet_after, poll.now);
            let complaint = tail.complaint().map(|text| Problem::new(&*self.origin.source, "lost", 1, text));
            problems.extend(complaint);
        }
        self.let_go(problems);
    }

    fn look_at_files(&mut self, now: Instant, problems: &mut Vec<Problem>) {
        let mut failure = None;
        // The newest first: what stands in it was written after all that will then be seen in the older ones.
        for index in (0..self.tails.len()).rev() {
            let Some(tail) = self.tails.get_mut(index) else { continue };
            let looked = tail.look(now);
            let split = if tail.replaced { self.split(index, problems) } else { Ok(()) };
            failure = looked.and(split).err().or(failure);
        }
        self.looking = self.say("looking at it", failure, self.looking.as_ref(), problems);
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
            self.tails.iter_mut().for_each(Tail::end_loan);
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
        self.next = None;
        let (mut failure, mut is_known) = (None, Filled::Empty);
        for index in 0..self.tails.len() {
            match self.fill_of(index, poll) {
                Ok(Filled::Empty) => {}
                Ok(Filled::Held) => break,
                Ok(filled) => {
                    if filled == Filled::Ready {
                        self.judge_next(index, poll.live.reference);
                    }
                    is_known = filled;
                    break;
                }
                Err(error) => failure = Some(error),
            }
        }
        self.reading = self.say("reading", failure, self.reading.as_ref(), problems);
        is_known
    }

    fn fill_of(&mut self, index: usize, poll: &mut Poll) -> io::Result<Filled> {
        let Some((tail, newer)) = self.tails.get_mut(index..).and_then(<[Tail]>::split_first_mut) else {
            return Ok(Filled::Empty);
        };
        let filled = tail.fill(&self.origin, poll)?;
        if filled != Filled::Empty {
            return Ok(filled);
        }
        let is_whole = match newer.iter_mut().find(|newer| !newer.is_blank()).filter(|_| tail.is_open_at_end()) {
            Some(newer) => tail.go_on_in(newer, poll)?,
            None => false,
        };
        if is_whole || tail.close_if_quiet(poll) {
            return Ok(Filled::Ready);
        }
        // A newer file has to wait until the record is whole, which may go on there.
        Ok(if tail.is_open_at_end() { Filled::Held } else { Filled::Empty })
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
        let next = believed.map(|time| Next {
            time,
            is_behind: arrival.since(time) > clock::skew(),
            is_backlog: tail.is_next_backlog(),
        });
        self.next = next.map(|next| (next, clock));
        self.arrival = arrival;
    }

    /// The next line, where it is known.
    pub fn next(&self) -> Option<Next> {
        self.next.map(|(next, _)| next)
    }

    /// Hands out the next line, with the number of its bytes.
    pub fn next_draft(&mut self) -> Option<(Draft, u64)> {
        let (next, clock) = self.next.take()?;
        let mut drafts = self.tails.iter_mut().map(|tail| tail.next_draft(self.arrival, next.time)).enumerate();
        let (index, (draft, bytes, is_carried)) = drafts.find_map(|(index, draft)| Some((index, draft?)))?;
        if is_carried {
            self.tails.iter_mut().skip(index).for_each(Tail::end_loan);
        }
        self.clock = clock;
        Some((draft, bytes))
    }

    /// Files that are being unpacked with a window.
    pub fn windows(&self) -> usize {
        self.tails.iter().filter(|tail| tail.holds_window()).count()
    }

    /// The position, if it is another than when last asked.
    pub fn position(&mut self) -> Option<(String, Value)> {
        let now: Vec<_> = self.tails.iter().map(Tail::place).collect();
        if now == self.reported || self.pending.is_some() {
            return None;
        }
        self.reported = now;
        let files = self.tails.iter().map(Tail::mark).collect();
        let position = Position { files, finished: self.finished.iter().cloned().collect(), clock: self.clock };
        Some((self.name.clone(), position.to_json()))
    }
}
