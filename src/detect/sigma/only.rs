//! For which actions and outcomes a rule about the normal fields can match at all: most such rules name them, and a line has one of
//! each. So a line is compared with few rules.

use std::collections::BTreeSet;

use rsigma_parser::{ConditionExpr, Detection, DetectionItem, Detections, SigmaRule, SigmaValue, StringPart};

use super::normal::Kind;

pub const ACTION: &str = "event.action";
pub const OUTCOME: &str = "event.outcome";

/// Values in lower case; the empty one where the field is missing.
type Values = BTreeSet<String>;

/// What a rule asks of a line, as far as that is certain. Where it asks nothing, any value will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    actions: Option<Values>,
    outcomes: Option<Values>,
    /// It asks nothing else.
    pub is_all: bool,
}

impl Only {
    pub fn of(rule: &SigmaRule) -> Self {
        let of = |field| {
            let conditions = rule.detection.conditions.iter();
            any(conditions.map(|condition| of_condition(condition, &rule.detection, field)))
        };
        Self { actions: of(ACTION), outcomes: of(OUTCOME), is_all: is_all(&rule.detection) }
    }

    /// `false`: the rule matches no line of this kind.
    pub fn allows(&self, (action, outcome): Kind) -> bool {
        self.actions.as_ref().is_none_or(|values| values.contains(action))
            && self.outcomes.as_ref().is_none_or(|values| values.contains(outcome))
    }
}

/// Whether one selection is all that there is, and certain values of these fields are all that it asks.
fn is_all(detections: &Detections) -> bool {
    matches!(detections.conditions.as_slice(), [condition] if is_certain(condition, detections))
}

/// Whether it is a selection that asks for certain values of these fields and nothing else.
fn is_certain(condition: &ConditionExpr, detections: &Detections) -> bool {
    let ConditionExpr::Identifier(name) = condition else { return false };
    let is_certain = |item: &DetectionItem| [ACTION, OUTCOME].iter().any(|field| of_item(item, field).is_some());
    match detections.named.get(name) {
        Some(Detection::AllOf(items)) => !items.is_empty() && items.iter().all(is_certain),
        _ => false,
    }
}

/// What keeps a rule from matching lines that [`Only`] allows, where all else that it asks is certain values of these fields.
pub fn exceptions(detections: &Detections) -> Option<ConditionExpr> {
    let [ConditionExpr::And(parts)] = detections.conditions.as_slice() else { return None };
    let mut exceptions = Vec::new();
    for part in parts {
        match part {
            ConditionExpr::Not(inner) => exceptions.push((**inner).clone()),
            certain if is_certain(certain, detections) => {}
            _ => return None,
        }
    }
    let is_one = exceptions.len() == 1;
    (!exceptions.is_empty()).then(|| if is_one { exceptions.remove(0) } else { ConditionExpr::Or(exceptions) })
}

/// What one of these asks for. Nothing, where there is none.
fn any(parts: impl Iterator<Item = Option<Values>>) -> Option<Values> {
    let all: Option<Vec<Values>> = parts.collect();
    all.filter(|all| !all.is_empty()).map(|all| all.into_iter().flatten().collect())
}

/// What all of these together ask for.
fn all(parts: impl Iterator<Item = Option<Values>>) -> Option<Values> {
    parts.flatten().reduce(|left, right| left.intersection(&right).cloned().collect())
}

fn of_condition(condition: &ConditionExpr, detections: &Detections, field: &str) -> Option<Values> {
    match condition {
        ConditionExpr::And(parts) => all(parts.iter().map(|part| of_condition(part, detections, field))),
        ConditionExpr::Or(parts) => any(parts.iter().map(|part| of_condition(part, detections, field))),
        ConditionExpr::Identifier(name) => detections.named.get(name).and_then(|it| of_detection(it, field)),
        ConditionExpr::Not(_) | ConditionExpr::Selector { .. } => None,
    }
}

fn of_detection(detection: &Detection, field: &str) -> Option<Values> {
    match detection {
        Detection::AllOf(items) => all(items.iter().map(|item| of_item(item, field))),
        Detection::And(parts) => all(parts.iter().map(|part| of_detection(part, field))),
        Detection::AnyOf(parts) => any(parts.iter().map(|part| of_detection(part, field))),
        _ => None,
    }
}

/// Only plain values are certain.
fn of_item(item: &DetectionItem, field: &str) -> Option<Values> {
    let is_plain = item.field.name.as_deref() == Some(field) && item.field.modifiers.is_empty();
    if !is_plain || item.values.is_empty() {
        return None;
    }
    item.values.iter().map(value).collect()
}

fn value(value: &SigmaValue) -> Option<String> {
    match value {
        SigmaValue::Null => Some(String::new()),
        SigmaValue::String(text) => match text.parts.as_slice() {
            [StringPart::Plain(text)] if !text.is_empty() => Some(text.to_lowercase()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml;
    use super::*;

    fn only(detection: &str) -> Only {
        let yaml = format!("title: T\nlogsource: {{product: linux}}\ndetection:\n{detection}");
        Only::of(&yaml::parse(&yaml).unwrap().rules[0])
    }

    #[test]
    fn a_rule_is_for_the_lines_of_the_actions_and_outcomes_that_all_its_parts_agree_on() {
        let login = only("  a: {event.action: [Login, logout], event.outcome: null}\n  condition: a\n");
        assert!(login.allows(("login", "")) && login.allows(("logout", "")) && login.is_all);
        assert!(!login.allows(("login", "success")) && !login.allows(("dns_query", "")) && !login.allows(("", "")));
        let either =
            only("  a: {event.action: login}\n  b: {event.action: logout}\n  c: {x: y}\n  condition: (a or b) and c\n");
        assert!(either.allows(("logout", "failure")) && !either.allows(("dns_query", "")) && !either.is_all);
        let more = only("  a: {event.action: login, x: y}\n  condition: a\n");
        assert!(more.allows(("login", "")) && !more.allows(("", "")) && !more.is_all);
    }

    #[test]
    fn a_rule_that_may_match_anything_is_for_every_line() {
        for detection in [
            "  a: {x: y}\n  condition: a\n",
            "  a: {event.action: login}\n  condition: not a\n",
            "  a: {event.action: login}\n  b: {x: y}\n  condition: a or b\n",
            "  a: {event.action: login}\n  condition: 1 of a*\n",
            "  a: {event.action: log*}\n  condition: a\n",
            "  a: {event.action|contains: log}\n  condition: a\n",
            "  a: [{event.action: login}, {x: y}]\n  condition: a\n",
            "  a: [login]\n  condition: a\n",
            "  a: {event.action: login}\n  b: {x: y}\n  condition:\n    - a\n    - b\n",
        ] {
            let only = only(detection);
            assert!(only.allows(("dns_query", "")) && !only.is_all, "{detection}");
        }
    }
}
