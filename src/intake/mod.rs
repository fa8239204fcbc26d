//! Where events come from. Every source hands out [`Batch`]es and the positions that belong to them; the daemon commits
//! both together and gives the positions back at the next start.

pub mod boot;
pub mod entry;
pub mod file;
pub mod journal;
mod lines;
mod merge;
mod raw;
pub mod redis;
pub mod replay;
pub mod shrink;

pub use raw::Origin;

use serde_json::Value;

use crate::event::Draft;

/// What a source has read.
#[derive(Debug, Default)]
pub struct Batch {
    pub drafts: Vec<Draft>,
    /// How far the source is after exactly these drafts, by name; only what has changed. May come without drafts.
    /// `Value::Null`: the name will not come again and may be forgotten.
    pub positions: Vec<(String, Value)>,
}

/// One answer of a source.
#[derive(Debug, Default)]
pub struct Polled {
    pub batch: Batch,
    /// There is more to read at once.
    pub more: bool,
    pub problems: Vec<Problem>,
}

/// Something a source could not do. Said when it begins or changes, not at every attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the source, as in [`Batch::positions`].
    pub source: String,
    /// One word for the metric's label: `unreadable`, `line_too_long`, `lost`, …
    pub reason: &'static str,
    /// Lines or entries lost in whole or in part; 0 while nothing is lost.
    pub lost: u64,
    /// What was tried, why it failed, what to do.
    pub text: String,
}

impl Problem {
    pub fn new(source: impl Into<String>, reason: &'static str, lost: u64, text: impl Into<String>) -> Self {
        Self { source: source.into(), reason, lost, text: text.into() }
    }
}
