//! Streams of the log as Redis Streams: entry id = event id, fields as [`Fields`](crate::event::Fields).

mod appender;
mod batch;
mod head;
mod outlet;
mod target;

pub use appender::Appender;
pub use batch::Batch;
pub use head::kept_head;
pub use outlet::Mirror;
pub use target::{Target, Top};
