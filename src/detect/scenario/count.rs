//! The exact count of one group.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::item;
use super::kept_lines::KeptLines;
use super::model::{Measure, Scenario};
use crate::detect::top::Top;
use crate::event::Timestamp;
use crate::limits;

/// The newest lines of a group. What lies outside of the timespan is not counted and is not thrown away either: the next line may
/// be of a source with another clock. It goes when newer lines need its place.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Count {
    /// Time and fingerprint of the value of each line, in the order that they came.
    #[serde(rename = "s")]
    seen: VecDeque<(Timestamp, u64)>,
    /// What was counted before by the sketch.
    #[serde(rename = "c", default, skip_serializing_if = "is_zero")]
    carried: u32,
    /// Lines since there were none within the timespan, or since the alarm began.
    #[serde(rename = "t")]
    pub total: u64,
    /// The first line since it was carried.
    #[serde(rename = "b")]
    pub begun: Timestamp,
    #[serde(rename = "l")]
    pub last: Timestamp,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Open>,
    /// The total when somebody last succeeded.
    #[serde(rename = "d", default, skip_serializing_if = "is_zero")]
    settled: u64,
    /// Who has most of the count, of a group that is not of one source.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    sources: Option<Box<Top>>,
    /// The events that were counted.
    #[serde(rename = "e", default, skip_serializing_if = "KeptLines::is_empty")]
    pub lines: KeptLines,
}

/// Characters of a source's name; an address has fewer.
const NAME_CHARS_MAX: usize = 64;
/// An alarm that begins again after a longer rest is reported at once.
const RESUMED_AFTER: Duration = Duration::from_secs(3 * 3600);

fn is_zero<Count: Default + PartialEq>(count: &Count) -> bool {
    *count == Count::default()
}

/// An alarm that goes on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Open {
    /// The earliest of the lines that made it begin: names it.
    #[serde(rename = "f")]
    pub first: Timestamp,
    /// It is reported again at so many.
    #[serde(rename = "x")]
    pub next: u64,
    /// How often it was to be reported.
    #[serde(rename = "g")]
    pub reports: u32,
    /// How many times it had grown tenfold then.
    #[serde(rename = "w", default)]
    pub grade: u32,
    #[serde(rename = "o", default)]
    pub reporter: Reporter,
    /// It is over since then, and goes on when it is reached again.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub rests_since: Option<Timestamp>,
}

impl Open {
    /// It is reached at this time. Returns whether it has rested for so long that this is to be reported.
    pub fn resume(&mut self, ts: Timestamp) -> bool {
        let Some(since) = self.rests_since.take() else { return false };
        // Whoever reported it instead may be over as well.
        if self.reporter == Reporter::Another {
            self.reporter = Reporter::Nobody;
        }
        self.reporter == Reporter::Itself && ts.since(since) > RESUMED_AFTER
    }
}

/// Who has reported an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Reporter {
    #[default]
    #[serde(rename = "n")]
    Nobody,
    #[serde(rename = "h")]
    Itself,
    /// Another scenario, about the same.
    #[serde(rename = "e")]
    Another,
}

/// How the time of two lines differs, whichever came first.
pub fn apart(left: Timestamp, right: Timestamp) -> Duration {
    left.since(right).max(right.since(left))
}

impl Count {
    pub fn new(at: Timestamp, carried: u32) -> Self {
        Self { carried, total: u64::from(carried), begun: at, last: at, ..Self::default() }
    }

    pub fn is_carried(&self) -> bool {
        self.carried > 0
    }

    /// Adds lines of this time, at most as many as are remembered. Returns the value that has made room for them.
    pub fn add(&mut self, scenario: &Scenario, ts: Timestamp, mut item: u64, times: u32) -> Option<u64> {
        let pause = ts.since(self.last);
        if pause > scenario.remembered_for() {
            self.alarm = None;
        } else if let Some(alarm) = self.alarm.as_mut().filter(|_| pause > scenario.ends_after()) {
            alarm.rests_since.get_or_insert(self.last);
        }
        if self.alarm.is_none() && self.within(scenario, ts).next().is_none() {
            self.total = self.carried(scenario, ts) as u64;
            self.settled = 0;
            self.sources = None;
            self.lines.clear();
        }
        self.total += u64::from(times);
        let memory = scenario.memory();
        let copies = match scenario.measure {
            Measure::Lines { .. } => (times as usize).min(memory),
            // Of a value only the newest line counts, so that repeating one does not push out the others.
            Measure::Values { .. } => {
                let is_same = |known: u64| item::value(scenario, known) == item::value(scenario, item);
                let known = self.seen.iter().find(|(at, known)| is_same(*known) && apart(*at, ts) <= scenario.timespan);
                let again = known.map_or(item, |(_, known)| item::counted_again(scenario, item, *known));
                self.seen.retain(|(_, known)| !is_same(*known));
                item = again;
                1
            }
            Measure::All { .. } => {
                self.seen.retain(|(at, known)| *known != item || apart(*at, ts) <= scenario.timespan);
                1
            }
        };
        let mut pushed_out = None;
        for _ in 0..copies {
            if self.seen.len() >= memory {
                pushed_out = self.seen.pop_front().map(|(_, item)| item);
            }
            self.seen.push_back((ts, item));
        }
        self.last = self.last.max(ts);
        pushed_out
    }

    /// One more line of this source.
    pub fn name_source(&mut self, name: &str) {
        let end = name.char_indices().nth(NAME_CHARS_MAX).map_or(name.len(), |(end, _)| end);
        let sources = self.sources.get_or_insert_with(|| Box::new(Top::new(limits::SCENARIO_SOURCES_NAMED_MAX)));
        sources.count(name.get(..end).unwrap_or_default());
    }

    /// Those who have most of the count, the first of them most.
    pub fn sources(&self) -> Vec<String> {
        let surest = self.sources.iter().flat_map(|sources| sources.surest());
        surest.map(|(name, _)| name.to_owned()).collect()
    }

    /// Lines since somebody last succeeded.
    pub fn unsettled(&self) -> u64 {
        self.total.saturating_sub(self.settled)
    }

    /// Somebody has succeeded: what was counted has led to that. The alarm goes on.
    pub fn settle(&mut self) {
        self.seen.clear();
        self.lines.clear();
        self.carried = 0;
        self.settled = self.total;
    }

    fn within(&self, scenario: &Scenario, ts: Timestamp) -> impl Iterator<Item = u64> + '_ {
        let timespan = scenario.timespan;
        self.seen.iter().filter(move |(at, _)| apart(*at, ts) <= timespan).map(|(_, item)| *item)
    }

    /// The earliest of what is counted at this time.
    pub fn first(&self, scenario: &Scenario, ts: Timestamp) -> Timestamp {
        let counted = self.seen.iter().map(|(at, _)| *at).filter(|at| apart(*at, ts) <= scenario.timespan);
        counted.min().unwrap_or(ts)
    }

    fn carried(&self, scenario: &Scenario, ts: Timestamp) -> usize {
        if apart(self.begun, ts) <= scenario.timespan { self.carried as usize } else { 0 }
    }

    /// What the scenario measures, at this time.
    pub fn measure(&self, scenario: &Scenario, ts: Timestamp) -> usize {
        match scenario.measure {
            Measure::Lines { .. } => self.within(scenario, ts).count() + self.carried(scenario, ts),
            Measure::Values { .. } => self.distinct(scenario, ts),
            Measure::All { ordered } => self.steps(scenario, ts, ordered),
        }
    }

    pub fn distinct(&self, scenario: &Scenario, ts: Timestamp) -> usize {
        match scenario.measure {
            // Of a value only the newest line is kept.
            Measure::Values { .. } => self.within(scenario, ts).count() + self.carried(scenario, ts),
            _ => self.within(scenario, ts).collect::<BTreeSet<_>>().len(),
        }
    }

    /// How many of the rules have had a line; in their order, how many from the first on.
    fn steps(&self, scenario: &Scenario, ts: Timestamp, ordered: bool) -> usize {
        if !ordered {
            return self.within(scenario, ts).collect::<BTreeSet<_>>().len();
        }
        let mut by_time: Vec<(Timestamp, u64)> =
            self.seen.iter().filter(|(at, _)| apart(*at, ts) <= scenario.timespan).copied().collect();
        by_time.sort_by_key(|(at, _)| *at);
        by_time.iter().fold(0, |reached, (_, step)| if *step == reached { reached + 1 } else { reached }) as usize
    }

    /// Takes back what has this value; returns how many lines that were. What was reported stays reported.
    pub fn take_back(&mut self, item: u64, most: usize) -> usize {
        // A success asks this of every scenario, and nearly always there is nothing.
        if !self.seen.iter().any(|(_, known)| *known == item) {
            return 0;
        }
        let mut left = most;
        let before = self.seen.len();
        let kept = self.seen.iter().rev().filter(|(_, known)| {
            let goes = *known == item && left > 0;
            left -= usize::from(goes);
            !goes
        });
        let mut kept: Vec<(Timestamp, u64)> = kept.copied().collect();
        kept.reverse();
        self.seen = kept.into();
        let taken = before - self.seen.len();
        self.lines.take_back(item, most);
        self.total = self.total.saturating_sub(taken as u64);
        self.settled = self.settled.min(self.total);
        taken
    }

    /// The values that are counted.
    pub fn items(&self) -> BTreeSet<u64> {
        self.seen.iter().map(|(_, item)| *item).collect()
    }

    /// Whether this value is counted.
    pub fn has_value(&self, scenario: &Scenario, item: u64) -> bool {
        let value = |item: u64| item::value(scenario, item);
        self.seen.iter().any(|(_, known)| value(*known) == value(item))
    }

    /// Nothing of it counts any more.
    pub fn is_over(&self, scenario: &Scenario, now: Timestamp) -> bool {
        let after = if self.alarm.is_some() { scenario.ends_after() } else { scenario.timespan };
        now.since(self.last) > after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_told_to_go_on_once_after_a_long_rest_and_by_whom_it_was_reported() {
        let begin = Timestamp::from_millis(1_700_000_000_000);
        let resume = |reporter: Reporter, rest: Duration| {
            let mut open = Open { reporter, rests_since: Some(begin), ..Open::default() };
            let is_told = open.resume(begin.plus(rest));
            assert!(!open.resume(begin.plus(rest * 2)), "it goes on since then");
            (is_told, open.reporter)
        };
        let (short, long) = (RESUMED_AFTER, RESUMED_AFTER + Duration::from_millis(1));
        assert_eq!(resume(Reporter::Itself, short), (false, Reporter::Itself));
        assert_eq!(resume(Reporter::Itself, long), (true, Reporter::Itself));
        assert_eq!(resume(Reporter::Another, long), (false, Reporter::Nobody));
        assert_eq!(resume(Reporter::Nobody, long), (false, Reporter::Nobody));
    }
}
