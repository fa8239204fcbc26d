//! Too much of the same within a short time: a rule that goes on matching.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::recent::Recent;
use crate::event::Timestamp;
use crate::limits;

#[derive(Debug, Clone, Copy)]
pub struct Threshold {
    pub window: Duration,
    /// The alarm comes at so many.
    pub at: usize,
}

/// Counts events for each key in a window that slides with the events' own time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rates {
    bursts: Recent<Burst>,
}

/// Events that follow each other with no gap longer than the window.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Burst {
    /// Times of the newest events, at most [`limits::BURST_EVENTS_MAX`].
    window: VecDeque<Timestamp>,
    total: u64,
    next_alarm_at: u64,
}

/// The burst of a key after one more event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    /// Events of the burst so far.
    pub total: u64,
}

impl Default for Rates {
    fn default() -> Self {
        Self { bursts: Recent::new(limits::ENTITIES_PER_DETECTOR_MAX) }
    }
}

impl Rates {
    /// Counts an event that stands for itself.
    #[cfg(test)]
    pub fn observe(&mut self, threshold: &Threshold, key: &str, ts: Timestamp) -> Option<Alarm> {
        self.observe_times(threshold, key, ts, 1)
    }

    /// Counts an event that stands for so many at once. Returns an alarm when the threshold is reached and then each time the
    /// burst has grown tenfold, so that a flood of any size leads to a handful of alarms.
    pub fn observe_times(&mut self, threshold: &Threshold, key: &str, ts: Timestamp, times: u32) -> Option<Alarm> {
        let burst = self.bursts.touch(key, Default::default);
        burst.slide(ts, threshold.window);
        if burst.window.is_empty() {
            *burst = Burst::default();
        }
        for _ in 0..(times as usize).min(limits::BURST_EVENTS_MAX) {
            if burst.window.len() == limits::BURST_EVENTS_MAX {
                burst.window.pop_front();
            }
            burst.window.push_back(ts);
        }
        burst.total += u64::from(times);

        let reached = burst.window.len() >= threshold.at;
        if !reached || burst.total < burst.next_alarm_at {
            return None;
        }
        burst.next_alarm_at = burst.total.saturating_mul(10);
        Some(burst.alarm())
    }

    /// The burst of a key, if it has reached the threshold and is not over by `ts`.
    pub fn ongoing(&self, threshold: &Threshold, key: &str, ts: Timestamp) -> Option<Alarm> {
        let mut burst = self.bursts.get(key)?.clone();
        burst.slide(ts, threshold.window);
        (burst.window.len() >= threshold.at).then(|| burst.alarm())
    }
}

impl Burst {
    /// Drops what is further away than the window, in either direction: a clock that was set back, or a line with a
    /// forged time, must not keep old events alive.
    fn slide(&mut self, ts: Timestamp, window: Duration) {
        self.window.retain(|at| at.since(ts).max(ts.since(*at)) <= window);
    }

    fn alarm(&self) -> Alarm {
        Alarm { total: self.total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_IN_TEN_MINUTES: Threshold = Threshold { window: Duration::from_secs(600), at: 5 };

    fn second(number: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + number * 1000)
    }

    #[test]
    fn a_flood_gives_one_alarm_for_each_order_of_magnitude() {
        let mut rates = Rates::default();
        let alarms: Vec<u64> = (0..600)
            .filter_map(|at| rates.observe(&FIVE_IN_TEN_MINUTES, "a", second(at)))
            .map(|alarm| alarm.total)
            .collect();
        assert_eq!(alarms, [5, 50, 500]);
    }

    #[test]
    fn an_event_that_stands_for_many_counts_as_often() {
        let mut rates = Rates::default();
        let mut alarm = |times, at| rates.observe_times(&FIVE_IN_TEN_MINUTES, "a", second(at), times);
        assert_eq!(alarm(1, 0), None);
        assert_eq!(alarm(9, 1).map(|alarm| alarm.total), Some(10));
        assert_eq!(alarm(1000, 2).map(|alarm| alarm.total), Some(1010));
    }

    #[test]
    fn slow_events_never_reach_the_threshold() {
        let mut rates = Rates::default();
        assert!((0..100).all(|at| rates.observe(&FIVE_IN_TEN_MINUTES, "a", second(at * 151)).is_none()));
    }

    #[test]
    fn a_new_burst_after_a_quiet_window_alarms_again() {
        let mut rates = Rates::default();
        let alarms =
            (0..5).chain(5000..5005).filter_map(|at| rates.observe(&FIVE_IN_TEN_MINUTES, "a", second(at))).count();
        assert_eq!(alarms, 2);
    }

    #[test]
    fn events_from_before_the_clock_was_set_back_do_not_count() {
        let mut rates = Rates::default();
        for at in 0..4 {
            rates.observe(&FIVE_IN_TEN_MINUTES, "a", second(100_000 + at));
        }
        assert_eq!(rates.observe(&FIVE_IN_TEN_MINUTES, "a", second(0)), None);
        assert_eq!(rates.ongoing(&FIVE_IN_TEN_MINUTES, "a", second(0)), None);
    }

    #[test]
    fn an_event_counts_to_the_end_of_the_window_and_not_beyond() {
        let two = Threshold { at: 2, ..FIVE_IN_TEN_MINUTES };
        for (gap, alarms) in [(600, true), (601, false)] {
            let mut rates = Rates::default();
            assert_eq!(rates.observe(&two, "a", second(0)), None);
            assert_eq!(rates.observe(&two, "a", second(gap)).is_some(), alarms, "after {gap} seconds");
        }
    }
}
