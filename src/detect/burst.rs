//! Reports a thing once for a burst of it, not once a line.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::recent::Recent;
use crate::event::Timestamp;

/// After this time the same thing is reported again.
const FORGET_AFTER: Duration = Duration::from_secs(3600);
/// A burst is reported again when it has grown by this factor.
const GROWTH: u64 = 10;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Burst {
    count: u64,
    #[serde(rename = "said_at_count")]
    reported_at_count: u64,
    #[serde(rename = "said_at")]
    reported_at: Timestamp,
}

/// Counts by name; bounded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bursts {
    seen: Recent<Burst>,
}

impl Bursts {
    pub fn new(capacity: usize) -> Self {
        Self { seen: Recent::new(capacity) }
    }

    /// Counts one more. Returns the number in this burst when it is to be reported: for the first, when the burst is
    /// ten times as large as at the last report, and when it goes on an hour after that.
    pub fn count(&mut self, key: &str, now: Timestamp) -> Option<u64> {
        let burst = self.seen.touch(key, || Burst { count: 0, reported_at_count: 0, reported_at: now });
        // A forged time far in the future must not silence what follows, so distance counts in both directions.
        let apart = now.apart(burst.reported_at);
        if apart >= FORGET_AFTER {
            *burst = Burst { count: 0, reported_at_count: 0, reported_at: now };
        }
        burst.count += 1;
        let due = burst.reported_at_count == 0 || burst.count >= burst.reported_at_count.saturating_mul(GROWTH);
        if !due {
            return None;
        }
        burst.reported_at_count = burst.count;
        burst.reported_at = now;
        Some(burst.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_burst_is_said_at_its_start_and_when_it_has_grown_tenfold() {
        let mut bursts = Bursts::new(10);
        let reported: Vec<u64> = (0..150).filter_map(|second| bursts.count("x", at(second))).collect();
        assert_eq!(reported, [1, 10, 100]);
    }

    #[test]
    fn an_hour_later_it_is_news_again_even_after_a_forged_time() {
        let mut bursts = Bursts::new(10);
        assert_eq!(bursts.count("x", at(10)), Some(1));
        assert_eq!(bursts.count("x", at(20)), None);
        assert_eq!(bursts.count("x", at(3700)), Some(1));
        assert_eq!(bursts.count("y", at(4_000_000_000)), Some(1));
        assert_eq!(bursts.count("y", at(20)), Some(1));
    }
}
