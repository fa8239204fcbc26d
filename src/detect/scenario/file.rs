//! From a Sigma correlation rule to a scenario.

use std::time::Duration;

use rsigma_parser::{ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType, Level, WindowMode};
use serde::Deserialize;

use super::model::{Masks, Measure, Places, Scenario, Spread, Then, Traits};
use crate::detect::attack::technique_of_tag;
use crate::detect::fingerprint::fingerprint;
use crate::detect::sigma::{self, RuleText};
use crate::event::Category;
use crate::limits;

/// What Sigma has no words for: the `dsmil` block of a correlation rule.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Extension {
    reason: Option<String>,
    category: Option<Category>,
    /// Bits of an IPv4 and of an IPv6 address that make a group.
    networks: Option<[u8; 2]>,
    /// The value by which a counted line can be taken back: that of the user.
    item: Option<String>,
    says: Option<String>,
    /// A base rule whose line takes back those of the same group and value.
    pub cancelled_by: Option<String>,
    pub followed_by: Option<Followed>,
    spread: Option<Many>,
    unless: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Many {
    gte: usize,
    reason: String,
    #[serde(default)]
    tags: Vec<String>,
    says: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Followed {
    pub rule: String,
    reason: String,
    #[serde(default)]
    tags: Vec<String>,
    says: Option<String>,
    #[serde(default = "certain")]
    scores: [f64; 2],
}

fn certain() -> [f64; 2] {
    [0.85, 0.95]
}

/// The rule, and the block of ours that stands in it.
///
/// # Errors
/// It asks for what is not counted here; the reason says what.
pub fn scenario(rule: &CorrelationRule) -> Result<(Scenario, Extension), String> {
    let extension = match rule.custom_attributes.get("dsmil") {
        Some(value) => Extension::deserialize(value.clone()).map_err(|error| format!("dsmil: {error}"))?,
        None => Extension::default(),
    };
    if rule.window != WindowMode::Sliding {
        return Err("windows other than sliding ones are not counted".to_owned());
    }
    if !rule.aliases.is_empty() {
        return Err("aliases are not needed: fields have the same names in all lines (see config/scenarios/README.md)"
            .to_owned());
    }
    let measure = measure(rule, &extension)?;
    let at = threshold(rule, &measure)?;
    let [v4, v6] = extension.networks.unwrap_or([Masks::default().v4, Masks::default().v6]);
    if v4 > 32 || v6 > 128 {
        return Err(format!("networks: [{v4}, {v6}] are no prefix lengths"));
    }
    let timespan = Duration::from_secs(rule.timespan.seconds);
    if timespan.is_zero() || timespan > limits::SCENARIO_TIMESPAN_MAX {
        return Err(format!("timespan: {} is not between 1s and 31d", rule.timespan.original));
    }
    let then = extension.followed_by.as_ref().map(|followed| Then {
        reason: followed.reason.clone(),
        techniques: techniques(&followed.tags),
        says: followed.says.clone(),
        scores: followed.scores,
    });
    let spread = extension.spread.as_ref().map(|many| Spread {
        at: many.gte,
        reason: many.reason.clone(),
        techniques: techniques(&many.tags),
        says: many.says.clone(),
    });
    let id = rule.id.clone().unwrap_or_else(|| rule.title.clone());
    let scenario = Scenario {
        salt: fingerprint(&id),
        id,
        title: rule.title.clone(),
        name: rule.name.clone(),
        reason: extension.reason.clone().unwrap_or_else(|| rule.title.clone()),
        category: extension.category.unwrap_or(Category::System),
        techniques: techniques(&rule.tags),
        score: score(rule.level),
        traits: Traits::of(&measure, &rule.group_by),
        measure,
        at,
        timespan,
        group_by: rule.group_by.clone(),
        places: Places::default(),
        groups_max: limits::SCENARIO_GROUPS_MAX,
        is_sketched: true,
        masks: Masks { v4, v6 },
        says: extension.says.clone(),
        spread,
        unless: extension.unless.clone(),
        then,
        file: String::new(),
    };
    Ok((scenario, extension))
}

/// The scenarios of a file that can be counted, each with its level.
pub fn listed(text: &RuleText) -> Vec<(Scenario, Option<Level>)> {
    let collection = sigma::parse(&text.yaml).unwrap_or_default();
    let counted = collection.correlations.iter().filter_map(|rule| Some((scenario(rule).ok()?.0, rule.level)));
    counted.collect()
}

fn techniques(tags: &[String]) -> Vec<String> {
    tags.iter().filter_map(|tag| technique_of_tag(tag)).take(limits::REASONS_MAX).collect()
}

fn measure(rule: &CorrelationRule, extension: &Extension) -> Result<Measure, String> {
    let item = || extension.item.clone().unwrap_or_else(|| "user.name".to_owned());
    match rule.correlation_type {
        CorrelationType::EventCount => Ok(Measure::Lines { item: item() }),
        CorrelationType::ValueCount => match &rule.condition {
            CorrelationCondition::Threshold { field: Some(fields), .. } => match fields.as_slice() {
                [field] => Ok(Measure::Values { field: field.clone() }),
                _ => Err("value_count of several fields together is not counted".to_owned()),
            },
            _ => Err("value_count needs condition: field".to_owned()),
        },
        CorrelationType::Temporal => Ok(Measure::All { ordered: false }),
        CorrelationType::TemporalOrdered => Ok(Measure::All { ordered: true }),
        _ => Err("sums, averages and percentiles are not counted".to_owned()),
    }
}

fn threshold(rule: &CorrelationRule, measure: &Measure) -> Result<usize, String> {
    if matches!(measure, Measure::All { .. }) {
        if matches!(rule.condition, CorrelationCondition::Extended(_)) {
            return Err("a condition of words is not counted: a temporal rule needs all of its rules".to_owned());
        }
        return Ok(rule.rules.len());
    }
    let CorrelationCondition::Threshold { predicates, .. } = &rule.condition else {
        return Err("a count needs a number".to_owned());
    };
    let at = match predicates.as_slice() {
        [(ConditionOperator::Gte, at)] => *at,
        [(ConditionOperator::Gt, above)] => above.saturating_add(1),
        _ => return Err("a condition other than gte or gt is not counted: it can be known of the past only".to_owned()),
    };
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    if (1..=limits::SCENARIO_OBSERVATIONS_MAX).contains(&at) {
        Ok(at)
    } else {
        Err(format!("condition: {at} is not between 1 and {}", limits::SCENARIO_OBSERVATIONS_MAX))
    }
}

/// What goes on all day is suspicious at most, until it succeeds.
fn score(level: Option<Level>) -> f64 {
    match level {
        Some(Level::Informational) => sigma::INFORMATIONAL,
        Some(Level::Low) => 0.45,
        Some(Level::Medium) | None => 0.6,
        Some(Level::High) => sigma::HIGH,
        Some(Level::Critical) => sigma::CRITICAL,
    }
}
