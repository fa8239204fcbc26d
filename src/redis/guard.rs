//! What a server answers, copied within bounds before anything decodes it: RESP2, and whole replies only.
//!
//! A text or list that is too large is left out, and a number stands in its place: how many bytes or elements it had, or
//! [`NO_ROOM`] where it is left out only because the reply has enough already. Redis itself never puts a number where a
//! field of an entry belongs.

use crate::limits::{
    LINE_BYTES_MAX, REDIS_DEPTH_MAX, REDIS_ELEMENTS_MAX, REDIS_LIST_MAX, REDIS_REPLY_BYTES_MAX, REDIS_TEXT_BYTES_MAX,
};

/// Stands for what another question can still bring.
pub const NO_ROOM: i64 = -1;
/// Texts up to this length always find room: ids and names of fields, by which the rest is asked for again.
const SHORT_BYTES: u64 = 64;
/// So do lists up to this length: an entry is a list of its id and its fields.
const SHORT_LIST: u64 = 4;
/// … up to this many times what a reply should hold.
const HARD_TIMES: usize = 2;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("the answer nests lists deeper than {REDIS_DEPTH_MAX}")]
    Depth,
    #[error("the answer is longer than any that was asked for")]
    Length,
    #[error("the answer is not in the protocol of Redis: {0}")]
    Protocol(&'static str),
}

#[derive(Debug, Default)]
pub struct Guard {
    state: State,
    /// The lists that are not complete, from the outermost.
    open: Vec<List>,
    /// The line that is not complete.
    line: Vec<u8>,
    /// Bytes of texts of the current reply that were let through.
    text_bytes: u64,
    /// Elements of its lists that were let through.
    elements: u64,
    out: Vec<u8>,
    /// Bytes of `out` that are whole replies.
    whole: usize,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Line,
    Text {
        left: u64,
        is_shown: bool,
    },
    AfterText {
        is_shown: bool,
    },
}

#[derive(Debug)]
struct List {
    left: u64,
    is_shown: bool,
}

impl Guard {
    /// Takes the next bytes that the server sent.
    ///
    /// # Errors
    /// They are not what may be answered. What follows them cannot be understood either.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Text { left, is_shown } => self.text(bytes, left, is_shown)?,
                State::Line | State::AfterText { .. } => self.line(bytes)?,
            };
        }
        Ok(())
    }

    /// The replies that are whole.
    pub fn whole(&self) -> &[u8] {
        self.out.get(..self.whole).unwrap_or_default()
    }

    /// Forgets the replies that are whole.
    pub fn clear(&mut self) {
        self.out.drain(..self.whole);
        self.whole = 0;
        if self.out.is_empty() && self.out.capacity() > LINE_BYTES_MAX * 4 {
            self.out = Vec::new();
        }
    }

    fn text<'a>(&mut self, bytes: &'a [u8], left: u64, is_shown: bool) -> Result<&'a [u8], Violation> {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (here, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
        if is_shown {
            self.show(here)?;
        }
        let left = left - here.len() as u64;
        self.state = if left == 0 { State::AfterText { is_shown } } else { State::Text { left, is_shown } };
        Ok(rest)
    }

    /// Gathers a line and reads it when it is complete.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Violation> {
        let length = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let (here, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
        if self.line.len() + here.len() > LINE_BYTES_MAX {
            return Err(Violation::Protocol("a line is too long"));
        }
        if self.line.is_empty() && here.ends_with(b"\r\n") {
            self.read(here)?;
            return Ok(rest);
        }
        self.line.extend_from_slice(here);
        if here.ends_with(b"\n") {
            let line = std::mem::take(&mut self.line);
            self.read(&line)?;
        }
        Ok(rest)
    }

    fn read(&mut self, line: &[u8]) -> Result<(), Violation> {
        let content = line.strip_suffix(b"\r\n").ok_or(Violation::Protocol("a line does not end in CR LF"))?;
        if let State::AfterText { is_shown } = self.state {
            if !content.is_empty() {
                return Err(Violation::Protocol("a text is longer than announced"));
            }
            self.state = State::Line;
            if is_shown {
                self.show(line)?;
            }
            self.done();
            return Ok(());
        }
        match content.split_first() {
            Some((b'+' | b'-', text)) => {
                std::str::from_utf8(text).map_err(|_| Violation::Protocol("a line is not UTF-8"))?;
                self.simple(line)
            }
            Some((b':', number)) => {
                number_of(number)?;
                self.simple(line)
            }
            Some((b'$', length)) => self.begin_text(line, number_of(length)?),
            Some((b'*', length)) => self.begin_list(line, number_of(length)?),
            _ => Err(Violation::Protocol("an element begins with none of + - : $ *")),
        }
    }

    fn simple(&mut self, line: &[u8]) -> Result<(), Violation> {
        if self.is_shown() {
            self.show(line)?;
        }
        self.done();
        Ok(())
    }

    fn begin_text(&mut self, line: &[u8], length: i64) -> Result<(), Violation> {
        let Ok(bytes) = u64::try_from(length) else { return self.nothing(line, length) };
        let has_room = bytes <= SHORT_BYTES || self.text_bytes + bytes <= REDIS_REPLY_BYTES_MAX as u64;
        let is_shown = self.begin(line, bytes, bytes <= REDIS_TEXT_BYTES_MAX as u64, has_room)?;
        if is_shown {
            self.text_bytes += bytes;
        }
        self.state = if bytes == 0 { State::AfterText { is_shown } } else { State::Text { left: bytes, is_shown } };
        Ok(())
    }

    fn begin_list(&mut self, line: &[u8], length: i64) -> Result<(), Violation> {
        let Ok(elements) = u64::try_from(length) else { return self.nothing(line, length) };
        if elements == 0 {
            return self.simple(line);
        }
        if self.open.len() >= REDIS_DEPTH_MAX {
            return Err(Violation::Depth);
        }
        let has_room = elements <= SHORT_LIST || self.elements + elements <= REDIS_ELEMENTS_MAX as u64;
        let is_shown = self.begin(line, elements, elements <= REDIS_LIST_MAX as u64, has_room)?;
        if is_shown {
            self.elements += elements;
            if self.elements > (HARD_TIMES * REDIS_ELEMENTS_MAX) as u64 {
                return Err(Violation::Length);
            }
        }
        self.open.push(List { left: elements, is_shown });
        Ok(())
    }

    /// Shows the head of a text or list, or what stands in its place. Returns whether its content is shown too.
    fn begin(&mut self, line: &[u8], size: u64, is_small: bool, has_room: bool) -> Result<bool, Violation> {
        if !self.is_shown() {
            return Ok(false);
        }
        if is_small && has_room {
            self.show(line)?;
            return Ok(true);
        }
        let instead = if is_small { NO_ROOM } else { i64::try_from(size).unwrap_or(i64::MAX) };
        self.show(format!(":{instead}\r\n").as_bytes())?;
        Ok(false)
    }

    /// A text or list that is nothing.
    fn nothing(&mut self, line: &[u8], length: i64) -> Result<(), Violation> {
        if length != -1 {
            return Err(Violation::Protocol("a length is negative"));
        }
        self.simple(line)
    }

    fn is_shown(&self) -> bool {
        self.open.last().is_none_or(|list| list.is_shown)
    }

    fn show(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        if self.out.len() - self.whole + bytes.len() > HARD_TIMES * REDIS_REPLY_BYTES_MAX {
            return Err(Violation::Length);
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// An element is complete, and with it perhaps the lists that it ends.
    fn done(&mut self) {
        while let Some(list) = self.open.last_mut() {
            list.left = list.left.saturating_sub(1);
            if list.left > 0 {
                return;
            }
            self.open.pop();
        }
        self.whole = self.out.len();
        (self.text_bytes, self.elements) = (0, 0);
    }
}

fn number_of(text: &[u8]) -> Result<i64, Violation> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or(Violation::Protocol("a number is none"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is let through of an answer that comes in pieces of this size.
    fn through(answer: &[u8], piece: usize) -> Result<String, Violation> {
        let (mut guard, mut out) = (Guard::default(), Vec::new());
        for piece in answer.chunks(piece) {
            guard.take(piece)?;
            out.extend_from_slice(guard.whole());
            guard.clear();
        }
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    fn text(bytes: usize) -> String {
        format!("${bytes}\r\n{}\r\n", "x".repeat(bytes))
    }

    #[test]
    fn ordinary_answers_pass_as_they_are_in_whatever_pieces_they_come() {
        let answer = "+OK\r\n-ERR no\r\n:-7\r\n$-1\r\n*-1\r\n*0\r\n$0\r\n\r\n*2\r\n$4\r\na\r\nb\r\n*1\r\n:1\r\n";
        for piece in [1, 2, 3, 7, answer.len()] {
            assert_eq!(through(answer.as_bytes(), piece).unwrap(), answer, "{piece}");
        }
    }

    #[test]
    fn nothing_passes_of_an_answer_that_is_not_whole() {
        let mut guard = Guard::default();
        guard.take(b"+OK\r\n*2\r\n:1\r\n:").unwrap();
        assert_eq!(guard.whole(), b"+OK\r\n");
        guard.clear();
        guard.take(b"2\r\n").unwrap();
        assert_eq!(guard.whole(), b"*2\r\n:1\r\n:2\r\n");
    }

    #[test]
    fn nested_lists_are_refused_before_they_are_decoded() {
        let nested = |depth: usize| format!("{}:1\r\n", "*1\r\n".repeat(depth));
        assert_eq!(through(nested(REDIS_DEPTH_MAX).as_bytes(), 5).unwrap(), nested(REDIS_DEPTH_MAX));
        assert_eq!(through(nested(REDIS_DEPTH_MAX + 1).as_bytes(), 5), Err(Violation::Depth));
        let hidden = format!("*{}\r\n{}", REDIS_LIST_MAX + 1, nested(REDIS_DEPTH_MAX));
        assert_eq!(through(hidden.as_bytes(), 4096), Err(Violation::Depth), "also where nothing of it is shown");
    }

    #[test]
    fn a_number_stands_for_a_text_that_is_too_long_and_for_a_list_that_is() {
        let long = REDIS_TEXT_BYTES_MAX + 1;
        let answer = format!("*3\r\n{}{}{}", text(3), text(long), text(2));
        assert_eq!(through(answer.as_bytes(), 4096).unwrap(), format!("*3\r\n$3\r\nxxx\r\n:{long}\r\n$2\r\nxx\r\n"));
        let long = REDIS_LIST_MAX + 1;
        let answer = format!("*2\r\n*{long}\r\n{}+end\r\n", "*1\r\n$2\r\nab\r\n".repeat(long));
        assert_eq!(through(answer.as_bytes(), 4096).unwrap(), format!("*2\r\n:{long}\r\n+end\r\n"));
    }

    #[test]
    fn when_a_reply_has_enough_only_short_texts_find_room_and_the_next_reply_begins_anew() {
        let long = REDIS_TEXT_BYTES_MAX;
        let fit = REDIS_REPLY_BYTES_MAX / long;
        let answer = format!("*{}\r\n{}{}{}", fit + 2, text(long).repeat(fit), text(long), text(10));
        let shown = format!("*{}\r\n{}:{NO_ROOM}\r\n{}", fit + 2, text(long).repeat(fit), text(10));
        let (answer, shown) = (answer.repeat(2), shown.repeat(2));
        assert!(through(answer.as_bytes(), 1 << 16).unwrap() == shown);
        let list = format!("*{REDIS_LIST_MAX}\r\n{}", ":1\r\n".repeat(REDIS_LIST_MAX));
        let fit = REDIS_ELEMENTS_MAX / REDIS_LIST_MAX - 1;
        let answer = format!("*{}\r\n{}{list}*1\r\n+id\r\n", fit + 2, list.repeat(fit));
        let shown = format!("*{}\r\n{}:{NO_ROOM}\r\n*1\r\n+id\r\n", fit + 2, list.repeat(fit));
        assert!(through(answer.repeat(2).as_bytes(), 1 << 16).unwrap() == shown.repeat(2));
    }

    #[test]
    fn what_is_held_of_an_endless_answer_is_bounded() {
        let mut guard = Guard::default();
        guard.take(b"*9223372036854775807\r\n").unwrap();
        for _ in 0..1000 {
            guard.take("$1000\r\n".as_bytes()).unwrap();
            guard.take(&[b'x'; 1000]).unwrap();
            guard.take(b"\r\n").unwrap();
        }
        assert!(guard.out.len() < 100, "{}", guard.out.len());
        let mut guard = Guard::default();
        let pair = (0..6).fold("+x\r\n".to_owned(), |pair, _| format!("*4\r\n{}{pair}", "+x\r\n".repeat(3)));
        let endless = format!("*{REDIS_LIST_MAX}\r\n{}", pair.repeat(REDIS_LIST_MAX));
        assert_eq!(guard.take(endless.as_bytes()), Err(Violation::Length), "short lists alone");
        assert!(guard.out.len() < 2 * REDIS_REPLY_BYTES_MAX);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for answer in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\x15\x03\x01\x00\n",
            "%1\r\n",
            "_\r\n",
            "$-2\r\n",
            "*-2\r\n",
            "$x\r\n",
            ":\r\n",
            ":99999999999999999999\r\n",
            "+OK\n",
            "\r\n",
            "$3\r\nabcdef\r\n",
        ] {
            for piece in [1, 100] {
                assert!(matches!(through(answer.as_bytes(), piece), Err(Violation::Protocol(_))), "{answer:?}");
            }
        }
        assert!(matches!(through(b"+\xff\r\n", 9), Err(Violation::Protocol(_))));
        assert!(matches!(through(&[b'+'; LINE_BYTES_MAX + 1], 4096), Err(Violation::Protocol(_))));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(answer in "[+:$*0-9a\r\n-]{0,60}", piece in 1_usize..9) {
            let whole = through(answer.as_bytes(), 1000);
            let pieces = through(answer.as_bytes(), piece);
            prop_assert_eq!(whole, pieces);
        }
    }
}
