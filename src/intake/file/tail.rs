//! One open file, read to its end again and again.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use super::position::{Fingerprint, Mark};
use crate::event::{Draft, Times, Timestamp};
use crate::intake::Origin;
use crate::intake::clock::{SourceClock, TimedLine};
use crate::intake::context::Context;
use crate::intake::heads::{Head, Heads};
use crate::intake::lines::{Line, Lines};
use crate::intake::multiline::Multiline;
use crate::limits::{CONTEXT_BYTES_MAX, FILE_CHUNK_BYTES, FINGERPRINT_BYTES_MAX};
use crate::parse::Calendar;

/// What makes a file the same file while it is open, whatever its name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub dev: u64,
    pub inode: u64,
}

impl Identity {
    pub fn of(metadata: &Metadata) -> Self {
        Self { dev: metadata.dev(), inode: metadata.ino() }
    }
}

/// What one poll allows every file it looks at.
pub struct Poll {
    pub now: Instant,
    /// For lines that were written while we were there to see it.
    pub live: Calendar,
    /// Bytes that may still be read.
    pub bytes_left: u64,
    /// Lines that were longer than allowed.
    pub cut: u64,
    /// A record that may go on waits so long for its next line.
    pub record_wait: Duration,
}

/// What is known beforehand of the lines of a file.
#[derive(Debug, Clone)]
pub struct LinesOf {
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
}

pub struct Tail {
    /// `None`: its content was truncated away; what was read of it is still to be given.
    file: Option<File>,
    pub identity: Identity,
    beginning: Vec<u8>,
    lines: Lines,
    heads: Heads,
    size: u64,
    changed: (i64, i64),
    pub modified: Timestamp,
    pub changed_at: Instant,
    /// Its last line was written so long ago that nothing more comes for it.
    is_settled: bool,
    /// Lines that end before here were there when the file was opened; their reference time is its last change.
    backlog_to: u64,
    backlog: Calendar,
    /// Another content stands in the file now.
    pub replaced: bool,
    /// Nothing more will come: its last line is given even without a newline.
    pub ending: bool,
}

/// Opens a regular file without waiting for anything.
///
/// # Errors
/// It cannot be opened, or it is a directory, a pipe or a device.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(io::Error::other("it is not a regular file")) }
}

/// When the file was last written.
pub fn modified(metadata: &Metadata) -> Timestamp {
    Timestamp::from_micros(metadata.mtime().saturating_mul(1_000_000).saturating_add(metadata.mtime_nsec() / 1000))
}

/// The first bytes of a file, at most [`FINGERPRINT_BYTES_MAX`] and at most `length`.
pub fn beginning(file: &File, length: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; length.min(FINGERPRINT_BYTES_MAX)];
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(buffer)
}

/// What the beginning of a file says of the lines behind `length`.
fn context(file: &File, length: usize) -> io::Result<Context> {
    let mut buffer = vec![0; length.min(CONTEXT_BYTES_MAX)];
    let count = file.read_at(&mut buffer, 0)?;
    buffer.truncate(count);
    Ok(Context::of_beginning(&buffer))
}

impl Tail {
    /// Starts at an offset, where a line begins.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn start(file: File, offset: u64, lines: &LinesOf) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let known = usize::try_from(offset).unwrap_or(usize::MAX);
        let beginning = beginning(&file, known)?;
        Ok(Self {
            identity: Identity::of(&metadata),
            lines: Lines::of_file(offset, &beginning),
            beginning,
            heads: Heads::new(lines.multiline, context(&file, known)?),
            size: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            modified: modified(&metadata),
            changed_at: Instant::now(),
            is_settled: false,
            backlog_to: metadata.len(),
            backlog: Calendar { zone: lines.zone.clone(), reference: modified(&metadata) },
            replaced: false,
            ending: false,
            file: Some(file),
        })
    }

    /// Everything before this byte was handed out.
    pub fn offset(&self) -> u64 {
        self.heads.start().unwrap_or(self.lines.line_at())
    }

    pub fn mark(&self) -> Mark {
        Mark {
            dev: self.identity.dev,
            inode: self.identity.inode,
            offset: self.offset(),
            fingerprint: Fingerprint::of(&self.beginning),
            modified: self.modified,
        }
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.beginning)
    }

    pub fn read_to(&self) -> u64 {
        self.lines.read_to()
    }

    /// All that the last look saw has been handed out, but for a line without its newline.
    pub fn is_drained(&self) -> bool {
        self.heads.is_empty() && (self.file.is_none() || self.lines.read_to() >= self.size)
    }

    /// All has been handed out, and nothing more will come.
    pub fn is_over(&self) -> bool {
        self.ending && self.is_drained() && self.lines.read_to() == self.lines.line_at()
    }

    /// Sees how large the file is now, and whether it still is what it was.
    ///
    /// # Errors
    /// The file cannot be examined.
    pub fn look(&mut self, now: Instant) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let metadata = file.metadata()?;
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        let size = metadata.len();
        if changed != self.changed || size != self.size {
            self.changed_at = now;
            self.is_settled = false;
            self.replaced |= size < self.lines.read_to() || !self.begins_as_before(file)?;
            (self.changed, self.size, self.modified) = (changed, size, modified(&metadata));
        }
        Ok(())
    }

    fn begins_as_before(&self, file: &File) -> io::Result<bool> {
        Ok(beginning(file, self.beginning.len())? == self.beginning)
    }

    /// Splits off the file for its new content; what was read of the old one is still given by this tail, which can go
    /// on in a copy of it.
    pub fn detach(&mut self, copy: Option<File>) -> io::Result<Option<File>> {
        let copy = match copy {
            Some(copy) => {
                let metadata = copy.metadata()?;
                self.identity = Identity::of(&metadata);
                (self.size, self.changed) = (metadata.len(), (metadata.ctime(), metadata.ctime_nsec()));
                Some(copy)
            }
            None => None,
        };
        self.ending |= copy.is_none();
        self.replaced = false;
        Ok(std::mem::replace(&mut self.file, copy))
    }

    /// Makes sure that the next record is known, if there is one, and those after it that judge its time.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn fill(&mut self, origin: &Origin, poll: &mut Poll) -> io::Result<Filled> {
        loop {
            if self.heads.is_full() {
                return Ok(Filled::Ready);
            }
            if let Some(line) = self.lines.next_line() {
                self.hold(line, origin, poll);
            } else if self.replaced || self.file.is_none() || self.lines.read_to() >= self.size {
                break;
            } else if poll.bytes_left == 0 {
                return Ok(Filled::Busy);
            } else {
                match self.read()? {
                    0 if self.replaced => return Ok(Filled::Busy),
                    0 => break,
                    count => poll.bytes_left = poll.bytes_left.saturating_sub(count as u64),
                }
            }
        }
        if self.ending
            && let Some(line) = self.lines.finish()
        {
            self.hold(line, origin, poll);
        }
        if self.ending || self.is_quiet(poll) {
            self.heads.close();
        }
        Ok(if self.heads.is_ready() { Filled::Ready } else { Filled::Empty })
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

    /// Reads one chunk of what the last look saw, and returns the number of bytes.
    fn read(&mut self) -> io::Result<usize> {
        let Some(file) = &self.file else { return Ok(0) };
        let at = self.lines.read_to();
        let unread = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        let room = unread.min(FILE_CHUNK_BYTES);
        let mut buffer = self.lines.take(room);
        let held_back = buffer.len();
        let result =
            (&mut &*file).seek(SeekFrom::Start(at)).and_then(|_| file.take(room as u64).read_to_end(&mut buffer));
        let count = buffer.len() - held_back;
        // Only after the read is it certain that these bytes belong to the content that began like this.
        let same = result.is_ok() && self.begins_as_before(file)?;
        if !same {
            buffer.truncate(held_back);
        }
        if same && at < FINGERPRINT_BYTES_MAX as u64 && self.beginning.len() as u64 == at {
            let fresh = buffer.get(held_back..).unwrap_or_default().iter();
            self.beginning.extend(fresh.take(FINGERPRINT_BYTES_MAX - self.beginning.len()));
        }
        self.lines.put(buffer);
        result?;
        self.replaced |= !same;
        Ok(if same { count } else { 0 })
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

    /// Hands out the next record, with the number of its bytes.
    pub fn next_draft(&mut self, arrival: Timestamp, believed: Timestamp) -> Option<(Draft, u64)> {
        let Head { mut draft, time, bytes, .. } = self.heads.pop()?;
        draft.times = Times { arrival, ..draft.times }.judged(time.stated, believed);
        Some((draft, bytes))
    }
}
