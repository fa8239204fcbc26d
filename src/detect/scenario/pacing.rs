//! Who stays just below a threshold for hours. The thresholds are public: an attacker makes as many attempts as lead to no alarm, waits for
//! the timespan, and begins again, from one address, from a new one each time, or against one account after the other.
//!
//! A count that varies by itself goes on to the threshold about as often as it ends one step below. So many periods that all end there,
//! none of them on the other side, are no chance. What somebody gets right in the end is taken back and is no such period.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::marks::{Marked, SOURCE, USER};
use super::model::{Measure, Scenario};
use super::raised::{Grown, Raised};
use crate::detect::fingerprint::{alarm_id, fingerprint};
use crate::detect::recent::Recent;
use crate::detect::sigma::normal;
use crate::event::{Category, EventId, Timestamp};
use crate::limits::{PACED_GROUPS_MAX, PACED_PERIODS_MAX};

/// The reason of who stays just below a threshold.
const STAYS_BELOW: &str = "below_threshold";
/// Below this, one step less is nothing.
const THRESHOLD_MIN: usize = 4;
/// Periods that ended just below the threshold.
const PERIODS: usize = 8;
/// A period is at least as long: what is over within seconds has not gone on for hours after eight of them.
const PERIOD_MIN: Duration = Duration::from_secs(600);
/// All of them within so many periods, and at least within a day.
const WITHIN_PERIODS: u32 = 24;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The same is told again after this time.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);
const _: () = assert!(PERIODS < PACED_PERIODS_MAX);

/// Groups that have come near a threshold. Nobody takes a place with a few lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pacing {
    /// By scenario and by whom it is about.
    groups: Recent<VecDeque<Period>, u64>,
    /// What was told, by reason and group, and when.
    told: Recent<Timestamp>,
}

impl Default for Pacing {
    fn default() -> Self {
        Self { groups: Recent::by_number(PACED_GROUPS_MAX), told: Recent::new(PACED_GROUPS_MAX) }
    }
}

/// A group came near within one period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Period {
    #[serde(rename = "t")]
    begun: Timestamp,
    #[serde(rename = "g")]
    group: u64,
    /// How far.
    #[serde(rename = "m")]
    most: u32,
    #[serde(rename = "e")]
    event: EventId,
}

/// Who stays below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The group that the scenario counts.
    Group,
    /// One account that many groups are about, each a source of its own.
    Account,
    /// One source that many groups come from, each an account of its own.
    Source,
}

/// What is found.
#[derive(Debug, Clone, PartialEq)]
pub struct Paced {
    pub whose: Whose,
    /// Names it, the same for all scenarios that group alike.
    pub about: u64,
    /// The field, and its value, as the line has it.
    pub name: (String, String),
    pub periods: usize,
    pub groups: usize,
    pub least: u32,
    pub most: u32,
    pub first: Timestamp,
    pub last: Timestamp,
    pub events: Vec<EventId>,
}

impl Pacing {
    /// The scenario measures so much of this group with this line. Returns who has stayed below its threshold for so long that it is to be
    /// told.
    pub fn measured(&mut self, scenario: &Scenario, group: u64, measured: usize, line: &Marked<'_>) -> Vec<Paced> {
        let Some(near) = near_from(scenario).filter(|near| measured >= *near) else { return Vec::new() };
        if measured >= scenario.at && self.is_empty() {
            return Vec::new();
        }
        let places = places(scenario, group, line);
        if measured >= scenario.at {
            places.for_each(|place| self.forget(place, group, None));
            return Vec::new();
        }
        debug_assert!(near < scenario.at);
        let most = u32::try_from(measured).unwrap_or(u32::MAX);
        let period = Period { begun: line.ts, group, most, event: line.id };
        places.filter_map(|place| self.near(scenario, place, &period, line)).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.groups.len() == 0
    }

    /// Somebody has succeeded; `measured`: what the scenario measures of this group since then.
    pub fn settled(&mut self, scenario: &Scenario, group: u64, measured: impl FnOnce() -> usize, line: &Marked<'_>) {
        if !is_paced(scenario) {
            return;
        }
        // Of nearly every success nothing is known.
        let known = both_places(scenario, group, line).map(|place| place.filter(|it| self.groups.has(it.number)));
        if known.iter().any(Option::is_some) && near_from(scenario).is_some_and(|near| measured() < near) {
            let since = line.ts.minus(period(scenario));
            known.into_iter().flatten().for_each(|place| self.forget(place, group, Some(since)));
        }
    }

    /// It was told, by this scenario or by another that counts the same.
    pub fn tell(&mut self, scenario: &Scenario, paced: &Paced) -> bool {
        let key = format!("{}\0{:x}", scenario.reason, paced.about);
        let was_told = self.told.get(&key).is_some_and(|told| paced.last.apart(*told) < TOLD_AGAIN_AFTER);
        if !was_told {
            *self.told.touch(&key, || paced.last) = paced.last;
        }
        !was_told
    }

    fn near(&mut self, scenario: &Scenario, place: Place, now: &Period, line: &Marked<'_>) -> Option<Paced> {
        let (length, within) = (period(scenario), (period(scenario) * WITHIN_PERIODS).max(DAY));
        let periods = self.groups.touch(place.number, VecDeque::new);
        periods.retain(|period| now.begun.apart(period.begun) <= within);
        let own = periods.iter_mut().rev().find(|period| period.group == now.group);
        match own.filter(|period| now.begun.apart(period.begun) < length) {
            Some(period) => period.most = period.most.max(now.most),
            None => {
                if periods.len() >= PACED_PERIODS_MAX {
                    periods.pop_front();
                }
                periods.push_back(now.clone());
            }
        }
        // The others may still go on to the threshold.
        let ended: Vec<&Period> = periods.iter().filter(|period| now.begun.apart(period.begun) >= length).collect();
        let first = ended.first().filter(|_| ended.len() >= PERIODS)?.begun;
        let mut groups: Vec<u64> = ended.iter().map(|period| period.group).collect();
        groups.sort_unstable();
        groups.dedup();
        // Of a single one it is told by itself.
        if place.whose != Whose::Group && groups.len() == 1 {
            return None;
        }
        Some(Paced {
            whose: place.whose,
            about: place.about,
            name: name(scenario, place.whose, line)?,
            periods: ended.len(),
            groups: groups.len(),
            least: ended.iter().map(|period| period.most).min().unwrap_or_default(),
            most: ended.iter().map(|period| period.most).max().unwrap_or_default(),
            first,
            last: now.begun,
            events: ended.iter().map(|period| period.event).collect(),
        })
    }

    /// Periods of this group are none that ended below: all, or those that began since then.
    fn forget(&mut self, place: Place, group: u64, since: Option<Timestamp>) {
        if self.groups.has(place.number) {
            let periods = self.groups.touch(place.number, VecDeque::new);
            periods.retain(|period| period.group != group || since.is_some_and(|since| period.begun < since));
        }
    }
}

/// Where it is kept who has come near a threshold.
#[derive(Debug, Clone, Copy)]
struct Place {
    whose: Whose,
    about: u64,
    number: u64,
}

/// Whom the line is about, for this scenario.
fn places(scenario: &Scenario, group: u64, line: &Marked<'_>) -> impl Iterator<Item = Place> + use<> {
    both_places(scenario, group, line).into_iter().flatten()
}

fn both_places(scenario: &Scenario, group: u64, line: &Marked<'_>) -> [Option<Place>; 2] {
    let of = |whose| {
        let about = match whose {
            Whose::Group => (!scenario.group_by.is_empty()).then_some(group ^ scenario.salt),
            Whose::Account => line.user(),
            Whose::Source => line.source(),
        };
        // Both are fingerprints already.
        about.map(|about| Place { whose, about, number: about ^ scenario.salt.rotate_left(u64::BITS / 2) })
    };
    [of(Whose::Group), other_side(scenario).and_then(of)]
}

/// The field that says whom it is about, and its value.
fn name(scenario: &Scenario, whose: Whose, line: &Marked<'_>) -> Option<(String, String)> {
    let field = match whose {
        Whose::Group => scenario.group_by.first().map_or("", String::as_str),
        Whose::Account => USER,
        Whose::Source => SOURCE,
    };
    let value = normal::field(line.record, field).filter(|value| !value.is_empty())?.into_owned();
    Some((field.to_owned(), value))
}

/// Of attempts to log in each source or each account may stay below, and the other side is the same all the time.
fn other_side(scenario: &Scenario) -> Option<Whose> {
    match scenario.category {
        Category::Auth if scenario.is_of_user() => Some(Whose::Source),
        Category::Auth if scenario.is_of_source() => Some(Whose::Account),
        _ => None,
    }
}

/// From where on a count is just below: half a standard deviation of one that varies by itself, and at least one step.
fn near_from(scenario: &Scenario) -> Option<usize> {
    let step = || ((scenario.at as f64).sqrt() / 2.0).round() as usize;
    is_paced(scenario).then(|| scenario.at.saturating_sub(step().max(1)))
}

/// Whether its counts can be just below.
fn is_paced(scenario: &Scenario) -> bool {
    scenario.at >= THRESHOLD_MIN && !matches!(scenario.measure, Measure::All { .. })
}

/// After this time a group that came near has not reached the threshold.
fn period(scenario: &Scenario) -> Duration {
    scenario.timespan.max(PERIOD_MIN)
}

impl Paced {
    /// As the alarm of the scenario that it is about.
    pub fn raised(self, scenario: &Scenario) -> Raised {
        let count = self.periods as u64;
        let summary = self.summary(scenario);
        let id = alarm_id(self.about ^ fingerprint(STAYS_BELOW), self.first);
        let alarm = Grown { id, reports: 1, count, first: self.first, last: self.last };
        let is_of_one_source = match self.whose {
            Whose::Group => scenario.is_of_one_source(),
            Whose::Account => false,
            Whose::Source => true,
        };
        Raised {
            ends_after: None,
            is_of_source: self.whose == Whose::Source || (self.whose == Whose::Group && scenario.is_of_source()),
            is_of_one_source,
            is_of_many: !is_of_one_source,
            is_of_user: self.name.0.starts_with("user."),
            evidence: scenario.evidence(self.events, (count, self.most as usize)),
            ..Raised::of(scenario, self.about, STAYS_BELOW.to_owned(), (scenario.score, summary), alarm)
        }
    }

    fn summary(&self, scenario: &Scenario) -> String {
        let (field, value) = &self.name;
        let counted =
            if self.least == self.most { self.most.to_string() } else { format!("{} to {}", self.least, self.most) };
        let by = match self.whose {
            Whose::Group => String::new(),
            Whose::Account => format!(" from {} sources", self.groups),
            Whose::Source => format!(" against {} accounts", self.groups),
        };
        format!(
            "{field} {value} stays just below the alarm \"{}\": {} times within {} a count of {counted}{by}, where {} within {} are an alarm",
            scenario.title,
            self.periods,
            span(self.last.since(self.first)),
            scenario.at,
            span(scenario.timespan),
        )
    }
}

/// A time as a person says it.
fn span(time: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    match time.as_secs() {
        seconds if seconds < 2 * MINUTE => format!("{seconds} s"),
        seconds if seconds < 2 * HOUR => format!("{} min", seconds / MINUTE),
        seconds if seconds < 48 * HOUR => format!("{} h", seconds / HOUR),
        seconds => format!("{} days", seconds / (24 * HOUR)),
    }
}
