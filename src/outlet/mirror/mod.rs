//! Streams of the log as Redis Streams: entry id = event id, fields as [`wire::Fields`](crate::event::wire::Fields).

mod batch;
mod target;

pub use batch::Batch;
pub use target::{Target, Top};
