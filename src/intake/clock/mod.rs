//! Times: when an event arrived, and which time of a line is believed.
//!
//! `source.rs` judges the lines of one source, `sources.rs` keeps such a clock for every source whose lines come in batches
//! (files have theirs beside their positions), `arrival.rs` is the clock of what is taken in.

pub mod arrival;
mod source;
mod sources;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use source::{CONFIRMING_LINES, SourceClock, Told};
pub use sources::{SourceClocks, source_of};

static SKEW_MS: AtomicU64 = AtomicU64::new(120_000);

/// How much later than its arrival, or otherwise than expected, the time of a line may be and is believed.
pub fn skew() -> Duration {
    Duration::from_millis(SKEW_MS.load(Ordering::Relaxed))
}

/// A reload may change it.
pub fn set_skew(skew: Duration) {
    SKEW_MS.store(u64::try_from(skew.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
}
