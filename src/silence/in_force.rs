//! The silences that are in force as the log tells of them: the same log leads to the same ones.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::matcher::Matcher;
use super::spec::Silence;
use crate::event::{Event, Timestamp};
use crate::limits::{SILENCE_KEPT_AFTER, SILENCES_MAX};

/// Those that people have made, by id.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Made(BTreeMap<String, Silence>);

impl Made {
    /// Takes in what somebody has done. `arrival`: when; those that were over long before are forgotten.
    pub fn step(&mut self, change: Change, arrival: Timestamp) {
        match change {
            Change::Add(silence) => {
                self.0.retain(|_, silence| silence.until.is_none_or(|until| until.plus(SILENCE_KEPT_AFTER) >= arrival));
                self.0.insert(silence.id.clone(), silence);
                while self.0.len() > SILENCES_MAX {
                    let first = self.0.values().min_by_key(|silence| (silence.until, silence.id.clone()));
                    let Some(id) = first.map(|silence| silence.id.clone()) else { return };
                    self.0.remove(&id);
                }
            }
            Change::End { id, .. } => drop(self.0.remove(&id)),
        }
    }

    /// Those that this version understands.
    pub fn matchers(&self) -> Vec<Matcher> {
        self.0.values().filter_map(|silence| Matcher::new(silence.clone()).ok()).collect()
    }
}

/// The first that covers the event.
pub fn covering<'a>(mut matchers: impl Iterator<Item = &'a Matcher>, event: &Event) -> Option<&'a Silence> {
    matchers.find(|matcher| matcher.covers(event)).map(Matcher::silence)
}
