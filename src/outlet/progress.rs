//! How a stream that is far behind catches up, in words.

use std::time::{Duration, Instant};

/// Fewer events than this are no refill.
const WORTH_SAYING: u64 = 20_000;
const SAY_EVERY: Duration = Duration::from_secs(5);

/// One refill.
#[derive(Debug, Clone)]
pub struct Progress {
    total: u64,
    started: Instant,
    said: Instant,
}

impl Progress {
    /// A refill begins when this much is missing; otherwise `None`.
    pub fn begin(missing: u64, now: Instant) -> Option<Self> {
        (missing >= WORTH_SAYING).then_some(Self { total: missing, started: now, said: now })
    }

    /// The line for status while `missing` events are missing.
    pub fn line(&self, missing: u64, now: Instant) -> String {
        let done = self.total.saturating_sub(missing);
        let rate = done as f64 / now.duration_since(self.started).as_secs_f64().max(0.001);
        format!("{done} of {} events refilled, {rate:.0} a second", self.total.max(missing))
    }

    /// Whether the line is due in the journal.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = now.duration_since(self.said) >= SAY_EVERY;
        if due {
            self.said = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refill_says_how_far_and_how_fast_it_is_every_few_seconds() {
        let start = Instant::now();
        let mut progress = Progress::begin(100_000, start).unwrap();
        assert!(!progress.is_due(start));
        let later = start + SAY_EVERY;
        assert_eq!(progress.line(50_000, later), "50000 of 100000 events refilled, 10000 a second");
        assert!(progress.is_due(later) && !progress.is_due(later));
        assert!(Progress::begin(3, start).is_none());
    }
}
