//! The time of one source's lines: running backwards, and falling silent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// Lines before a source counts as steady.
const STEADY_LINES_MIN: u64 = 60;
/// A source whose long pauses are within this factor of its usual ones is regular, and judged at once.
const REGULAR_SPREAD: f64 = 16.0;
/// An irregular source is judged only once a whole day of it is known, nights included.
const IRREGULAR_LEARNING: Duration = Duration::from_secs(36 * 3600);
/// Silence is longer than this many of the longest pauses known.
const SILENCE_FACTOR: f64 = 5.0;
/// Lines in a row before an earlier time is the new time (a corrected clock).
const REBASE_LINES: u32 = 50;
/// Pauses are counted by powers of two of a millisecond; the last holds 24 days and more.
const BUCKETS: usize = 32;
/// From this count on old pauses fade, so that a source may change its habits.
const FADE_AT: u64 = 20_000;

/// What is odd about the time of the next line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Oddity {
    /// Earlier than a line before it, by more than the tolerance.
    Backwards { by: Duration },
    /// Nothing came for longer than `limit`, which ended at `at`; `usual` is the median pause.
    Silent { at: Timestamp, limit: Duration, usual: Duration },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogClock {
    latest: Timestamp,
    first: Timestamp,
    pauses: Vec<u64>,
    lines: u64,
    longest: Duration,
    backwards_in_a_row: u32,
    #[serde(rename = "silence_said")]
    silence_reported: bool,
}

impl LogClock {
    pub fn new(first: Timestamp) -> Self {
        Self {
            latest: first,
            first,
            pauses: vec![0; BUCKETS],
            lines: 0,
            longest: Duration::ZERO,
            backwards_in_a_row: 0,
            silence_reported: false,
        }
    }

    pub fn latest(&self) -> Timestamp {
        self.latest
    }

    /// Takes in the time of the source's next line. Returns what is odd about it.
    pub fn line(&mut self, ts: Timestamp, tolerance: Duration, silence_min: Duration) -> Option<Oddity> {
        let by = self.latest.since(ts);
        if by > tolerance {
            self.backwards_in_a_row += 1;
            if self.backwards_in_a_row >= REBASE_LINES {
                self.latest = ts;
                self.backwards_in_a_row = 0;
            }
            return Some(Oddity::Backwards { by });
        }
        self.backwards_in_a_row = 0;
        let silent = self.silence(ts, silence_min);
        let pause = ts.since(self.latest);
        self.learn(pause);
        self.latest = self.latest.max(ts);
        self.silence_reported = false;
        silent
    }

    /// Returns that the source has been silent for too long at this time, once for each silence.
    pub fn silence(&mut self, now: Timestamp, silence_min: Duration) -> Option<Oddity> {
        if self.silence_reported {
            return None;
        }
        let limit = self.silence_limit(silence_min)?;
        if now.since(self.latest) <= limit {
            return None;
        }
        self.silence_reported = true;
        Some(Oddity::Silent { at: self.latest.plus(limit), limit, usual: self.quantile(0.5) })
    }

    /// How long this source may be silent; `None` while its habits are not known.
    fn silence_limit(&self, silence_min: Duration) -> Option<Duration> {
        if self.lines < STEADY_LINES_MIN {
            return None;
        }
        // A median below a second is a burst of lines at one moment, and not the rhythm.
        let usual = self.quantile(0.5).max(Duration::from_secs(1));
        let regular = self.quantile(0.99).as_secs_f64() <= usual.as_secs_f64() * REGULAR_SPREAD;
        if !regular && self.latest.since(self.first) < IRREGULAR_LEARNING {
            return None;
        }
        Some(self.longest.mul_f64(SILENCE_FACTOR).max(silence_min))
    }

    fn learn(&mut self, pause: Duration) {
        let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - millis.leading_zeros()) as usize;
        if let Some(count) = self.pauses.get_mut(bucket.min(BUCKETS - 1)) {
            *count += 1;
        }
        self.lines += 1;
        self.longest = self.longest.max(pause);
        if self.lines >= FADE_AT {
            self.pauses.iter_mut().for_each(|count| *count /= 2);
            self.lines = self.pauses.iter().sum();
            let known = self.quantile(1.0);
            self.longest = self.longest.min(known);
        }
    }

    /// Upper edge of the bucket that holds this share of the pauses.
    fn quantile(&self, share: f64) -> Duration {
        let target = (self.lines as f64 * share).ceil() as u64;
        let mut below = 0;
        for (bucket, count) in self.pauses.iter().enumerate() {
            below += count;
            if below >= target {
                return Duration::from_millis(1 << bucket.min(BUCKETS));
            }
        }
        Duration::from_millis(1 << BUCKETS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Duration = Duration::from_secs(300);
    const SILENCE_MIN: Duration = Duration::from_secs(600);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    fn every_ten_seconds(lines: u64) -> LogClock {
        let mut clock = LogClock::new(at(0));
        for line in 1..=lines {
            assert_eq!(clock.line(at(line * 10), TOLERANCE, SILENCE_MIN), None);
        }
        clock
    }

    #[test]
    fn a_steady_source_that_falls_silent_is_noticed_once_by_a_tick_or_by_the_next_line() {
        let mut by_tick = every_ten_seconds(100);
        let silent = by_tick.silence(at(1000 + 601), SILENCE_MIN);
        assert!(matches!(silent, Some(Oddity::Silent { .. })), "{silent:?}");
        assert_eq!(by_tick.silence(at(1000 + 700), SILENCE_MIN), None);
        let mut by_line = every_ten_seconds(100);
        assert_eq!(by_line.line(at(1000 + 9000), TOLERANCE, SILENCE_MIN), silent);
        assert_eq!(by_tick.line(at(1000 + 9000), TOLERANCE, SILENCE_MIN), None);
        assert_eq!(by_tick, by_line);
    }

    #[test]
    fn a_pause_like_those_before_or_of_an_unknown_source_is_nothing() {
        assert_eq!(every_ten_seconds(100).silence(at(1000 + 590), SILENCE_MIN), None);
        assert_eq!(every_ten_seconds(20).silence(at(200 + 86_400), SILENCE_MIN), None);
    }

    #[test]
    fn an_irregular_source_is_not_judged_before_a_whole_day_is_known() {
        let mut clock = LogClock::new(at(0));
        let mut now = 0;
        for line in 0..200 {
            now += if line % 20 == 19 { 900 } else { 1 };
            clock.line(at(now), TOLERANCE, SILENCE_MIN);
        }
        assert_eq!(clock.silence(at(now + 40_000), SILENCE_MIN), None);
    }

    #[test]
    fn time_that_runs_backwards_is_noticed_and_a_corrected_clock_accepted() {
        let mut clock = every_ten_seconds(100);
        assert_eq!(clock.line(at(900), TOLERANCE, SILENCE_MIN), None);
        let odd = (0..200).filter(|line| clock.line(at(100 + line), TOLERANCE, SILENCE_MIN).is_some()).count();
        assert_eq!(odd, REBASE_LINES as usize);
    }
}
