//! How long the daemon has watched: time in which something, a tick at least, has come. What happened while it was stopped,
//! or while the machine slept, is nobody's silence, and a machine's clock that is set changes nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// Ticks come each second, in a replay at least this often while nothing else does; a longer gap was not watched.
pub const WATCHED_WITHIN: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WatchTime {
    at: Option<Timestamp>,
    watched: Duration,
}

impl WatchTime {
    /// Takes the arrival of the next event, and returns how long has been watched until then.
    pub fn at(&mut self, arrival: Timestamp) -> Duration {
        let passed = self.at.replace(arrival).map_or(Duration::ZERO, |before| arrival.since(before));
        if passed <= WATCHED_WITHIN {
            self.watched += passed;
        }
        self.watched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_and_a_clock_that_is_set_do_not_count() {
        let mut watch = WatchTime::default();
        let mut at = |second: u64| watch.at(Timestamp::from_millis(second * 1000)).as_secs();
        assert_eq!([10_000, 10_600, 11_201].map(&mut at), [0, 600, 600], "the longest gap that counts");
        let mut watch = WatchTime::default();
        let mut at = |second: u64| watch.at(Timestamp::from_millis(second * 1000)).as_secs();
        assert_eq!([100, 101, 700, 5000, 5001, 4000, 4003].map(&mut at), [0, 1, 600, 600, 601, 601, 604]);
    }
}
