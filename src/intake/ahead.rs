//! The lines of one input, read and parsed before they are needed, each on whichever thread is free.
//!
//! What a line means may depend on those before it (see `context.rs` and `multiline.rs`), and that is for whoever takes the lines in their
//! order. Here each is parsed as if it stood alone below the names of its columns; where that turns out to be wrong, it is parsed again.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Origin;
use super::context::Context;
use super::lines::{Line, Lines};
use super::raw::ParsedAhead;
use crate::limits::{FILE_CHUNK_BYTES, REPLAY_AHEAD_MAX, REPLAY_BATCH_BYTES, REPLAY_BATCH_LINES};
use crate::pool::{Pending, Pool};

/// What was read.
pub enum Input {
    Line(Line, Meaning),
    Failed(io::Error),
}

/// What a line means by itself.
pub enum Meaning {
    /// A raw event, as the daemon shows it.
    Entry(Map<String, Value>),
    Line(Box<ParsedAhead>),
    /// It is likely to be part of the record before it.
    NotParsed,
}

pub struct ReadAhead {
    reader: Box<dyn BufRead + Send>,
    lines: Lines,
    is_at_end: bool,
    /// Knows the names of columns up to here.
    context: Context,
    pool: Arc<Pool>,
    /// As many pieces, of as many lines, are read before they are needed.
    pieces: usize,
    piece_lines: usize,
    pending: VecDeque<Pending<Vec<Input>>>,
    ready: std::vec::IntoIter<Input>,
}

/// A line that nobody has looked at yet, and what belongs to it by its place.
type Unparsed = io::Result<(Line, Vec<(String, String)>)>;

impl ReadAhead {
    /// `inputs`: all that are read beside each other share the room.
    pub fn new(reader: Box<dyn BufRead + Send>, pool: Arc<Pool>, inputs: usize) -> Self {
        let pieces = pool.ahead().min(REPLAY_AHEAD_MAX / inputs.max(1)).max(2);
        let piece_lines =
            (REPLAY_AHEAD_MAX * REPLAY_BATCH_LINES / (pieces * inputs.max(1))).clamp(1, REPLAY_BATCH_LINES);
        Self {
            reader,
            lines: Lines::at(0),
            is_at_end: false,
            context: Context::default(),
            pool,
            pieces,
            piece_lines,
            pending: VecDeque::new(),
            ready: Vec::new().into_iter(),
        }
    }

    /// What comes next; `None` at the end. To be called with the same origin each time.
    pub fn next(&mut self, origin: &Origin) -> Option<Input> {
        loop {
            if let Some(input) = self.ready.next() {
                return Some(input);
            }
            self.read_on(origin);
            self.ready = self.pending.pop_front()?.wait().into_iter();
        }
    }

    fn read_on(&mut self, origin: &Origin) {
        while self.pending.len() < self.pieces {
            let piece = self.piece();
            if piece.is_empty() {
                return;
            }
            let origin = origin.clone();
            self.pending
                .push_back(self.pool.start(move || piece.into_iter().map(|line| parsed(line, &origin)).collect()));
        }
    }

    fn piece(&mut self) -> Vec<Unparsed> {
        let (mut piece, mut bytes) = (Vec::new(), 0);
        while piece.len() < self.piece_lines && bytes < REPLAY_BATCH_BYTES {
            match self.next_line() {
                Some(Ok(line)) => {
                    bytes += line.payload.len();
                    let columns = self.context.columns(&line.payload);
                    piece.push(Ok((line, columns)));
                }
                Some(Err(error)) => piece.push(Err(error)),
                None => break,
            }
        }
        piece
    }

    fn next_line(&mut self) -> Option<io::Result<Line>> {
        loop {
            if let Some(line) = self.lines.next_line() {
                return Some(Ok(line));
            }
            if self.is_at_end {
                return self.lines.finish().map(Ok);
            }
            let mut buffer = self.lines.take(FILE_CHUNK_BYTES);
            let held_back = buffer.len();
            let read = (&mut self.reader).take(FILE_CHUNK_BYTES as u64).read_to_end(&mut buffer);
            self.is_at_end = read.is_err() || buffer.len() == held_back;
            self.lines.put(buffer);
            if let Err(error) = read {
                return Some(Err(error));
            }
        }
    }
}

fn parsed(line: Unparsed, origin: &Origin) -> Input {
    let (line, columns) = match line {
        Ok(line) => line,
        Err(error) => return Input::Failed(error),
    };
    if let Some(entry) = entry_of(&line.payload) {
        return Input::Line(line, Meaning::Entry(entry));
    }
    let meaning = match line.payload.first() {
        Some(b' ' | b'\t') => Meaning::NotParsed,
        _ => Meaning::Line(Box::new(origin.parse_ahead(&line.payload, columns))),
    };
    Input::Line(line, meaning)
}

fn entry_of(line: &[u8]) -> Option<Map<String, Value>> {
    if line.first() != Some(&b'{') || memchr::memmem::find(line, b"\"payload\"").is_none() {
        return None;
    }
    let object: Map<_, _> = serde_json::from_slice(line).ok()?;
    // The attributes of an entry are texts and numbers. A sensor's own line may have a `payload` as well, beside objects that
    // say what it has seen.
    let is_attribute = |(name, value): (&String, &Value)| name == "payload" || !(value.is_object() || value.is_array());
    (object.contains_key("payload") && object.iter().all(is_attribute)).then_some(object)
}
