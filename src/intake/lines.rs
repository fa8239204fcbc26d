//! Lines out of chunks of bytes, as slices of the chunk, with the offsets at which they stand.

use bytes::Bytes;
use memchr::{memchr, memmem};

use super::utf16::Utf16;
use crate::limits::LINE_BYTES_MAX;

/// What an export of the journal begins with.
const EXPORT: &[u8] = b"__CURSOR=";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Without the line's end; not empty, at most [`LINE_BYTES_MAX`]. In UTF-8 where the file is in UTF-16.
    pub payload: Bytes,
    /// Offset of its first byte.
    pub start: u64,
    /// Offset behind its newline.
    pub end: u64,
    /// Where its payload itself stands, behind what was passed over and without the line's end.
    pub text: (u64, u64),
    /// It was longer.
    pub cut: bool,
}

/// Splits at newlines. Blank lines are passed over, and so are NUL bytes before a line: a writer that goes on at its old
/// offset after its file was truncated leaves a hole of them.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Bytes,
    /// This much of `pending` is known to have no newline.
    scanned: usize,
    pending_at: u64,
    line_at: u64,
    /// `None`: the bytes are the lines' own.
    encoding: Option<Utf16>,
    /// The file is an export of the journal: an entry is what stands between blank lines.
    is_export: bool,
    /// The beginning of a line longer than allowed, and where it stands, while the rest of it is passed over.
    overlong: Option<(Bytes, u64)>,
}

impl Lines {
    /// Starts at this offset, which must be the beginning of a line.
    pub fn at(offset: u64) -> Self {
        Self { pending_at: offset, line_at: offset, ..Self::default() }
    }

    /// Starts at an offset of a file that begins like this.
    pub fn of_file(offset: u64, beginning: &[u8]) -> Self {
        Self { encoding: Utf16::of(beginning), is_export: beginning.starts_with(EXPORT), ..Self::at(offset) }
    }

    /// Everything before this offset has been given; the first line not yet given begins here.
    pub fn line_at(&self) -> u64 {
        self.line_at
    }

    /// The next byte to be read.
    pub fn read_to(&self) -> u64 {
        self.pending_at + self.pending.len() as u64
    }

    /// A buffer that begins with what is held back, with room for more. To be called when [`next_line`](Self::next_line) has
    /// nothing left, and given back with [`put`](Self::put).
    pub fn take(&mut self, room: usize) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(self.pending.len() + room);
        buffer.extend_from_slice(&self.pending);
        buffer
    }

    pub fn put(&mut self, buffer: Vec<u8>) {
        self.pending = Bytes::from(buffer);
    }

    /// Nothing is held back, and NUL bytes that come next are passed over: those of a hole need not be read.
    pub fn is_between(&self) -> bool {
        self.pending.is_empty() && self.encoding.is_none()
    }

    /// What stands before this offset is nothing but NUL bytes, and [is passed over](Self::is_between).
    pub fn go_on_at(&mut self, offset: u64) {
        (self.pending_at, self.scanned) = (offset, 0);
    }

    /// The next whole line.
    pub fn next_line(&mut self) -> Option<Line> {
        loop {
            if self.pending_at == 0 && self.encoding.is_none() {
                self.encoding = Utf16::of(&self.pending);
                self.is_export = self.pending.starts_with(EXPORT);
            }
            self.pass_over_hole();
            let Some(end) = self.line_end() else {
                self.hold_back();
                return None;
            };
            let text = self.pending.split_to(end);
            if let Some(line) = self.line(text, end) {
                return Some(line);
            }
        }
    }

    /// Behind the next newline.
    fn line_end(&self) -> Option<usize> {
        match self.encoding {
            Some(encoding) => encoding.newline_end(&self.pending, self.scanned),
            None if self.is_export => {
                // The newline before a blank line may have been seen already.
                let from = self.scanned.saturating_sub(1);
                memmem::find(self.pending.get(from..)?, b"\n\n").map(|found| found + from + 2)
            }
            None => {
                let unscanned = self.pending.get(self.scanned..).unwrap_or_default();
                memchr(b'\n', unscanned).map(|found| found + self.scanned + 1)
            }
        }
    }

    /// What is left when nothing more will come: a last line without a newline.
    pub fn finish(&mut self) -> Option<Line> {
        self.pass_over_hole();
        let text = std::mem::take(&mut self.pending);
        let length = text.len();
        self.line(text, length)
    }

    fn line(&mut self, text: Bytes, consumed: usize) -> Option<Line> {
        let start = self.line_at;
        let text_at = self.overlong.as_ref().map_or(self.pending_at, |(_, at)| *at);
        self.scanned = 0;
        self.pending_at += consumed as u64;
        self.line_at = self.pending_at;
        let overlong = self.overlong.take();
        let is_overlong = overlong.is_some();
        let text = overlong.map_or(text, |(beginning, _)| beginning);
        let encoded = text.len();
        let mut payload = match self.encoding {
            None if is_overlong => text,
            None => without_end(text),
            Some(encoding) => without_end(Bytes::from(encoding.decode(&text))),
        };
        let cut = is_overlong || payload.len() > LINE_BYTES_MAX;
        payload.truncate(LINE_BYTES_MAX);
        // What is not in UTF-8 stands there in its own encoding, with the line's end.
        let length = if self.encoding.is_some() { encoded } else { payload.len() } as u64;
        let text = (text_at, text_at + length);
        (!payload.is_empty()).then_some(Line { payload, start, end: self.line_at, text, cut })
    }

    fn pass_over_hole(&mut self) {
        if self.overlong.is_none() && self.encoding.is_none() && self.pending.first() == Some(&0) {
            let hole = self.pending.iter().take_while(|byte| **byte == 0).count();
            self.pass_over(hole);
        }
    }

    /// No newline yet: waits for it, but never with more than one line's worth of memory.
    fn hold_back(&mut self) {
        self.scanned = self.pending.len();
        // One more for a carriage return, which is not part of the line.
        if self.overlong.is_none() && self.pending.len() > LINE_BYTES_MAX + 1 {
            let beginning = self.pending.get(..LINE_BYTES_MAX).map(Bytes::copy_from_slice);
            self.overlong = beginning.map(|beginning| (beginning, self.pending_at));
        }
        if self.overlong.is_some() {
            // Half a code unit waits for its other half.
            let half = if self.encoding.is_some() { self.pending.len() % 2 } else { 0 };
            self.pass_over(self.pending.len() - half);
        }
    }

    fn pass_over(&mut self, count: usize) {
        drop(self.pending.split_to(count));
        self.pending_at += count as u64;
        self.scanned = 0;
    }
}

fn without_end(mut text: Bytes) -> Bytes {
    for end in [b'\n', b'\n', b'\r'] {
        if text.last() == Some(&end) {
            text.truncate(text.len() - 1);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All lines of a text that arrives in chunks of these sizes, over and over.
    fn split(text: &[u8], sizes: &[usize]) -> Vec<Line> {
        let (mut lines, mut found, mut rest) = (Lines::at(0), Vec::new(), text);
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, later) = rest.split_at((*size).clamp(1, rest.len()));
            let mut buffer = lines.take(chunk.len());
            buffer.extend_from_slice(chunk);
            lines.put(buffer);
            found.extend(std::iter::from_fn(|| lines.next_line()));
            assert!(lines.pending.len() <= LINE_BYTES_MAX + 1, "memory is bounded");
            rest = later;
        }
        found.extend(lines.finish());
        found
    }

    fn texts(lines: &[Line]) -> Vec<&[u8]> {
        lines.iter().map(|line| &*line.payload).collect()
    }

    #[test]
    fn blank_lines_carriage_returns_and_holes_are_not_part_of_a_line() {
        let lines = split(b"\0\0\0one\r\n\n\r\ntw\0o\n\xff\xfe\nlast", &[3]);
        assert_eq!(texts(&lines), [b"one" as &[u8], b"tw\0o", b"\xff\xfe", b"last"]);
        assert_eq!((lines[0].start, lines[0].end), (0, 8));
        assert_eq!((lines[1].start, lines[1].end), (11, 16));
    }

    #[test]
    fn an_overlong_line_is_cut_at_the_limit_and_the_next_one_is_whole() {
        let mut text = vec![b'x'; 10 * 1024 * 1024];
        text.extend_from_slice(b"\nnext\n");
        for size in [1000, LINE_BYTES_MAX, 256 * 1024, text.len()] {
            let lines = split(&text, &[size]);
            assert_eq!(
                lines.iter().map(|line| (line.payload.len(), line.cut)).collect::<Vec<_>>(),
                [(LINE_BYTES_MAX, true), (4, false)]
            );
            assert_eq!(lines[0].end, 10 * 1024 * 1024 + 1);
        }
    }

    #[test]
    fn lines_in_utf_16_are_read_whatever_the_chunks_and_from_any_of_their_offsets() {
        let text = "\u{feff}grün\r\n\nzwei 😀\nlast";
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(order).collect();
            for size in [1, 2, 3, 7, bytes.len()] {
                let lines = split(&bytes, &[size]);
                assert_eq!(texts(&lines), ["grün".as_bytes(), "zwei 😀".as_bytes(), b"last"], "{size}");
                let mut rest = Lines::of_file(lines[0].end, &bytes);
                rest.put(bytes[lines[0].end as usize..].to_vec());
                assert_eq!(rest.next_line().map(|line| line.payload), Some("zwei 😀".into()));
            }
        }
    }

    #[test]
    fn an_export_of_the_journal_has_one_entry_between_blank_lines() {
        let text = b"__CURSOR=a\nMESSAGE=one\n\n__CURSOR=b\nMESSAGE=two\n\n";
        for size in [1, 2, 5, text.len()] {
            let lines = split(text, &[size]);
            assert_eq!(texts(&lines), [b"__CURSOR=a\nMESSAGE=one" as &[u8], b"__CURSOR=b\nMESSAGE=two"], "{size}");
        }
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_whole() {
        for end in ["\n", "\r\n"] {
            let text = format!("{}{end}", "x".repeat(LINE_BYTES_MAX));
            let lines = split(text.as_bytes(), &[LINE_BYTES_MAX + 1, 1]);
            assert_eq!((lines.len(), lines[0].payload.len(), lines[0].cut), (1, LINE_BYTES_MAX, false));
        }
    }

    proptest! {
        #[test]
        fn the_sizes_of_the_chunks_do_not_matter_and_every_offset_starts_the_rest(
            text in prop::collection::vec(prop::sample::select(b"ab\n\r\0\xff".to_vec()), 0..200),
            sizes in prop::collection::vec(1_usize..40, 1..8),
        ) {
            let whole = split(&text, &[text.len().max(1)]);
            prop_assert_eq!(&split(&text, &sizes), &whole);
            for (index, line) in whole.iter().enumerate() {
                let rest = split(&text[line.end as usize..], &sizes);
                prop_assert_eq!(texts(&rest), texts(&whole[index + 1..]));
            }
        }
    }
}
