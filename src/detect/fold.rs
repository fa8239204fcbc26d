//! One alarm from many judgements that say the same of the same.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::due::Due;
use super::fingerprint::{alarm_id, fingerprint};
use super::recent::Recent;
use crate::event::{Alarm, EventId, Timestamp};
use crate::limits;

/// An alarm that nothing was added to for so long is over.
const ENDS_AFTER: Duration = Duration::from_secs(3600);

/// The count at which an alarm that goes on is reported again: the next power of two that is half as many again.
pub fn reported_again_at(count: u64) -> u64 {
    count.saturating_add(count / 2 + 1).checked_next_power_of_two().unwrap_or(u64::MAX)
}

/// Alarms that go on, by what they say and of whom; bounded. One that makes room too early is reported once more. With each that has
/// grown, `About` is kept: what is said of it when it is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Folds<About> {
    alarms: Recent<Fold<About>>,
    /// None that is to be reported is over before.
    due: Due,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Fold<About> {
    id: String,
    count: u64,
    /// It is reported again at so many, and was reported at so many.
    next: u64,
    #[serde(rename = "told")]
    reported: u64,
    /// The highest that was reported.
    score: f64,
    first: Timestamp,
    last: Timestamp,
    /// When the newest was taken in.
    heard: Timestamp,
    about: Option<Box<About>>,
    /// The newest of its events.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    events: VecDeque<i64>,
}

/// A judgement that is added.
#[derive(Debug, Clone, Copy)]
pub struct Judgement {
    pub ts: Timestamp,
    pub taken_in: Timestamp,
    /// It stands for so many.
    pub times: u32,
    pub score: f64,
    /// The event that it is, to be named; [`EventId::ZERO`]: it is not.
    pub event: EventId,
}

/// What is to be reported when a judgement has been added.
#[derive(Debug, PartialEq)]
pub struct Added<About> {
    /// The alarm: when it begins, at each power of two, and when it is worse than was reported.
    pub reported: Option<Alarm>,
    /// It is reported because it is worse.
    pub is_worse: bool,
    /// The count when it was reported before.
    pub before: u64,
    /// The one before it about the same.
    pub over: Option<(About, Alarm)>,
}

impl<About> Default for Folds<About> {
    fn default() -> Self {
        Self { alarms: Recent::new(limits::ENTITIES_PER_DETECTOR_MAX), due: Due::default() }
    }
}

impl<About> Folds<About> {
    /// Adds a judgement.
    pub fn add(&mut self, key: &str, judgement: Judgement, about: impl FnOnce() -> About) -> Added<About> {
        self.add_within(ENDS_AFTER, key, judgement, about)
    }

    /// The same, to an alarm that is over only after this time.
    pub fn add_within(
        &mut self,
        ends_after: Duration,
        key: &str,
        judgement: Judgement,
        about: impl FnOnce() -> About,
    ) -> Added<About> {
        let Judgement { ts, taken_in, times, score, event } = judgement;
        let fold = self.alarms.touch(key, Fold::fresh);
        let mut over = None;
        if fold.count == 0 || ts.since(fold.last) > ends_after {
            over = fold.end();
            let id = alarm_id(fingerprint(key), ts);
            *fold = Fold { id, next: 1, first: ts, last: ts, ..Fold::fresh() };
        }
        fold.count += u64::from(times.max(1));
        fold.name(event);
        fold.last = fold.last.max(ts);
        fold.heard = fold.heard.max(taken_in);
        if fold.count < fold.next && score <= fold.score {
            return Added { reported: None, is_worse: false, before: fold.reported, over };
        }
        let before = std::mem::replace(&mut fold.reported, fold.count);
        fold.next = reported_again_at(fold.count);
        let is_worse = score > fold.score;
        fold.score = fold.score.max(score);
        // That of a single one is its end as well.
        if fold.count > 1 {
            fold.about = Some(Box::new(about()));
            self.due.note(taken_in.plus(ENDS_AFTER));
        }
        Added { reported: Some(fold.alarm(false)), is_worse, before, over }
    }

    /// The newest events of the alarm of this key.
    pub fn events(&self, key: &str) -> Vec<EventId> {
        let events = self.alarms.get(key).into_iter().flat_map(|fold| fold.events.iter());
        events.map(|id| EventId::from_packed(*id)).collect()
    }

    /// Whether there is an alarm of this key that is not over at this time.
    pub fn goes_on(&self, key: &str, ts: Timestamp) -> bool {
        self.alarms.get(key).is_some_and(|fold| fold.count > 0 && ts.since(fold.last) <= ENDS_AFTER)
    }

    /// Those of more than one that nothing has been added to for long, in the order of their keys.
    pub fn over(&mut self, now: Timestamp) -> Vec<(About, Alarm)> {
        if !self.due.is_past(now) {
            return Vec::new();
        }
        let (mut over, mut due) = (Vec::new(), Due::default());
        for (_, fold) in self.alarms.select_mut(|fold| fold.about.is_some()) {
            let end = fold.heard.plus(ENDS_AFTER);
            if now > end {
                over.extend(fold.end());
                // The next is another.
                *fold = Fold::fresh();
            } else {
                due.note(end);
            }
        }
        self.due = due;
        over
    }
}

impl<About> Fold<About> {
    fn name(&mut self, event: EventId) {
        if event == EventId::ZERO {
            return;
        }
        if self.events.len() >= limits::FOLDED_EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event.packed());
    }

    fn fresh() -> Self {
        Self {
            id: String::new(),
            count: 0,
            next: 0,
            reported: 0,
            score: 0.0,
            first: Timestamp::default(),
            last: Timestamp::default(),
            heard: Timestamp::default(),
            about: None,
            events: VecDeque::new(),
        }
    }

    fn alarm(&self, is_over: bool) -> Alarm {
        let (first_ts, last_ts) = (self.first.seconds(), self.last.seconds());
        Alarm { id: self.id.clone(), count: self.count, first_ts, last_ts, members: Vec::new(), is_over }
    }

    fn end(&mut self) -> Option<(About, Alarm)> {
        let about = self.about.take()?;
        Some((*about, self.alarm(true)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + second * 1000)
    }

    fn added(folds: &mut Folds<u64>, key: &str, second: u64, score: f64) -> Added<u64> {
        folds.add(
            key,
            Judgement { ts: at(second), taken_in: at(second), times: 1, score, event: EventId::ZERO },
            || second,
        )
    }

    #[test]
    fn a_flood_of_one_thing_is_one_alarm_reported_at_powers_of_two() {
        let mut folds = Folds::default();
        let reported: Vec<Alarm> = (1..=100).filter_map(|n| added(&mut folds, "a", n, 0.5).reported).collect();
        assert_eq!(reported.iter().map(|alarm| alarm.count).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 64]);
        assert!(reported.iter().all(|alarm| alarm.id == reported[0].id && alarm.first_ts == at(1).seconds()));
        assert_eq!(reported[6].last_ts, at(64).seconds());
    }

    #[test]
    fn what_is_worse_is_reported_at_once_and_what_is_another_or_later_is_another() {
        let mut folds = Folds::default();
        let mut reported = |key: &str, second: u64, score: f64| added(&mut folds, key, second, score).reported;
        let id = reported("a", 0, 0.5).unwrap().id;
        assert!(reported("a", 1, 0.5).is_some() && reported("a", 2, 0.5).is_none());
        assert_eq!(reported("a", 3, 0.8).map(|alarm| alarm.id), Some(id.clone()));
        assert!(reported("b", 4, 0.1).is_some());
        assert!(reported("a", 3700, 0.5).is_some_and(|alarm| alarm.id != id && alarm.count == 1));
    }

    #[test]
    fn an_alarm_of_more_than_one_ends_once_with_all_that_was_counted() {
        let mut folds = Folds::default();
        let id = added(&mut folds, "a", 0, 0.5).reported.unwrap().id;
        added(&mut folds, "single", 0, 0.5);
        (1..7).for_each(|second| drop(added(&mut folds, "a", second, 0.5)));
        assert_eq!(folds.over(at(3606)), []);
        let over = folds.over(at(3607));
        assert_eq!(
            over.iter().map(|(about, alarm)| (*about, &alarm.id, alarm.count)).collect::<Vec<_>>(),
            [(3, &id, 7)]
        );
        assert!(over[0].1.is_over && over[0].1.last_ts == at(6).seconds());
        assert_eq!(folds.over(at(9000)), []);
        assert_eq!(added(&mut folds, "a", 9001, 0.5).reported.map(|alarm| alarm.count), Some(1));
    }

    #[test]
    fn an_old_log_that_is_read_late_ends_its_alarms_by_its_own_time_and_not_between_two_lines() {
        let mut folds = Folds::default();
        let mut add = |second: u64| {
            let judgement =
                Judgement { ts: at(second), taken_in: at(1_000_000), times: 1, score: 0.5, event: EventId::ZERO };
            folds.add("a", judgement, || second).over.map(|(_, alarm)| alarm.count)
        };
        assert_eq!([0, 1800, 3600, 9000].map(&mut add), [None, None, None, Some(3)]);
        assert_eq!(folds.over(at(1_003_600)), []);
    }
}
