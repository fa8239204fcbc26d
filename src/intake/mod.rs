//! Where events come from. Every source hands out [`Batch`]es and the positions that belong to them; the daemon commits
//! both together and hands the positions back at the next start.

mod ahead;
#[cfg(test)]
mod ahead_tests;
mod board;
pub(crate) mod boot;
pub(crate) mod clock;
pub(crate) mod config;
mod content;
mod context;
pub(crate) mod entry;
mod entry_time;
pub(crate) mod feed;
pub(crate) mod file;
mod heads;
pub(crate) mod journal;
mod lines;
mod log;
mod merge;
mod meters;
pub(crate) mod multiline;
pub(crate) mod parser;
mod raw;
pub mod redis;
pub mod replay;
pub mod shrink;
mod spec;
pub(crate) mod syslog;
mod table;
mod tick;
pub(crate) mod unpack;
mod utf16;

pub(crate) use self::log::IntakeLog;
pub(crate) use crate::observe::problem::Problem;
pub(crate) use board::{Expected, Said, SourceBoard};
pub(crate) use raw::{LineTime, Origin};
pub(crate) use spec::{Resources, SourceSpec};
pub(crate) use table::{SOURCES, expected};

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
