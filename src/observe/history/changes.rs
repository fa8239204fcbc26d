//! What has changed of the daemon's parts: the newest so many changes. Pure.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::{EventId, Timestamp};
use crate::limits::{HISTORY_CHANGE_AGAIN, HISTORY_CHANGES_MAX, HISTORY_REASON_CHARS_MAX};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Daemon,
    Configuration,
    Source,
    Outlet,
    Actor,
    /// A log, as device 51 sees it.
    Log,
    Incident,
    Proposal,
    Response,
    Silence,
    Audit,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Epoch seconds; of what was told again, the last time.
    pub ts: f64,
    pub kind: Kind,
    /// Of the part; of what people do and decide, the id.
    pub name: String,
    /// What it is since then, or what was done: `down`, `up`, `waiting`, `failed`, `restarted`, `renewed`, `reloaded`, `started`,
    /// `ready`, `not ready`, `silent`, `opened`, `proposed`, and what the audit log names behind the point, like `close`.
    pub what: String,
    /// Why, or what came of it.
    pub why: Option<String>,
    /// How often, of what came again soon.
    pub times: u32,
    /// Who has done it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The event that tells of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
}

impl Change {
    pub fn new(ts: Timestamp, kind: Kind, name: &str, what: &str, why: Option<&str>) -> Self {
        let why = why.map(|why| why.chars().take(HISTORY_REASON_CHARS_MAX).collect());
        Self {
            ts: ts.seconds(),
            kind,
            name: name.to_owned(),
            what: what.to_owned(),
            why,
            times: 1,
            who: None,
            event_id: None,
        }
    }

    fn is_again(&self, other: &Self) -> bool {
        let is_same = (self.kind, &self.name, &self.what) == (other.kind, &other.name, &other.what);
        let is_of_part = self.event_id.is_none() && other.event_id.is_none();
        is_same && is_of_part && (other.ts - self.ts).abs() <= HISTORY_CHANGE_AGAIN.as_secs_f64()
    }
}

#[derive(Debug, Default)]
pub struct Changes(VecDeque<Change>);

impl Changes {
    /// One that comes again and again takes the place of one, so that others stay known.
    pub fn tell(&mut self, mut change: Change) {
        if let Some(place) = self.0.iter().rposition(|known| known.is_again(&change)) {
            let before = self.0.remove(place).map_or(0, |before| before.times);
            change.times = change.times.saturating_add(before);
        }
        self.0.push_back(change);
        if self.0.len() > HISTORY_CHANGES_MAX {
            self.0.pop_front();
        }
    }

    /// The newest first.
    pub fn since(&self, since: f64) -> Vec<Change> {
        self.0.iter().rev().filter(|change| change.ts >= since).cloned().collect()
    }

    pub fn all(&self) -> impl Iterator<Item = &Change> {
        self.0.iter()
    }

    pub fn restore(&mut self, changes: Vec<Change>) {
        self.0 = changes.into();
        self.0.truncate(HISTORY_CHANGES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(second: u64, name: &str, what: &str) -> Change {
        Change::new(Timestamp::from_millis(second * 1000), Kind::Source, name, what, Some("why"))
    }

    #[test]
    fn a_part_that_comes_and_goes_all_the_time_does_not_drive_out_the_others() {
        let mut changes = Changes::default();
        changes.tell(change(0, "quiet", "down"));
        for second in 1..100_000 {
            changes.tell(change(second, "restless", if second % 2 == 0 { "up" } else { "down" }));
        }
        let known = changes.since(0.0);
        assert_eq!(known.iter().filter(|change| change.name == "quiet").count(), 1);
        assert_eq!(known.len(), 3);
        assert_eq!(known.iter().map(|change| change.times).sum::<u32>(), 100_000);
        assert_eq!(changes.since(99_999.0).len(), 1);
    }

    #[test]
    fn so_many_are_remembered_and_a_reason_has_an_end() {
        let mut changes = Changes::default();
        for number in 0..10 * HISTORY_CHANGES_MAX {
            changes.tell(change(1, &number.to_string(), "down"));
        }
        assert_eq!(changes.since(0.0).len(), HISTORY_CHANGES_MAX);
        let long = Change::new(Timestamp::ZERO, Kind::Actor, "a", "failed", Some(&"ä".repeat(100_000)));
        assert_eq!(long.why.unwrap().chars().count(), HISTORY_REASON_CHARS_MAX);
    }
}
