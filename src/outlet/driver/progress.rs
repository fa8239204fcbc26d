//! How an outlet that is far behind catches up, in words.

use std::time::{Duration, Instant};

/// Fewer events than this are nothing to speak of.
const WORTH_SAYING: u64 = 20_000;
const SAY_EVERY: Duration = Duration::from_secs(5);

/// The progress of one outlet that is catching up.
#[derive(Debug, Clone)]
pub struct Progress {
    done: u64,
    started: Instant,
    said: Instant,
    is_logged: bool,
}

impl Progress {
    /// Begins when this much is missing; otherwise `None`.
    pub fn begin(missing: u64, now: Instant) -> Option<Self> {
        Self::is_worth_saying(missing).then_some(Self { done: 0, started: now, said: now, is_logged: false })
    }

    /// Whether an outlet that is so far behind is worth a line.
    pub fn is_worth_saying(missing: u64) -> bool {
        missing >= WORTH_SAYING
    }

    /// So many more are outside.
    pub fn wrote(&mut self, events: u64) {
        self.done += events;
    }

    /// The line for status while `missing` events are missing, those that came meanwhile among them.
    pub fn line(&self, missing: u64, now: Instant) -> String {
        let rate = self.done as f64 / now.duration_since(self.started).as_secs_f64().max(0.001);
        format!("{} of {} events caught up, {rate:.0} a second", self.done, self.done + missing)
    }

    /// Whether the line is due in the journal.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = now.duration_since(self.said) >= SAY_EVERY;
        if due {
            (self.said, self.is_logged) = (now, true);
        }
        due
    }

    /// Whether a line about it is in the journal, so that its end is worth a line too.
    pub fn was_logged(&self) -> bool {
        self.is_logged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catching_up_says_how_far_and_how_fast_it_is_every_few_seconds() {
        let start = Instant::now();
        let mut progress = Progress::begin(100_000, start).unwrap();
        assert!(!progress.is_due(start));
        progress.wrote(50_000);
        let later = start + SAY_EVERY;
        assert_eq!(progress.line(70_000, later), "50000 of 120000 events caught up, 10000 a second");
        assert!(!progress.was_logged());
        assert!(progress.is_due(later) && !progress.is_due(later) && progress.was_logged());
        assert!(Progress::begin(3, start).is_none());
    }
}
