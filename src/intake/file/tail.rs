//! One open file, read to its end again and again.

mod carry;
mod hole;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use super::opened::{Identity, Opened, bytes_at, changed, modified};
use super::packed::Chunk;
use super::position::{Fingerprint, Mark};
use super::text::{Text, read_plain};
use crate::event::{Draft, Times, Timestamp};
use crate::intake::Origin;
use crate::intake::clock::{SourceClock, TimedLine};
use crate::intake::context::Context;
use crate::intake::heads::{Head, Heads};
use crate::intake::lines::{Line, Lines};
use crate::intake::multiline::Multiline;
use crate::limits::{CONTEXT_BYTES_MAX, FILE_CHUNK_BYTES, FINGERPRINT_BYTES_MAX};
use crate::parse::Calendar;

/// What one poll allows every file it looks at.
pub struct Poll {
    pub now: Instant,
    /// For lines that were written while we were there to see it.
    pub live: Calendar,
    /// Bytes that may still be read to find the next line of the path that is being looked at.
    pub bytes_left: u64,
    /// Lines that were longer than allowed.
    pub cut: u64,
    /// A record that may go on waits so long for its next line.
    pub record_wait: Duration,
    /// So many more files may be unpacked with a window.
    pub windows_left: usize,
    /// Lines of a full batch, by which it is counted how long files wait for each other.
    pub batch_lines: usize,
}

/// What is known beforehand of the lines of a file.
#[derive(Debug, Clone)]
pub struct LinesOf {
    /// That their source names.
    pub path: Arc<Path>,
    pub zone: TimeZone,
    pub multiline: Multiline,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// There is a next line.
    Ready,
    /// Nothing to read now.
    Empty,
    /// The next poll will know: this one's bytes are used up before a line was found, or the content was replaced.
    Busy,
    /// Nothing to read now, and nothing of a newer file before it has been.
    Held,
}

pub struct Tail {
    /// `None`: its content was truncated away; what was read of it is still to be given.
    text: Option<Text>,
    pub identity: Identity,
    beginning: Vec<u8>,
    lines: Lines,
    heads: Heads,
    /// That its source names.
    path: Arc<Path>,
    size: u64,
    changed: (i64, i64),
    pub modified: Timestamp,
    pub changed_at: Instant,
    /// Its last line was written so long ago that nothing more comes for it.
    is_settled: bool,
    /// Lines that end before here were there when the file was opened; their reference time is its last change.
    backlog_to: u64,
    backlog: Calendar,
    born: Option<Timestamp>,
    target: Option<PathBuf>,
    /// The line that is next, where it was looked at before.
    next: Option<Line>,
    /// Its first lines belong to a record of the file before it that has not been handed out yet.
    is_lent: bool,
    /// Another content stands in the file now.
    pub replaced: bool,
    /// The last byte read was NUL, as those of a hole are.
    is_in_hole: bool,
    /// Bytes that were seen and not read before that.
    unread: u64,
    /// It was given up: what is to be said.
    complaint: Option<String>,
    /// Nothing more will come: its last line is given even without a newline.
    pub ending: bool,
}

impl Tail {
    /// Starts at an offset, where a line begins. `target`: where it stands, if a link led there.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn start(opened: &Opened, offset: u64, lines: &LinesOf, target: Option<PathBuf>) -> io::Result<Self> {
        let known = usize::try_from(offset).unwrap_or(usize::MAX);
        // As much as there is: what has not been read yet has to be known again as well. To unpack for it would cost too much.
        let beginning = opened.beginning(if opened.packing.is_some() { known } else { FINGERPRINT_BYTES_MAX })?;
        let context = Context::of_beginning(&opened.text(known.min(CONTEXT_BYTES_MAX))?);
        let text = Text::of(opened);
        let size = text.size(opened);
        Ok(Self {
            identity: opened.identity,
            lines: Lines::of_file(offset, &beginning),
            beginning,
            heads: Heads::new(lines.multiline, context, opened.place(&lines.path)),
            path: Arc::clone(&lines.path),
            size,
            changed: opened.changed,
            modified: opened.modified,
            changed_at: Instant::now(),
            is_settled: false,
            backlog_to: size,
            backlog: Calendar { zone: lines.zone.clone(), reference: opened.modified },
            born: opened.born,
            target,
            next: None,
            is_lent: false,
            replaced: false,
            is_in_hole: false,
            unread: 0,
            complaint: None,
            ending: false,
            text: Some(text),
        })
    }

    /// Everything before this byte was handed out.
    pub fn offset(&self) -> u64 {
        if self.is_lent {
            return 0;
        }
        let next = self.heads.start().or(self.next.as_ref().map(|line| line.start));
        next.unwrap_or(self.lines.line_at())
    }

    /// Changes whenever the mark says anything else of what was read.
    pub fn place(&self) -> (u64, u64, usize) {
        (self.identity.inode, self.offset(), self.beginning.len())
    }

    /// Nothing has ever been seen in it.
    pub fn is_blank(&self) -> bool {
        self.size == 0
    }

    pub fn mark(&self) -> Mark {
        Mark {
            dev: self.identity.dev,
            inode: self.identity.inode,
            offset: self.offset(),
            fingerprint: Fingerprint::of(&self.beginning),
            modified: self.modified,
            seen: if matches!(self.text, Some(Text::Packed(_))) { 0 } else { self.size },
            born: self.born,
            target: self.target.clone(),
        }
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.beginning)
    }

    /// Where it stands, if a link led there.
    pub fn target(&self) -> Option<&Path> {
        self.target.as_deref()
    }

    pub fn read_to(&self) -> u64 {
        self.lines.read_to()
    }

    /// All that the last look saw has been handed out, but for a line without its newline.
    pub fn is_drained(&self) -> bool {
        self.heads.is_empty() && self.next.is_none() && (self.text.is_none() || self.lines.read_to() >= self.size)
    }

    /// All has been handed out, and nothing more will come.
    pub fn is_over(&self) -> bool {
        self.ending && !self.is_lent && self.is_drained() && self.lines.read_to() == self.lines.line_at()
    }

    /// Sees how large the file is now, and whether it still is what it was.
    ///
    /// # Errors
    /// The file cannot be examined.
    pub fn look(&mut self, now: Instant) -> io::Result<()> {
        let Some(text) = &mut self.text else { return Ok(()) };
        let metadata = text.metadata()?;
        let (changed, size) = (changed(&metadata), metadata.len());
        match text {
            Text::Plain(_) if changed == self.changed && size == self.size => return Ok(()),
            Text::Packed(_) if changed == self.changed => return Ok(()),
            Text::Packed(packed) => packed.try_again(),
            Text::Plain(file) => {
                self.is_settled = false;
                let read_to = self.lines.read_to();
                let beginning = bytes_at(file, 0, FINGERPRINT_BYTES_MAX)?;
                if size < read_to || !beginning.starts_with(&self.beginning) {
                    self.unread = self.size.saturating_sub(read_to);
                    self.replaced = true;
                } else {
                    self.beginning = beginning;
                }
                self.size = size;
            }
        }
        (self.changed_at, self.changed) = (now, changed);
        if !self.replaced {
            self.modified = modified(&metadata);
        }
        Ok(())
    }

    /// Splits off the file for its new content; what was read of the old one is still given by this tail, which can go
    /// on in a copy of it.
    pub fn detach(&mut self, copy: Option<&Opened>) -> Option<Arc<File>> {
        let text = copy.map(Text::of);
        if let (Some(copy), Some(text)) = (copy, &text) {
            self.identity = copy.identity;
            self.heads.move_to(copy.place(&self.path));
            (self.size, self.changed, self.born) = (text.size(copy), copy.changed, copy.born);
        } else if self.unread > 0 {
            self.complaint = Some(format!(
                "it was emptied, and no copy of it is to be found: {} bytes that stood in it behind byte {} are lost (let \
                 rotation rename it, or keep the copy beside it)",
                self.unread,
                self.lines.read_to()
            ));
        }
        self.ending |= copy.is_none();
        (self.replaced, self.unread) = (false, 0);
        match std::mem::replace(&mut self.text, text) {
            Some(Text::Plain(file)) => Some(file),
            _ => None,
        }
    }

    /// It is being unpacked with a window.
    pub fn holds_window(&self) -> bool {
        matches!(&self.text, Some(Text::Packed(packed)) if packed.holds_window())
    }

    /// Lets go of a packed file that is damaged, or whose end has not come for so long that nobody writes it any more.
    pub fn give_up_after(&mut self, quiet: Duration, now: Instant) {
        let Some(Text::Packed(packed)) = &self.text else { return };
        let is_quiet = now.duration_since(self.changed_at) >= quiet;
        if let Some(fault) = packed.fault().filter(|_| is_quiet).map(str::to_owned) {
            self.give_up(&fault);
        }
    }

    fn give_up(&mut self, why: &str) {
        let Some(Text::Packed(packed)) = &self.text else { return };
        self.complaint = Some(packed.given_up(why, self.lines.read_to()));
        (self.text, self.ending) = (None, true);
    }

    /// What was lost of it, once.
    pub fn complaint(&mut self) -> Option<String> {
        self.complaint.take()
    }

    /// Makes sure that the next record is known, if there is one, and those after it that judge its time. One that may still go on is
    /// left open: see [`close_if_quiet`](Self::close_if_quiet).
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn fill(&mut self, origin: &Origin, poll: &mut Poll) -> io::Result<Filled> {
        loop {
            if self.heads.is_full() {
                return Ok(Filled::Ready);
            }
            if let Some(line) = self.next.take().or_else(|| self.lines.next_line()) {
                self.hold(line, origin, poll);
            } else if self.replaced || self.text.is_none() || self.lines.read_to() >= self.size {
                break;
            } else if poll.bytes_left == 0 {
                return Ok(Filled::Busy);
            } else {
                match self.read(poll)? {
                    Chunk::Wait if self.replaced => return Ok(Filled::Busy),
                    Chunk::Wait => return Ok(Filled::Held),
                    Chunk::Bytes(count) => poll.bytes_left = poll.bytes_left.saturating_sub(count as u64),
                    Chunk::End => break,
                    Chunk::Refused(why) => self.give_up(&why),
                }
            }
        }
        if self.ending
            && let Some(line) = self.lines.finish()
        {
            self.hold(line, origin, poll);
        }
        Ok(if self.heads.is_ready() { Filled::Ready } else { Filled::Empty })
    }

    /// Takes the last record for whole if nothing more comes for it. True if that makes the next record known.
    pub fn close_if_quiet(&mut self, poll: &Poll) -> bool {
        if self.ending || self.is_quiet(poll) {
            self.heads.close();
        }
        self.heads.is_ready()
    }

    /// Nothing was written for so long that the last record is whole. Half a line belongs to nothing yet.
    fn is_quiet(&mut self, poll: &Poll) -> bool {
        let is_old = self.modified.plus(poll.record_wait) <= poll.live.reference;
        self.is_settled |= poll.now.duration_since(self.changed_at) >= poll.record_wait || (self.is_unseen() && is_old);
        self.is_settled
    }

    /// It has not changed since it was opened.
    fn is_unseen(&self) -> bool {
        self.size == self.backlog_to
    }

    fn hold(&mut self, line: Line, origin: &Origin, poll: &mut Poll) {
        poll.cut += u64::from(line.cut);
        let is_backlog = line.end <= self.backlog_to;
        let calendar = if is_backlog { &self.backlog } else { &poll.live };
        self.heads.take(line, origin, calendar, is_backlog);
    }

    /// Reads one chunk of what the last look saw.
    fn read(&mut self, poll: &mut Poll) -> io::Result<Chunk> {
        if self.is_in_hole && self.pass_over_hole()? {
            return Ok(if self.replaced { Chunk::Wait } else { Chunk::Bytes(0) });
        }
        let at = self.lines.read_to();
        let unread = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut buffer = self.lines.take(unread.min(FILE_CHUNK_BYTES));
        let held_back = buffer.len();
        let result = match &mut self.text {
            None => Ok(Chunk::End),
            Some(Text::Packed(packed)) => Ok(packed.read(at, &mut buffer, &mut poll.windows_left)),
            Some(Text::Plain(file)) => read_plain(file, at, unread, &mut buffer, &self.beginning),
        };
        if at < FINGERPRINT_BYTES_MAX as u64 && self.beginning.len() as u64 == at {
            let fresh = buffer.get(held_back..).unwrap_or_default().iter();
            self.beginning.extend(fresh.take(FINGERPRINT_BYTES_MAX - self.beginning.len()));
        }
        self.is_in_hole = buffer.last() == Some(&0);
        self.lines.put(buffer);
        let chunk = result?;
        match (&chunk, &self.text) {
            // Another content stands there.
            (Chunk::Wait, Some(Text::Plain(_))) => self.replaced = true,
            (Chunk::End, Some(Text::Packed(_))) => {
                // Nothing is ever added to what is packed.
                (self.size, self.ending) = (self.lines.read_to(), true);
            }
            _ => {}
        }
        Ok(chunk)
    }

    /// Moves the clock over the next record and returns the time that is believed of it.
    pub fn judge_next(&self, clock: &mut SourceClock, arrival: Timestamp, skew: Duration) -> Option<Timestamp> {
        let head = self.heads.first()?;
        let next: Vec<_> = self.heads.later().map(|head| head.time.claim).collect();
        Some(clock.take(&TimedLine {
            claim: head.time.claim,
            arrival: Some(arrival),
            reference: head.draft.times.ts.as_claimed(),
            limit: arrival.plus(skew),
            skew,
            next: &next,
            is_end: head.is_backlog && self.heads.are_few(),
        }))
    }

    /// The next record was there when the file was opened.
    pub fn is_next_backlog(&self) -> bool {
        self.heads.first().is_some_and(|head| head.is_backlog)
    }

    /// Hands out the next record, the number of its bytes, and whether its last lines stand in the next file.
    pub fn next_draft(&mut self, arrival: Timestamp, believed: Timestamp) -> Option<(Draft, u64, bool)> {
        let Head { mut draft, time, bytes, is_carried, .. } = self.heads.pop()?;
        draft.times = Times { arrival, ..draft.times }.judged(time.stated, believed);
        Some((draft, bytes, is_carried))
    }
}
