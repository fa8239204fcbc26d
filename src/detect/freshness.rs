//! Whether the newest good sample of SHRINK still says anything.
//!
//! | its age                      | a later poll | state | its values       |
//! |------------------------------|--------------|-------|------------------|
//! | at most the bound            | any          | fresh | may be used      |
//! | above the bound              | none failed  | stale | must not be used |
//! | above the bound              | failed       | down  | must not be used |
//! | there never was a good one   | any, none    | down  | there are none   |
//!
//! So one lost answer changes nothing; `stale` means that polls have stopped coming (SHRINK is not asked), `down` that
//! they come and fail.

use std::time::Duration;

use crate::event::ShrinkState;

/// The row of the table. `age` is `None` when there never was a good sample; `failed_since` says whether a poll after
/// that sample has failed.
pub fn freshness(age: Option<Duration>, failed_since: bool, stale_after: Duration) -> ShrinkState {
    match age {
        None => ShrinkState::Down,
        Some(age) if age <= stale_after => ShrinkState::Fresh,
        Some(_) if failed_since => ShrinkState::Down,
        Some(_) => ShrinkState::Stale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_holds() {
        let state = |age: Option<u64>, failed_since| {
            freshness(age.map(Duration::from_secs), failed_since, Duration::from_secs(10))
        };
        assert_eq!([state(Some(10), false), state(Some(10), true)], [ShrinkState::Fresh; 2]);
        assert_eq!([state(Some(11), false), state(Some(11), true)], [ShrinkState::Stale, ShrinkState::Down]);
        assert_eq!([state(None, false), state(None, true)], [ShrinkState::Down; 2]);
    }
}
