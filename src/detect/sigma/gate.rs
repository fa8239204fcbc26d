//! What a rule cannot match without, as far as that is certain and quickly told: of most lines it says that the rule need not be asked.

use rsigma_eval::Event;
use rsigma_parser::{
    ConditionExpr, Detection, DetectionItem, Detections, Modifier, SigmaRule, SigmaString, SigmaValue, StringPart,
};

use super::fields::SigmaRecord;

/// All of its tests have to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate(Vec<Test>);

/// One of its choices has to hold.
type Test = Vec<Choice>;

/// The value of a field is one of some texts, or begins or ends with one, in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    field: String,
    place: Place,
    /// Of ASCII alone.
    texts: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Whole,
    Start,
    End,
}

impl Gate {
    /// `None` where nothing is certain. `known`: fields that are not looked at.
    pub fn of(rule: &SigmaRule, known: &[&str]) -> Option<Self> {
        let [condition] = rule.detection.conditions.as_slice() else { return None };
        let tests = Reading { detections: &rule.detection, known }.of_condition(condition);
        Some(Self(tests)).filter(|gate| !gate.0.is_empty())
    }

    /// `false`: the rule does not match this record.
    pub fn may_match(&self, view: &SigmaRecord<'_>) -> bool {
        self.0.iter().all(|test| test.iter().any(|choice| choice.may_be(view)))
    }
}

impl Choice {
    fn may_be(&self, view: &SigmaRecord<'_>) -> bool {
        let value = view.get_field(&self.field);
        let Some(value) = value.as_ref().and_then(|value| value.as_str()) else { return false };
        // Letters of other scripts may be those of ASCII in another case.
        !value.is_ascii() || self.texts.iter().any(|text| self.place.has(value.as_bytes(), text.as_bytes()))
    }
}

impl Place {
    fn has(self, value: &[u8], text: &[u8]) -> bool {
        let part = match self {
            Self::Whole => (value.len() == text.len()).then_some(value),
            Self::Start => value.get(..text.len()),
            Self::End => value.len().checked_sub(text.len()).and_then(|at| value.get(at..)),
        };
        part.is_some_and(|part| part.eq_ignore_ascii_case(text))
    }

    fn of(modifiers: &[Modifier]) -> Option<Self> {
        match modifiers {
            [] => Some(Self::Whole),
            [Modifier::StartsWith] => Some(Self::Start),
            [Modifier::EndsWith] => Some(Self::End),
            _ => None,
        }
    }
}

struct Reading<'rule> {
    detections: &'rule Detections,
    known: &'rule [&'rule str],
}

impl Reading<'_> {
    fn of_condition(&self, condition: &ConditionExpr) -> Vec<Test> {
        match condition {
            ConditionExpr::And(parts) => parts.iter().flat_map(|part| self.of_condition(part)).collect(),
            ConditionExpr::Or(parts) => one_of(parts.iter().map(|part| self.of_condition(part))),
            ConditionExpr::Identifier(name) => {
                self.detections.named.get(name).map(|detection| self.of_detection(detection)).unwrap_or_default()
            }
            ConditionExpr::Not(_) | ConditionExpr::Selector { .. } => Vec::new(),
        }
    }

    fn of_detection(&self, detection: &Detection) -> Vec<Test> {
        match detection {
            Detection::AllOf(items) => items.iter().filter_map(|item| self.of_item(item)).collect(),
            Detection::And(parts) => parts.iter().flat_map(|part| self.of_detection(part)).collect(),
            Detection::AnyOf(parts) => one_of(parts.iter().map(|part| self.of_detection(part))),
            _ => Vec::new(),
        }
    }

    fn of_item(&self, item: &DetectionItem) -> Option<Test> {
        // Brackets and backslashes are a language of their own.
        let is_name = |name: &&String| !name.contains(['[', ']', '\\']) && !self.known.contains(&name.as_str());
        let field = item.field.name.as_ref().filter(is_name)?.clone();
        let place = Place::of(&item.field.modifiers)?;
        let texts: Vec<String> = item.values.iter().map(plain).collect::<Option<_>>()?;
        (!texts.is_empty()).then(|| vec![Choice { field, place, texts }])
    }
}

/// Of each part the first of what it needs; nothing is certain where that is so of one part.
fn one_of(parts: impl Iterator<Item = Vec<Test>>) -> Vec<Test> {
    let firsts: Option<Vec<Test>> = parts.map(|part| part.into_iter().next()).collect();
    let choices: Test = firsts.unwrap_or_default().into_iter().flatten().collect();
    if choices.is_empty() { Vec::new() } else { vec![choices] }
}

fn plain(value: &SigmaValue) -> Option<String> {
    match value {
        SigmaValue::String(SigmaString { parts, .. }) => match parts.as_slice() {
            [StringPart::Plain(text)] if !text.is_empty() && text.is_ascii() => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rsigma_eval::Engine;

    use super::super::logsource::Classes;
    use super::super::yaml;
    use super::*;
    use crate::event::Record;

    const DETECTIONS: [&str; 9] = [
        "a: {user: [ab, K]}, condition: a",
        "a: {user|startswith: k}, condition: a",
        "a: {user|endswith: [k, B], x: a}, condition: a",
        "a: {user: a}, b: {x: b}, condition: a or b",
        "a: [{user: a, x: b}, {x|endswith: ab}], condition: a",
        "a: {user: a}, b: {x: b}, condition: a and not b",
        "a: {user: a}, b: {x: b}, condition: 1 of them",
        "a: {user: null}, condition: a",
        "a: {user|contains: a, x: [a, '*b']}, condition: a",
    ];

    fn rule(detection: &str) -> SigmaRule {
        let yaml = format!("{{title: T, logsource: {{product: linux}}, detection: {{{detection}}}}}");
        yaml::parse(&yaml).unwrap().rules.remove(0)
    }

    #[test]
    fn what_may_match_without_a_certain_value_has_no_gate() {
        let is_gated = |detection| Gate::of(&rule(detection), &["x"]).is_some();
        assert!(is_gated(DETECTIONS[0]) && is_gated(DETECTIONS[2]) && is_gated(DETECTIONS[5]));
        for detection in [
            DETECTIONS[3],
            DETECTIONS[6],
            DETECTIONS[7],
            DETECTIONS[8],
            "a: {x: y}, condition: a",
            "a: {user: a}, condition: not a",
            "a: {user: 'a*'}, condition: a",
            "a: {user: [a, null]}, condition: a",
            "a: {user|re: a}, condition: a",
            "a: [b], condition: a",
        ] {
            assert!(!is_gated(detection), "{detection}");
        }
    }

    proptest! {
        #[test]
        fn what_a_gate_does_not_let_through_no_rule_matches(
            user in prop::option::of("[aAbBkK\u{212a}]{0,3}"), x in prop::option::of("[abB]{0,3}"),
        ) {
            let fields = x.map(|x| ("x".to_owned(), x)).into_iter().collect();
            let mut record = Record { fields, ..Record::default() };
            record.entity.user = user;
            let classes = Classes::of(&record);
            let view = SigmaRecord::new(&record, &classes);
            for detection in DETECTIONS {
                let rule = rule(detection);
                let mut engine = Engine::new();
                engine.add_rule(&rule).unwrap();
                let may_match = Gate::of(&rule, &[]).is_none_or(|gate| gate.may_match(&view));
                prop_assert!(may_match || engine.evaluate(&view).is_empty(), "{}: {:?}", detection, record);
            }
        }
    }
}
