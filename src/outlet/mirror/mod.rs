//! Streams of the log as Redis Streams: entry id = event id, fields as [`wire::to_fields`](crate::event::wire::to_fields).

mod batch;
mod progress;
mod target;

pub use batch::Batch;
pub use progress::Progress;
pub use target::{Target, Top};
