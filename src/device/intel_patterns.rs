//! STIX patterns of more than one observation: what was seen so far of each.

use serde::{Deserialize, Serialize};

use crate::detect::recent::Recent;
use crate::detect::stix::Seen;
use crate::detect::stix::observation::When;
use crate::detect::stix_rules::StixRule;
use crate::event::{Event, EventId, Evidence};
use crate::limits::{STIX_OBSERVATIONS_MAX, STIX_PATTERNS_GOING_ON_MAX};

#[derive(Debug, Serialize, Deserialize)]
pub struct GoingOn {
    seen: Recent<Vec<Observed>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Observed {
    event: EventId,
    /// Microseconds since 1970.
    at: i64,
    times: u32,
    /// For which observations of the pattern it holds, a bit each.
    holds: u64,
}

impl Default for GoingOn {
    fn default() -> Self {
        Self { seen: Recent::new(STIX_PATTERNS_GOING_ON_MAX) }
    }
}

impl GoingOn {
    /// One more event for which observations of the pattern hold. Returns the events of a match; what they were is forgotten then,
    /// so that the next match is of others. Of very many, the oldest are forgotten, and all of them where there are too many
    /// combinations to try.
    pub fn matched(&mut self, rule: &StixRule, holds: u64, event: &Event, times: u32) -> Option<Evidence> {
        let observed = Observed { event: event.id, at: event.time().micros(), times, holds };
        if rule.pattern.is_single() {
            return rule.pattern.is_found(&[observed.seen()]).unwrap_or_default().then(Evidence::default);
        }
        let all = self.seen.touch(&rule.key, Vec::new);
        if all.len() >= STIX_OBSERVATIONS_MAX {
            all.remove(0);
        }
        all.push(observed);
        let seen: Vec<Seen> = all.iter().map(Observed::seen).collect();
        match rule.pattern.is_found(&seen) {
            Ok(false) => None,
            Ok(true) => {
                let events = std::mem::take(all).into_iter().map(|observed| observed.event);
                Some(Evidence::of(events.filter(|id| *id != event.id).collect(), seen.len() as u64 - 1))
            }
            Err(_) => {
                all.clear();
                None
            }
        }
    }
}

impl Observed {
    fn seen(&self) -> Seen {
        Seen { when: When { first: self.at, last: self.at, number: self.times }, holds: self.holds }
    }
}
