//! Messages in a stream of bytes, as RFC 6587 puts them there: each announced by its length, or ended by a newline. Pure.
//!
//! Which of the two it is, is told for each message: digits, a blank and the `<` of a priority announce a length; all else, also a
//! message that begins with a year, ends at its newline.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use crate::limits::LINE_BYTES_MAX;

/// Digits of the length that a message may announce: what is longer than a line is cut, not refused.
const LENGTH_DIGITS_MAX: usize = 7;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Of its own, and no part of a larger piece of memory.
    pub text: Bytes,
    /// It was longer.
    pub cut: bool,
}

#[derive(Debug, Default)]
pub struct Messages {
    buffer: BytesMut,
    /// No newline is before here.
    scanned: usize,
    skipping: Skipping,
}

/// What is left of a message that was cut.
#[derive(Debug, Default, Clone, Copy)]
enum Skipping {
    #[default]
    Nothing,
    Bytes(usize),
    Line,
}

enum Frame {
    /// Behind so many bytes.
    Announced {
        head: usize,
        length: usize,
    },
    Line,
    /// Which, the next bytes tell.
    Undecided,
}

impl Messages {
    pub fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message that is whole. Of what is left without one there is never more than one message's worth.
    pub fn next_message(&mut self) -> Option<Message> {
        loop {
            if !self.skip() {
                return None;
            }
            let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\n' | b'\r' | 0)).count();
            self.pass_over(blank);
            match frame(&self.buffer) {
                Frame::Undecided => return None,
                Frame::Announced { head, length } => {
                    let taken = length.min(LINE_BYTES_MAX);
                    if self.buffer.len() < head + taken {
                        return None;
                    }
                    self.pass_over(head);
                    let text = self.split(taken);
                    self.skipping = Skipping::Bytes(length - taken);
                    if let Some(message) = message(&text, length > taken) {
                        return Some(message);
                    }
                }
                Frame::Line => return self.line(),
            }
        }
    }

    /// What is left at the end of the stream.
    pub fn finish(&mut self) -> Option<Message> {
        if !self.skip() {
            return None;
        }
        let text = self.split(self.buffer.len().min(LINE_BYTES_MAX));
        // Of a message that was announced and is not whole, the beginning.
        match frame(&text) {
            Frame::Announced { head, .. } => message(text.get(head..)?, true),
            Frame::Line | Frame::Undecided => message(&text, false),
        }
    }

    fn line(&mut self) -> Option<Message> {
        let unscanned = self.buffer.get(self.scanned..).unwrap_or_default();
        match memchr(b'\n', unscanned).map(|found| found + self.scanned) {
            Some(end) => {
                let text = self.split(end);
                message(&text, end > LINE_BYTES_MAX)
            }
            // One more for a carriage return, which is no part of it.
            None if self.buffer.len() > LINE_BYTES_MAX + 1 => {
                let text = self.split(LINE_BYTES_MAX);
                self.skipping = Skipping::Line;
                message(&text, true)
            }
            None => {
                self.scanned = self.buffer.len();
                None
            }
        }
    }

    /// Passes over the rest of a message that was cut; false while it has not come as a whole.
    fn skip(&mut self) -> bool {
        match self.skipping {
            Skipping::Nothing => return true,
            Skipping::Bytes(count) => {
                let here = count.min(self.buffer.len());
                self.pass_over(here);
                self.skipping = if here < count { Skipping::Bytes(count - here) } else { Skipping::Nothing };
            }
            Skipping::Line => {
                let end = memchr(b'\n', &self.buffer);
                self.pass_over(end.unwrap_or(self.buffer.len()));
                self.skipping = if end.is_some() { Skipping::Nothing } else { Skipping::Line };
            }
        }
        matches!(self.skipping, Skipping::Nothing)
    }

    fn pass_over(&mut self, count: usize) {
        self.buffer.advance(count);
        self.scanned = self.scanned.saturating_sub(count);
    }

    fn split(&mut self, count: usize) -> BytesMut {
        self.scanned = 0;
        self.buffer.split_to(count)
    }
}

fn frame(bytes: &[u8]) -> Frame {
    let digits = bytes.iter().take(LENGTH_DIGITS_MAX + 1).take_while(|byte| byte.is_ascii_digit()).count();
    match (bytes.first(), bytes.get(digits), bytes.get(digits + 1)) {
        (None, ..) => Frame::Undecided,
        (Some(b'1'..=b'9'), None, _) | (Some(b'1'..=b'9'), Some(b' '), None) if digits <= LENGTH_DIGITS_MAX => {
            Frame::Undecided
        }
        (Some(b'1'..=b'9'), Some(b' '), Some(b'<')) if digits <= LENGTH_DIGITS_MAX => {
            let length = bytes.iter().take(digits).fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
            Frame::Announced { head: digits + 1, length }
        }
        _ => Frame::Line,
    }
}

/// Without the newlines at its end; `None` if it has nothing else.
pub fn message(text: &[u8], cut: bool) -> Option<Message> {
    let end = text.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r' | 0))? + 1;
    let text = text.get(..end.min(LINE_BYTES_MAX))?;
    Some(Message { text: Bytes::copy_from_slice(text), cut: cut || end > LINE_BYTES_MAX })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &[u8], sizes: &[usize]) -> Vec<(Vec<u8>, bool)> {
        let (mut messages, mut found, mut rest) = (Messages::default(), Vec::new(), text);
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, later) = rest.split_at((*size).clamp(1, rest.len()));
            messages.put(chunk);
            found.extend(std::iter::from_fn(|| messages.next_message()));
            assert!(messages.buffer.len() <= LINE_BYTES_MAX + LENGTH_DIGITS_MAX + 1, "memory is bounded");
            rest = later;
        }
        found.extend(messages.finish());
        found.into_iter().map(|message| (message.text.to_vec(), message.cut)).collect()
    }

    fn texts(text: &str) -> Vec<String> {
        split(text.as_bytes(), &[3]).into_iter().map(|(text, _)| String::from_utf8(text).unwrap()).collect()
    }

    #[test]
    fn each_message_is_announced_by_its_length_or_ended_by_a_newline() {
        assert_eq!(
            texts("<13>a\n7 <13>b\nc<13>d\r\n\n7 <13>efg<13>h"),
            ["<13>a", "<13>b\nc", "<13>d", "<13>efg", "<13>h"]
        );
        assert_eq!(texts("8 <13>end\n\n5 <13>x"), ["<13>end", "<13>x"], "a newline behind an announced one is none");
    }

    #[test]
    fn what_only_looks_like_a_length_is_a_line() {
        let lines = ["2026-11-10T10:00:00Z web a: b", "12 monkeys", "0 <13>x", "99999999 <13>x", "192.0.2.1 - -", "7"];
        assert_eq!(texts(&lines.join("\n")), lines);
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_next_message_is_whole() {
        let long = "x".repeat(3 * LINE_BYTES_MAX);
        for text in [format!("<13>{long}\n<13>next\n"), format!("{} <13>{long}8 <13>next", long.len() + 4)] {
            for size in [1000, LINE_BYTES_MAX, text.len()] {
                let found = split(text.as_bytes(), &[size]);
                let shapes: Vec<_> = found.iter().map(|(text, cut)| (text.len(), *cut)).collect();
                assert_eq!(shapes, [(LINE_BYTES_MAX, true), (8, false)], "{size}");
            }
        }
    }

    #[test]
    fn what_was_looked_through_for_a_newline_is_not_looked_through_again() {
        let mut messages = Messages::default();
        for chunk in [&b"<13>begin"[..], b" and on"] {
            messages.put(chunk);
            assert_eq!(messages.next_message(), None);
            assert_eq!(messages.scanned, messages.buffer.len());
        }
        messages.put(b" to its end\n<13>x");
        assert_eq!(messages.next_message().unwrap().text, &b"<13>begin and on to its end"[..]);
        assert_eq!(messages.next_message(), None);
        messages.put(b"\n");
        assert_eq!(messages.next_message().unwrap().text, &b"<13>x"[..]);
    }

    proptest! {
        #[test]
        fn the_sizes_of_the_chunks_do_not_matter(
            text in prop::collection::vec(prop::sample::select(b"0123 <>a\n\r\0".to_vec()), 0..200),
            sizes in prop::collection::vec(1_usize..40, 1..8),
        ) {
            prop_assert_eq!(split(&text, &sizes), split(&text, &[text.len().max(1)]));
        }
    }
}
