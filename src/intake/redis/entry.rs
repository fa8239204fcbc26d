//! Entries of a stream as Redis returns them.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::bus::EntryKey;
use crate::redis::Reply;

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
    /// `None`: it was trimmed or deleted after it had been given to a consumer.
    pub fields: Option<Vec<(Bytes, Bytes)>>,
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
        let fields = match parts.next()? {
            Reply::Nil => None,
            Reply::List(parts) => Some(fields(parts)?),
            _ => return None,
        };
        Some(Self { id, fields })
    }

    /// Bytes of all names and values.
    pub fn bytes(&self) -> usize {
        self.fields.iter().flatten().map(|(name, value)| name.len() + value.len()).sum()
    }
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
        let trimmed = Reply::List(vec![text("6-0"), Reply::Nil]);
        let answer = Reply::List(vec![Reply::List(vec![text("L3_IN"), Reply::List(vec![entry(), trimmed])])]);
        let entries = Entry::of_stream(answer).unwrap();
        assert_eq!(entries[0].id, EntryId::new(5, 1));
        assert_eq!(entries[0].fields, Some(vec![(Bytes::from_static(b"payload"), Bytes::from_static(b"\xff"))]));
        assert_eq!(entries[1], Entry { id: EntryId::new(6, 0), fields: None });
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
