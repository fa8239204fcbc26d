//! What a line of a file means only after others of the same file.
//!
//! The parser is a pure function of one line and what came beside it, so that a stored event can be parsed again at any
//! time. A source therefore hands the earlier lines along as attributes: the line that names the columns, the pieces of the
//! same record, the message that is said to have been repeated. It holds no line back for that: every line becomes its event
//! at once, and a position in the file stays the end of a line. What is remembered is bounded and is lost with the
//! process, but for the names of columns, which stand at the beginning of the file.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::event::Record;
use crate::limits;
use crate::parse::joined::{self, BEFORE, COLUMNS};

#[derive(Debug, Default)]
pub struct Context {
    naming: Option<String>,
    /// The last line of each host, the most recent at the end.
    last: VecDeque<(String, Bytes)>,
    /// The pieces of records that may go on, the most recent at the end.
    pieces: VecDeque<(joined::Key, String)>,
}

impl Context {
    /// Of a file that is read from somewhere behind this beginning of it.
    pub fn of_beginning(beginning: &[u8]) -> Self {
        let mut context = Self::default();
        for line in beginning.split(|byte| *byte == b'\n').take_while(|line| line.starts_with(b"#")) {
            context.is_naming(line.strip_suffix(b"\r").unwrap_or(line));
        }
        context
    }

    /// What belongs to a line by its file. Learns from it if it names the columns.
    pub fn columns(&mut self, line: &[u8]) -> Vec<(String, String)> {
        if line.first() == Some(&b'#') {
            self.is_naming(line);
            return Vec::new();
        }
        let naming = self.naming.as_ref().filter(|_| !matches!(line.first(), Some(b'{' | b'<')));
        naming.map(|naming| (COLUMNS.to_owned(), naming.clone())).into_iter().collect()
    }

    fn is_naming(&mut self, line: &[u8]) {
        if joined::is_naming(line) && line.len() <= limits::CONTEXT_BYTES_MAX {
            self.naming = Some(String::from_utf8_lossy(line).into_owned());
        }
    }

    /// The earlier lines that a line goes on from, by what it says.
    pub fn before(&self, record: &Record) -> Option<(String, String)> {
        let text = if joined::repeats_last(&record.message) {
            let host = record.entity.host.as_deref().unwrap_or_default();
            let (_, line) = self.last.iter().find(|(known, _)| known == host)?;
            String::from_utf8_lossy(line).into_owned()
        } else {
            let key = joined::key(record)?;
            self.pieces.iter().rev().find(|(known, _)| *known == key)?.1.clone()
        };
        Some((BEFORE.to_owned(), text))
    }

    /// To be called for each line, after [`before`](Self::before).
    pub fn remember(&mut self, line: &Bytes, record: &Record) {
        if joined::repeats_last(&record.message) {
            return;
        }
        let host = record.entity.host.as_deref().unwrap_or_default();
        match self.last.iter_mut().find(|(known, _)| known == host) {
            Some((_, last)) => *last = line.clone(),
            None => {
                if self.last.len() >= limits::CONTEXT_HOSTS_MAX {
                    self.last.pop_front();
                }
                self.last.push_back((host.to_owned(), line.clone()));
            }
        }
        if let Some(key) = joined::key(record) {
            self.add_piece(key, line);
        }
    }

    fn add_piece(&mut self, key: joined::Key, line: &Bytes) {
        let text = String::from_utf8_lossy(line);
        let known = self.pieces.iter().rposition(|(known, _)| *known == key);
        // A record with the same key that begins anew takes the place of the old one.
        let (key, mut pieces) = match known.and_then(|at| self.pieces.remove(at)) {
            Some((key, pieces)) if !key.begins_with(&text) => (key, pieces),
            Some((key, _)) => (key, String::new()),
            None => (key, String::new()),
        };
        if pieces.len() + text.len() < limits::CONTEXT_BYTES_MAX {
            if !pieces.is_empty() {
                pieces.push('\n');
            }
            pieces.push_str(&text);
        }
        if self.pieces.len() >= limits::CONTEXT_RECORDS_MAX {
            self.pieces.pop_front();
        }
        self.pieces.push_back((key, pieces));
    }
}
