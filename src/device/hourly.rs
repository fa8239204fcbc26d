//! The account of each hour: how many events, of what, about whom, and who was never seen before.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::common::quote;
use crate::detect::recent::Recent;
use crate::detect::top::Top;
use crate::event::{Category, Severity, Soc, Times, Timestamp, Verdict};
use crate::limits::ENTITIES_PER_DETECTOR_MAX;

const HOUR: Duration = Duration::from_secs(3600);
/// Names counted for the account.
const NAMES_COUNTED: usize = 256;
const NAMES_SHOWN: usize = 3;

/// What one hour of event time had.
#[derive(Serialize, Deserialize)]
pub struct Hour {
    /// Number of the hour since the epoch.
    number: u64,
    events: u64,
    /// From HIGH on.
    severe: u64,
    entities: Top,
    kinds: Top,
    /// Entities that were never seen before: how many, and the first of them.
    #[serde(default)]
    new: u64,
    #[serde(default)]
    new_names: Vec<String>,
    /// Every entity, as far as it is remembered.
    #[serde(default = "nobody")]
    seen: Recent<()>,
}

fn nobody() -> Recent<()> {
    Recent::new(ENTITIES_PER_DETECTOR_MAX)
}

impl Default for Hour {
    fn default() -> Self {
        let top = || Top::new(NAMES_COUNTED);
        Self {
            number: 0,
            events: 0,
            severe: 0,
            entities: top(),
            kinds: top(),
            new: 0,
            new_names: Vec::new(),
            seen: nobody(),
        }
    }
}

impl Hour {
    /// Counts one event of this kind. When it is the first of a later hour, returns the end of the hour before and its account.
    pub fn count(&mut self, times: Times, soc: &Soc, kind: &str) -> Option<(Timestamp, Soc)> {
        let hour_of = |time: Timestamp| time.millis() / 1000 / HOUR.as_secs();
        let number = hour_of(times.believed);
        // No hour is so far ahead of the arrival, unless the machine's clock was set back.
        let is_next = number > self.number || self.number > hour_of(times.taken_in()) + 1;
        let ended = (is_next && self.events > 0).then(|| self.account());
        if is_next {
            self.number = number;
            self.events = 0;
            self.severe = 0;
            self.entities.clear();
            self.kinds.clear();
            self.new = 0;
            self.new_names.clear();
        }
        self.events += 1;
        self.severe += u64::from(soc.severity >= Severity::High);
        self.kinds.count(kind);
        if let Some(key) = soc.entity.key() {
            self.entities.count(&key);
            if self.seen.get(&key).is_none() {
                self.new += 1;
                if self.new_names.len() < NAMES_SHOWN {
                    self.new_names.push(key.clone());
                }
            }
            self.seen.touch(&key, || ());
        }
        ended
    }

    fn account(&self) -> (Timestamp, Soc) {
        let list = |top: &Top| {
            let largest = top.largest(NAMES_SHOWN).into_iter();
            largest.map(|(name, count)| format!("{} {count}", quote(name))).collect::<Vec<_>>().join(", ")
        };
        let new_names: Vec<String> = self.new_names.iter().map(|name| quote(name)).collect();
        let new = match self.new {
            0 => String::new(),
            new => format!("; never seen before: {new}, the first {}", new_names.join(", ")),
        };
        let start = Timestamp::from_millis(self.number * HOUR.as_secs() * 1000);
        let soc = Soc {
            decision: Verdict::Benign,
            severity: Severity::Info,
            category: Category::System,
            summary: format!(
                "hour from {start}: {} events, {} of them HIGH or CRITICAL; most: {}; about: {}{new}",
                self.events,
                self.severe,
                list(&self.kinds),
                list(&self.entities)
            ),
            flags: vec!["HOURLY_ACCOUNT".to_owned()],
            reasons: new_names.iter().map(|name| format!("new:{name}")).collect(),
            ..Soc::default()
        };
        (start.plus(HOUR), soc)
    }
}
