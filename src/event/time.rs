//! `Timestamp`: the time an event says it happened.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Microseconds since the Unix epoch. Held between 0 and the year 2248, the range of an [`EventId`](super::EventId).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

const MICROS_MAX: i64 = super::EventId::MAX_MS * 1000;

impl Timestamp {
    pub const ZERO: Self = Self(0);
    pub const MAX: Self = Self(MICROS_MAX);

    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(0, MICROS_MAX))
    }

    pub fn from_millis(millis: u64) -> Self {
        Self::from_micros(i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(1000))
    }

    /// Epoch seconds, as in every wire form; `None` for NaN, infinities and times outside the range.
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        let micros = (seconds * 1e6).round();
        (micros >= 0.0 && micros <= MICROS_MAX as f64).then_some(Self(micros as i64))
    }

    /// The wall clock. Only sources and the shell round a stage may ask for it, never a stage.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    pub fn micros(self) -> i64 {
        self.0
    }

    pub fn millis(self) -> u64 {
        (self.0 / 1000) as u64
    }

    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Time since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros((self.0 - earlier.0).max(0) as u64)
    }

    /// How far the two are from each other, whichever is later: a time may be forged, or a clock set back.
    pub fn apart(self, other: Self) -> Duration {
        Duration::from_micros(self.0.abs_diff(other.0))
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_micros(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339 in UTC.
impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(formatter, "{time}"),
            Err(_) => write!(formatter, "{}", self.seconds()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn wire_seconds_give_the_microsecond_back(micros in 0..=4_102_444_800_000_000_i64) {
            let time = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::from_seconds(time.seconds()), Some(time));
        }
    }

    #[test]
    fn seconds_that_are_no_time_are_refused() {
        for seconds in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert_eq!(Timestamp::from_seconds(seconds), None);
        }
    }
}
