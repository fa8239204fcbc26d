//! The journal export format: fields as `NAME=text`, or as a name, a length and bytes; a blank line behind each entry.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use crate::limits::{FIELDS_PER_RECORD_MAX, JOURNAL_ENTRY_BYTES_MAX, JOURNAL_FIELD_BYTES_MAX};

/// journald allows this many bytes in a field's name.
const NAME_BYTES_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// In the order of the journal.
    pub fields: Vec<(String, Bytes)>,
    /// Fields that were cut at [`JOURNAL_FIELD_BYTES_MAX`], or left out because the entry was too large.
    pub curtailed: u64,
    bytes: usize,
}

impl Entry {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&Bytes> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The first value, where it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.field(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    fn push(&mut self, name: String, value: Bytes) {
        // What journald itself says of the sender, and the message, cannot be crowded out by what the sender adds.
        let is_vital = name.starts_with('_') || matches!(name.as_str(), "MESSAGE" | "SYSLOG_IDENTIFIER" | "PRIORITY");
        let is_vital = is_vital && self.fields.len() < 2 * FIELDS_PER_RECORD_MAX && self.field(&name).is_none();
        let fits = self.fields.len() < FIELDS_PER_RECORD_MAX && self.bytes + value.len() <= JOURNAL_ENTRY_BYTES_MAX;
        if is_vital || fits {
            self.bytes += value.len();
            self.fields.push((name, value));
        } else {
            self.curtailed += 1;
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    #[error("it is not the journal export format: `{0}` is not the name of a field")]
    Name(String),
    #[error("it is not the journal export format: the field {0} does not end where its length says")]
    Length(String),
}

#[derive(Debug, Default)]
enum State {
    /// At the beginning of a line.
    #[default]
    Line,
    /// In a text field longer than allowed: the rest is passed over.
    Overlong { name: String, value: Bytes },
    /// Before the eight bytes of a length.
    Length { name: String },
    /// In the bytes of a field.
    Data { name: String, value: BytesMut, left: u64 },
}

/// Reads entries out of bytes that come in pieces of any size. Memory is bounded by one entry and one piece.
#[derive(Debug, Default)]
pub struct Export {
    buffer: BytesMut,
    state: State,
    entry: Entry,
}

impl Export {
    /// Where further bytes are to be added.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole entry; `None` until there are more bytes.
    ///
    /// # Errors
    /// The bytes are something else. Nothing sensible can follow; start again with a new reader.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ExportError> {
        loop {
            let ended = match std::mem::take(&mut self.state) {
                State::Line => self.line()?,
                State::Overlong { name, value } => self.overlong(name, value),
                State::Length { name } => self.length(name),
                State::Data { name, value, left } => self.data(name, value, left)?,
            };
            match ended {
                Step::Wait => return Ok(None),
                Step::On => {}
                Step::Entry if self.entry.fields.is_empty() => {}
                Step::Entry => return Ok(Some(std::mem::take(&mut self.entry))),
            }
        }
    }

    fn line(&mut self) -> Result<Step, ExportError> {
        let Some(newline) = memchr(b'\n', &self.buffer) else {
            if self.buffer.len() <= NAME_BYTES_MAX + 1 + JOURNAL_FIELD_BYTES_MAX {
                return Ok(Step::Wait);
            }
            let text = self.buffer.split().freeze();
            let equals = memchr(b'=', &text).ok_or_else(|| bad_name(&text))?;
            let name = name(text.slice(..equals))?;
            let value = Bytes::copy_from_slice(cut(&text.slice(equals + 1..)));
            self.state = State::Overlong { name, value };
            return Ok(Step::On);
        };
        let mut text = self.buffer.split_to(newline + 1).freeze();
        text.truncate(newline);
        if text.is_empty() {
            return Ok(Step::Entry);
        }
        match memchr(b'=', &text) {
            Some(equals) => {
                let name = name(text.slice(..equals))?;
                self.keep(name, text.slice(equals + 1..));
            }
            None => self.state = State::Length { name: name(text)? },
        }
        Ok(Step::On)
    }

    fn overlong(&mut self, name: String, value: Bytes) -> Step {
        let Some(newline) = memchr(b'\n', &self.buffer) else {
            self.buffer.clear();
            self.state = State::Overlong { name, value };
            return Step::Wait;
        };
        self.buffer.advance(newline + 1);
        self.entry.curtailed += 1;
        self.entry.push(name, value);
        Step::On
    }

    fn length(&mut self, name: String) -> Step {
        if self.buffer.len() < 8 {
            self.state = State::Length { name };
            return Step::Wait;
        }
        self.state = State::Data { name, value: BytesMut::new(), left: self.buffer.get_u64_le() };
        Step::On
    }

    fn data(&mut self, name: String, mut value: BytesMut, left: u64) -> Result<Step, ExportError> {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        let part = self.buffer.split_to(take);
        // One byte more than is kept shows that there was more.
        let room = (JOURNAL_FIELD_BYTES_MAX + 1).saturating_sub(value.len());
        value.extend_from_slice(part.get(..room).unwrap_or(&part));
        let left = left - take as u64;
        match self.buffer.first() {
            Some(b'\n') if left == 0 => {
                self.buffer.advance(1);
                self.keep(name, value.freeze());
                Ok(Step::On)
            }
            Some(_) => Err(ExportError::Length(name)),
            None => {
                self.state = State::Data { name, value, left };
                Ok(Step::Wait)
            }
        }
    }

    fn keep(&mut self, name: String, mut value: Bytes) {
        let kept = cut(&value).len();
        self.entry.curtailed += u64::from(kept < value.len());
        value.truncate(kept);
        self.entry.push(name, value);
    }
}

enum Step {
    Wait,
    On,
    Entry,
}

fn cut(value: &[u8]) -> &[u8] {
    value.get(..JOURNAL_FIELD_BYTES_MAX).unwrap_or(value)
}

fn name(text: Bytes) -> Result<String, ExportError> {
    let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.iter().all(is_name) {
        return Err(bad_name(&text));
    }
    String::from_utf8(text.into()).map_err(|error| bad_name(error.as_bytes()))
}

fn bad_name(text: &[u8]) -> ExportError {
    ExportError::Name(String::from_utf8_lossy(text).chars().take(NAME_BYTES_MAX).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As journald writes it: with a length where the value has bytes that a line cannot hold.
    fn export(entries: &[Vec<(String, Vec<u8>)>]) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, value) in
            entries.iter().flat_map(|entry| entry.iter().map(Some).chain([None])).map(|field| match field {
                Some((name, value)) => (name.as_str(), value.as_slice()),
                None => ("", b"" as &[u8]),
            })
        {
            text.extend_from_slice(name.as_bytes());
            if value.iter().any(|byte| *byte < b' ') {
                text.push(b'\n');
                text.extend_from_slice(&(value.len() as u64).to_le_bytes());
                text.extend_from_slice(value);
            } else if !name.is_empty() {
                text.push(b'=');
                text.extend_from_slice(value);
            }
            text.push(b'\n');
        }
        text
    }

    fn read(text: &[u8], piece: usize) -> Result<Vec<Entry>, ExportError> {
        let (mut export, mut entries) = (Export::default(), Vec::new());
        for part in text.chunks(piece) {
            export.buffer().extend_from_slice(part);
            while let Some(entry) = export.next_entry()? {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    fn entry(fields: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect()
    }

    #[test]
    fn a_message_with_newlines_and_bytes_that_are_not_text_survives() {
        let message = b"line\n\nOTHER=field\n\xff\x00";
        let entries = read(&export(&[entry(&[("__CURSOR", b"c"), ("MESSAGE", message), ("X", b"")])]), 3).unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].field("MESSAGE").map(|value| &value[..]), Some(&message[..]));
        assert_eq!(entries[0].text("X"), Some(""));
        assert_eq!(entries[0].curtailed, 0);
    }

    #[test]
    fn a_huge_field_is_cut_and_the_entry_after_it_is_whole() {
        for filler in [b'x', b'\x01'] {
            let huge = vec![filler; 3 * JOURNAL_FIELD_BYTES_MAX];
            let text = export(&[entry(&[("__CURSOR", b"1"), ("MESSAGE", &huge)]), entry(&[("__CURSOR", b"2")])]);
            for piece in [777, 64 * 1024, text.len()] {
                let entries = read(&text, piece).unwrap();
                assert_eq!(entries[0].field("MESSAGE").map(Bytes::len), Some(JOURNAL_FIELD_BYTES_MAX));
                assert_eq!((entries[0].curtailed, entries[1].text("__CURSOR")), (1, Some("2")));
            }
        }
    }

    #[test]
    fn a_sender_cannot_crowd_out_the_message_or_what_journald_says_of_it() {
        let mut fields: Vec<_> = (0..2000).map(|n| (format!("X{n}"), b"y".to_vec())).collect();
        fields.extend((0..20).map(|n| (format!("Y{n}"), vec![b'z'; JOURNAL_FIELD_BYTES_MAX])));
        fields.extend(entry(&[("MESSAGE", b"m"), ("_UID", b"0")]));
        let entries = read(&export(&[fields]), 5000).unwrap();
        assert_eq!((entries[0].text("MESSAGE"), entries[0].text("_UID")), (Some("m"), Some("0")));
        assert_eq!(entries[0].fields.len(), FIELDS_PER_RECORD_MAX + 2);
        assert_eq!(entries[0].curtailed, 2020 - FIELDS_PER_RECORD_MAX as u64);
    }

    #[test]
    fn what_is_not_the_format_is_refused() {
        for text in [&b"-- No entries --\n"[..], b"=x\n", b"A\n\x01\0\0\0\0\0\0\0xyz\n", &[b'x'; 200_000]] {
            assert!(read(text, 4096).is_err());
        }
    }

    fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
        let value = prop::collection::vec(prop::sample::select(b"a=\n\0\xff ".to_vec()), 0..12);
        prop::collection::vec(("[A-Z_][A-Z0-9_]{0,8}", value), 1..6)
    }

    proptest! {
        #[test]
        fn entries_come_back_as_they_were_written_in_pieces_of_any_size(
            entries in prop::collection::vec(fields(), 0..5),
            piece in 1_usize..40,
        ) {
            let read = read(&export(&entries), piece).unwrap();
            let read: Vec<Vec<_>> = read
                .into_iter()
                .map(|entry| entry.fields.into_iter().map(|(name, value)| (name, value.to_vec())).collect())
                .collect();
            prop_assert_eq!(read, entries);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop::sample::select(b"AB=\n\0\x01\xff".to_vec()), 0..200), piece in 1_usize..40) {
            let _ = read(&bytes, piece);
        }
    }
}
