//! `EventId`: the place of an event in the one ordered log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Milliseconds since the Unix epoch and a number within that millisecond, shaped like a Redis stream id
/// (`1763856000123-4`). Ordered as the log is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventId {
    ms: u64,
    n: u32,
}

/// Bits of the packed form that number events within one millisecond.
const N_BITS: u32 = 20;
const N_MAX: u32 = (1 << N_BITS) - 1;
/// The largest millisecond that still packs into a positive `i64`: the year 2248.
const MS_MAX: u64 = (1 << (63 - N_BITS)) - 1;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an event id: expected milliseconds, a hyphen and a number up to {N_MAX}, like 1763856000123-4"
)]
pub struct EventIdError {
    text: String,
}

impl EventId {
    /// Before every event.
    pub const ZERO: Self = Self { ms: 0, n: 0 };
    pub const MAX: Self = Self { ms: MS_MAX, n: N_MAX };
    pub(super) const MAX_MS: i64 = MS_MAX as i64;

    /// Values past the largest representable id are held at it.
    pub fn new(ms: u64, n: u32) -> Self {
        Self { ms: ms.min(MS_MAX), n: n.min(N_MAX) }
    }

    pub fn ms(self) -> u64 {
        self.ms
    }

    pub fn n(self) -> u32 {
        self.n
    }

    /// `ms << 20 | n`: the SQLite and Postgres key; keeps the order.
    pub fn packed(self) -> i64 {
        (self.ms << N_BITS | u64::from(self.n)) as i64
    }

    /// As it is shown. The same as `to_string`, for the way that every decision goes.
    pub fn text(self) -> String {
        [&*self.ms.to_string(), "-", &*self.n.to_string()].concat()
    }

    /// Inverse of [`packed`](Self::packed); a negative number is held at zero.
    pub fn from_packed(packed: i64) -> Self {
        let packed = packed.max(0) as u64;
        Self { ms: packed >> N_BITS, n: (packed & u64::from(N_MAX)) as u32 }
    }

    /// The greatest id that is smaller.
    #[must_use]
    pub fn before(self) -> Self {
        Self::from_packed(self.packed() - 1)
    }

    /// The id after this one for an event that arrives at `now_ms`: never smaller than the clock allows and
    /// never smaller than its predecessor, so a clock that jumps back does not reorder the log.
    pub fn next(self, now_ms: u64) -> Self {
        let now_ms = now_ms.min(MS_MAX);
        if now_ms > self.ms {
            Self { ms: now_ms, n: 0 }
        } else if self.n < N_MAX {
            Self { ms: self.ms, n: self.n + 1 }
        } else {
            Self { ms: self.ms + 1, n: 0 }
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.ms, self.n)
    }
}

impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || EventIdError { text: text.chars().take(64).collect() };
        let (ms, n) = text.split_once('-').ok_or_else(error)?;
        let (ms, n) = (ms.parse::<u64>().map_err(|_| error())?, n.parse::<u32>().map_err(|_| error())?);
        if ms > MS_MAX || n > N_MAX {
            return Err(error());
        }
        Ok(Self { ms, n })
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_and_packed_forms_give_the_id_back_and_keep_the_order(a in 0..=MS_MAX, b in 0..=N_MAX, c in 0..=MS_MAX, d in 0..=N_MAX) {
            let (left, right) = (EventId::new(a, b), EventId::new(c, d));
            prop_assert_eq!(left.to_string().parse::<EventId>().unwrap(), left);
            prop_assert_eq!(EventId::from_packed(left.packed()), left);
            prop_assert_eq!(left.cmp(&right), left.packed().cmp(&right.packed()));
        }

        #[test]
        fn the_next_id_is_larger_whatever_the_clock_does(ms in 0..MS_MAX, n in 0..=N_MAX, clock in 0..=MS_MAX) {
            let id = EventId::new(ms, n);
            prop_assert!(id.next(clock) > id);
        }
    }

    #[test]
    fn the_next_id_has_the_clock_s_time_or_goes_on_from_the_one_before() {
        let id = EventId::new(1000, 7);
        assert_eq!(id.next(1001), EventId::new(1001, 0));
        assert_eq!([1000, 999, 0].map(|clock| id.next(clock)), [EventId::new(1000, 8); 3]);
        assert_eq!(EventId::new(1000, N_MAX).next(1000), EventId::new(1001, 0));
        assert_eq!(EventId::new(1000, N_MAX - 1).next(1000), EventId::new(1000, N_MAX));
        assert_eq!(id.next(u64::MAX), EventId::new(MS_MAX, 0), "no clock leads beyond what can be kept");
    }

    #[test]
    fn malformed_ids_are_refused() {
        for text in ["", "-", "1", "1-", "-1", "1-2-3", "x-1", "1-1048576", "99999999999999-0", "+1-1x"] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }
}
