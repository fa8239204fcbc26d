//! One alarm from many judgements that say the same of the same.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fingerprint::{alarm_id, fingerprint};
use super::recent::Recent;
use crate::event::{Alarm, Timestamp};
use crate::limits;

/// An alarm that nothing was added to for so long is over.
const ENDS_AFTER: Duration = Duration::from_secs(3600);

/// Alarms that go on, by what they say and of whom; bounded. One that makes room too early is told once more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Folds {
    alarms: Recent<Fold>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Fold {
    id: String,
    count: u64,
    /// It is told again at so many.
    next: u64,
    /// The highest that was told.
    score: f64,
    first: Timestamp,
    last: Timestamp,
}

impl Default for Folds {
    fn default() -> Self {
        Self { alarms: Recent::new(limits::ENTITIES_PER_DETECTOR_MAX) }
    }
}

impl Folds {
    /// Adds a judgement that stands for so many. Returns the alarm when that is to be told: when it begins, when it has doubled since,
    /// and when it is worse than was told.
    pub fn add(&mut self, key: &str, ts: Timestamp, times: u32, score: f64) -> Option<Alarm> {
        let fold = self.alarms.touch(key, Fold::default);
        if fold.count == 0 || ts.since(fold.last) > ENDS_AFTER {
            let id = alarm_id(fingerprint(key), ts);
            *fold = Fold { id, next: 1, first: ts, last: ts, ..Fold::default() };
        }
        fold.count += u64::from(times.max(1));
        fold.last = fold.last.max(ts);
        if fold.count < fold.next && score <= fold.score {
            return None;
        }
        fold.next = fold.count.saturating_add(1).next_power_of_two();
        fold.score = fold.score.max(score);
        let (first_ts, last_ts) = (fold.first.seconds(), fold.last.seconds());
        Some(Alarm { id: fold.id.clone(), count: fold.count, first_ts, last_ts, members: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + second * 1000)
    }

    #[test]
    fn a_flood_of_one_thing_is_one_alarm_told_at_powers_of_two() {
        let mut folds = Folds::default();
        let told: Vec<Alarm> = (1..=100).filter_map(|n| folds.add("a", at(n), 1, 0.5)).collect();
        assert_eq!(told.iter().map(|alarm| alarm.count).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 64]);
        assert!(told.iter().all(|alarm| alarm.id == told[0].id && alarm.first_ts == at(1).seconds()));
        assert_eq!(told[6].last_ts, at(64).seconds());
    }

    #[test]
    fn what_is_worse_is_told_at_once_and_what_is_another_or_later_is_another() {
        let mut folds = Folds::default();
        let mut told = |key: &str, second: u64, score: f64| folds.add(key, at(second), 1, score);
        let id = told("a", 0, 0.5).unwrap().id;
        assert!(told("a", 1, 0.5).is_some() && told("a", 2, 0.5).is_none());
        assert_eq!(told("a", 3, 0.8).map(|alarm| alarm.id), Some(id.clone()));
        assert!(told("b", 4, 0.1).is_some());
        assert!(told("a", 3700, 0.5).is_some_and(|alarm| alarm.id != id && alarm.count == 1));
    }
}
