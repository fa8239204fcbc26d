//! The time that one source's lines tell: running backwards.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// Lines in a row that are late before time counts as running backwards: those that are written at the end of what they
/// tell of, a long download or connection, come one by one between others.
const LATE_LINES: u32 = 3;
/// How many times as late as such lines usually are.
const HABIT_FACTOR: u32 = 4;
/// Lines in a row before an earlier time is the new time (a corrected clock).
const REBASE_LINES: u32 = 50;

/// The lines of one source on one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogClock {
    latest: Timestamp,
    /// Lines in a row that are earlier than the latest by more than the tolerance, and the least of them.
    late: u32,
    late_by: Duration,
    /// How late the latest line was that came alone among others.
    usually_late_by: Duration,
}

impl LogClock {
    pub fn new(first: Timestamp) -> Self {
        Self { latest: first, late: 0, late_by: Duration::ZERO, usually_late_by: Duration::ZERO }
    }

    /// Takes in the time that the source's next line tells. Returns by how much time has run backwards, when it has.
    pub fn line(&mut self, claim: Timestamp, tolerance: Duration) -> Option<Duration> {
        let by = self.latest.since(claim);
        if by <= tolerance {
            // A single line that is late by years makes no habit.
            let learnt = self.late_by.min(self.usually_late_by.max(tolerance) * 2);
            self.usually_late_by = self.usually_late_by.max(learnt);
            (self.late, self.late_by) = (0, Duration::ZERO);
            self.latest = self.latest.max(claim);
            return None;
        }
        self.late_by = if self.late == 0 { by } else { self.late_by.min(by) };
        self.late += 1;
        if self.late >= REBASE_LINES {
            (self.latest, self.late, self.late_by) = (claim, 0, Duration::ZERO);
            return Some(by);
        }
        (self.late >= LATE_LINES && by > self.usually_late_by.saturating_mul(HABIT_FACTOR)).then_some(by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Duration = Duration::from_secs(300);

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + second * 1000)
    }

    fn odd(clock: &mut LogClock, seconds: impl IntoIterator<Item = u64>) -> usize {
        seconds.into_iter().filter(|second| clock.line(at(*second), TOLERANCE).is_some()).count()
    }

    #[test]
    fn time_that_runs_backwards_is_noticed_and_a_corrected_clock_accepted() {
        let mut clock = LogClock::new(at(0));
        assert_eq!(odd(&mut clock, (1..1000).chain([800])), 0);
        assert_eq!(odd(&mut clock, 100..300), (REBASE_LINES - LATE_LINES + 1) as usize);
    }

    #[test]
    fn lines_written_at_the_end_of_what_they_tell_of_are_nothing() {
        let mut clock = LogClock::new(at(0));
        let lines =
            (0..20_000).map(|second| if second % 100 == 99 { second - (second % 900).min(second) } else { second });
        assert_eq!(odd(&mut clock, lines), 0);
        // Also when some of them end together.
        assert_eq!(odd(&mut clock, [19_000, 19_100, 18_900, 19_050, 20_001]), 0);
        assert_eq!(odd(&mut clock, [10, 11, 12]), 1);
    }
}
