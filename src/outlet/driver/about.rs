//! What is fixed about an outlet while it runs.

use std::borrow::Cow;
use std::time::Duration;

use metrics::Gauge;

use crate::event::Interest;

/// Names, words and durations of one outlet.
#[derive(Debug, Clone)]
pub struct About {
    /// Of its actor, its cursor in the hot store, its line in status and its metrics.
    pub name: Cow<'static, str>,
    /// SYSLOG_IDENTIFIER of what is said about it.
    pub identifier: &'static str,
    /// What is outside, as messages call it: `Redis`.
    pub outside: Cow<'static, str>,
    /// What it takes, as messages call it: `events`.
    pub takes: &'static str,
    /// What becomes of that while the outside does not take it.
    pub meanwhile: &'static str,
    /// How loud an error is: `Error` where a person must act, `Warn` where everything waits safely meanwhile.
    pub level: log::Level,
    pub keep: Keep,
    /// How long a stop waits for the outside to take the last events.
    pub drain: Duration,
    /// Names that its gauges had before there was one name for all outlets; they stay.
    pub up: Option<fn() -> Gauge>,
    pub lag: Option<fn(&Want) -> Gauge>,
}

impl About {
    /// Whether how far the outlet is is kept in the hot store.
    pub fn has_cursor(&self) -> bool {
        self.keep != Keep::Nothing
    }
}

/// What the hot store keeps for an outlet of what it has not taken yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Everything, for certain: sources wait when there is no room for more.
    Everything,
    /// Everything while there is room, also past `store.retention`; no source waits for it.
    WhileRoom,
    /// Nothing beyond `store.retention`. The outside itself says how far it is.
    Nothing,
}

/// One stretch of the log that an outlet follows by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// What messages call it where an outlet follows several: the name of a stream.
    pub label: Option<&'static str>,
    pub reads: Interest,
}
