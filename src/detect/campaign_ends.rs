//! Campaigns that were reported and are not over: each is reported once more when it is, with all who have joined since.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::campaign::{Campaigns, ENDS_AFTER};
use super::due::Due;
use crate::event::{Alarm, Timestamp};
use crate::limits;

/// Bounded: when there is no room, the one that was heard of longest ago goes without a word. With each, `About` is kept: what is said
/// of it when it is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CampaignEnds<About> {
    /// By the id of the alarm.
    ongoing: BTreeMap<String, Ongoing<About>>,
    /// None is over before.
    due: Due,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Ongoing<About> {
    what: String,
    grade: u8,
    /// How many had been reported.
    reported: u64,
    /// How many there were when it was last looked at, and when it was last known to grow.
    seen: u64,
    heard: Timestamp,
    about: About,
}

impl<About> Default for CampaignEnds<About> {
    fn default() -> Self {
        Self { ongoing: BTreeMap::new(), due: Due::default() }
    }
}

impl<About> CampaignEnds<About> {
    /// The campaign of those who do `what` and are so bad is reported, as this alarm. `now`: when what led to it was taken in.
    pub fn reported(&mut self, alarm: &Alarm, (what, grade): (&str, u8), now: Timestamp, about: About) {
        if !self.ongoing.contains_key(&alarm.id) && self.ongoing.len() >= limits::ALARMS_GOING_ON_MAX {
            let oldest = self.ongoing.iter().min_by_key(|(_, ongoing)| ongoing.heard).map(|(id, _)| id.clone());
            oldest.map(|id| self.ongoing.remove(&id));
        }
        let (reported, seen) = (alarm.count, alarm.count);
        self.ongoing
            .insert(alarm.id.clone(), Ongoing { what: what.to_owned(), grade, reported, seen, heard: now, about });
        self.due.note(now.plus(ENDS_AFTER));
    }

    /// Those that nobody has joined for long, if somebody has since they were reported. What was reported as a whole was over with
    /// that.
    pub fn over(&mut self, campaigns: &Campaigns, now: Timestamp) -> Vec<(About, Alarm)>
    where
        About: Clone,
    {
        if !self.due.is_past(now) {
            return Vec::new();
        }
        let (mut over, mut due) = (Vec::new(), Due::default());
        self.ongoing.retain(|id, ongoing| {
            let alarm = campaigns.grown(&ongoing.what, ongoing.grade, id);
            let count = alarm.as_ref().map_or(ongoing.seen, |alarm| alarm.count);
            if count != ongoing.seen {
                (ongoing.seen, ongoing.heard) = (count, now);
            }
            let end = ongoing.heard.plus(ENDS_AFTER);
            if now <= end {
                due.note(end);
                return true;
            }
            let grown = alarm.filter(|alarm| alarm.count > ongoing.reported);
            over.extend(grown.map(|alarm| (ongoing.about.clone(), Alarm { is_over: true, ..alarm })));
            false
        });
        self.due = due;
        over
    }
}

#[cfg(test)]
mod tests {
    use super::super::campaign::{Begun, Report};
    use super::*;
    use crate::event::EventId;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + second * 1000)
    }

    /// So many begin, one a second; what was reported of them together.
    fn begun(campaigns: &mut Campaigns, ends: &mut CampaignEnds<u64>, count: u64) -> Vec<u64> {
        let mut reported = Vec::new();
        for n in 0..count {
            let who = format!("m{n}");
            let report = Report {
                what: "x",
                event: EventId::ZERO,
                grade: 2,
                who: &who,
                id: &who,
                now: at(n),
                single_max: limits::CAMPAIGN_SINGLE_FEW_MAX,
                is_by_name: false,
            };
            if let Begun::Reported(alarm) = campaigns.report(&report) {
                ends.reported(&alarm, ("x", 2), at(n), alarm.count);
                reported.push(alarm.count);
            }
        }
        reported
    }

    #[test]
    fn those_who_joined_since_it_was_reported_are_named_when_it_is_over() {
        let (mut campaigns, mut ends) = (Campaigns::default(), CampaignEnds::default());
        assert_eq!(begun(&mut campaigns, &mut ends, 20), [9, 16]);
        assert_eq!(ends.over(&campaigns, at(3616)), [], "it is found to have grown, so it is waited for once more");
        let over = ends.over(&campaigns, at(3616 + 3601));
        assert_eq!(over.iter().map(|(about, alarm)| (*about, alarm.count)).collect::<Vec<_>>(), [(16, 20)]);
        assert!(over[0].1.is_over && over[0].1.members.contains(&"m19".to_owned()));
        assert_eq!(ends.over(&campaigns, at(100_000)), []);
    }

    #[test]
    fn what_was_reported_as_a_whole_is_over_without_a_word() {
        let (mut campaigns, mut ends) = (Campaigns::default(), CampaignEnds::default());
        assert_eq!(begun(&mut campaigns, &mut ends, 16), [9, 16]);
        assert_eq!(ends.over(&campaigns, at(10_000)), []);
        assert!(ends.ongoing.is_empty());
    }
}
