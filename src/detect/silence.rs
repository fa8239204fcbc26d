//! A source that falls silent. Time is how long the daemon has watched, see [`WatchTime`](super::watch_time::WatchTime).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Lines before a source counts as steady.
const STEADY_LINES_MIN: u64 = 60;
/// A source whose long pauses are within this factor of its usual ones is regular, and judged at once.
const REGULAR_SPREAD: f64 = 16.0;
/// An irregular source is judged only once a whole day of it is known, nights included.
const IRREGULAR_LEARNING: Duration = Duration::from_secs(36 * 3600);
/// Silence is longer than this many of the longest pauses known.
const SILENCE_FACTOR: f64 = 5.0;
/// Pauses are counted by powers of two of a millisecond; the last holds 24 days and more.
const BUCKETS: usize = 32;
/// From this count on old pauses fade, so that a source may change its habits.
const FADE_AT: u64 = 20_000;

/// Nothing came for longer than `limit`, which ended `ago`; `usual` is the median pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silent {
    pub ago: Duration,
    pub limit: Duration,
    pub usual: Duration,
}

/// The pause before a line by the times of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    pub pause: Duration,
    /// Both lines came when they were written; those of a backlog come as fast as they are read.
    pub is_live: bool,
}

/// The pauses of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    latest: Duration,
    /// The sum of all pauses.
    known: Duration,
    pauses: Vec<u64>,
    lines: u64,
    longest: Duration,
    reported: bool,
}

impl Silence {
    pub fn new(first: Duration) -> Self {
        Self {
            latest: first,
            known: Duration::ZERO,
            pauses: vec![0; BUCKETS],
            lines: 0,
            longest: Duration::ZERO,
            reported: false,
        }
    }

    /// Takes in the source's next line. Returns that the pause before it was too long, where that was not noticed before.
    pub fn line(&mut self, watched: Duration, claimed: Claimed, silence_min: Duration) -> Option<Silent> {
        let waited = watched.saturating_sub(self.latest);
        // Of a live source, time that nobody watched is nobody's silence; of a backlog, nobody has waited for the lines.
        let pause = if claimed.is_live { waited } else { claimed.pause };
        let silent = self.judge(pause, silence_min);
        // A source that brings what it has once an hour is not silent for the rest of it.
        self.longest = self.longest.max(pause).max(waited);
        self.known += pause;
        // Lines that had to wait come all at once, and so do those of one minute where no second is told: neither is the rhythm.
        self.learn(claimed.pause.max(waited));
        self.latest = watched;
        self.reported = false;
        silent
    }

    /// Returns that the source has been silent for too long at this time, once for each silence.
    pub fn check(&mut self, watched: Duration, silence_min: Duration) -> Option<Silent> {
        let silent = self.judge(watched.saturating_sub(self.latest), silence_min);
        self.reported |= silent.is_some();
        silent
    }

    /// Whether [`check`](Self::check) would return that now.
    pub fn is_silent(&self, watched: Duration, silence_min: Duration) -> bool {
        self.judge(watched.saturating_sub(self.latest), silence_min).is_some()
    }

    /// So many lines came that its habits begin to be known: to be looked at from time to time.
    pub fn is_milestone(&self) -> bool {
        self.lines > 0 && self.lines.is_multiple_of(STEADY_LINES_MIN)
    }

    /// For how long it has been known; `None` before it counts as steady.
    pub fn steady_for(&self) -> Option<Duration> {
        (self.lines >= STEADY_LINES_MIN).then_some(self.known)
    }

    /// Its silence was noticed, and no line has come since.
    pub fn is_reported(&self) -> bool {
        self.reported
    }

    fn judge(&self, pause: Duration, silence_min: Duration) -> Option<Silent> {
        if self.reported {
            return None;
        }
        let limit = self.limit(silence_min)?;
        let ago = pause.checked_sub(limit).filter(|ago| !ago.is_zero())?;
        Some(Silent { ago, limit, usual: self.quantile(0.5) })
    }

    /// How long this source may be silent; `None` while its habits are not known.
    fn limit(&self, silence_min: Duration) -> Option<Duration> {
        if self.lines < STEADY_LINES_MIN {
            return None;
        }
        // A median below a second is a burst of lines at one moment, and not the rhythm.
        let usual = self.quantile(0.5).max(Duration::from_secs(1));
        let regular = self.quantile(0.99).as_secs_f64() <= usual.as_secs_f64() * REGULAR_SPREAD;
        if !regular && self.known < IRREGULAR_LEARNING {
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

    const SILENCE_MIN: Duration = Duration::from_secs(600);

    fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn live(seconds: u64) -> Claimed {
        Claimed { pause: second(seconds), is_live: true }
    }

    fn backlog(seconds: u64) -> Claimed {
        Claimed { pause: second(seconds), is_live: false }
    }

    fn every_ten_seconds(lines: u64) -> Silence {
        let mut silence = Silence::new(second(0));
        for line in 1..=lines {
            assert_eq!(silence.line(second(line * 10), live(10), SILENCE_MIN), None);
        }
        silence
    }

    #[test]
    fn a_steady_source_that_falls_silent_is_noticed_once_by_a_tick_or_by_the_next_line() {
        let mut by_tick = every_ten_seconds(100);
        assert_eq!(by_tick.check(second(1000 + 600), SILENCE_MIN), None);
        let found = by_tick.check(second(1000 + 605), SILENCE_MIN).unwrap();
        assert_eq!((found.ago, found.limit), (second(5), SILENCE_MIN));
        assert_eq!(by_tick.check(second(1000 + 700), SILENCE_MIN), None);
        assert_eq!(by_tick.line(second(1000 + 900), live(900), SILENCE_MIN), None);
        let mut by_line = every_ten_seconds(100);
        let silent = by_line.line(second(1000 + 900), live(900), SILENCE_MIN).unwrap();
        assert_eq!((silent.limit, silent.ago), (SILENCE_MIN, second(300)));
        assert_eq!(by_tick, by_line);
    }

    #[test]
    fn a_pause_like_those_before_or_of_an_unknown_source_is_nothing() {
        assert_eq!(every_ten_seconds(100).check(second(1000 + 590), SILENCE_MIN), None);
        assert_eq!(every_ten_seconds(20).check(second(200 + 86_400), SILENCE_MIN), None);
    }

    #[test]
    fn a_backlog_tells_its_own_pauses_whenever_it_is_read() {
        let mut silence = Silence::new(second(0));
        let pauses = std::iter::repeat_n(10, 100).chain([900, 10]);
        let silent = pauses.filter_map(|pause| silence.line(second(0), backlog(pause), SILENCE_MIN));
        assert_eq!(silent.map(|silent| silent.ago).collect::<Vec<_>>(), [second(300)]);
    }

    #[test]
    fn lines_that_waited_for_the_daemon_and_came_all_at_once_keep_their_rhythm() {
        let mut silence = Silence::new(second(0));
        for line in 1..=100 {
            // Of six lines that were written ten seconds apart none is read before the last.
            silence.line(second(u64::div_ceil(line, 6) * 60), live(10), SILENCE_MIN);
        }
        assert_eq!(silence.check(second(1020 + 599), SILENCE_MIN), None);
        assert!(silence.check(second(1020 + 601), SILENCE_MIN).is_some());
    }

    #[test]
    fn a_source_that_brings_its_lines_once_an_hour_is_not_silent_for_the_rest_of_it() {
        let mut silence = Silence::new(second(0));
        for hour in 1..=5 {
            assert!(hour == 1 || silence.check(second(hour * 3600 - 1), SILENCE_MIN).is_none());
            for _ in 0..360 {
                silence.line(second(hour * 3600), backlog(10), SILENCE_MIN);
            }
        }
        assert!(silence.check(second(5 * 3600 + 5 * 3600 + 1), SILENCE_MIN).is_some());
    }

    #[test]
    fn a_day_that_the_machine_was_off_is_no_pause_of_a_live_source() {
        let mut silence = every_ten_seconds(200);
        assert_eq!(silence.line(second(2010), live(86_400), SILENCE_MIN), None);
        assert!(silence.check(second(2010 + 601), SILENCE_MIN).is_some());
    }

    #[test]
    fn an_irregular_source_is_not_judged_before_a_whole_day_is_known() {
        let mut silence = Silence::new(second(0));
        let mut now = 0;
        for line in 0..200 {
            let pause = if line % 20 == 19 { 900 } else { 1 };
            now += pause;
            silence.line(second(now), live(pause), SILENCE_MIN);
        }
        assert_eq!(silence.check(second(now + 40_000), SILENCE_MIN), None);
    }
}
