//! What a stage's actor counts.

use std::time::Duration;

use metrics::{Counter, Histogram};

use crate::observe::metrics as names;

pub struct StageMeters {
    handled: Counter,
    quarantined: Counter,
    seconds: Histogram,
}

impl StageMeters {
    pub fn new(stage: &'static str) -> Self {
        Self {
            handled: names::stage_events(stage, "handled"),
            quarantined: names::stage_events(stage, "quarantined"),
            seconds: names::stage_seconds(stage),
        }
    }

    /// One batch.
    pub fn batch(&self, handled: u64, quarantined: u64, took: Duration) {
        self.handled.increment(handled);
        self.quarantined.increment(quarantined);
        self.seconds.record(took);
    }
}
