//! SOC events in Grafana Loki: pushed in the order of the log, one JSON object a line, in few streams.
//!
//! Loki cannot be asked how far it is, so the cursor is kept in the hot store, saved every few seconds and at a stop. After
//! a crash what was sent since is sent again with the same labels, the same time and the same line, and Loki drops an entry
//! that it has already so: it compares with the last line of the stream and with what the stream's open block holds at that
//! nanosecond (`pkg/ingester/stream.go` and `pkg/chunkenc/unordered.go` of Loki 3), and a query merges what several chunks
//! hold alike (`pkg/iter/entry_iterator.go`).
//!
//! For that an entry's time must not depend on when it is sent: it is the time of arrival, which the event's id holds,
//! with the number within the millisecond as nanoseconds. So it never goes back within a stream, which a Loki without
//! `unordered_writes` insists on, and is no older than the daemon's own outage. When it happened is in the line, as `ts`.

mod answer;
mod authorization;
mod batch;
mod config;
mod errors;
mod labels;
mod outlet;
mod pusher;

pub use answer::Answer;
pub use batch::Batch;
pub use config::{Config, check};
pub use labels::Labels;
pub use outlet::Loki;
pub use pusher::Pusher;

#[cfg(test)]
mod tests;
