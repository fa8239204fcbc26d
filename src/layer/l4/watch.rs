//! What a line means after the lines before it: whether it repeats them, and whether it is the first of its kind.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::detect::novelty::Novelty;
use crate::detect::rates::{Rates, Threshold};
use crate::event::{Action, Entity, Record, Timestamp};

/// A rule that matches this often about one entity is repeating itself.
pub const REPETITIONS_HEARD: u32 = 10;
const REPETITION: Threshold = Threshold { window: Duration::from_secs(600), at: REPETITIONS_HEARD as usize };

/// Below the suspicious: a surprise is a signal for Layer 4 to add to others.
const NOVELTY_SCORE: f64 = 0.25;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Watch {
    /// Matches of rules, by rule and entity.
    repeated_rules: Rates,
    novelty: Novelty,
}

impl Watch {
    /// Whether a rule's match is one too many: a rule that goes on matching about the same entity counts in full ten
    /// times, then each time the burst has grown tenfold. Counts the match.
    pub fn is_repeated_rule(&mut self, rule: &str, entity: &Entity, ts: Timestamp, times: u32) -> bool {
        let key = format!("{rule} {}", entity.key().unwrap_or_default());
        let alarm = self.repeated_rules.observe_times(&REPETITION, &key, ts, times);
        alarm.is_none() && self.repeated_rules.ongoing(&REPETITION, &key, ts).is_some()
    }

    /// First times: a program on a host, an address that a user logs in from, a program that a user runs with the
    /// rights of another.
    pub fn first_times(&mut self, record: &Record, ts: Timestamp) -> Vec<FirstTime> {
        let entity = &record.entity;
        let host = entity.host.as_deref().unwrap_or_default();
        let mut found = Vec::new();
        let mut note = |reason, whose: String, value: &str, technique| {
            if let Some(surprise) = self.novelty.observe(&whose, value, ts) {
                let score = NOVELTY_SCORE * surprise;
                found.push(FirstTime { reason, score, technique });
            }
        };
        if let Some(program) = &record.program {
            note("first_program_on_host", format!("program {host}"), program, None);
        }
        let Some(user) = &entity.user else { return found };
        match (record.action, record.outcome) {
            (Action::Login, Some(true)) => {
                let address = entity.src_ip.as_deref().unwrap_or("local");
                note("first_login_from_address", format!("login {host} {user}"), address, Some("T1078"));
            }
            (Action::PrivilegeUse, Some(true)) => {
                let command = record.command.as_deref().and_then(|command| command.split_whitespace().next());
                if let Some(program) = command {
                    note("first_program_of_user", format!("privileged {host} {user}"), program, None);
                }
            }
            _ => {}
        }
        found
    }
}

/// Something that nobody had seen of this entity before.
#[derive(Debug, Clone, PartialEq)]
pub struct FirstTime {
    pub reason: &'static str,
    /// 0 to 1.
    pub score: f64,
    pub technique: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(number: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + number * 1000)
    }

    fn login(user: &str, address: &str, succeeded: bool) -> Record {
        let entity = Entity { user: Some(user.into()), src_ip: Some(address.into()), ..Entity::default() };
        Record { action: Action::Login, outcome: Some(succeeded), entity, ..Record::default() }
    }

    /// Reasons and scores in order.
    fn loud(watch: &mut Watch, lines: impl IntoIterator<Item = (u64, Record)>) -> Vec<(String, f64)> {
        lines
            .into_iter()
            .flat_map(|(at, record)| watch.first_times(&record, second(at)))
            .map(|first| (first.reason.to_owned(), first.score))
            .collect()
    }

    #[test]
    fn a_rule_that_never_stops_matching_counts_ten_times_and_then_by_orders_of_magnitude() {
        let mut watch = Watch::default();
        let entity = login("root", "203.0.113.7", false).entity;
        let mut is_repeated = |rule: &str, at: u64| watch.is_repeated_rule(rule, &entity, second(at), 1);
        let counted: Vec<u64> = (1..=1000).filter(|at| !is_repeated("rule", *at)).collect();
        assert_eq!(counted, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 100, 1000]);
        assert!(!is_repeated("another rule", 1001));
    }

    #[test]
    fn a_login_from_a_new_address_is_a_weak_signal_after_the_learning_period() {
        let day = 24 * 3600;
        let known = (0..60).map(|at| (at * 1800, login("alice", "192.0.2.4", true)));
        let new = [(2 * day, login("alice", "198.51.100.9", true))];
        let alarms = loud(&mut Watch::default(), known.chain(new));
        assert_eq!(alarms.len(), 1);
        assert!(alarms[0].0 == "first_login_from_address" && alarms[0].1 > 0.2 && alarms[0].1 < 0.35, "{alarms:?}");
    }
}
