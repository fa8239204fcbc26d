//! Where events come from. Every source hands out [`Batch`]es and the positions that belong to them; the daemon commits
//! both together and hands the positions back at the next start.

pub mod boot;
pub mod config;
mod content;
pub mod entry;
pub mod file;
pub mod journal;
mod lines;
mod log;
mod merge;
pub mod parser;
mod raw;
pub mod redis;
pub mod replay;
pub mod shrink;
mod spec;
mod table;
mod tick;

pub use self::log::IntakeLog;
pub use crate::observe::problem::Problem;
pub use raw::Origin;
pub use spec::{Resources, SourceSpec};
pub use table::SOURCES;

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
