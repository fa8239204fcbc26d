//! What the daemon remembers of the audit log outside of it: its head, and the newest decisions.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Entry, Head};
use crate::limits;

/// Kept in the hot store and in `positions.json` beside the positions of the sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    #[serde(flatten)]
    pub head: Head,
    /// The newest entries, without their notes: what was decided stays decided when the file is lost.
    pub entries: VecDeque<Entry>,
}

impl Kept {
    /// The name that it is kept under.
    pub const NAME: &str = "audit-log";

    pub fn new(head: Head) -> Self {
        Self { head, entries: VecDeque::new() }
    }

    /// `None` for what was not written by [`to_value`](Self::to_value).
    pub fn read(value: &Value) -> Option<Self> {
        serde_json::from_value(value.clone()).ok()
    }

    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default() // strings and numbers always serialise
    }

    pub fn add(&mut self, entry: &Entry) {
        self.entries.push_back(Entry { note: String::new(), ..entry.clone() });
        if self.entries.len() > limits::AUDIT_ENTRIES_KEPT {
            self.entries.pop_front();
        }
    }
}
