//! What of an answer there is room for.
//!
//! A text or list that is too large is left out, and a number stands in its place: how many bytes or elements it had, or
//! [`NO_ROOM`] where it is left out only because the reply has enough already. Redis itself never puts a number where a
//! field of an entry belongs.

use super::Reply;
use crate::limits::{REDIS_DEPTH_MAX, REDIS_ELEMENTS_MAX, REDIS_LIST_MAX, REDIS_REPLY_BYTES_MAX, REDIS_TEXT_BYTES_MAX};

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

/// What becomes of a text or list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    /// This number stands in its place.
    Instead(i64),
    /// It is in a list that is left out.
    Hidden,
}

/// What one reply takes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    /// Bytes of its texts.
    text_bytes: u64,
    /// Elements of its lists.
    elements: u64,
    /// Bytes of texts and lines.
    held: usize,
}

impl Room {
    /// A text begins, in a list that is kept or in none.
    pub fn text(&mut self, bytes: u64) -> Result<Fate, Violation> {
        let has_room = bytes <= SHORT_BYTES || self.text_bytes + bytes <= REDIS_REPLY_BYTES_MAX as u64;
        let fate = Fate::for_size(bytes, bytes <= REDIS_TEXT_BYTES_MAX as u64, has_room);
        if fate == Fate::Kept {
            self.text_bytes += bytes;
            self.hold(usize::try_from(bytes).unwrap_or(usize::MAX))?;
        }
        Ok(fate)
    }

    /// A list begins, in a list that is kept or in none.
    pub fn list(&mut self, elements: u64) -> Result<Fate, Violation> {
        let has_room = elements <= SHORT_LIST || self.elements + elements <= REDIS_ELEMENTS_MAX as u64;
        let fate = Fate::for_size(elements, elements <= REDIS_LIST_MAX as u64, has_room);
        if fate == Fate::Kept {
            self.elements += elements;
            if self.elements > (HARD_TIMES * REDIS_ELEMENTS_MAX) as u64 {
                return Err(Violation::Length);
            }
        }
        Ok(fate)
    }

    pub fn line(&mut self, bytes: usize) -> Result<(), Violation> {
        self.hold(bytes)
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Violation> {
        self.held = self.held.saturating_add(bytes);
        if self.held > HARD_TIMES * REDIS_REPLY_BYTES_MAX { Err(Violation::Length) } else { Ok(()) }
    }
}

impl Fate {
    fn for_size(size: u64, is_small: bool, has_room: bool) -> Self {
        match (is_small, has_room) {
            (true, true) => Self::Kept,
            (true, false) => Self::Instead(NO_ROOM),
            (false, _) => Self::Instead(i64::try_from(size).unwrap_or(i64::MAX)),
        }
    }

    pub fn of(self, reply: Reply) -> Option<Reply> {
        match self {
            Self::Kept => Some(reply),
            Self::Instead(number) => Some(Reply::Number(number)),
            Self::Hidden => None,
        }
    }
}
