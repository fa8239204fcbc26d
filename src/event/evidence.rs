//! What a judgement follows from, where that is more than one event.

use serde::{Deserialize, Deserializer, Serialize};

use super::EventId;
use crate::limits::{EVIDENCE_EVENTS_MAX, EVIDENCE_NAME_BYTES_MAX};

/// Kept with the event, so that it can be explained after a restart and in a replay as well.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The events that it follows from beside `input_ref`, oldest first: the newest of them, if they are many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventId>,
    /// So many more were counted.
    #[serde(skip_serializing_if = "is_zero")]
    pub unnamed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// What was measured, and from where on that is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// The field of which different values were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Seconds that the rule looks back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timespan_s: Option<f64>,
}

/// The rule that has matched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    pub id: String,
    pub title: String,
    /// The file that it stands in; one without a folder is the daemon's own.
    pub file: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Evidence {
    /// These events, in their order and each once; if they are too many, the newest. `counted`: of so many in all.
    pub fn of(mut events: Vec<EventId>, counted: u64) -> Self {
        events.sort_unstable();
        events.dedup();
        let unnamed = counted.saturating_sub(events.len().min(EVIDENCE_EVENTS_MAX) as u64);
        events.drain(..events.len().saturating_sub(EVIDENCE_EVENTS_MAX));
        Self { events, unnamed, ..Self::default() }
    }

    /// Bytes of its texts, roughly.
    pub fn bytes(&self) -> usize {
        let rule = self.rule.as_ref().map_or(0, |rule| rule.id.len() + rule.title.len() + rule.file.len());
        self.events.len() * "\"1763856000123-4\",".len() + self.field.as_ref().map_or(0, String::len) + rule
    }

    fn is_within_bounds(&self) -> bool {
        let is_short = |text: &String| text.len() <= EVIDENCE_NAME_BYTES_MAX;
        let is_rule_short =
            self.rule.as_ref().is_none_or(|rule| [&rule.id, &rule.title, &rule.file].into_iter().all(is_short));
        self.events.len() <= EVIDENCE_EVENTS_MAX && is_rule_short && self.field.as_ref().is_none_or(is_short)
    }
}

/// What another program means by a field of this name is no reason to refuse its decision.
pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<Evidence>>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(Evidence::deserialize(value).ok().filter(Evidence::is_within_bounds).map(Box::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64) -> EventId {
        EventId::new(ms, 0)
    }

    #[test]
    fn events_are_named_once_in_order_and_of_too_many_the_newest() {
        let few = Evidence::of(vec![id(3), id(1), id(3)], 7);
        assert_eq!((few.events, few.unnamed), (vec![id(1), id(3)], 5));
        let many = Evidence::of((0..1000).map(id).collect(), 1000);
        assert_eq!((many.events.len(), many.events.last()), (EVIDENCE_EVENTS_MAX, Some(&id(999))));
        assert_eq!(many.unnamed, 1000 - EVIDENCE_EVENTS_MAX as u64);
    }

    #[test]
    fn what_another_program_calls_evidence_is_left_out_and_what_has_no_bound_as_well() {
        let read = |text: &str| read(&mut serde_json::Deserializer::from_str(text)).unwrap();
        for text in ["null", "7", "\"seen\"", "[\"a\"]", r#"{"events":["x"]}"#, r#"{"rule":7}"#] {
            assert_eq!(read(text), None, "{text}");
        }
        let long = format!(r#"{{"field":"{}"}}"#, "x".repeat(EVIDENCE_NAME_BYTES_MAX + 1));
        assert_eq!(read(&long), None);
        let known = read(r#"{"events":["7-0"],"value":41,"another":1}"#).unwrap();
        assert_eq!((known.events, known.value), (vec![id(7)], Some(41.0)));
    }
}
