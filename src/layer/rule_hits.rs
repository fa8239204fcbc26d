//! How often each rule has matched: a counter in the state of fusion, which hears every decision. It is the same after a restart and
//! in a replay, and does not depend on how far back the hot store goes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::detect::catalog::{Kind, Listed, Names};
use crate::event::{Body, Decision, Event, EventId, Stream};
use crate::limits;

/// By what a decision names its rule: the title of a rule, the name of a pattern, the id of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleHits {
    of_lines: BTreeMap<String, Hits>,
    scenarios: BTreeMap<String, Hits>,
}

/// Of a rule about lines: the lines that matched. Of a scenario: the reports of its alarms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hits {
    pub count: u64,
    /// The decision that named it last.
    pub last: EventId,
}

impl RuleHits {
    /// Only rules that are loaded are counted: other reasons are made of what lines say, and there is no end of them.
    pub fn step<'a>(&mut self, event: &Event, names: impl Fn() -> &'a Names) {
        let Body::Decision(decision) = &event.body else { return };
        match event.stream {
            Stream::L3Out => {
                for (place, reason) in decision.reasons.iter().enumerate() {
                    // One decision names each rule once, whatever another program that writes them does.
                    if !decision.reasons.iter().take(place).any(|before| before == reason) {
                        hit(&mut self.of_lines, reason, || &names().of_lines, event.id);
                    }
                }
            }
            Stream::L4Out => {
                if let Some(id) = scenario(decision) {
                    hit(&mut self.scenarios, id, || &names().scenarios, event.id);
                }
            }
            _ => {}
        }
    }

    /// Of a rule that is loaded; two rules of one title are counted together.
    pub fn of(&self, listed: &Listed) -> Hits {
        let (hits, name) = match listed.kind {
            Kind::Rule | Kind::Web => (&self.of_lines, &listed.reason),
            Kind::Scenario => (&self.scenarios, &listed.id),
        };
        hits.get(name).copied().unwrap_or_default()
    }
}

/// That an alarm is over is no hit.
fn scenario(decision: &Decision) -> Option<&str> {
    let is_over = decision.alarm.as_ref().is_some_and(|alarm| alarm.is_over);
    let rule = decision.evidence.as_ref().and_then(|evidence| evidence.rule.as_ref());
    rule.filter(|_| !is_over).map(|rule| rule.id.as_str())
}

/// Which rules there are is asked for a name alone that has no counter yet.
fn hit<'a>(all: &mut BTreeMap<String, Hits>, name: &str, known: impl Fn() -> &'a BTreeSet<String>, id: EventId) {
    if let Some(hits) = all.get_mut(name) {
        hits.count += 1;
        hits.last = id;
        return;
    }
    let known = known();
    if !known.contains(name) {
        return;
    }
    if all.len() >= limits::RULE_HITS_MAX {
        // First those that are not loaded any more.
        let oldest = all.iter().min_by_key(|(name, hits)| (known.contains(*name), hits.last));
        oldest.map(|(name, _)| name.clone()).map(|name| all.remove(&name));
    }
    all.insert(name.to_owned(), Hits { count: 1, last: id });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Alarm, Evidence, Rule, Times};

    fn decided(number: u64, stream: Stream, change: impl FnOnce(&mut Decision)) -> Event {
        let id = EventId::new(number, 0);
        let mut decision = Decision::benign("test".into(), 15, "ops".into(), EventId::ZERO);
        change(&mut decision);
        Event { id, stream, times: Times::default(), root: id, body: Body::Decision(Box::new(decision)) }
    }

    fn line(number: u64, reasons: &[&str]) -> Event {
        decided(number, Stream::L3Out, |it| it.reasons = reasons.iter().map(|it| (*it).to_owned()).collect())
    }

    fn alarm(number: u64, id: &str, is_over: bool) -> Event {
        decided(number, Stream::L4Out, |it| {
            let rule = Some(Rule { id: id.into(), ..Rule::default() });
            it.evidence = Some(Box::new(Evidence { rule, ..Evidence::default() }));
            it.reasons = vec!["A rule".into()];
            it.alarm = Some(Box::new(Alarm { is_over, ..Alarm::default() }));
        })
    }

    fn names() -> Names {
        Names { of_lines: ["A rule", "probe"].map(str::to_owned).into(), scenarios: ["guessing".to_owned()].into() }
    }

    #[test]
    fn each_rule_is_counted_once_for_a_line_and_a_scenario_for_each_report_and_nothing_else_is() {
        let mut hits = RuleHits::default();
        let events = [
            line(1, &["A rule", "probe", "A rule", "of another product"]),
            line(2, &["A rule"]),
            alarm(3, "guessing", false),
            alarm(4, "guessing", true),
            alarm(5, "of somebody else", false),
        ];
        let names = names();
        events.iter().for_each(|event| hits.step(event, || &names));
        let at = |count, ms| Hits { count, last: EventId::new(ms, 0) };
        assert_eq!(hits.of_lines, [("A rule".to_owned(), at(2, 2)), ("probe".to_owned(), at(1, 1))].into());
        assert_eq!(hits.scenarios, [("guessing".to_owned(), at(1, 3))].into());
    }

    #[test]
    fn a_rule_that_is_loaded_makes_the_room_of_one_that_is_not_any_more() {
        let mut hits = RuleHits::default();
        let old = Names { of_lines: (0..limits::RULE_HITS_MAX).map(|n| format!("old {n}")).collect(), ..names() };
        for (number, name) in (1..).zip(&old.of_lines) {
            hits.step(&line(number, &[name.as_str()]), || &old);
        }
        let mut now = names();
        now.of_lines.insert("old 0".to_owned());
        hits.step(&line(1_000_000, &["probe"]), || &now);
        assert_eq!(hits.of_lines.len(), limits::RULE_HITS_MAX);
        assert!(hits.of_lines.contains_key("probe") && hits.of_lines.contains_key("old 0"));
    }
}
