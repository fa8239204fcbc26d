//! Whether the last good sample of something polled still says anything. Pure, on whatever clock the caller uses for
//! all three times.
//!
//! | newest good sample        | latest poll | state | its values      |
//! |---------------------------|-------------|-------|-----------------|
//! | not older than the bound  | any         | fresh | may be used     |
//! | older                     | good        | stale | must not be used |
//! | older                     | failed      | down  | must not be used |
//! | never                     | any, none   | down  | there are none  |
//!
//! So one lost answer changes nothing; `stale` means that polls have stopped coming (nobody asked), `down` that they
//! come and fail.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Fresh,
    Stale,
    Down,
}

/// What the polls so far have shown. Part of its owner's saved state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Freshness {
    /// Microseconds.
    last_good: Option<i64>,
    failing: bool,
}

impl Freshness {
    /// A poll ended at `micros`.
    pub fn observe(&mut self, micros: i64, good: bool) {
        self.failing = !good;
        if good {
            self.last_good = Some(micros);
        }
    }

    /// The state at `micros`, with the age of the newest good sample; a sample of a later time has the age zero.
    pub fn at(&self, micros: i64, stale_after: Duration) -> (State, Option<Duration>) {
        let Some(last_good) = self.last_good else { return (State::Down, None) };
        let age = Duration::from_micros(u64::try_from(micros.saturating_sub(last_good)).unwrap_or_default());
        let state = match (age <= stale_after, self.failing) {
            (true, _) => State::Fresh,
            (false, false) => State::Stale,
            (false, true) => State::Down,
        };
        (state, Some(age))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(10);
    const SECOND: i64 = 1_000_000;

    fn after(polls: &[(i64, bool)]) -> Freshness {
        let mut freshness = Freshness::default();
        for (second, good) in polls {
            freshness.observe(second * SECOND, *good);
        }
        freshness
    }

    fn state(polls: &[(i64, bool)], second: i64) -> State {
        after(polls).at(second * SECOND, BOUND).0
    }

    #[test]
    fn every_row_of_the_table_holds() {
        assert_eq!(state(&[(0, true)], 10), State::Fresh);
        assert_eq!(state(&[(0, true), (1, false)], 10), State::Fresh);
        assert_eq!(state(&[(0, true)], 11), State::Stale);
        assert_eq!(state(&[(0, true), (1, false)], 11), State::Down);
        assert_eq!(state(&[], 0), State::Down);
        assert_eq!(state(&[(0, false)], 0), State::Down);
    }

    #[test]
    fn one_good_answer_brings_it_back() {
        assert_eq!(state(&[(0, true), (20, false), (21, true)], 22), State::Fresh);
    }

    #[test]
    fn the_age_counts_from_the_newest_good_sample_and_is_never_negative() {
        let freshness = after(&[(5, true), (9, false)]);
        assert_eq!(freshness.at(12 * SECOND, BOUND).1, Some(Duration::from_secs(7)));
        assert_eq!(freshness.at(3 * SECOND, BOUND), (State::Fresh, Some(Duration::ZERO)));
        assert_eq!(after(&[(1, false)]).at(2 * SECOND, BOUND).1, None);
        assert_eq!(after(&[(0, true)]).at(i64::MAX, BOUND).0, State::Stale);
    }
}
