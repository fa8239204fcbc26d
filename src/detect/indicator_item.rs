//! What readers of indicator lists find in them.

use super::observable::Observable;
use super::stix::Pattern;
use crate::event::Timestamp;

/// When an indicator holds, and how sure its author is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// `valid_from` and `valid_until` of STIX.
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// From 0 to 100, as in STIX.
    pub confidence: Option<u8>,
}

impl Terms {
    pub fn hold_at(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now <= until)
    }

    pub fn is_always(&self) -> bool {
        *self == Self::default()
    }

    /// Another list says the same: it holds when one of them does, and the surer one counts.
    pub fn join(&mut self, other: &Self) {
        self.from = self.from.zip(other.from).map(|(mine, other)| mine.min(other));
        self.until = self.until.zip(other.until).map(|(mine, other)| mine.max(other));
        self.confidence = self.confidence.zip(other.confidence).map(|(mine, other)| mine.max(other));
    }
}

#[derive(Debug)]
pub enum Item {
    Value(Observable, Terms),
    Pattern {
        name: String,
        pattern: Box<Pattern>,
        terms: Terms,
    },
    /// Left out for what it is, in words that follow a number: `are revoked`.
    LeftOut(&'static str),
}

/// What one line or object gives, or why it gives nothing.
pub type Taken = Result<Item, String>;

/// So much of a value as a message shows.
pub fn excerpt(text: &str) -> String {
    text.chars().take(120).flat_map(char::escape_debug).collect()
}
