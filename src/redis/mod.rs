//! The connection to Redis that the mirror and the ingest share. What client library does it is known in `link` alone.

mod link;
mod notice;
mod reply;
mod trouble;

pub use link::{CALL_TIMEOUT, Link};
pub use notice::Notice;
pub use reply::Reply;
pub use trouble::Trouble;
