//! What can be said of a pattern without matching it: whether it only lists values, which texts it needs, and whether one
//! observation is enough.

use super::expression::{Comparison, Comparisons, Expression, Step, Test};
use super::literal::Literal;

/// What an object path ends in: the object type, and the properties joined with dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedValue {
    pub object: String,
    pub property: String,
    pub text: String,
}

/// Whether one observation is enough.
pub fn is_single(expression: &Expression) -> bool {
    match expression {
        Expression::Observation(_) => true,
        Expression::Any(parts) => parts.iter().all(is_single),
        Expression::Within(inner, _) | Expression::Between { inner, .. } => is_single(inner),
        Expression::Repeated(inner, times) => *times == 1 && is_single(inner),
        Expression::All(_) | Expression::InOrder(_) => false,
    }
}

/// The values, where the pattern means that any of them is seen and nothing else.
pub fn listed(expression: &Expression, observations: &[Comparisons]) -> Option<Vec<ListedValue>> {
    let mut values = Vec::new();
    let has_no_times = match expression {
        Expression::Observation(_) => true,
        Expression::Any(parts) => parts.iter().all(|part| matches!(part, Expression::Observation(_))),
        _ => false,
    };
    let is_list = has_no_times && observations.iter().all(|comparisons| add_listed(comparisons, &mut values));
    is_list.then_some(values)
}

fn add_listed(comparisons: &Comparisons, values: &mut Vec<ListedValue>) -> bool {
    match comparisons {
        Comparisons::Any(parts) => parts.iter().all(|part| add_listed(part, values)),
        Comparisons::All(_) => false,
        Comparisons::One(comparison) => {
            let property: Option<Vec<&str>> = comparison.path.iter().map(key).collect();
            let (Some(property), Some(texts)) = (property, texts(comparison)) else { return false };
            values.extend(texts.into_iter().map(|text| ListedValue {
                object: comparison.object.clone(),
                property: property.join("."),
                text: text.to_owned(),
            }));
            true
        }
    }
}

/// Texts of which one at least is a value of every observation that one of the comparisons holds for; `None` where such
/// observations have none in common.
pub fn needed_texts(observations: &[Comparisons]) -> Option<Vec<&str>> {
    let needed: Option<Vec<Vec<&str>>> = observations.iter().map(needed).collect();
    Some(needed?.concat())
}

fn needed(comparisons: &Comparisons) -> Option<Vec<&str>> {
    match comparisons {
        Comparisons::One(comparison) => texts(comparison),
        Comparisons::All(parts) => parts.iter().filter_map(needed).min_by_key(Vec::len),
        Comparisons::Any(parts) => Some(parts.iter().map(needed).collect::<Option<Vec<_>>>()?.concat()),
    }
}

/// What the value must be one of, as it is written.
fn texts(comparison: &Comparison) -> Option<Vec<&str>> {
    let property = comparison.path.iter().rev().find_map(key)?;
    if comparison.is_negated || property.ends_with("_hex") || property.ends_with("_bin") {
        return None;
    }
    match &comparison.test {
        Test::Equal(literal) => Some(vec![text(literal)?]),
        Test::In(set) => set.iter().map(text).collect(),
        _ => None,
    }
}

fn text(literal: &Literal) -> Option<&str> {
    if let Literal::Text(text) = literal { Some(text) } else { None }
}

fn key(step: &Step) -> Option<&str> {
    if let Step::Key(key) = step { Some(key) } else { None }
}
