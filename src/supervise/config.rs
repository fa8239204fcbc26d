//! `[supervisor]`: its keys, and what must hold between them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Judge, Span};

/// How often an actor that has nothing to do says that it is alive: each time costs an idle machine a wake-up.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);

/// `[supervisor]`: when failed and frozen actors are started again, and when they are given up.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Supervisor {
    pub backoff: Backoff,
    pub intensity: Intensity,
    /// An actor that sends no heartbeat for this long is taken for frozen and replaced.
    pub frozen_after: Span,
}

/// The delay before an actor is started again: `min` after the first failure, twice as long after each further one, at
/// most `max`, with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    pub min: Span,
    pub max: Span,
    /// Without a failure for this long the next delay is `min` again.
    pub reset_after: Span,
}

/// How many restarts in how much time are too many.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Intensity {
    /// More restarts than this in `within`: the actor is marked failed.
    pub restarts: u32,
    pub within: Span,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self { backoff: Backoff::default(), intensity: Intensity::default(), frozen_after: Span::from_millis(10_000) }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { min: Span::from_millis(100), max: Span::from_millis(30_000), reset_after: Span::from_millis(60_000) }
    }
}

impl Default for Intensity {
    fn default() -> Self {
        Self { restarts: 5, within: Span::from_millis(60_000) }
    }
}

/// Every relation that does not hold.
pub fn check(supervisor: &Supervisor, judge: &mut Judge<'_>) {
    let backoff = &supervisor.backoff;
    judge.expect(
        supervisor.frozen_after.get() >= 2 * HEARTBEAT_EVERY,
        &["supervisor.frozen_after"],
        format!(
            "{:?} is too short: an actor says that it is alive every {:?}",
            supervisor.frozen_after, HEARTBEAT_EVERY
        ),
        "at least twice as long",
    );
    judge.expect(
        backoff.min <= backoff.max,
        &["supervisor.backoff.min", "supervisor.backoff.max"],
        format!("{:?} is longer than supervisor.backoff.max = {:?}", backoff.min, backoff.max),
        "the delay grows from min to max",
    );
}
