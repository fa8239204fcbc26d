//! Many who do the same within an hour are one campaign, with a list.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fingerprint::{alarm_id, fingerprint};
use super::fold::told_again_at;
use crate::event::{Alarm, Timestamp};
use crate::limits;

/// Those who begin within this time belong together.
pub const WITHIN: Duration = Duration::from_secs(3600);
/// So many are told of each for itself.
const SINGLE_MAX: usize = 16;

/// By what is done; bounded by the number of scenarios.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Campaigns {
    campaigns: BTreeMap<String, Campaign>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Campaign {
    /// The newest members and when they began.
    members: VecDeque<(Timestamp, String)>,
    /// All of them, while it goes on.
    count: u64,
    /// It is told again at so many.
    next: u64,
    first: Timestamp,
}

/// What is to be told of one who begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    Alone,
    /// One of many, and that is to be told now.
    Told(Alarm),
    /// One of many, which will be told with others.
    Silent,
}

impl Campaigns {
    /// `who` begins to do `what`.
    pub fn begins(&mut self, what: &str, who: &str, now: Timestamp) -> Begun {
        if !self.campaigns.contains_key(what) && self.campaigns.len() >= limits::SCENARIOS_MAX {
            return Begun::Alone;
        }
        let campaign = self.campaigns.entry(what.to_owned()).or_default();
        campaign.members.retain(|(at, known)| now.since(*at) <= WITHIN && known != who);
        if campaign.members.len() >= limits::CAMPAIGN_MEMBERS_MAX {
            campaign.members.pop_front();
        }
        campaign.members.push_back((now, who.to_owned()));
        if campaign.members.len() <= SINGLE_MAX {
            campaign.count = 0;
            return Begun::Alone;
        }
        if campaign.count == 0 {
            campaign.count = campaign.members.len() as u64 - 1;
            campaign.next = 0;
            campaign.first = campaign.members.iter().map(|(at, _)| *at).min().unwrap_or(now);
        }
        campaign.count += 1;
        if campaign.count < campaign.next {
            return Begun::Silent;
        }
        campaign.next = told_again_at(campaign.count);
        Begun::Told(Alarm {
            id: alarm_id(fingerprint(what), campaign.first),
            count: campaign.count,
            first_ts: campaign.first.seconds(),
            last_ts: now.seconds(),
            members: campaign.members.iter().map(|(_, who)| who.clone()).collect(),
            is_over: false,
        })
    }

    /// How many have taken part in the campaign that was told of under this id, and when the last of them began.
    pub fn grown(&self, what: &str, id: &str) -> Option<(u64, Timestamp)> {
        let campaign =
            self.campaigns.get(what).filter(|it| it.count > 0 && alarm_id(fingerprint(what), it.first) == id)?;
        Some((campaign.count, campaign.members.back()?.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + second * 1000)
    }

    #[test]
    fn five_hundred_within_an_hour_are_one_campaign_that_names_all_of_them() {
        let mut campaigns = Campaigns::default();
        let begun: Vec<Begun> = (0..500).map(|n| campaigns.begins("x", &format!("m{n}"), at(n * 7))).collect();
        assert_eq!(begun.iter().filter(|begun| **begun == Begun::Alone).count(), SINGLE_MAX);
        let told: Vec<&Alarm> = begun
            .iter()
            .filter_map(|begun| match begun {
                Begun::Told(alarm) => Some(alarm),
                _ => None,
            })
            .collect();
        assert_eq!(told.iter().map(|alarm| alarm.count).collect::<Vec<_>>(), [17, 32, 64, 128, 256]);
        assert!(told.iter().all(|alarm| alarm.id == told[0].id));
        assert_eq!((told[4].members.len(), told[4].members[0].as_str()), (limits::CAMPAIGN_MEMBERS_MAX, "m0"));
    }

    #[test]
    fn a_few_an_hour_are_each_for_themselves_for_ever() {
        let mut campaigns = Campaigns::default();
        assert!((0..500).all(|n| campaigns.begins("x", &format!("m{n}"), at(n * 300)) == Begun::Alone));
        assert!((0..500).all(|n| campaigns.begins("y", "the same", at(n)) == Begun::Alone));
    }
}
