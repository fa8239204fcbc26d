//! The connection to Redis that the mirror and the ingest share. What client library does it is known in `link` alone.

pub mod config;
mod error;
mod link;
mod reply;

pub use link::{CALL_TIMEOUT, Link};
pub use reply::Reply;
