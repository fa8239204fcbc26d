//! What a server answers, decoded within bounds: RESP2, piece by piece as it comes.
//!
//! The protocol: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Reply;
use super::room::{Fate, Room, Violation};
use crate::limits::{LINE_BYTES_MAX, REDIS_DEPTH_MAX};

/// One whole reply, or the server's words for why there is none.
pub type Answer = Result<Reply, String>;

#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    /// The lists that are not complete, from the outermost.
    open: Vec<List>,
    /// The line or text that is not complete.
    begun: Vec<u8>,
    /// The text whose line end is awaited.
    text: Bytes,
    /// That the current reply takes.
    room: Room,
    /// The first refusal in it.
    refusal: Option<String>,
    answers: VecDeque<Answer>,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Line,
    /// So many bytes of a text are to come.
    Text { left: u64, fate: Fate },
    /// The line end after a text is to come.
    AfterText { fate: Fate },
}

#[derive(Debug)]
struct List {
    left: u64,
    fate: Fate,
    elements: Vec<Reply>,
}

impl Decoder {
    /// Takes the next bytes that the server sent.
    ///
    /// # Errors
    /// They are not what may be answered. What follows them cannot be understood either.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Text { left, fate } => self.text(bytes, left, fate),
                State::Line | State::AfterText { .. } => self.line(bytes)?,
            };
        }
        Ok(())
    }

    /// The next whole answer, in the order in which they came.
    pub fn answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    fn text<'a>(&mut self, bytes: &'a [u8], left: u64, fate: Fate) -> &'a [u8] {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (here, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
        let left = left - here.len() as u64;
        let is_whole = left == 0;
        if fate == Fate::Kept {
            if is_whole && self.begun.is_empty() {
                self.text = Bytes::copy_from_slice(here);
            } else {
                self.begun.extend_from_slice(here);
                if is_whole {
                    self.text = std::mem::take(&mut self.begun).into();
                }
            }
        }
        self.state = if is_whole { State::AfterText { fate } } else { State::Text { left, fate } };
        rest
    }

    /// Gathers a line and reads it when it is complete.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Violation> {
        let length = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let (here, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
        if self.begun.len() + here.len() > LINE_BYTES_MAX {
            return Err(Violation::Protocol("a line is too long"));
        }
        if self.begun.is_empty() && here.ends_with(b"\n") {
            self.read(here)?;
            return Ok(rest);
        }
        self.begun.extend_from_slice(here);
        if here.ends_with(b"\n") {
            let line = std::mem::take(&mut self.begun);
            self.read(&line)?;
        }
        Ok(rest)
    }

    fn read(&mut self, line: &[u8]) -> Result<(), Violation> {
        let content = line.strip_suffix(b"\r\n").ok_or(Violation::Protocol("a line does not end in CR LF"))?;
        if let State::AfterText { fate } = self.state {
            if !content.is_empty() {
                return Err(Violation::Protocol("a text is longer than announced"));
            }
            self.state = State::Line;
            let text = std::mem::take(&mut self.text);
            self.element(fate.of(Reply::Text(text)));
            return Ok(());
        }
        match content.split_first() {
            Some((b'+', text)) => self.words(text).map(|text| self.simple(Reply::Text(status(text))))?,
            Some((b'-', text)) => {
                let text = self.words(text)?;
                if self.is_kept() && self.refusal.is_none() {
                    self.refusal = Some(text.to_owned());
                }
                self.simple(Reply::Nil);
            }
            Some((b':', number)) => self.simple(Reply::Number(number_of(number)?)),
            Some((b'$', length)) => self.begin_text(number_of(length)?)?,
            Some((b'*', length)) => self.begin_list(number_of(length)?)?,
            _ => return Err(Violation::Protocol("an element begins with none of + - : $ *")),
        }
        Ok(())
    }

    /// A line of text, which counts like any other.
    fn words<'a>(&mut self, text: &'a [u8]) -> Result<&'a str, Violation> {
        self.room.line(text.len())?;
        std::str::from_utf8(text).map_err(|_| Violation::Protocol("a line is not UTF-8"))
    }

    fn simple(&mut self, reply: Reply) {
        self.element(self.is_kept().then_some(reply));
    }

    fn begin_text(&mut self, length: i64) -> Result<(), Violation> {
        let Ok(bytes) = u64::try_from(length) else { return self.nothing(length) };
        let fate = if self.is_kept() { self.room.text(bytes)? } else { Fate::Hidden };
        self.state = if bytes == 0 { State::AfterText { fate } } else { State::Text { left: bytes, fate } };
        Ok(())
    }

    fn begin_list(&mut self, length: i64) -> Result<(), Violation> {
        let Ok(count) = u64::try_from(length) else { return self.nothing(length) };
        if count == 0 {
            self.simple(Reply::List(Vec::new()));
            return Ok(());
        }
        if self.open.len() >= REDIS_DEPTH_MAX {
            return Err(Violation::Depth);
        }
        let fate = if self.is_kept() { self.room.list(count)? } else { Fate::Hidden };
        let mut elements = Vec::new();
        if fate == Fate::Kept {
            // There is room for so many.
            elements.reserve_exact(usize::try_from(count).unwrap_or_default());
        }
        self.open.push(List { left: count, fate, elements });
        Ok(())
    }

    /// A text or list that is nothing.
    fn nothing(&mut self, length: i64) -> Result<(), Violation> {
        if length != -1 {
            return Err(Violation::Protocol("a length is negative"));
        }
        self.simple(Reply::Nil);
        Ok(())
    }

    fn is_kept(&self) -> bool {
        self.open.last().is_none_or(|list| list.fate == Fate::Kept)
    }

    /// An element is complete, and with it perhaps the lists that it ends. None where it is hidden.
    fn element(&mut self, mut element: Option<Reply>) {
        while let Some(list) = self.open.last_mut() {
            if list.fate == Fate::Kept {
                list.elements.extend(element.take());
            }
            list.left = list.left.saturating_sub(1);
            if list.left > 0 {
                return;
            }
            element = self.open.pop().and_then(|list| list.fate.of(Reply::List(list.elements)));
        }
        self.answers.push_back(self.refusal.take().map_or(Ok(element.unwrap_or(Reply::Nil)), Err));
        self.room = Room::default();
    }
}

fn number_of(text: &[u8]) -> Result<i64, Violation> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or(Violation::Protocol("a number is none"))
}

/// Of the commands of a transaction each is answered the same.
fn status(text: &str) -> Bytes {
    const QUEUED: &str = "QUEUED";
    if text == QUEUED { Bytes::from_static(QUEUED.as_bytes()) } else { text.to_owned().into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::NO_ROOM;
    use super::*;
    use crate::limits::{REDIS_ELEMENTS_MAX, REDIS_LIST_MAX, REDIS_REPLY_BYTES_MAX, REDIS_TEXT_BYTES_MAX};

    /// What is answered when the bytes come in pieces of this size.
    fn answers(sent: &[u8], piece: usize) -> Result<Vec<Answer>, Violation> {
        let (mut decoder, mut answers) = (Decoder::default(), Vec::new());
        for piece in sent.chunks(piece) {
            decoder.take(piece)?;
            answers.extend(std::iter::from_fn(|| decoder.answer()));
        }
        Ok(answers)
    }

    fn one(sent: &str) -> Answer {
        let mut answers = answers(sent.as_bytes(), 4096).unwrap();
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }

    fn text(bytes: usize) -> String {
        format!("${bytes}\r\n{}\r\n", "x".repeat(bytes))
    }

    fn said(text: &'static str) -> Reply {
        Reply::Text(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn every_kind_of_answer_is_decoded_in_whatever_pieces_it_comes() {
        let sent = "+OK\r\n:-7\r\n$-1\r\n*-1\r\n*0\r\n$0\r\n\r\n*2\r\n$4\r\na\r\nb\r\n*1\r\n:1\r\n";
        let list = Reply::List(vec![said("a\r\nb"), Reply::List(vec![Reply::Number(1)])]);
        let replies = [said("OK"), Reply::Number(-7), Reply::Nil, Reply::Nil, Reply::List(vec![]), said(""), list];
        for piece in [1, 2, 3, 7, sent.len()] {
            assert_eq!(answers(sent.as_bytes(), piece).unwrap(), replies.clone().map(Ok), "{piece}");
        }
    }

    #[test]
    fn an_answer_is_given_when_it_is_whole_and_not_before() {
        let mut decoder = Decoder::default();
        decoder.take(b"+OK\r\n*2\r\n:1\r\n:").unwrap();
        assert_eq!((decoder.answer(), decoder.answer()), (Some(Ok(said("OK"))), None));
        decoder.take(b"2\r\n").unwrap();
        assert_eq!(decoder.answer(), Some(Ok(Reply::List(vec![Reply::Number(1), Reply::Number(2)]))));
    }

    #[test]
    fn a_refusal_within_an_answer_is_a_refusal_and_the_next_answer_is_none() {
        assert_eq!(one("-ERR no\r\n"), Err("ERR no".to_owned()));
        let sent = b"*3\r\n:1\r\n-OOM command not allowed\r\n-ERR second\r\n+OK\r\n";
        assert_eq!(answers(sent, 3).unwrap(), [Err("OOM command not allowed".to_owned()), Ok(said("OK"))]);
    }

    #[test]
    fn nested_lists_are_refused() {
        let nested = |depth: usize| format!("{}:1\r\n", "*1\r\n".repeat(depth));
        assert!(one(&nested(REDIS_DEPTH_MAX)).is_ok());
        assert_eq!(answers(nested(REDIS_DEPTH_MAX + 1).as_bytes(), 5), Err(Violation::Depth));
        let hidden = format!("*{}\r\n{}", REDIS_LIST_MAX + 1, nested(REDIS_DEPTH_MAX));
        assert_eq!(answers(hidden.as_bytes(), 4096), Err(Violation::Depth), "also where nothing of it is kept");
    }

    #[test]
    fn a_number_stands_for_a_text_that_is_too_long_and_for_a_list_that_is() {
        let long = REDIS_TEXT_BYTES_MAX + 1;
        let list = Reply::List(vec![said("xxx"), Reply::Number(long as i64), said("xx")]);
        assert_eq!(one(&format!("*3\r\n{}{}{}", text(3), text(long), text(2))), Ok(list));
        let long = REDIS_LIST_MAX + 1;
        let list = Reply::List(vec![Reply::Number(long as i64), said("end")]);
        assert_eq!(one(&format!("*2\r\n*{long}\r\n{}+end\r\n", "*1\r\n$2\r\nab\r\n".repeat(long))), Ok(list));
        let hidden = format!("*2\r\n*{long}\r\n{}+end\r\n", "-ERR of no interest\r\n".repeat(long));
        assert!(one(&hidden).is_ok());
    }

    #[test]
    fn when_a_reply_has_enough_only_short_texts_find_room_and_the_next_reply_begins_anew() {
        let long = REDIS_TEXT_BYTES_MAX;
        let fit = REDIS_REPLY_BYTES_MAX / long;
        let sent = format!("*{}\r\n{}{}{}", fit + 2, text(long).repeat(fit), text(long), text(10));
        let replies = answers(sent.repeat(2).as_bytes(), 1 << 16).unwrap();
        assert_eq!(replies.len(), 2);
        for reply in replies {
            let list = reply.unwrap().into_list();
            assert!(list[..fit].iter().all(|text| text.text().unwrap().len() == long));
            assert_eq!(list[fit..], [Reply::Number(NO_ROOM), said("xxxxxxxxxx")]);
        }
        let list = format!("*{REDIS_LIST_MAX}\r\n{}", ":1\r\n".repeat(REDIS_LIST_MAX));
        let fit = REDIS_ELEMENTS_MAX / REDIS_LIST_MAX - 1;
        let sent = format!("*{}\r\n{}{list}*1\r\n+id\r\n", fit + 2, list.repeat(fit));
        let replies = answers(sent.repeat(2).as_bytes(), 1 << 16).unwrap();
        assert_eq!(replies.len(), 2);
        for reply in replies {
            let lists = reply.unwrap().into_list();
            assert!(lists[..fit].iter().all(|list| list.list().len() == REDIS_LIST_MAX));
            assert_eq!(lists[fit..], [Reply::Number(NO_ROOM), Reply::List(vec![said("id")])]);
        }
    }

    #[test]
    fn what_is_held_of_an_endless_answer_is_bounded() {
        let mut decoder = Decoder::default();
        decoder.take(b"*9223372036854775807\r\n").unwrap();
        for _ in 0..1000 {
            decoder.take("$1000\r\n".as_bytes()).unwrap();
            decoder.take(&[b'x'; 1000]).unwrap();
            decoder.take(b"\r\n").unwrap();
        }
        assert!(decoder.room == Room::default() && decoder.begun.is_empty() && decoder.open.len() == 1);
        let mut decoder = Decoder::default();
        let pair = (0..6).fold("+x\r\n".to_owned(), |pair, _| format!("*4\r\n{}{pair}", "+x\r\n".repeat(3)));
        let endless = format!("*{REDIS_LIST_MAX}\r\n{}", pair.repeat(REDIS_LIST_MAX));
        assert_eq!(decoder.take(endless.as_bytes()), Err(Violation::Length), "short lists alone");
        let lines = format!("*{REDIS_LIST_MAX}\r\n{}", format!("+{}\r\n", "x".repeat(60_000)).repeat(700));
        assert_eq!(Decoder::default().take(lines.as_bytes()), Err(Violation::Length), "lines alone");
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for sent in [
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
                assert!(matches!(answers(sent.as_bytes(), piece), Err(Violation::Protocol(_))), "{sent:?}");
            }
        }
        assert!(matches!(answers(b"+\xff\r\n", 9), Err(Violation::Protocol(_))));
        assert!(matches!(answers(&[b'+'; LINE_BYTES_MAX + 1], 4096), Err(Violation::Protocol(_))));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(sent in "[+:$*0-9a\r\n-]{0,60}", piece in 1_usize..9) {
            prop_assert_eq!(answers(sent.as_bytes(), 1000), answers(sent.as_bytes(), piece));
        }
    }
}
