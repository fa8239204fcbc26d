//! What an entity has never done before: a program on a host, an address a user logs in from.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fingerprint::fingerprint;
use super::recent::Recent;
use crate::event::Timestamp;
use crate::limits;

/// Nothing about an entity is new before it has been watched this long …
const LEARNING: Duration = Duration::from_secs(24 * 3600);
/// … and this often.
const LEARNING_OBSERVATIONS: u64 = 50;

/// Remembers the values of each entity.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Novelty {
    habits: Recent<Habits>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Habits {
    since: Timestamp,
    observations: u64,
    /// Fingerprint of each value and whether it came more than once.
    values: BTreeMap<u64, bool>,
}

impl Default for Novelty {
    fn default() -> Self {
        Self { habits: Recent::new(limits::ENTITIES_PER_DETECTOR_MAX) }
    }
}

impl Novelty {
    /// Takes in a value. For one that is new after the learning period, returns how surprising that is: from 0 (this
    /// entity shows something new all the time) to 1.
    ///
    /// The surprise is one minus the Good-Turing estimate of the chance that the next observation is new: the number
    /// of values seen exactly once, over all observations (I. J. Good, Biometrika 40, 1953).
    pub fn observe(&mut self, entity: &str, value: &str, ts: Timestamp) -> Option<f64> {
        let habits = self.habits.touch(entity, Default::default);
        if habits.observations == 0 {
            habits.since = ts;
        }
        let learnt = habits.observations >= LEARNING_OBSERVATIONS && ts.since(habits.since) >= LEARNING;
        let surprise = learnt.then(|| 1.0 - habits.chance_of_new());
        habits.observations += 1;
        let value = fingerprint(value);
        if let Some(seen_again) = habits.values.get_mut(&value) {
            *seen_again = true;
            return None;
        }
        if habits.values.len() == limits::HABITS_PER_ENTITY_MAX {
            return None;
        }
        habits.values.insert(value, false);
        surprise
    }
}

impl Habits {
    fn chance_of_new(&self) -> f64 {
        let once = self.values.values().filter(|seen_again| !**seen_again).count();
        once as f64 / self.observations.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(number: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + number * 3_600_000)
    }

    #[test]
    fn nothing_is_new_while_learning() {
        let mut novelty = Novelty::default();
        assert!((0..23).all(|at| novelty.observe("host", &format!("program{at}"), hour(at)).is_none()));
    }

    #[test]
    fn a_first_program_on_a_host_of_fixed_habits_is_a_surprise() {
        let mut novelty = Novelty::default();
        assert!((0..100).all(|at| novelty.observe("host", "cron", hour(at)).is_none()));
        assert!(novelty.observe("host", "nc", hour(101)).unwrap() > 0.9);
        assert_eq!(novelty.observe("host", "nc", hour(102)), None);
    }

    #[test]
    fn something_new_from_an_entity_that_always_shows_new_things_is_no_surprise() {
        let mut novelty = Novelty::default();
        for at in 0..100 {
            novelty.observe("host", &at.to_string(), hour(at));
        }
        assert!(novelty.observe("host", "another", hour(101)).unwrap() < 0.1);
    }

    #[test]
    fn what_is_remembered_of_an_entity_is_bounded() {
        let mut novelty = Novelty::default();
        for at in 0..10_000 {
            novelty.observe("host", &at.to_string(), hour(at));
        }
        assert_eq!(novelty.habits.get("host").unwrap().values.len(), limits::HABITS_PER_ENTITY_MAX);
    }
}
