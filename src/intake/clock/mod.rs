//! Times: when an event arrived, and which time of a line is believed.
//!
//! `source.rs` judges the lines of one source, `sources.rs` keeps such a clock for every source whose lines come in batches
//! (files have theirs beside their positions), `arrival.rs` is the clock of what is taken in, and `ticks.rs` makes the ticks
//! of a replay.

pub(crate) mod arrival;
mod source;
mod sources;
mod ticks;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(crate) use source::{CONFIRMING_LINES, SourceClock, TimedLine};
pub(crate) use sources::{SourceClocks, source_of};
pub(crate) use ticks::ReplayTicks;

static SKEW_MS: AtomicU64 = AtomicU64::new(120_000);

/// How much later than its arrival, or otherwise than expected, the time of a line may be and is believed.
pub(crate) fn skew() -> Duration {
    Duration::from_millis(SKEW_MS.load(Ordering::Relaxed))
}

/// A reload may change it.
pub(crate) fn set_skew(skew: Duration) {
    SKEW_MS.store(u64::try_from(skew.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
}
