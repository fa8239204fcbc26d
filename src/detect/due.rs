//! When the first of many things may be due, so that they are looked at no sooner.

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// The earliest of all that was noted. What it was for may be due later by now, never earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Due(Option<Timestamp>);

impl Due {
    /// One more is due at this time.
    pub fn note(&mut self, at: Timestamp) {
        self.0 = Some(self.0.map_or(at, |due| due.min(at)));
    }

    /// Whether the first of them may be: the time is behind it.
    pub fn is_past(self, now: Timestamp) -> bool {
        self.0.is_some_and(|due| now > due)
    }
}
