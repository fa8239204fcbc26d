//! Incidents that were reported, and how much a new one is like them.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::incident::Incident;
use crate::limits::EARLIER_INCIDENTS_MAX;

/// Of what both have, in percent of what either has, techniques count for more than kinds of alerts.
const TECHNIQUES_OF_HUNDRED: usize = 60;
/// Less alike is not told, unless both have a name in common.
const PERCENT_MIN: usize = 60;
/// What was done once is done by everybody.
const TECHNIQUES_SHARED_MIN: usize = 2;
const TOLD_MAX: usize = 2;
const SHARED_TOLD_MAX: usize = 6;

/// The last ones, the newest at the end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Earlier(VecDeque<Profile>);

/// What one incident was like when it was last reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Profile {
    id: String,
    techniques: BTreeSet<String>,
    kinds: BTreeSet<String>,
    keys: BTreeSet<String>,
}

/// An earlier incident that is like the one in question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likeness {
    pub id: String,
    pub percent: usize,
    /// What both have: names of users and addresses, techniques.
    pub shared: Vec<String>,
}

impl Earlier {
    /// Those that are most like it, and remembers it.
    pub fn compare(&mut self, incident: &Incident) -> Vec<Likeness> {
        let profile = Profile {
            id: incident.id.clone(),
            techniques: incident.techniques.clone(),
            kinds: incident.kinds.keys().cloned().collect(),
            keys: incident.keys.clone(),
        };
        // What has become part of it is no other.
        self.0.retain(|other| other.id != profile.id && !incident.merged.contains(&other.id));
        let mut alike: Vec<Likeness> = self.0.iter().filter_map(|other| profile.likeness(other)).collect();
        // Among equals the newest.
        alike.reverse();
        alike.sort_by_key(|alike| std::cmp::Reverse(alike.percent));
        alike.truncate(TOLD_MAX);
        if self.0.len() >= EARLIER_INCIDENTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(profile);
        alike
    }
}

impl Profile {
    fn likeness(&self, other: &Self) -> Option<Likeness> {
        let techniques: Vec<&String> = self.techniques.intersection(&other.techniques).collect();
        let names: Vec<&String> = self.keys.intersection(&other.keys).collect();
        let of_techniques = percent(&self.techniques, &other.techniques) * TECHNIQUES_OF_HUNDRED;
        let of_kinds = percent(&self.kinds, &other.kinds) * (100 - TECHNIQUES_OF_HUNDRED);
        let percent = (of_techniques + of_kinds) / 100;
        let is_alike = percent >= PERCENT_MIN && techniques.len() >= TECHNIQUES_SHARED_MIN;
        let shared = names.iter().chain(&techniques).take(SHARED_TOLD_MAX).map(|name| (*name).clone()).collect();
        (is_alike || !names.is_empty()).then(|| Likeness { id: other.id.clone(), percent, shared })
    }
}

/// Of what either has, what both have (Jaccard).
fn percent(left: &BTreeSet<String>, right: &BTreeSet<String>) -> usize {
    let (both, either) = (left.intersection(right).count(), left.union(right).count());
    (both * 100).checked_div(either).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;

    fn incident(id: &str, techniques: &[&str], key: &str) -> Incident {
        let mut incident = Incident::new(id.into(), id.into(), Timestamp::ZERO);
        incident.techniques = techniques.iter().map(|name| (*name).to_owned()).collect();
        incident.kinds = techniques.iter().map(|name| ((*name).to_owned(), 0.5)).collect();
        incident.keys = BTreeSet::from([key.to_owned()]);
        incident
    }

    #[test]
    fn what_was_done_in_the_same_way_is_told_with_how_much_alike_and_what_both_have() {
        let mut earlier = Earlier::default();
        let ways = ["T1070", "T1078", "T1110"];
        assert_eq!(earlier.compare(&incident("1", &ways, "user:alice")), []);
        assert_eq!(earlier.compare(&incident("2", &["T1595", "T1071"], "user:bob")), []);
        let alike = earlier.compare(&incident("3", &["T1070", "T1110"], "user:carol"));
        let shared = vec!["T1070".to_owned(), "T1110".to_owned()];
        assert_eq!(alike, [Likeness { id: "1".into(), percent: 66, shared }]);
        let alike = earlier.compare(&incident("4", &["T1041"], "user:bob"));
        assert_eq!(alike, [Likeness { id: "2".into(), percent: 0, shared: vec!["user:bob".to_owned()] }]);
    }

    #[test]
    fn an_incident_is_compared_with_others_alone_and_few_are_remembered() {
        let mut earlier = Earlier::default();
        for number in 0..2 * EARLIER_INCIDENTS_MAX {
            earlier.compare(&incident(&number.to_string(), &["T1070", "T1110"], &format!("user:{number}")));
        }
        assert_eq!(earlier.0.len(), EARLIER_INCIDENTS_MAX);
        let mut last = incident("0", &["T1070", "T1110"], "user:0");
        last.merged = earlier.0.iter().map(|profile| profile.id.clone()).collect();
        assert_eq!(earlier.compare(&last), []);
        assert_eq!(earlier.compare(&last), [], "not with itself");
    }
}
