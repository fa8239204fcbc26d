//! Whole files and streams, once, from beginning to end: the same order as [`FileSet`](super::file::FileSet) returns for
//! the same files.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::Origin;
use super::ahead::{Input, Meaning, ReadAhead};
use super::clock::{self, SourceClock, TimedLine};
use super::content::{self, Content};
use super::context::Context;
use super::entry::{self, EntryError};
use super::heads::{Head, Heads};
use super::lines::Line;
use super::merge::Merge;
use super::multiline::Multiline;
use super::unpack::Unpacked;
use crate::event::{Body, Draft, Format, InFile, Stream, Times, Timestamp};
use crate::limits::{FILE_CHUNK_BYTES, SOURCE_CLOCKS_MAX};
use crate::parse::Calendar;
use crate::pool::Pool;

/// One file or stream to be replayed.
pub struct ReplayInput {
    pub origin: Origin,
    /// For times that leave out zone or year, and for lines without any.
    pub calendar: Calendar,
    /// When a file was written last.
    pub written: Option<Timestamp>,
    pub multiline: Multiline,
    /// What is read, as far as it is the same for all lines.
    pub file: InFile,
    pub reader: Box<dyn BufRead + Send>,
}

impl ReplayInput {
    /// A file; `source` is `file:<path as given>`, and what the lines leave out is taken from the file's last change.
    ///
    /// # Errors
    /// The file cannot be opened, or has no lines.
    pub fn open(path: &Path, stream: Stream, format: Format, compartment: &str, zone: TimeZone) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let reference = super::file::modified(&metadata);
        let mut reader = BufReader::with_capacity(FILE_CHUNK_BYTES, file);
        let is_packed = matches!(content::of(reader.fill_buf()?), Content::Packed(_));
        Ok(Self {
            origin: Origin {
                stream,
                source: Arc::from(format!("file:{}", path.display())),
                compartment: Arc::from(compartment),
                format,
            },
            calendar: Calendar { zone, reference },
            written: Some(reference),
            multiline: Multiline::Auto,
            file: InFile { inode: Some(metadata.ino()), is_packed, ..InFile::default() },
            reader: lines_of(reader)?,
        })
    }
}

/// A reader of the lines in what `reader` reads, which may be packed.
///
/// # Errors
/// It cannot be read, or has no lines.
pub fn lines_of(mut reader: impl BufRead + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    match content::of(reader.fill_buf()?) {
        Content::Lines => Ok(Box::new(reader)),
        Content::Packed(packing) => {
            let unpacked = BufReader::with_capacity(FILE_CHUNK_BYTES, Unpacked::new(packing, reader));
            // What is packed may be binary itself, or packed twice.
            lines_of_unpacked(unpacked)
        }
        Content::Unreadable(why) => Err(io::Error::new(io::ErrorKind::InvalidData, why)),
    }
}

fn lines_of_unpacked(mut reader: impl BufRead + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    match content::of(reader.fill_buf()?) {
        Content::Lines => Ok(Box::new(reader)),
        Content::Packed(_) => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is compressed twice: unpack it first"))
        }
        Content::Unreadable(why) => Err(io::Error::new(io::ErrorKind::InvalidData, why)),
    }
}

/// What stands in the input and cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("{input}: cannot be read ({error}); what follows in it is left out")]
    Read { input: Arc<str>, error: io::Error },
    #[error("{input}: the line at byte {offset} is refused: {error}")]
    Entry { input: Arc<str>, offset: u64, error: EntryError },
    #[error("{input}: the line at byte {offset} is longer than allowed and was cut")]
    Cut { input: Arc<str>, offset: u64 },
}

/// All lines of all inputs in order of time (see `merge.rs`). A line that is a JSON object with `payload`, as
/// the daemon shows raw events, is taken as such an entry. An error is said where it stands; the sequence goes on after it.
pub fn merged(inputs: Vec<ReplayInput>) -> Replay {
    merged_on(inputs, &Arc::new(Pool::new(0)))
}

/// The same, each line parsed by whichever thread of the pool is free.
pub fn merged_on(inputs: Vec<ReplayInput>, pool: &Arc<Pool>) -> Replay {
    let count = inputs.len();
    let mut replay = Replay { inputs: Vec::new(), merge: Merge::default(), errors: VecDeque::new(), bytes_given: 0 };
    for (index, input) in inputs.into_iter().enumerate() {
        let ReplayInput { origin, calendar, written, multiline, file, reader } = input;
        let limit = written.map(|written| written.plus(clock::skew()));
        replay.inputs.push(Reading {
            origin,
            calendar,
            ahead: ReadAhead::new(reader, Arc::clone(pool), count),
            heads: Heads::new(multiline, Context::default(), file),
            given: 0,
            clocks: BTreeMap::new(),
            limit,
        });
        replay.offer(index);
    }
    replay
}

/// See [`merged`].
pub struct Replay {
    inputs: Vec<Reading>,
    merge: Merge<Timestamp>,
    errors: VecDeque<ReplayError>,
    bytes_given: u64,
}

struct Reading {
    origin: Origin,
    calendar: Calendar,
    ahead: ReadAhead,
    heads: Heads,
    /// Where the last record that was handed out ends.
    given: u64,
    /// By source: entries name their own.
    clocks: BTreeMap<Arc<str>, SourceClock>,
    /// No line is believed that claims to be written after this.
    limit: Option<Timestamp>,
}

impl Replay {
    /// Bytes of the inputs behind what was handed out, for a progress bar.
    pub fn bytes_given(&self) -> u64 {
        self.bytes_given
    }

    fn offer(&mut self, index: usize) {
        let Some(reading) = self.inputs.get_mut(index) else { return };
        if let Some(time) = reading.read_head(&mut self.errors) {
            self.merge.offer(index, time);
        }
    }
}

impl Iterator for Replay {
    type Item = Result<Draft, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.errors.pop_front() {
            return Some(Err(error));
        }
        let index = self.merge.earliest()?;
        let reading = self.inputs.get_mut(index)?;
        let Head { draft, start, bytes, .. } = reading.heads.pop()?;
        let before = std::mem::replace(&mut reading.given, start + bytes);
        self.bytes_given += reading.given - before;
        self.offer(index);
        Some(Ok(draft))
    }
}

impl Reading {
    /// Reads on until the next record is known and its time can be judged. Returns that time.
    fn read_head(&mut self, errors: &mut VecDeque<ReplayError>) -> Option<Timestamp> {
        while !self.heads.is_full()
            && let Some(input) = self.ahead.next(&self.origin)
        {
            let (line, meaning) = match input {
                Input::Line(line, meaning) => (line, meaning),
                Input::Failed(error) => {
                    errors.push_back(ReplayError::Read { input: Arc::clone(&self.origin.source), error });
                    continue;
                }
            };
            let (input, offset) = (Arc::clone(&self.origin.source), line.start);
            if line.cut {
                errors.push_back(ReplayError::Cut { input: Arc::clone(&input), offset });
            }
            if let Err(error) = self.take(line, meaning) {
                errors.push_back(ReplayError::Entry { input, offset, error });
            }
        }
        if !self.heads.is_full() {
            self.heads.close();
        }
        self.judge_head()
    }

    fn take(&mut self, line: Line, meaning: Meaning) -> Result<(), EntryError> {
        let Self { origin, calendar, heads, .. } = self;
        match meaning {
            Meaning::Entry(entry) => {
                let mut draft = entry::from_entry(entry, origin.stream, &origin.source, calendar.reference)?;
                // Whoever replays what was recorded vouches for what it says of its sources.
                if let Body::Raw(raw) = &mut draft.body {
                    raw.is_named = false;
                }
                let claim = draft.times.ts.as_claimed();
                heads.push(Head::whole(draft, claim, &line));
            }
            Meaning::Line(ahead) => heads.take_parsed(line, Some(*ahead), origin, calendar),
            Meaning::NotParsed => heads.take_parsed(line, None, origin, calendar),
        }
        Ok(())
    }

    /// When a line was taken in is not known here.
    fn judge_head(&mut self) -> Option<Timestamp> {
        let is_end = self.heads.are_few();
        let head = self.heads.first()?;
        let source = clock::source_of(&head.draft);
        // A file whose lines are all newer than it: its own time was not kept.
        if self.clocks.is_empty() && head.time.claim > self.limit {
            self.limit = None;
        }
        let next: Vec<_> = self
            .heads
            .later()
            .filter(|head| clock::source_of(&head.draft) == source)
            .map(|head| head.time.claim)
            .collect();
        let line = TimedLine {
            claim: head.time.claim,
            arrival: None,
            reference: head.draft.times.ts.as_claimed(),
            limit: self.limit.unwrap_or(Timestamp::MAX),
            skew: clock::skew(),
            next: &next,
            // Lines of other sources in between tell nothing.
            is_end: is_end || next.is_empty(),
        };
        let has_room = self.clocks.len() < SOURCE_CLOCKS_MAX || self.clocks.contains_key(&source);
        let source = if has_room { source } else { Arc::from("") };
        let believed = self.clocks.entry(source).or_default().take(&line);
        let head = self.heads.first_mut()?;
        head.draft.times = Times::replayed(head.draft.times.ts, believed).judged(head.time.stated, believed);
        Some(believed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, text: &'static str) -> ReplayInput {
        ReplayInput {
            origin: Origin {
                stream: Stream::L3In,
                source: Arc::from(name),
                compartment: Arc::from(""),
                format: Format::Auto,
            },
            calendar: Calendar { zone: TimeZone::UTC, reference: Timestamp::from_millis(5000) },
            written: None,
            multiline: Multiline::Auto,
            file: InFile::default(),
            reader: Box::new(text.as_bytes()),
        }
    }

    fn payloads(replay: Replay) -> Vec<String> {
        replay
            .map(|item| match item {
                Ok(Draft { body: Body::Raw(raw), .. }) => String::from_utf8_lossy(&raw.payload).into_owned(),
                Ok(_) => "other".to_owned(),
                Err(error) => error.to_string(),
            })
            .collect()
    }

    #[test]
    fn entries_are_replayed_at_their_own_time_and_a_last_line_needs_no_newline() {
        let late = "{\"ts\":9,\"payload\":\"late\"}\n";
        let early = "{\"ts\":2,\"payload\":\"early\"}\n{\"ts\":3,\"other\":\"payload\"}";
        assert_eq!(
            payloads(merged(vec![input("a", late), input("b", early)])),
            ["early", "{\"ts\":3,\"other\":\"payload\"}", "late"]
        );
        let alert = "{\"event_type\":\"alert\",\"alert\":{\"signature\":\"x\"},\"payload\":\"UE9TVA==\"}";
        assert_eq!(payloads(merged(vec![input("eve.json", alert)])), [alert], "of a sensor");
    }

    #[test]
    fn what_a_recorded_entry_says_of_its_source_holds() {
        let entry = "{\"source\":\"boot\",\"payload\":\"x\"}";
        let keys = merged(vec![input("in.ndjson", entry)]).map(|item| match item {
            Ok(Draft { body: Body::Raw(raw), .. }) => raw.source_key().into_owned(),
            other => panic!("{other:?}"),
        });
        assert_eq!(keys.collect::<Vec<_>>(), ["boot"]);
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_said_with_its_place() {
        let text = "{\"payload\":\"x\"}\n{\"ts\":\"never\",\"payload\":\"y\"}\nline\n";
        let found = payloads(merged(vec![input("in.ndjson", text)]));
        assert_eq!(found.len(), 3);
        assert!(found.iter().any(|text| text.starts_with("in.ndjson: the line at byte 16 is refused")), "{found:?}");
    }
}
