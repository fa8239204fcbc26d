//! The ticks of a replay: as the daemon would have had them between one line and the next. Pure.

use std::time::Duration;

use crate::detect::watch_time::WATCHED_WITHIN;
use crate::event::{Body, Draft, Stream, Times, Timestamp};

const SECOND: Duration = Duration::from_secs(1);
/// After so much of a gap between lines a tick comes only every [`SELDOM`], and after [`GAP_TICKED`] none: a log of years
/// has gaps of weeks.
const EACH_SECOND: Duration = Duration::from_secs(60);
const SELDOM: Duration = Duration::from_secs(300);
const GAP_TICKED: Duration = Duration::from_secs(7 * 24 * 3600);

// Whoever counts the time that was watched takes it for uninterrupted.
const _: () = assert!(SELDOM.as_secs() < WATCHED_WITHIN.as_secs());

/// Goes with the latest time that was believed of any line.
#[derive(Debug, Default)]
pub struct ReplayTicks {
    at: Option<Timestamp>,
}

impl ReplayTicks {
    /// The ticks before a line of this time. The last is of the line's own second, so that what is over by then is closed.
    pub fn before(&mut self, time: Timestamp) -> impl Iterator<Item = Draft> + use<> {
        let begin = self.at.unwrap_or(time);
        self.at = Some(begin.max(time));
        let end = second_of(time);
        let mut next = second_of(begin).plus(SECOND);
        std::iter::from_fn(move || {
            if next > end {
                return None;
            }
            let tick = next;
            let passed = tick.since(begin);
            let step = if passed < EACH_SECOND { SECOND } else { SELDOM };
            next = if tick == end {
                end.plus(SECOND)
            } else if passed < GAP_TICKED {
                tick.plus(step).min(end)
            } else {
                end
            };
            Some(Draft { stream: Stream::Tick, times: Times::at(tick), root: None, body: Body::Tick })
        })
    }
}

fn second_of(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.millis() / 1000 * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(ticks: &mut ReplayTicks, millis: u64) -> Vec<u64> {
        ticks.before(Timestamp::from_millis(millis)).map(|tick| tick.times.believed.millis() / 1000).collect()
    }

    #[test]
    fn a_tick_comes_in_each_second_that_passes_and_in_none_twice() {
        let mut clock = ReplayTicks::default();
        assert_eq!(ticks(&mut clock, 10_500), [0; 0], "nothing has passed before the first line");
        assert_eq!(ticks(&mut clock, 10_900), [0; 0]);
        assert_eq!(ticks(&mut clock, 13_100), [11, 12, 13]);
        assert_eq!(ticks(&mut clock, 9_000), [0; 0], "a late line");
        assert_eq!(ticks(&mut clock, 14_000), [14]);
    }

    #[test]
    fn a_gap_of_any_length_has_few_ticks_and_one_at_its_end() {
        let mut clock = ReplayTicks::default();
        ticks(&mut clock, 0);
        let year = 365 * 86_400;
        let found = ticks(&mut clock, year * 1000 + 1);
        assert!(found.len() < 2100, "{}", found.len());
        assert!(found.windows(2).take(found.len() - 2).all(|pair| pair[1] - pair[0] <= SELDOM.as_secs()));
        assert_eq!((found.first(), found.last()), (Some(&1), Some(&year)));
    }
}
