//! STIX patterns to be matched with events: which of them an event can be about is found by the texts that they need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::indicator_item::Terms;
use super::stix::Pattern;
use crate::event::Timestamp;
use crate::hash_map::HashMap;
use crate::limits::{STIX_PATTERNS_MAX, STIX_PATTERNS_TRIED_MAX};

#[derive(Debug)]
pub struct StixRule {
    /// The same as long as list and pattern are the same.
    pub key: String,
    /// What the indicator is called, or how its pattern begins.
    pub name: String,
    pub pattern: Pattern,
    pub list: Arc<str>,
    /// From 1; the number of the object in a bundle.
    pub line: u32,
    pub terms: Terms,
}

#[derive(Debug, Default)]
pub struct StixRules {
    rules: Vec<StixRule>,
    /// Numbers of the rules that need this text or another. Looked up, never iterated over.
    by_text: HashMap<Box<str>, Vec<usize>>,
    /// Those that are tried with every event.
    tried: Vec<usize>,
}

impl StixRules {
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// # Errors
    /// There are as many as are taken.
    pub fn insert(&mut self, rule: StixRule) -> Result<(), String> {
        let number = self.rules.len();
        if number >= STIX_PATTERNS_MAX {
            return Err(format!("there are already {STIX_PATTERNS_MAX} patterns, as many as fit"));
        }
        match rule.pattern.needed_texts() {
            Some(texts) => {
                for text in texts {
                    self.by_text.entry(text.into()).or_default().push(number);
                }
            }
            None if self.tried.len() >= STIX_PATTERNS_TRIED_MAX => {
                return Err(format!(
                    "there are already {STIX_PATTERNS_TRIED_MAX} patterns that no text chooses events for: compare \
                     with `=` beside other comparisons"
                ));
            }
            None => self.tried.push(number),
        }
        self.rules.push(rule);
        Ok(())
    }

    /// The rules of which an observation holds for these objects (see [`Pattern::holds`]), in the order of the lists. What
    /// cannot be compared holds for none.
    pub fn holding(&self, objects: &BTreeMap<String, Value>, now: Timestamp) -> Vec<(&StixRule, u64)> {
        let mut numbers: BTreeSet<usize> = self.tried.iter().copied().collect();
        for object in objects.values() {
            each_text(object, &mut |text| numbers.extend(self.by_text.get(text).into_iter().flatten().copied()));
        }
        let rules = numbers.into_iter().filter_map(|number| self.rules.get(number));
        let holding = rules.filter(|rule| rule.terms.hold_at(now)).map(|rule| {
            let holds = rule.pattern.holds(objects).unwrap_or_default();
            (rule, holds)
        });
        holding.filter(|(_, holds)| *holds != 0).collect()
    }
}

fn each_text(value: &Value, take: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => take(text),
        Value::Array(list) => list.iter().for_each(|value| each_text(value, take)),
        Value::Object(map) => map.values().for_each(|value| each_text(value, take)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(pattern: &str) -> StixRule {
        StixRule {
            key: pattern.to_owned(),
            name: pattern.to_owned(),
            pattern: Pattern::parse(pattern).unwrap(),
            list: "test".into(),
            line: 1,
            terms: Terms { until: Some(Timestamp::from_millis(1000)), ..Terms::default() },
        }
    }

    #[test]
    fn a_rule_is_found_by_its_text_or_tried_and_holds_for_its_time() {
        let mut rules = StixRules::default();
        for pattern in [
            "[file:name = 'x' AND file:size > 5]",
            "[file:name = 'y' AND file:size > 5]",
            "[file:name LIKE 'x%']",
            "[file:size = 9] FOLLOWEDBY [file:name = 'x']",
        ] {
            rules.insert(rule(pattern)).unwrap();
        }
        let objects = BTreeMap::from([("0".to_owned(), json!({"type": "file", "name": "x", "size": 6}))]);
        let found = |now: u64| -> Vec<(&str, u64)> {
            let holding = rules.holding(&objects, Timestamp::from_millis(now));
            holding.into_iter().map(|(rule, holds)| (rule.name.as_str(), holds)).collect()
        };
        let expected = [
            ("[file:name = 'x' AND file:size > 5]", 1),
            ("[file:name LIKE 'x%']", 1),
            ("[file:size = 9] FOLLOWEDBY [file:name = 'x']", 2),
        ];
        assert_eq!(found(1000), expected);
        assert_eq!(found(1001), []);
    }

    #[test]
    fn patterns_that_every_event_is_tried_with_are_few() {
        let mut rules = StixRules::default();
        for _ in 0..STIX_PATTERNS_TRIED_MAX {
            rules.insert(rule("[file:size > 5]")).unwrap();
        }
        assert!(rules.insert(rule("[file:size > 5]")).is_err());
        assert_eq!(rules.insert(rule("[file:name = 'x']")), Ok(()));
    }
}
