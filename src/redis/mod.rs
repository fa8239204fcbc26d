//! The connection to Redis that the mirror and the ingest share. What client library does it is known here alone, and it
//! never sees what a server answered before that was looked at.
//!
//! `link` (which node) → `node` (one connection) → the library → `guarded` by `guard` → the server.

pub(crate) mod config;
mod error;
mod guard;
mod guarded;
mod link;
mod node;
mod reply;
mod settings;
mod slot;

pub use guard::{Guard, NO_ROOM};
pub use link::Link;
pub use node::CALL_TIMEOUT;
pub use reply::Reply;
