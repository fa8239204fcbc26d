//! Many who do the same are one campaign, with a list.
//!
//! More than a few an hour, or than some dozens a day, are reported together: once when they are that many, then at powers of two, as
//! soon as so many have begun that the list could not name them all, and after a day. Nobody who begins is in no list. Those that
//! are worse are reported together with their like alone, so that none of them hides among many that are harmless. Who is known by
//! a name that whoever writes the line can choose is reported with others of that kind alone, each time, and within an hour of the
//! report before: so many are made up at will, and the next of that name may be another.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fingerprint::{alarm_id, fingerprint};
use super::fold::reported_again_at;
use super::recent::Recent;
use crate::event::{Alarm, EventId, Timestamp};
use crate::limits;

/// A campaign that nobody has joined for so long is over.
pub const ENDS_AFTER: Duration = Duration::from_secs(3600);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Of those who are reported each for itself: in a day, this many times as many as in an hour.
const SINGLE_DAY_FACTOR: usize = 2;
/// Characters of a name; an address has fewer.
const NAME_CHARS_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Campaigns {
    /// By what is done and how bad it is; bounded: the one that was joined longest ago goes.
    campaigns: BTreeMap<String, Campaign>,
    /// By the id of an alarm: how bad it was, and whether a campaign reports it.
    known: Recent<(u8, bool)>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Campaign {
    /// The newest of those who began, each once.
    members: VecDeque<Member>,
    /// All of them, while it goes on.
    count: u64,
    /// It is reported again at so many.
    next: u64,
    /// Those who began since it was reported.
    #[serde(default)]
    unreported: usize,
    first: Timestamp,
    #[serde(default)]
    last: Timestamp,
    #[serde(default)]
    reported: Timestamp,
    /// The one before it, until its end has been reported.
    #[serde(default)]
    before: Option<Alarm>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Member {
    at: Timestamp,
    name: String,
    /// How often within a day.
    times: u64,
    /// The event with which he began.
    #[serde(default)]
    event: i64,
}

/// The report of an alarm.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// What is done.
    pub what: &'a str,
    /// How bad it is by now.
    pub grade: u8,
    /// Who does it.
    pub who: &'a str,
    /// Of the alarm.
    pub id: &'a str,
    pub now: Timestamp,
    /// With which he begins.
    pub event: EventId,
    /// So many are reported each for itself in an hour.
    pub single_max: usize,
    /// `who` is a name that whoever writes the line can choose, as of users and machines.
    pub is_by_name: bool,
}

/// How an alarm is to be reported.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    Alone,
    /// One of many, and that is to be reported now.
    Reported(Alarm),
    /// One of many, which will be reported with others.
    Silent,
}

impl Default for Campaigns {
    fn default() -> Self {
        Self { campaigns: BTreeMap::new(), known: Recent::new(limits::ENTITIES_PER_DETECTOR_MAX) }
    }
}

/// The name of the campaign of those who do this and are so bad.
fn key(what: &str, grade: u8, is_by_name: bool) -> String {
    if is_by_name { format!("{grade} {what} by name") } else { format!("{grade} {what}") }
}

impl Campaigns {
    /// An alarm is to be reported: for the first time, or again. It is reported for itself, or with others until it is worse.
    pub fn report(&mut self, report: &Report<'_>) -> Begun {
        match self.known.get(report.id) {
            Some((grade, is_held)) if *grade >= report.grade => {
                return if *is_held { Begun::Silent } else { Begun::Alone };
            }
            _ => {}
        }
        let begun = self.begins(report);
        *self.known.touch(report.id, Default::default) = (report.grade, begun != Begun::Alone);
        begun
    }

    /// Whether a campaign reports this alarm.
    pub fn is_held(&self, id: &str) -> bool {
        self.known.get(id).is_some_and(|(_, is_held)| *is_held)
    }

    fn begins(&mut self, report: &Report<'_>) -> Begun {
        let key = key(report.what, report.grade, report.is_by_name);
        if !self.campaigns.contains_key(&key) && self.campaigns.len() >= limits::SCENARIOS_MAX {
            let oldest = self.campaigns.iter().min_by_key(|(_, campaign)| campaign.last).map(|(key, _)| key.clone());
            oldest.map(|key| self.campaigns.remove(&key));
        }
        let campaign = self.campaigns.entry(key.clone()).or_default();
        let name: String = report.who.chars().take(NAME_CHARS_MAX).collect();
        campaign.begins(fingerprint(&key), name, report)
    }

    /// The events with which those began whom the campaign names that was just reported.
    pub fn events(&self, report: &Report<'_>) -> Vec<EventId> {
        let campaign = self.campaigns.get(&key(report.what, report.grade, report.is_by_name));
        let members = campaign.into_iter().flat_map(|it| it.members.iter().filter(|member| member.at >= it.first));
        members.map(|member| EventId::from_packed(member.event)).collect()
    }

    /// How far the campaign has grown that was reported under this id.
    pub fn grown(&self, what: &str, grade: u8, id: &str) -> Option<Alarm> {
        [false, true].into_iter().find_map(|is_by_name| {
            let key = key(what, grade, is_by_name);
            let campaign = self.campaigns.get(&key)?;
            let now = (campaign.count > 0).then(|| campaign.alarm(fingerprint(&key)));
            now.into_iter().chain(campaign.before.clone()).find(|alarm| alarm.id == id)
        })
    }
}

impl Campaign {
    fn begins(&mut self, about: u64, name: String, report: &Report<'_>) -> Begun {
        let now = report.now;
        if self.count > 0 && (now.since(self.last) > ENDS_AFTER || self.is_old()) {
            self.before = Some(self.alarm(about));
            (self.count, self.unreported) = (0, 0);
        }
        let times = self.times_before(&name, now) + 1;
        let member = Member { at: now, name, times, event: report.event.packed() };
        self.members.push_back(member);
        if self.members.len() > limits::CAMPAIGN_MEMBERS_MAX {
            self.members.pop_front();
        }
        self.last = self.last.max(now);
        if times > 1 {
            // Whoever goes from one thing to the next of the same kind has been named.
            let is_news = times.is_power_of_two() || report.is_by_name;
            return if is_news && self.count == 0 { Begun::Alone } else { Begun::Silent };
        }
        if self.count == 0 && !self.is_crowd(now, report.single_max) {
            return Begun::Alone;
        }
        self.joined(about, now, if report.is_by_name { HOUR } else { DAY })
    }

    /// How often somebody of this name has begun within the day; who begins again is the newest.
    fn times_before(&mut self, name: &str, now: Timestamp) -> u64 {
        let place = self.members.iter().position(|member| member.name == name);
        let before = place.and_then(|place| self.members.remove(place));
        before.filter(|member| now.since(member.at) <= DAY).map_or(0, |member| member.times)
    }

    /// `rest`: nobody who has begun waits longer until he is named, once somebody else begins.
    fn joined(&mut self, about: u64, now: Timestamp, rest: Duration) -> Begun {
        if self.count == 0 {
            let within = |member: &&Member| now.since(member.at) <= HOUR;
            self.first = self.members.iter().filter(within).map(|member| member.at).min().unwrap_or(now);
            self.count = self.members.iter().filter(within).count() as u64 - 1;
            (self.next, self.unreported) = (0, usize::try_from(self.count).unwrap_or(usize::MAX));
        }
        self.count += 1;
        self.unreported += 1;
        let is_due = self.count >= self.next
            || self.unreported >= limits::CAMPAIGN_MEMBERS_MAX
            || now.since(self.reported) > rest;
        if !is_due {
            return Begun::Silent;
        }
        (self.next, self.unreported, self.reported) = (reported_again_at(self.count), 0, now);
        Begun::Reported(self.alarm(about))
    }

    /// More have begun than are reported each for itself.
    fn is_crowd(&self, now: Timestamp, single_max: usize) -> bool {
        let is_within = |count: usize, time: Duration| {
            self.members.iter().rev().nth(count).is_some_and(|member| now.since(member.at) <= time)
        };
        is_within(single_max, HOUR) || is_within(single_max * SINGLE_DAY_FACTOR, DAY)
    }

    /// Everybody has been named, and it has gone on for a day: the next is another, so that each has an end.
    fn is_old(&self) -> bool {
        self.unreported == 0 && self.last.since(self.first) > DAY
    }

    fn alarm(&self, about: u64) -> Alarm {
        Alarm {
            id: alarm_id(about, self.first),
            count: self.count,
            first_ts: self.first.seconds(),
            last_ts: self.last.seconds(),
            members: self.members.iter().filter(|it| it.at >= self.first).map(|it| it.name.clone()).collect(),
            is_over: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + second * 1000)
    }

    fn of<'a>(who: &'a str, now: Timestamp) -> Report<'a> {
        let (single_max, event) = (limits::CAMPAIGN_SINGLE_MAX, EventId::ZERO);
        Report { what: "x", grade: 1, who, id: who, now, event, single_max, is_by_name: false }
    }

    /// Somebody new begins to do x.
    fn begins(campaigns: &mut Campaigns, number: u64, second: u64) -> Begun {
        let who = format!("m{number}");
        campaigns.report(&Report { grade: 2, ..of(&who, at(second)) })
    }

    fn reported(begun: &[Begun]) -> Vec<&Alarm> {
        let reported = begun.iter().filter_map(|begun| match begun {
            Begun::Reported(alarm) => Some(alarm),
            _ => None,
        });
        reported.collect()
    }

    #[test]
    fn five_hundred_within_an_hour_are_one_campaign_that_names_all_of_them() {
        let mut campaigns = Campaigns::default();
        let begun: Vec<Begun> = (0..500).map(|n| begins(&mut campaigns, n, n * 7)).collect();
        assert_eq!(begun.iter().filter(|begun| **begun == Begun::Alone).count(), limits::CAMPAIGN_SINGLE_MAX);
        let reported = reported(&begun);
        assert_eq!(reported.iter().map(|alarm| alarm.count).collect::<Vec<_>>(), [33, 64, 128, 256]);
        assert!(reported.iter().all(|alarm| alarm.id == reported[0].id));
        assert_eq!((reported[3].members.len(), reported[3].members[0].as_str()), (limits::CAMPAIGN_MEMBERS_MAX, "m0"));
        let end = campaigns.grown("x", 2, &reported[0].id).unwrap();
        assert_eq!((end.count, end.members.last().map(String::as_str)), (500, Some("m499")));
    }

    #[test]
    fn everybody_of_a_campaign_that_goes_on_for_days_is_named_and_each_day_has_its_own() {
        let mut campaigns = Campaigns::default();
        let begun: Vec<Begun> = (0..3000).map(|n| begins(&mut campaigns, n, n * 171)).collect();
        let alone = (0..3000).filter(|n| begun[*n as usize] == Begun::Alone).map(|n| format!("m{n}"));
        let reported = reported(&begun);
        let last = campaigns.campaigns.values().next().unwrap().alarm(0);
        let named: BTreeSet<String> =
            reported.iter().flat_map(|alarm| alarm.members.clone()).chain(alone).chain(last.members).collect();
        assert_eq!(named.len(), 3000);
        let ids: BTreeSet<&str> = reported.iter().map(|alarm| alarm.id.as_str()).collect();
        assert!((3..=7).contains(&ids.len()) && reported.len() <= 60, "{} in {}", reported.len(), ids.len());
    }

    #[test]
    fn when_nobody_has_joined_for_an_hour_the_next_ones_are_each_for_themselves_again() {
        let mut campaigns = Campaigns::default();
        let first: Vec<Begun> = (0..40).map(|n| begins(&mut campaigns, n, n)).collect();
        assert_eq!(begins(&mut campaigns, 1000, 2 * 3600), Begun::Alone);
        let ended = campaigns.grown("x", 2, &reported(&first)[0].id).unwrap();
        assert_eq!((ended.count, ended.members.len()), (40, 40), "its end can still be reported");
        let second: Vec<Begun> = (0..40).map(|n| begins(&mut campaigns, 2000 + n, 2 * 3600 + 60 + n)).collect();
        assert_ne!(reported(&second)[0].id, reported(&first)[0].id);
    }

    #[test]
    fn fifteen_an_hour_are_each_for_themselves_for_some_hours_and_a_few_a_day_for_ever() {
        let mut campaigns = Campaigns::default();
        let begun: Vec<Begun> = (0..360).map(|n| begins(&mut campaigns, n, n * 240)).collect();
        assert_eq!(
            begun.iter().filter(|begun| **begun == Begun::Alone).count(),
            limits::CAMPAIGN_SINGLE_MAX * SINGLE_DAY_FACTOR
        );
        let mut campaigns = Campaigns::default();
        assert!((0..500).all(|n| begins(&mut campaigns, n, n * 1500) == Begun::Alone));
    }

    #[test]
    fn a_member_is_reported_with_the_others_until_it_is_worse_and_the_worse_are_not_hidden_by_the_many() {
        let mut campaigns = Campaigns::default();
        (0..60).for_each(|n| drop(begins(&mut campaigns, n, n)));
        let mut again = |number: u64, grade: u8| {
            let who = format!("m{number}");
            campaigns.report(&Report { grade, ..of(&who, at(100)) })
        };
        assert_eq!([again(3, 2), again(50, 2), again(50, 2)], [Begun::Alone, Begun::Silent, Begun::Silent]);
        assert_eq!([again(50, 3), again(50, 3), again(50, 2)], [const { Begun::Alone }; 3]);
        assert!((0..50).filter(|n| again(*n, 4) == Begun::Alone).count() == limits::CAMPAIGN_SINGLE_MAX);
    }

    #[test]
    fn one_who_does_the_same_in_many_places_is_reported_at_powers_of_two_and_makes_no_campaign() {
        let mut campaigns = Campaigns::default();
        let begun = (0..300).map(|n| {
            let id = format!("a{n}");
            let report = Report { what: "y", id: &id, ..of("the same", at(n)) };
            campaigns.report(&report)
        });
        assert_eq!(begun.filter(|begun| *begun == Begun::Alone).count(), 9);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut campaigns = Campaigns::default();
        for n in 0..30_000 {
            let who = format!("{n}{}", "x".repeat(1000));
            let what = format!("w{}", n % 700);
            let now = at(n);
            campaigns.report(&Report { what: &what, ..of(&who, now) });
        }
        assert_eq!(campaigns.campaigns.len(), limits::SCENARIOS_MAX);
        let members = campaigns.campaigns.values().flat_map(|it| &it.members).map(|it| it.name.len());
        assert!(members.max().is_some_and(|longest| longest <= NAME_CHARS_MAX));
    }

    #[test]
    fn who_is_known_by_a_name_alone_is_reported_each_time_and_named_within_an_hour() {
        let mut campaigns = Campaigns::default();
        let mut begins = |who: &str, second: u64| {
            let (id, single_max) = (format!("{who} {second}"), limits::CAMPAIGN_SINGLE_MAX);
            let report = Report { grade: 3, id: &id, single_max, is_by_name: true, ..of(who, at(second)) };
            campaigns.report(&report)
        };
        assert!((0..9).all(|n| begins("atlas", n * 3600) == Begun::Alone));
        let made_up: Vec<Begun> = (0..60).map(|n| begins(&format!("m{n}"), 40_000 + n)).collect();
        assert_eq!(reported(&made_up).len(), 1);
        assert_eq!(begins("web1", 40_100), Begun::Silent);
        let Begun::Reported(later) = begins("m99", 40_100 + 3550) else { panic!("web1 is not named") };
        assert!(later.members.contains(&"web1".to_owned()));
    }
}
