//! The connection to Redis that the mirror and the ingest share. What client library does it is known in `link` alone.

pub mod config;
mod link;
mod reply;
mod trouble;

pub use link::{CALL_TIMEOUT, Link};
pub use reply::Reply;
pub use trouble::Trouble;

/// What one part has said of its troubles with Redis.
pub type Notice = crate::observe::notice::Notice<Trouble>;
