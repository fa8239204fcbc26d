//! What a stage's actor counts.

use std::time::Duration;

use metrics::{Counter, Histogram};

use crate::observe::metrics as names;

pub struct StageMeters {
    handled: Counter,
    quarantined: Counter,
    refused: Counter,
    not_saved: Counter,
    seconds: Histogram,
}

impl StageMeters {
    pub fn new(stage: &'static str) -> Self {
        let meters = Self {
            handled: names::stage_events(stage, "handled"),
            quarantined: names::stage_events(stage, "quarantined"),
            refused: names::dropped(stage, "too_many_outputs"),
            not_saved: names::dropped(stage, "state_not_saved"),
            seconds: names::stage_seconds(stage),
        };
        // So that they are there before the first time, and a rate can be seen.
        meters.refused.increment(0);
        meters.not_saved.increment(0);
        meters
    }

    /// One batch of events: how many were handled and quarantined, and how many outputs were refused because one event
    /// asked for too many.
    pub fn batch(&self, handled: u64, quarantined: u64, refused: u64, took: Duration) {
        self.handled.increment(handled);
        self.quarantined.increment(quarantined);
        self.refused.increment(refused);
        self.seconds.record(took);
    }

    /// A state had no form as bytes.
    pub fn state_not_saved(&self) {
        self.not_saved.increment(1);
    }
}
