//! Until when events are old enough to be removed, by a clock that nobody can set ahead. Pure.
//!
//! Events are dated by the machine's clock. If somebody sets that a day ahead, all that is kept looks as old as a day at once;
//! it is removed only as fast as twice the time that passes, so that the clock is set right, or what is to be kept is
//! somewhere else, before it is gone. A clock that is set back is followed at once: that removes nothing. Where it is, is
//! kept beside the events, so that it holds over a restart as well.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{EventId, Timestamp};

/// A machine's clock that is kept in step by others moves by less than this at once.
const STEP_MIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct RetentionClock {
    last: Timestamp,
    /// Of the machine, at `last`.
    uptime: Duration,
}

/// As it is kept. An uptime says something in the same boot alone.
#[derive(Serialize, Deserialize)]
struct Saved {
    micros: i64,
    uptime_ms: u64,
    boot: String,
}

impl RetentionClock {
    /// The name that it is kept under, beside the positions of the sources.
    pub const NAME: &str = "retention-clock";

    /// Goes on from what was kept in this boot.
    pub fn kept(value: &Value, boot: &str) -> Option<Self> {
        let saved: Saved = serde_json::from_value(value.clone()).ok()?;
        let is_same = saved.boot == boot && !boot.is_empty();
        let last = Timestamp::from_micros(saved.micros);
        is_same.then(|| Self { last, uptime: Duration::from_millis(saved.uptime_ms) })
    }

    pub fn to_value(&self, boot: &str) -> Value {
        let uptime_ms = u64::try_from(self.uptime.as_millis()).unwrap_or(u64::MAX);
        let saved = Saved { micros: self.last.micros(), uptime_ms, boot: boot.to_owned() };
        serde_json::to_value(saved).unwrap_or_default() // numbers and a string always serialise
    }

    /// `newest` is the newest event that is kept: on a machine that has been up for `uptime` it cannot be much later than
    /// that, and if it was down meanwhile, events are kept longer.
    pub fn new(wall: Timestamp, uptime: Duration, newest: EventId) -> Self {
        let latest = Timestamp::from_millis(newest.ms()).plus(uptime);
        let last = if newest == EventId::ZERO { wall } else { wall.min(latest) };
        Self { last, uptime }
    }

    /// The time by which what is old is removed now.
    pub fn now(&mut self, wall: Timestamp, uptime: Duration) -> Timestamp {
        let passed = uptime.saturating_sub(self.uptime);
        let (expected, latest) = (self.last.plus(passed), self.last.plus(2 * passed));
        let is_in_step = wall.since(expected) < STEP_MIN;
        self.uptime = uptime;
        self.last = if is_in_step { wall } else { wall.min(latest) };
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis((1_700_000_000 + second) * 1000)
    }

    fn up(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn a_clock_that_is_in_step_is_followed() {
        let mut clock = RetentionClock::new(at(0), up(0), EventId::ZERO);
        assert_eq!([clock.now(at(10), up(10)), clock.now(at(22), up(20))], [at(10), at(22)]);
        assert_eq!(clock.now(at(9000), up(9000)), at(9000), "the machine slept");
    }

    #[test]
    fn a_day_ahead_comes_no_faster_than_a_day_and_is_forgotten_when_it_is_taken_back() {
        let mut clock = RetentionClock::new(at(0), up(0), EventId::ZERO);
        assert_eq!(clock.now(at(DAY + 10), up(10)), at(20));
        assert_eq!(clock.now(at(DAY + 3600), up(3600)), at(20 + 2 * 3590));
        assert_eq!(clock.now(at(DAY + DAY + 1000), up(DAY + 1000)), at(DAY + DAY + 1000), "caught up");
        assert_eq!(clock.now(at(DAY + 1010), up(DAY + 1010)), at(DAY + 1010), "set right again");
    }

    #[test]
    fn a_restart_while_the_clock_is_ahead_removes_nothing_sooner() {
        let mut clock = RetentionClock::new(at(0), up(40 * DAY), EventId::ZERO);
        clock.now(at(30 * DAY), up(40 * DAY + 10));
        let saved = clock.to_value("this boot");
        let mut clock = RetentionClock::kept(&saved, "this boot").unwrap();
        assert_eq!(clock.now(at(30 * DAY + 10), up(40 * DAY + 20)), at(40));
        assert!(RetentionClock::kept(&saved, "another boot").is_none());
        assert!(RetentionClock::kept(&Value::Null, "this boot").is_none());
    }

    #[test]
    fn a_start_with_a_clock_that_is_wrong_goes_by_the_newest_event_and_the_time_that_the_machine_is_up() {
        let newest = EventId::new(at(0).millis(), 7);
        let mut clock = RetentionClock::new(at(30 * DAY), up(600), newest);
        assert_eq!(clock.now(at(30 * DAY + 1), up(601)), at(602));
        let mut clock = RetentionClock::new(at(300), up(600), newest);
        assert_eq!(clock.now(at(301), up(601)), at(301), "and by a clock that is right at once");
    }
}
