//! Whether the lines of a source come when they are written, or are history being read. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// A line whose time is as near to its arrival as this came when it was written.
const LIVE_WITHIN: Duration = Duration::from_secs(300);
/// A source may have a clock that is wrong: then its lines are late, or early, by about the same, which those of a
/// backlog are not for long.
const STEADY_WITHIN: Duration = Duration::from_secs(120);
const STEADY_FOR: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Liveness {
    /// How late a line was, in microseconds, and when by [`WatchTime`](super::watch_time::WatchTime); those since were
    /// about as late.
    since: Option<(i64, Duration)>,
}

impl Liveness {
    /// Takes the source's next line. Returns whether it came when it was written.
    pub fn line(&mut self, time: Timestamp, arrival: Timestamp, watched: Duration) -> bool {
        let late = arrival.micros().saturating_sub(time.micros());
        let differs = |other: i64, by: Duration| u128::from(late.abs_diff(other)) > by.as_micros();
        match self.since {
            Some((known, since)) if !differs(known, STEADY_WITHIN) => {
                !differs(0, LIVE_WITHIN) || watched.saturating_sub(since) >= STEADY_FOR
            }
            _ => {
                self.since = Some((late, watched));
                !differs(0, LIVE_WITHIN)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines at these seconds, written when their source's clock showed the other.
    fn lives(lines: &[(u64, u64)]) -> Vec<bool> {
        let mut liveness = Liveness::default();
        let at = |second: u64| Timestamp::from_millis(second * 1000);
        lines
            .iter()
            .map(|(watched, time)| liveness.line(at(*time), at(100_000 + watched), Duration::from_secs(*watched)))
            .collect()
    }

    #[test]
    fn a_line_that_tells_about_the_time_of_its_arrival_is_live_at_once() {
        assert_eq!(lives(&[(0, 100_000), (1, 99_800), (2, 100_100)]), [true; 3]);
    }

    #[test]
    fn a_source_whose_clock_is_an_hour_wrong_is_live_once_that_is_known() {
        let late = [0, 60, 119, 120, 500].map(|second| (second, 96_400 + second));
        assert_eq!(lives(&late), [false, false, false, true, true]);
        let early = [0, 60, 120].map(|second| (second, 103_600 + second));
        assert_eq!(lives(&early), [false, false, true]);
    }

    #[test]
    fn a_backlog_is_not_live_however_long_it_takes_to_read() {
        let backlog = [0, 100, 200, 300, 400].map(|second| (second, 10_000 + 30 * second));
        assert_eq!(lives(&backlog), [false; 5]);
    }
}
