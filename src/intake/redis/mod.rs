//! Streams that others write to Redis, read through a consumer group.
//!
//! Every entry is taken once, although Redis returns it again after a crash on either side: with the events is committed
//! how far the stream has been taken ([`Place`]), and what comes again from before that is only acknowledged. Entries of
//! consumers that are gone are claimed under a second consumer name, because their ids say nothing about that place.

mod claimed;
mod entry;
mod group;
mod ingest;
mod pace;
mod place;
mod source;
mod taken;

pub use claimed::Claimed;
pub use entry::{Content, Entry, EntryId, Size};
pub use group::{Group, Joined, Member, Progress};
pub use pace::Pace;
pub use place::Place;
pub use source::SOURCE;
pub use taken::{Taken, Unacknowledged};
