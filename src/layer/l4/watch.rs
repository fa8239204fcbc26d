//! What a line means after the lines before it: whether it repeats them, and whether it is the first of its kind.

use serde::{Deserialize, Serialize};

use crate::detect::doer::doer;
use crate::detect::fold::{Folds, Judgement};
use crate::detect::novelty::Novelty;
use crate::detect::template_novelty::TemplateNovelty;
use crate::event::{Action, Entity, Record, Timestamp};

/// More of the same is no worse.
const HEARD_IN_FULL: u64 = 10;

/// Below the suspicious: a surprise is a signal for Layer 4 to add to others.
const NOVELTY_SCORE: f64 = 0.25;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Watch {
    /// Matches of rules, by rule and entity.
    repeated_rules: Folds<()>,
    novelty: Novelty,
    #[serde(default)]
    templates: TemplateNovelty,
}

impl Watch {
    /// For how many the match of a rule is to be weighed, if it is to be heard: what goes on matching about the same entity is heard
    /// as often as fusion reports it, for those in between as well, until it has been weighed [`HEARD_IN_FULL`] times.
    pub fn heard_times(&mut self, rule: &str, entity: &Entity, judgement: Judgement) -> Option<u32> {
        let key = format!("{rule} {}", doer(entity));
        let added = self.repeated_rules.add(&key, judgement, || ());
        let count = added.reported?.count;
        let new = count.min(HEARD_IN_FULL).saturating_sub(added.before);
        Some(u32::try_from(new).unwrap_or(u32::MAX).max(1))
    }

    /// First times: a program on a host, a template of a program's messages, an address that a user logs in from, a program
    /// that a user runs with the rights of another.
    pub fn first_times(&mut self, record: &Record, ts: Timestamp) -> Vec<FirstTime> {
        let entity = &record.entity;
        let host = entity.host.as_deref().unwrap_or_default();
        let mut found = Vec::new();
        // What a format has understood says by itself what it is.
        if record.action == Action::Other
            && let Some(program) = &record.program
            && let Some(surprise) = self.templates.see((host, program), &record.message, ts)
        {
            let score = NOVELTY_SCORE * surprise;
            found.push(FirstTime { reason: "first_template_of_program", score, technique: None });
        }
        let mut note = |reason, whose: String, value: &str, technique| {
            if let Some(surprise) = self.novelty.observe(&whose, value, ts) {
                let score = NOVELTY_SCORE * surprise;
                found.push(FirstTime { reason, score, technique });
            }
        };
        if let Some(program) = &record.program {
            note("first_program_on_host", ["program ", host].concat(), program, None);
        }
        let Some(user) = &entity.user else { return found };
        match (record.action, record.outcome) {
            (Action::Login, Some(true)) => {
                let address = entity.src_ip.as_deref().unwrap_or("local");
                note("first_login_from_address", ["login ", host, " ", user].concat(), address, Some("T1078"));
            }
            (Action::PrivilegeUse, Some(true)) => {
                let command = record.command.as_deref().and_then(|command| command.split_whitespace().next());
                if let Some(program) = command {
                    note("first_program_of_user", ["privileged ", host, " ", user].concat(), program, None);
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
    fn a_rule_that_never_stops_matching_is_heard_at_powers_of_two_and_weighs_as_ten() {
        let mut watch = Watch::default();
        let entity = login("root", "203.0.113.7", false).entity;
        let mut heard = |rule: &str, at: u64| {
            let judgement = Judgement {
                ts: second(at),
                taken_in: second(at),
                times: 1,
                score: 0.5,
                event: crate::event::EventId::ZERO,
            };
            watch.heard_times(rule, &entity, judgement)
        };
        let counted: Vec<(u64, u32)> = (1..=100).filter_map(|at| Some((at, heard("rule", at)?))).collect();
        assert_eq!(counted, [(1, 1), (2, 1), (4, 2), (8, 4), (16, 2), (32, 1), (64, 1)]);
        assert_eq!(heard("another rule", 1001), Some(1));
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

    #[test]
    fn a_message_of_a_kind_that_its_program_never_wrote_is_a_weak_signal() {
        let said = |message: &str| {
            let entity = Entity { host: Some("plant".into()), ..Entity::default() };
            Record { program: Some("pumpd".into()), message: message.to_owned(), entity, ..Record::default() }
        };
        let known = (0..480).map(|at| (at * 360, said(&format!("cycle {at} done"))));
        let day = 24 * 3600;
        let new = [(2 * day + 1, said("loading module x")), (2 * day + 2, said("wrote to 0x7f000000"))];
        let alarms = loud(&mut Watch::default(), known.chain(new));
        assert!(
            matches!(&alarms[..], [(reason, score)] if reason == "first_template_of_program" && *score < 0.26),
            "{alarms:?}"
        );
    }
}
