//! Entries of a stream as Redis returns them.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::bus::EntryKey;
use crate::event::Provenance;
use crate::limits::{REDIS_ENTRY_BYTES_MAX, REDIS_REPLY_BYTES_MAX};
use crate::redis::{NO_ROOM, Reply};

/// Id of an entry: any that Redis can hold, not only those that the log could assign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryId {
    ms: u64,
    n: u64,
}

impl EntryId {
    pub const ZERO: Self = Self { ms: 0, n: 0 };
    /// After every entry. Not the greatest id of all, by which Redis means `>`: it would return new entries.
    pub const LAST: Self = Self { ms: u64::MAX, n: u64::MAX - 1 };

    pub fn new(ms: u64, n: u64) -> Self {
        Self { ms, n }
    }

    /// The smallest that is greater.
    #[must_use]
    pub fn next(self) -> Self {
        match self.n.checked_add(1) {
            Some(n) => Self { n, ..self },
            None => Self { ms: self.ms.saturating_add(1), n: 0 },
        }
    }

    pub fn provenance(self) -> Provenance {
        Provenance::Redis { ms: self.ms, n: self.n }
    }

    /// What tells this entry from every other one, also from one that is given the id when this one is gone.
    pub fn key(self, fields: &[(Bytes, Bytes)]) -> EntryKey {
        let mut hasher = blake3::Hasher::new();
        for part in fields.iter().flat_map(|(name, value)| [name, value]) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let mut content = [0; 8];
        hasher.finalize_xof().fill(&mut content);
        EntryKey { ms: self.ms, n: self.n, content: u64::from_le_bytes(content) }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.ms, self.n)
    }
}

impl FromStr for EntryId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (ms, n) = text.split_once('-').unwrap_or((text, "0"));
        Ok(Self { ms: ms.parse()?, n: n.parse()? })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: EntryId,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Fields(Vec<(Bytes, Bytes)>),
    /// It was trimmed or deleted after it had been given to a consumer.
    Gone,
    /// It is larger than any that is taken, and was not read as a whole.
    TooLarge(Size),
    /// The answer had no room for it: it is to be asked for again.
    LeftOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Size {
    #[error("the entry has {0} bytes; at most {REDIS_ENTRY_BYTES_MAX} are taken")]
    Bytes(u64),
    #[error("the entry has more than {0} bytes; at most {REDIS_ENTRY_BYTES_MAX} are taken")]
    MoreThan(u64),
    #[error("the entry has {0} names and values, which is more than any that is taken")]
    Parts(u64),
}

impl Entry {
    /// The entries in a list of them; `None` when this is not such a list.
    pub fn list(reply: Reply) -> Option<Vec<Self>> {
        match reply {
            Reply::Nil => Some(Vec::new()),
            Reply::List(entries) => entries.into_iter().filter(|entry| *entry != Reply::Nil).map(Self::one).collect(),
            _ => None,
        }
    }

    /// The entries in the answer about one stream: a list of that stream's name and its entries.
    pub fn of_stream(reply: Reply) -> Option<Vec<Self>> {
        let Reply::List(streams) = reply else { return (reply == Reply::Nil).then(Vec::new) };
        let Some(stream) = streams.into_iter().next() else { return Some(Vec::new()) };
        Self::list(stream.into_list().into_iter().nth(1)?)
    }

    fn one(reply: Reply) -> Option<Self> {
        let mut parts = reply.into_list().into_iter();
        let id = parts.next()?.text()?.parse().ok()?;
        let content = match parts.next()? {
            Reply::Nil => Content::Gone,
            Reply::List(parts) => content(parts)?,
            Reply::Number(NO_ROOM) => Content::LeftOut,
            Reply::Number(parts) => Content::TooLarge(Size::Parts(u64::try_from(parts).ok()?)),
            Reply::Text(_) => return None,
        };
        Some(Self { id, content })
    }

    /// The entries before the first that the answer had no room for, and whether there is one. Of one that fills an answer
    /// alone nothing more can be had.
    pub fn before_left_out(mut entries: Vec<Self>) -> (Vec<Self>, bool) {
        let is_left_out = |entry: &Self| entry.content == Content::LeftOut;
        if let Some(first) = entries.first_mut().filter(|first| is_left_out(first)) {
            first.content = Content::TooLarge(Size::MoreThan(REDIS_REPLY_BYTES_MAX as u64));
        }
        let whole = entries.iter().position(is_left_out);
        entries.truncate(whole.unwrap_or(entries.len()));
        (entries, whole.is_some())
    }

    /// Bytes of all names and values, as far as they are known.
    pub fn bytes(&self) -> u64 {
        match &self.content {
            Content::Fields(fields) => fields.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum(),
            Content::TooLarge(Size::Bytes(bytes) | Size::MoreThan(bytes) | Size::Parts(bytes)) => *bytes,
            Content::Gone | Content::LeftOut => 0,
        }
    }
}

/// Where a name or value was not let through, a number stands for it: see [`NO_ROOM`].
fn content(parts: Vec<Reply>) -> Option<Content> {
    let (mut bytes, mut is_whole, mut has_room) = (0, true, true);
    for part in &parts {
        match part {
            Reply::Text(text) => bytes += text.len() as u64,
            Reply::Number(NO_ROOM) => has_room = false,
            Reply::Number(length) => (bytes, is_whole) = (bytes + u64::try_from(*length).ok()?, false),
            Reply::Nil | Reply::List(_) => return None,
        }
    }
    Some(match (has_room, is_whole && bytes <= REDIS_ENTRY_BYTES_MAX as u64) {
        (true, true) => Content::Fields(fields(parts)?),
        (true, false) => Content::TooLarge(Size::Bytes(bytes)),
        (false, true) => Content::LeftOut,
        (false, false) => Content::TooLarge(Size::MoreThan(bytes)),
    })
}

fn fields(parts: Vec<Reply>) -> Option<Vec<(Bytes, Bytes)>> {
    let mut parts = parts.into_iter();
    let mut fields = Vec::with_capacity(parts.len() / 2);
    while let Some(name) = parts.next() {
        let (Reply::Text(name), Reply::Text(value)) = (name, parts.next()?) else { return None };
        fields.push((name, value));
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str) -> Reply {
        Reply::Text(Bytes::from_static(text.as_bytes()))
    }

    fn entry() -> Reply {
        Reply::List(vec![text("5-1"), Reply::List(vec![text("payload"), Reply::Text(Bytes::from_static(b"\xff"))])])
    }

    #[test]
    fn entries_are_read_with_bytes_that_are_not_text_and_trimmed_ones_without_fields() {
        let gone = Reply::List(vec![text("6-0"), Reply::Nil]);
        let answer = Reply::List(vec![Reply::List(vec![text("L3_IN"), Reply::List(vec![entry(), gone])])]);
        let entries = Entry::of_stream(answer).unwrap();
        assert_eq!(entries[0].id, EntryId::new(5, 1));
        let fields = vec![(Bytes::from_static(b"payload"), Bytes::from_static(b"\xff"))];
        assert_eq!(entries[0].content, Content::Fields(fields));
        assert_eq!(entries[1], Entry { id: EntryId::new(6, 0), content: Content::Gone });
    }

    #[test]
    fn an_entry_that_was_not_let_through_is_too_large_or_comes_with_another_answer() {
        let of =
            |fields: Reply| Entry::list(Reply::List(vec![Reply::List(vec![text("5-1"), fields])])).unwrap().remove(0);
        let pair = |value| Reply::List(vec![text("payload"), value]);
        let large = of(pair(Reply::Number(1 << 26)));
        assert_eq!(large.content, Content::TooLarge(Size::Bytes((1 << 26) + 7)));
        assert_eq!(of(Reply::Number(20_000)).content, Content::TooLarge(Size::Parts(20_000)));
        let many = vec![Reply::Text(Bytes::from(vec![b'x'; REDIS_ENTRY_BYTES_MAX / 2])); 4];
        assert!(matches!(of(Reply::List(many)).content, Content::TooLarge(Size::Bytes(_))), "together");
        assert_eq!(of(pair(Reply::Number(NO_ROOM))).content, Content::LeftOut);
        assert_eq!(of(Reply::Number(NO_ROOM)).content, Content::LeftOut);
    }

    #[test]
    fn what_follows_the_first_entry_without_room_is_asked_for_again_in_order() {
        let entry = |n, content| Entry { id: EntryId::new(n, 0), content };
        let answer = vec![entry(1, Content::Gone), entry(2, Content::LeftOut), entry(3, Content::Gone)];
        assert_eq!(Entry::before_left_out(answer.clone()), (answer[..1].to_vec(), true));
        let (alone, more) = Entry::before_left_out(answer[1..].to_vec());
        assert!(matches!(alone[0].content, Content::TooLarge(_)), "it fills an answer by itself");
        assert_eq!((alone.len(), more), (2, false));
    }

    #[test]
    fn no_answer_is_no_entry_and_a_strange_answer_is_an_error() {
        assert_eq!(Entry::of_stream(Reply::Nil), Some(Vec::new()));
        assert_eq!(Entry::of_stream(text("?")), None);
        assert_eq!(Entry::list(Reply::List(vec![Reply::List(vec![text("x"), Reply::Nil])])), None);
        let odd = Reply::List(vec![Reply::List(vec![text("1-1"), Reply::List(vec![text("name")])])]);
        assert_eq!(Entry::list(odd), None);
    }

    #[test]
    fn ids_are_ordered_as_in_redis_and_need_no_second_part() {
        assert_eq!("7".parse(), Ok(EntryId::new(7, 0)));
        assert_eq!(
            (EntryId::new(7, 1).next(), EntryId::new(7, u64::MAX).next()),
            (EntryId::new(7, 2), EntryId::new(8, 0))
        );
        assert!("18446744073709551615-18446744073709551614".parse::<EntryId>().unwrap() == EntryId::LAST);
        assert!("5-10".parse::<EntryId>().unwrap() > "5-9".parse().unwrap());
        assert!("-".parse::<EntryId>().is_err() && "5-x".parse::<EntryId>().is_err());
    }
}
