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
use crate::parse::lossy;

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

    /// The earlier lines that a line goes on from, by what it says. Then remembers it for those that follow.
    pub fn follow(&mut self, line: &Bytes, record: &Record) -> Option<(String, String)> {
        let host = record.entity.host.as_deref();
        let before = if joined::repeats_last(&record.message) {
            self.last_of(host)
        } else {
            let key = joined::container_key(line).or_else(|| joined::key(record));
            let before =
                key.as_ref().filter(|key| !key.begins_with(&record.message)).and_then(|key| self.pieces_of(key));
            self.remember(line, host.unwrap_or_default());
            if let Some(key) = key {
                self.add_piece(key, line);
            }
            before
        };
        before.map(|text| (BEFORE.to_owned(), text))
    }

    /// The same for a message of the journal, which has no header of its own.
    pub fn follow_message(&mut self, record: &Record) -> Option<(String, String)> {
        let key = joined::key(record)?;
        let before = if key.begins_with(&record.message) { None } else { self.pieces_of(&key) };
        let line = joined::line_of(record, &key);
        self.add_piece(key, &Bytes::from(line));
        before.map(|text| (BEFORE.to_owned(), text))
    }

    /// The oldest daemons leave out the host.
    fn last_of(&self, host: Option<&str>) -> Option<String> {
        let (_, line) = match host {
            Some(host) => self.last.iter().find(|(known, _)| known == host)?,
            None => self.last.back()?,
        };
        Some(String::from_utf8_lossy(line).into_owned())
    }

    fn pieces_of(&self, key: &joined::Key) -> Option<String> {
        self.pieces.iter().rev().find(|(known, _)| known == key).map(|(_, pieces)| pieces.clone())
    }

    fn remember(&mut self, line: &Bytes, host: &str) {
        match self.last.iter().rposition(|(known, _)| known == host) {
            Some(at) if at + 1 == self.last.len() => {
                if let Some((_, last)) = self.last.back_mut() {
                    *last = line.clone();
                }
            }
            Some(at) => {
                if let Some((host, _)) = self.last.remove(at) {
                    self.last.push_back((host, line.clone()));
                }
            }
            None => {
                if self.last.len() >= limits::CONTEXT_HOSTS_MAX {
                    self.last.pop_front();
                }
                self.last.push_back((host.to_owned(), line.clone()));
            }
        }
    }

    fn add_piece(&mut self, key: joined::Key, line: &Bytes) {
        let text = lossy(line);
        if key.ends_with(&text) {
            self.pieces.retain(|(known, _)| *known != key);
            return;
        }
        let known = self.pieces.iter().rposition(|(known, _)| *known == key);
        // A record with the same key that begins anew takes the place of the old one.
        let (key, mut pieces) = match known.and_then(|at| self.pieces.remove(at)) {
            Some((key, pieces)) if !key.begins_with(&text) => (key, pieces),
            Some((key, _)) => (key, String::new()),
            None => (key, String::new()),
        };
        if pieces.len() + text.len() < key.bytes_max() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Format;
    use crate::parse::record;

    fn given(context: &mut Context, line: &str) -> Option<String> {
        let record = record(line.as_bytes(), Format::Auto, &[]);
        context.follow(&Bytes::copy_from_slice(line.as_bytes()), &record).map(|(_, before)| before)
    }

    #[test]
    fn the_last_line_of_the_same_host_is_what_is_repeated() {
        let mut context = Context::default();
        let (one, two) = ("Feb 22 10:21:42 one sshd[7]: a", "Feb 22 10:21:42 two sshd[7]: b");
        assert_eq!((given(&mut context, one), given(&mut context, two)), (None, None));
        assert_eq!(given(&mut context, "Feb 22 10:21:43 one last message repeated 9 times").as_deref(), Some(one));
        assert_eq!(given(&mut context, "Feb 22 10:21:44 one last message repeated 3 times").as_deref(), Some(one));
        assert_eq!(
            given(&mut context, "Feb 22 10:21:44  sshd[7]: last message repeated 3 times").as_deref(),
            Some(two)
        );
        assert_eq!(given(&mut context, "Feb 22 10:21:44 six last message repeated 3 times"), None);
    }

    #[test]
    fn interleaved_records_are_kept_apart() {
        let mut context = Context::default();
        let line = |serial: u32, kind: &str| format!("type={kind} msg=audit(1.5:{serial}): argc=0");
        for serial in [1, 2] {
            assert_eq!(given(&mut context, &line(serial, "SYSCALL")), None);
        }
        assert_eq!(given(&mut context, &line(1, "EXECVE")), Some(line(1, "SYSCALL")));
        assert_eq!(given(&mut context, &line(2, "CWD")), Some(line(2, "SYSCALL")));
        assert_eq!(given(&mut context, &line(1, "PATH")), Some(line(1, "SYSCALL") + "\n" + &line(1, "EXECVE")));
    }

    #[test]
    fn a_command_that_begins_anew_is_not_continued_by_what_came_before_it() {
        let mut context = Context::default();
        let line = |text: &str| format!("Feb  9 21:21:02 web sudo[7]:  bob : {text}");
        let command = |command: &str| line(&format!("TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/{command}"));
        for name in ["one", "two"] {
            assert_eq!(given(&mut context, &command(name)), None);
            let goes_on = line("(command continued) more");
            assert_eq!(given(&mut context, &goes_on), Some(command(name)));
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut context = Context::default();
        for number in 0..1000 {
            given(&mut context, &format!("Feb 22 10:21:42 h{number} sudo: u : COMMAND=/bin/{}", "x".repeat(100)));
            given(
                &mut context,
                &format!("type=SYSCALL msg=audit(1.5:{number}): {}", "x".repeat(limits::LINE_BYTES_MAX)),
            );
        }
        assert!(context.last.len() <= limits::CONTEXT_HOSTS_MAX && context.pieces.len() <= limits::CONTEXT_RECORDS_MAX);
        assert!(context.pieces.iter().all(|(_, text)| text.len() <= limits::LINE_BYTES_MAX));
    }

    #[test]
    fn the_names_of_columns_are_known_behind_the_beginning_of_a_file() {
        let mut context = Context::of_beginning(b"#separator \\x09\n#fields\tts\tuid\r\n1\t2\n");
        assert_eq!(context.columns(b"1\t2"), [(COLUMNS.to_owned(), "#fields\tts\tuid".to_owned())]);
        assert_eq!((context.columns(b"{}"), context.columns(b"#close")), (Vec::new(), Vec::new()));
        context.columns(b"#fields\tid");
        assert_eq!(context.columns(b"1").len(), 1);
    }
}
