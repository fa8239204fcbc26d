//! Streams of the log as Redis Streams: entry id = event id, fields as [`wire::to_fields`](crate::event::wire::to_fields).

mod batch;
mod target;

pub use batch::Batch;
pub use target::{Target, Top};
