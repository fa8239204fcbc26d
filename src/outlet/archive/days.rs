//! The days that have a partition of their own, and the names of those. Pure.

use std::time::Duration;

use jiff::civil::{Date, date};
use jiff::{Span, ToSpan};

use crate::event::Timestamp;

const DAY_S: i64 = 86_400;

/// A day of UTC, numbered from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

/// From the oldest day kept to tomorrow. Rows of other days go to the default partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub first: Day,
    pub last: Day,
}

impl Day {
    /// Of epoch seconds.
    pub fn of(ts: f64) -> Self {
        Self((ts / DAY_S as f64).floor() as i64)
    }

    /// Epoch seconds: from, inclusive, and to, exclusive.
    pub fn bounds(self) -> (i64, i64) {
        (self.0 * DAY_S, (self.0 + 1) * DAY_S)
    }

    /// `raw_events_fast_20261123`.
    pub fn partition(self, table: &str) -> String {
        let days: Span = self.0.clamp(0, 1_000_000).days();
        let day = date(1970, 1, 1).saturating_add(days);
        format!("{table}_{:04}{:02}{:02}", day.year(), day.month(), day.day())
    }

    /// The day of a partition with such a name.
    pub fn of_partition(table: &str, name: &str) -> Option<Self> {
        let digits = name.strip_prefix(table)?.strip_prefix('_')?;
        if digits.len() != 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let number: i32 = digits.parse().ok()?;
        let part = |number: i32| i8::try_from(number % 100).ok();
        let day = Date::new(i16::try_from(number / 10_000).ok()?, part(number / 100)?, part(number)?).ok()?;
        Some(Self(i64::from(date(1970, 1, 1).until(day).ok()?.get_days())))
    }
}

impl Window {
    pub fn at(now: Timestamp, retention: Duration) -> Self {
        let today = Day::of(now.seconds());
        let first = Day::of((now.seconds() - retention.as_secs_f64()).max(0.0));
        Self { first, last: Day(today.0 + 1) }
    }

    /// Whether the day is kept.
    pub fn contains(self, day: Day) -> bool {
        self.first <= day && day <= self.last
    }

    /// Those that are needed now and next.
    pub fn newest(self) -> [Day; 2] {
        [Day(self.last.0 - 1), self.last]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_named_after_its_day_and_found_by_its_name() {
        let day = Day::of(1_795_392_000.0 - 0.25);
        assert_eq!(day.partition("raw_events_fast"), "raw_events_fast_20261122");
        assert_eq!(Day::of_partition("raw_events_fast", "raw_events_fast_20261122"), Some(day));
        assert_eq!(day.bounds(), (1_795_305_600, 1_795_392_000));
        for name in ["raw_events_fast_default", "raw_events_fast_20261332", "raw_events_fast_2026112", "x_20261122"] {
            assert_eq!(Day::of_partition("raw_events_fast", name), None, "{name}");
        }
        for number in [0, 59, 60, 20_000, 100_000] {
            assert_eq!(Day::of_partition("t", &Day(number).partition("t")), Some(Day(number)));
        }
    }

    #[test]
    fn the_window_reaches_from_the_retention_to_tomorrow() {
        let now = Timestamp::from_seconds(20_000.5 * 86_400.0).unwrap();
        let window = Window::at(now, Duration::from_secs(3 * 86_400));
        assert_eq!((window.first, window.last), (Day(19_997), Day(20_001)));
        assert!(window.contains(Day(19_997)) && !window.contains(Day(19_996)) && !window.contains(Day(20_002)));
        assert_eq!(window.newest(), [Day(20_000), Day(20_001)]);
    }
}
