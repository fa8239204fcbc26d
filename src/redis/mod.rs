//! The connection to Redis that the mirror and the ingest share.
//!
//! `link` (which node) → `node` (one connection, commands in order) → `decoder` (what the server answers, as far as there is
//! `room`).

mod address;
mod commands;
pub(crate) mod config;
mod decoder;
mod error;
mod link;
mod node;
mod reply;
mod room;
mod settings;
mod slot;

pub use commands::{Commands, Packed};
pub use decoder::{Answer, Decoder};
pub use error::refused;
pub use link::Link;
pub use node::CALL_TIMEOUT;
pub use reply::Reply;
pub use room::NO_ROOM;
