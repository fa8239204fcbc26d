//! Keywords are looked for in the message and in every field. Most fields are parts of the message: for keywords that are plain texts it is
//! enough to look there.

use std::borrow::Cow;

use rsigma_eval::{Event, EventValue};
use rsigma_parser::{ConditionExpr, Detection, Detections, Quantifier, SigmaValue};
use serde_json::Value;

use super::fields::SigmaRecord;
use crate::detect::words::Words;
use crate::limits::KEYWORD_BYTES_MAX;

/// Whether all keywords of a rule are plain texts, which are found in a text if they are found in a part of it. What has wildcards or
/// modifiers may ask where the text begins and ends, and a number may be asked of all of it.
pub fn are_plain(detections: &Detections) -> bool {
    detections.named.values().all(is_plain)
}

fn is_plain(detection: &Detection) -> bool {
    match detection {
        Detection::AllOf(items) => items.iter().all(|item| item.field.name.is_some()),
        Detection::AnyOf(inner) | Detection::And(inner) => inner.iter().all(is_plain),
        Detection::Keywords(values) => {
            values.iter().all(|value| matches!(value, SigmaValue::String(text) if text.is_plain()))
        }
        Detection::ArrayMatch { body, .. } => is_plain(body),
        Detection::Conditional { named, .. } => named.values().all(is_plain),
    }
}

/// Keywords of which a rule whose keywords are all plain needs one in some text, if that is certain. Of ASCII alone, in any case.
pub fn needed(detections: &Detections) -> Option<Vec<String>> {
    one_of(detections.conditions.iter().map(|condition| of_condition(condition, detections)))
}

fn of_condition(condition: &ConditionExpr, detections: &Detections) -> Option<Vec<String>> {
    match condition {
        ConditionExpr::And(parts) => parts.iter().find_map(|part| of_condition(part, detections)),
        ConditionExpr::Or(parts) => one_of(parts.iter().map(|part| of_condition(part, detections))),
        ConditionExpr::Identifier(name) => of_detection(detections.named.get(name)?),
        // Whichever of them are meant.
        ConditionExpr::Selector { quantifier: Quantifier::Any, .. } => {
            one_of(detections.named.values().map(of_detection))
        }
        ConditionExpr::Selector { .. } | ConditionExpr::Not(_) => None,
    }
}

fn of_detection(detection: &Detection) -> Option<Vec<String>> {
    match detection {
        Detection::Keywords(values) => one_of(values.iter().map(|value| match value {
            SigmaValue::String(text) => {
                text.as_plain().filter(|text| !text.is_empty() && text.is_ascii()).map(|text| vec![text])
            }
            _ => None,
        })),
        Detection::And(parts) => parts.iter().find_map(of_detection),
        Detection::AnyOf(parts) => one_of(parts.iter().map(of_detection)),
        _ => None,
    }
}

/// What one of these needs. Nothing is certain where that is so of one of them, or where there is none.
fn one_of(parts: impl Iterator<Item = Option<Vec<String>>>) -> Option<Vec<String>> {
    let all: Option<Vec<Vec<String>>> = parts.collect();
    all.map(|all| all.concat()).filter(|all| !all.is_empty())
}

/// The keywords of many rules, looked for together.
pub struct Sought {
    words: Words,
    /// Whose each of them is.
    owners: Vec<usize>,
}

impl Sought {
    /// Of those that need some, by their numbers. `None` where there are none, or too many.
    pub fn new(needed: &[(usize, Vec<String>)]) -> Option<Self> {
        let all = || needed.iter().flat_map(|(owner, keywords)| keywords.iter().map(|keyword| (*owner, keyword)));
        let bytes: usize = all().map(|(_, keyword)| keyword.len()).sum();
        let owners: Vec<usize> = all().map(|(owner, _)| owner).collect();
        if owners.is_empty() || bytes > KEYWORD_BYTES_MAX {
            return None;
        }
        Some(Self { words: Words::new(all().map(|(_, keyword)| keyword.as_str())).ok()?, owners })
    }

    /// Whose keywords stand in the record; `None` where that is not certain.
    pub fn owners_in(&self, view: &SigmaRecord<'_>) -> Option<Vec<usize>> {
        let mut owners: Vec<usize> = Vec::new();
        for text in view.message_and_beside() {
            // Letters of other scripts may be those of ASCII in another case.
            if !text.is_ascii() {
                return None;
            }
            self.words.each(text, |word, _| {
                owners.extend(self.owners.get(word).filter(|owner| !owners.contains(owner)).copied());
            });
        }
        Some(owners)
    }
}

/// A record as rules see it whose keywords are plain.
pub struct Plain<'view, 'record>(pub &'view SigmaRecord<'record>);

impl Event for Plain<'_, '_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        self.0.get_field(path)
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.0.message_and_beside().any(pred)
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        self.0.message_and_beside().map(Cow::Borrowed).collect()
    }

    fn visit_string_values(&self, visit: &mut dyn FnMut(&str)) {
        self.0.message_and_beside().for_each(visit);
    }

    fn to_json(&self) -> Value {
        self.0.to_json()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rsigma_eval::Engine;

    use super::*;
    use crate::detect::sigma::logsource::Classes;
    use crate::event::Record;

    fn parsed(detection: &str) -> rsigma_parser::SigmaRule {
        let yaml = format!("title: T\nlogsource: {{product: linux}}\ndetection:\n{detection}");
        rsigma_parser::parse_sigma_yaml(&yaml).unwrap().rules.remove(0)
    }

    const PLAIN: [&str; 3] = [
        "  k: [ab, 'B c', 'é']\n  condition: k\n",
        "  k: [ab]\n  n: [c]\n  condition: k and not n\n",
        "  k:\n    - a\n    - 7x\n  f: {field: ab}\n  condition: 1 of *\n",
    ];

    #[test]
    fn what_may_ask_for_the_whole_of_a_text_is_not_plain() {
        assert!(PLAIN.iter().all(|detection| are_plain(&parsed(detection).detection)));
        for detection in ["  k: ['a*b']\n", "  k: [404]\n", "  k:\n    '|re': '^a$'\n", "  k:\n    '|all': [a, b]\n"] {
            assert!(!are_plain(&parsed(&format!("{detection}  condition: k\n")).detection), "{detection}");
        }
    }

    #[test]
    fn a_rule_needs_a_keyword_where_nothing_else_lets_it_match() {
        let needed = |detection: &str| needed(&parsed(detection).detection).unwrap_or_default();
        assert_eq!(needed("  k: [ab, cd]\n  condition: k\n"), ["ab", "cd"]);
        assert_eq!(needed("  k: [ab]\n  l: [cd]\n  condition: 1 of *\n").len(), 2);
        assert_eq!(needed("  k: [ab]\n  f: {field: x}\n  condition: k and not f\n"), ["ab"]);
        for detection in [
            "  k: [ab]\n  f: {field: x}\n  condition: k or f\n",
            "  k: [ab]\n  f: {field: x}\n  condition: 1 of *\n",
            "  k: [ab]\n  condition: not k\n",
            "  k: [ab, 'é']\n  condition: k\n",
            "  f: {field: x}\n  condition: f\n",
        ] {
            assert_eq!(needed(detection), [""; 0], "{detection}");
        }
    }

    proptest! {
        #[test]
        fn plain_keywords_are_found_as_in_all_fields(
            message in "[aAbBcé7x ]{0,9}", values in prop::collection::vec(("[fg]", "[abBé7xcΣς]{0,4}"), 0..4), cut in 0..9usize,
        ) {
            let part = message.get(cut..).unwrap_or_default().to_owned();
            let fields = values.into_iter().chain([("part".to_owned(), part)]).collect();
            let record = Record { message, fields, ..Record::default() };
            let classes = Classes::of(&record);
            let view = SigmaRecord::new(&record, &classes);
            for detection in PLAIN {
                let mut engine = Engine::new();
                engine.add_rule(&parsed(detection)).unwrap();
                prop_assert_eq!(engine.evaluate(&Plain(&view)).len(), engine.evaluate(&view).len(), "{}: {:?}", detection, record);
            }
        }
    }
}
