//! The groups of one scenario, the most important of them exactly.

use serde::{Deserialize, Serialize};

use super::count::{Count, Open};
use super::item;
use super::model::{Measure, Scenario};
use super::sketch::Sketch;
use crate::detect::fingerprint::paired;
use crate::detect::least::Least;
use crate::detect::sorted;
use crate::event::{EventId, Timestamp};
use crate::hash_map::HashMap;

/// Bounded. When there is no room, the group goes that counts least, among those the one that was seen longest ago; its count
/// goes into a sketch, from which it comes back. However many strangers come with one line each, a group with more lines stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Saved")]
pub struct Table {
    /// How often any group was touched.
    touches: u64,
    #[serde(serialize_with = "sorted::serialize")]
    groups: HashMap<u64, Place>,
    /// By what they count, then by the touch that was their last.
    #[serde(skip)]
    by_importance: Least<(u32, u64), u64>,
    /// By their newest line.
    #[serde(skip)]
    by_time: Least<Timestamp, u64>,
    /// Counts of groups that had to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    gone: Option<Box<Sketch>>,
    /// Their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    gone_values: Option<Box<Sketch>>,
    /// Sources of groups that have had more of them than are remembered one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pushed_out: Option<Box<Sketch>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    importance: u32,
    touch: u64,
    last: Timestamp,
    count: Count,
}

/// As it is saved.
#[derive(Deserialize)]
struct Saved {
    touches: u64,
    groups: HashMap<u64, Place>,
    #[serde(default)]
    gone: Option<Box<Sketch>>,
    #[serde(default)]
    gone_values: Option<Box<Sketch>>,
    #[serde(default)]
    pushed_out: Option<Box<Sketch>>,
}

impl From<Saved> for Table {
    fn from(saved: Saved) -> Self {
        let Saved { touches, groups, gone, gone_values, pushed_out } = saved;
        let by_importance = groups.iter().map(|(group, place)| (place.rank(), *group)).collect();
        let by_time = groups.iter().map(|(group, place)| (place.last, *group)).collect();
        Self { touches, groups, by_importance, by_time, gone, gone_values, pushed_out }
    }
}

/// How something is listed is no part of what is counted.
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        let known =
            |table: &Self| (table.touches, table.gone.clone(), table.gone_values.clone(), table.pushed_out.clone());
        known(self) == known(other) && self.groups == other.groups
    }
}

impl Place {
    /// The least goes first.
    fn rank(&self) -> (u32, u64) {
        (self.importance, self.touch)
    }
}

/// One observation of a group.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    pub id: EventId,
    pub group: u64,
    pub item: u64,
    pub ts: Timestamp,
    pub times: u32,
}

impl Table {
    /// Counts the line. Returns the group's count and what it measures now, unless there is no room for so unimportant a group.
    pub fn count(&mut self, scenario: &Scenario, line: Line) -> Option<(&mut Count, usize)> {
        if !self.groups.contains_key(&line.group) && !self.admit(scenario, line) {
            return None;
        }
        let is_known = self.is_known_value(scenario, line);
        let place = self.groups.get_mut(&line.group)?;
        let pushed_out = (!is_known).then(|| place.count.add(scenario, line.ts, line.item, line.times)).flatten();
        place.count.lines.add(line.id, line.item);
        if let Some(item) = pushed_out.filter(|_| scenario.is_sketched && scenario.asks_for_sources()) {
            let sources = self.pushed_out.get_or_insert_with(|| Box::new(Sketch::new(line.ts)));
            sources.add(of_group(scenario, line.group, item), 1, line.ts, scenario.timespan);
        }
        let measured = self.touch(scenario, line.group, line.ts)?;
        self.groups.get_mut(&line.group).map(|place| (&mut place.count, measured))
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    pub fn get(&self, group: u64) -> Option<&Count> {
        self.groups.get(&group).map(|place| &place.count)
    }

    /// Whether this value was likely one of the group's, within about the timespan: there were too many to remember each. Never of one
    /// that was counted alone; of others, the less often the fewer there were.
    pub fn was_likely_counted(&mut self, scenario: &Scenario, line: Line) -> bool {
        let value = of_group(scenario, line.group, line.item);
        let sketches = [&mut self.pushed_out, &mut self.gone_values];
        sketches.into_iter().flatten().any(|sketch| sketch.estimate(value, line.ts, scenario.timespan) > 0)
    }

    /// The alarm of a group that goes on.
    pub fn alarm(&mut self, group: u64) -> Option<&mut Open> {
        self.groups.get_mut(&group)?.count.alarm.as_mut()
    }

    /// Takes lines of this value back from a group, as many as there are of so many. Of nearly every success there are none, and
    /// then the group stays where it is.
    pub fn take_back(&mut self, scenario: &Scenario, group: u64, ts: Timestamp, (item, most): (u64, usize)) {
        if self.groups.get_mut(&group).is_some_and(|place| place.count.take_back(item, most) > 0) {
            self.touch(scenario, group, ts);
        }
    }

    /// What was counted of a group has led to what it was about.
    pub fn settle(&mut self, scenario: &Scenario, group: u64, ts: Timestamp) {
        if let Some(place) = self.groups.get_mut(&group) {
            place.count.settle();
            self.touch(scenario, group, ts);
        }
    }

    /// How many groups are counted exactly.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Makes a place for a new group, if it is important enough for one.
    fn admit(&mut self, scenario: &Scenario, line: Line) -> bool {
        let carried = self.carried(scenario, line);
        if self.groups.len() >= scenario.groups_max {
            self.drop_what_is_over(scenario, line.ts);
        }
        // More than one where there were fewer scenarios when it was saved.
        while self.groups.len() >= scenario.groups_max {
            let importance = carried.saturating_add(line.times.max(1));
            let groups = &self.groups;
            match self.by_importance.first(|group| groups.get(group).map(Place::rank)).copied() {
                Some(((least, _), group)) if least <= importance => self.retire(scenario, group, line.ts),
                _ => {
                    self.note(scenario, line);
                    return false;
                }
            }
        }
        self.touches += 1;
        let count = Count::new(line.ts, carried);
        let place = Place { importance: 0, touch: self.touches, last: line.ts, count };
        self.by_importance.list(place.rank(), line.group);
        self.by_time.list(place.last, line.group);
        self.groups.insert(line.group, place);
        let groups = &self.groups;
        self.by_importance.bound(groups.len(), || groups.iter().map(|(group, place)| (place.rank(), *group)));
        self.by_time.bound(groups.len(), || groups.iter().map(|(group, place)| (place.last, *group)));
        true
    }

    /// A value that is among those that the group's carried count stands for.
    fn is_known_value(&mut self, scenario: &Scenario, line: Line) -> bool {
        let (Measure::Values { .. }, Some(values)) = (&scenario.measure, self.gone_values.as_mut()) else {
            return false;
        };
        let has_come_back = self.groups.get(&line.group).is_some_and(|place| place.count.is_carried());
        has_come_back && values.estimate(of_group(scenario, line.group, line.item), line.ts, scenario.timespan) > 0
    }

    /// What the sketch knows of a group that comes back.
    fn carried(&mut self, scenario: &Scenario, line: Line) -> u32 {
        for sketch in [&mut self.gone, &mut self.gone_values] {
            if sketch.as_ref().is_some_and(|sketch| sketch.is_over(line.ts, scenario.timespan)) {
                *sketch = None;
            }
        }
        self.gone.as_mut().map_or(0, |sketch| sketch.estimate(line.group, line.ts, scenario.timespan))
    }

    /// A line of a group that there is no room for.
    fn note(&mut self, scenario: &Scenario, line: Line) {
        if !scenario.is_sketched {
            return;
        }
        let (ts, span) = (line.ts, scenario.timespan);
        let mut new = line.times.max(1);
        if matches!(scenario.measure, Measure::Values { .. }) {
            let values = self.gone_values.get_or_insert_with(|| Box::new(Sketch::new(ts)));
            let value = of_group(scenario, line.group, line.item);
            new = u32::from(values.estimate(value, ts, span) == 0);
            values.add(value, new, ts, span);
        }
        self.gone.get_or_insert_with(|| Box::new(Sketch::new(ts))).add(line.group, new, ts, span);
    }

    /// Its count goes into the sketch.
    fn retire(&mut self, scenario: &Scenario, group: u64, now: Timestamp) {
        if let Some(place) = self.groups.get(&group).filter(|_| scenario.is_sketched) {
            let importance = u32::try_from(place.count.measure(scenario, now)).unwrap_or(u32::MAX);
            let items = place.count.items();
            self.gone.get_or_insert_with(|| Box::new(Sketch::new(now))).add(group, importance, now, scenario.timespan);
            if matches!(scenario.measure, Measure::Values { .. }) {
                let values = self.gone_values.get_or_insert_with(|| Box::new(Sketch::new(now)));
                for item in items {
                    values.add(of_group(scenario, group, item), 1, now, scenario.timespan);
                }
            }
        }
        self.groups.remove(&group);
    }

    /// Groups whose newest line has left the timespan. How far a line can be ahead is bounded where its time is believed.
    fn drop_what_is_over(&mut self, scenario: &Scenario, now: Timestamp) {
        loop {
            let groups = &self.groups;
            let Some((_, group)) = self.by_time.first(|group| groups.get(group).map(|place| place.last)).copied()
            else {
                return;
            };
            if self.groups.get(&group).is_some_and(|place| !place.count.is_over(scenario, now)) {
                return;
            }
            self.groups.remove(&group);
        }
    }

    /// Puts the group where it belongs now. Returns what it measures.
    fn touch(&mut self, scenario: &Scenario, group: u64, ts: Timestamp) -> Option<usize> {
        self.touches += 1;
        let place = self.groups.get_mut(&group)?;
        let before = place.rank();
        let measure = place.count.measure(scenario, ts);
        let measured = u32::try_from(measure).unwrap_or(u32::MAX);
        let open = if place.count.alarm.is_some() { u32::try_from(scenario.at).unwrap_or(u32::MAX) } else { 0 };
        (place.importance, place.touch, place.last) = (measured.max(open), self.touches, place.count.last);
        if place.rank() < before {
            self.by_importance.list(place.rank(), group);
        }
        Some(measure)
    }
}

/// What a sketch knows a value of a group by, whosever it was.
fn of_group(scenario: &Scenario, group: u64, item: u64) -> u64 {
    paired(group, item::value(scenario, item))
}
