//! What status and metrics show of SHRINK: the reading that its events go by, at this moment, and which names there are.

use std::sync::Mutex;
use std::time::Duration;

use super::names::Names;
use crate::detect::shrink_readings::ShrinkReadings;
use crate::event::{ShrinkSample, Timestamp};
use crate::locked::locked;
use crate::server::gateway::ShrinkStatus;

#[derive(Default)]
pub struct Latest {
    known: Mutex<Known>,
    /// Here because it lasts longer than a run of the task.
    pub(super) names: Mutex<Names>,
}

#[derive(Default)]
struct Known {
    readings: ShrinkReadings,
    /// When it was asked for the first time.
    begun: Option<Timestamp>,
    good: Option<Timestamp>,
}

impl Latest {
    /// It is going to be asked.
    pub fn begin(&self, now: Timestamp) {
        locked(&self.known).begun.get_or_insert(now);
    }

    pub fn note(&self, at: Timestamp, sample: &ShrinkSample) {
        let mut known = locked(&self.known);
        known.readings.take(at, sample, None);
        if sample.failure.is_none() {
            known.good = Some(at);
        }
    }

    /// Since the newest good sample; before the first, since it was asked. `None` while nobody asks.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        let known = locked(&self.known);
        known.good.or(known.begun).map(|at| now.since(at))
    }

    pub fn status(&self, now: Timestamp, stale_after: Duration) -> ShrinkStatus {
        let view = locked(&self.known).readings.view(now, stale_after);
        ShrinkStatus { state: view.state, age_s: view.age_s, values: view.values }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::event::ShrinkState;

    #[test]
    fn status_goes_by_the_same_table_as_the_events_and_the_age_is_there_before_the_first_sample() {
        let at = |second: u64| Timestamp::from_millis(1_700_000_000_000 + second * 1000);
        let (latest, stale_after) = (Latest::default(), Duration::from_secs(10));
        assert_eq!(latest.age(at(0)), None);
        latest.begin(at(0));
        latest.begin(at(3));
        assert_eq!(latest.age(at(5)), Some(Duration::from_secs(5)));
        let values = BTreeMap::from([("shrink_crisis_level".to_owned(), 0.5)]);
        latest.note(at(6), &ShrinkSample { values, failure: None });
        latest.note(at(7), &ShrinkSample { failure: Some("late".to_owned()), ..ShrinkSample::default() });
        let fresh = latest.status(at(8), stale_after);
        assert_eq!(
            (fresh.state, fresh.age_s, fresh.values.get("crisis_level")),
            (ShrinkState::Fresh, Some(2.0), Some(&0.5))
        );
        let down = latest.status(at(60), stale_after);
        assert_eq!((down.state, down.values.len()), (ShrinkState::Down, 0));
        assert_eq!(latest.age(at(60)), Some(Duration::from_secs(54)));
    }
}
