//! The forms that outside consumers read: JSON objects, and the field lists of Redis stream entries.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Body, Category, Decision, Entity, Event, EventId, ShrinkSample, Soc, Stream, Timestamp, Verdict};

#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("{stream} event is not what this version writes: {source}")]
    Shape { stream: Stream, source: serde_json::Error },
    #[error("{stream} event has the time `{ts}`, which is not epoch seconds between 1970 and 2248")]
    Time { stream: Stream, ts: String },
    #[error("{stream} event has the score {score}, which is not between 0 and 1")]
    Score { stream: Stream, score: f64 },
}

/// A decision as consumers of `L3_OUT` and `L4_OUT` see it, with natural JSON types.
#[derive(Serialize, Deserialize)]
struct DecisionForm {
    ts: f64,
    decision: Verdict,
    score: f64,
    #[serde(default)]
    model: String,
    #[serde(default)]
    device_id: u16,
    #[serde(default)]
    compartment: String,
    #[serde(default)]
    input_ref: String,
    #[serde(default)]
    entity: Entity,
    #[serde(default)]
    reasons: Vec<String>,
    #[serde(default = "system")]
    category: Category,
    #[serde(default)]
    attack: Vec<String>,
    #[serde(default)]
    summary: String,
}

fn system() -> Category {
    Category::System
}

/// The event as one JSON object: the shape of the contract for decisions and SOC events, `ts`, `source`,
/// `compartment`, `payload` and attributes for raw events.
pub fn to_json(event: &Event) -> Value {
    match &event.body {
        Body::Raw(raw) => raw_json(event, raw),
        Body::Decision(decision) => decision_json(event, decision),
        Body::Soc(soc) => soc_json(event, soc),
        Body::Shrink(sample) => {
            json!({ "ts": event.ts.seconds(), "event_id": event.id, "values": sample.values, "failure": sample.failure })
        }
        Body::Tick => json!({ "ts": event.ts.seconds(), "event_id": event.id }),
    }
}

fn raw_json(event: &Event, raw: &super::Raw) -> Value {
    let mut object = Map::new();
    object.insert("ts".into(), json!(event.ts.seconds()));
    object.insert("source".into(), json!(&*raw.source));
    object.insert("compartment".into(), json!(&*raw.compartment));
    object.insert("payload".into(), Value::String(String::from_utf8_lossy(&raw.payload).into_owned()));
    object.insert("event_id".into(), json!(event.id));
    for (key, value) in &raw.attributes {
        object.entry(key.as_str()).or_insert_with(|| Value::String(value.clone()));
    }
    Value::Object(object)
}

fn decision_json(event: &Event, decision: &Decision) -> Value {
    object_of(&DecisionForm {
        ts: event.ts.seconds(),
        decision: decision.verdict,
        score: decision.score,
        model: decision.model.to_string(),
        device_id: decision.device_id,
        compartment: decision.compartment.to_string(),
        input_ref: decision.input_ref.clone(),
        entity: decision.entity.clone(),
        reasons: decision.reasons.clone(),
        category: decision.category,
        attack: decision.attack.clone(),
        summary: decision.summary.clone(),
    })
}

fn soc_json(event: &Event, soc: &Soc) -> Value {
    let mut object = Map::new();
    object.insert("ts".into(), json!(event.ts.seconds()));
    object.insert("event_id".into(), json!(event.id));
    if let Value::Object(rest) = object_of(soc) {
        object.extend(rest);
    }
    Value::Object(object)
}

/// These shapes have string keys and finite numbers, so they always serialise.
fn object_of(form: &impl Serialize) -> Value {
    serde_json::to_value(form).unwrap_or_default()
}

/// Fields of a Redis stream entry. Decisions are plain strings with the lists as JSON; every SOC value is JSON.
pub fn to_fields(event: &Event) -> Vec<(String, String)> {
    let every_value_is_json = matches!(event.body, Body::Soc(_));
    let Value::Object(object) = to_json(event) else { return Vec::new() };
    object
        .into_iter()
        .map(|(key, value)| match value {
            Value::String(text) if !every_value_is_json => (key, text),
            Value::Null if !every_value_is_json => (key, String::new()),
            Value::Object(_) | Value::Array(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {
                (key, value.to_string())
            }
        })
        .collect()
}

/// Reads a decision back: from the hot store, or as another program wrote it.
///
/// # Errors
/// The object lacks `decision`, `score` or `ts`, or a value is of the wrong type or out of its range.
pub fn decision_from_json(stream: Stream, value: Value) -> Result<(Timestamp, Decision), WireError> {
    let form: DecisionForm = serde_json::from_value(value).map_err(|source| WireError::Shape { stream, source })?;
    let ts = Timestamp::from_seconds(form.ts).ok_or_else(|| WireError::Time { stream, ts: form.ts.to_string() })?;
    if !(0.0..=1.0).contains(&form.score) {
        return Err(WireError::Score { stream, score: form.score });
    }
    let decision = Decision {
        verdict: form.decision,
        score: form.score,
        model: Arc::from(form.model),
        device_id: form.device_id,
        compartment: Arc::from(form.compartment),
        input_ref: form.input_ref,
        entity: form.entity,
        category: form.category,
        reasons: form.reasons,
        attack: form.attack,
        summary: form.summary,
    };
    Ok((ts, decision))
}

/// Reads a SOC event back from the hot store.
///
/// # Errors
/// The object is not what [`to_json`] writes.
pub fn soc_from_json(value: Value) -> Result<(Timestamp, Soc), WireError> {
    let stream = Stream::SocEvents;
    let ts = value
        .get("ts")
        .and_then(Value::as_f64)
        .and_then(Timestamp::from_seconds)
        .ok_or_else(|| WireError::Time { stream, ts: value.get("ts").map(Value::to_string).unwrap_or_default() })?;
    let soc = serde_json::from_value(value).map_err(|source| WireError::Shape { stream, source })?;
    Ok((ts, soc))
}

/// Rebuilds an event of a derived stream from its stored JSON.
///
/// # Errors
/// As [`decision_from_json`] and [`soc_from_json`].
pub fn derived_from_json(stream: Stream, id: EventId, root: EventId, value: Value) -> Result<Event, WireError> {
    let (ts, body) = match stream {
        Stream::SocEvents => soc_from_json(value).map(|(ts, soc)| (ts, Body::Soc(Box::new(soc))))?,
        Stream::Shrink => {
            let ts = value.get("ts").and_then(Value::as_f64).and_then(Timestamp::from_seconds).unwrap_or_default();
            let sample: ShrinkSample =
                serde_json::from_value(value).map_err(|source| WireError::Shape { stream, source })?;
            (ts, Body::Shrink(sample))
        }
        _ => decision_from_json(stream, value).map(|(ts, decision)| (ts, Body::Decision(Box::new(decision))))?,
    };
    Ok(Event { id, stream, ts, root, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Severity, ShrinkView};

    fn soc_event() -> Event {
        let soc = Soc {
            src_layer: "3".into(),
            decision: Verdict::Malicious,
            score: 0.93,
            input_ref: "1763856000123-4".into(),
            src_device: 15,
            severity: Severity::Critical,
            category: Category::Auth,
            compartment: "ops".into(),
            summary: "brute force \"quoted\"\n".into(),
            entity: Entity { src_ip: Some("203.0.113.9".into()), ..Entity::default() },
            shrink: ShrinkView { age_s: None, ..ShrinkView::default() },
            flags: vec!["X".into()],
            ..Soc::default()
        };
        Event {
            id: EventId::new(1_763_856_000_124, 0),
            stream: Stream::SocEvents,
            ts: Timestamp::from_micros(1_763_856_000_123_456),
            root: EventId::new(1_763_856_000_123, 4),
            body: Body::Soc(Box::new(soc)),
        }
    }

    #[test]
    fn every_field_of_a_soc_event_in_redis_is_json() {
        for (key, value) in to_fields(&soc_event()) {
            assert!(serde_json::from_str::<Value>(&value).is_ok(), "{key}={value}");
        }
    }

    #[test]
    fn a_soc_event_is_read_back_as_it_was_written() {
        let event = soc_event();
        let (ts, soc) = soc_from_json(to_json(&event)).unwrap();
        assert_eq!(ts, event.ts);
        let Body::Soc(original) = &event.body else { unreachable!() };
        assert_eq!(&soc, &**original);
    }

    #[test]
    fn a_decision_in_redis_is_plain_strings_with_json_lists() {
        let decision = Decision::benign("sigma".into(), 15, "ops".into(), EventId::new(7, 1));
        let event = Event {
            id: EventId::new(8, 0),
            stream: Stream::L3Out,
            ts: Timestamp::from_millis(7),
            root: EventId::new(7, 1),
            body: Body::Decision(Box::new(decision.clone())),
        };
        let fields: std::collections::BTreeMap<_, _> = to_fields(&event).into_iter().collect();
        assert_eq!(fields["decision"], "benign");
        assert_eq!(fields["input_ref"], "7-1");
        assert_eq!(fields["reasons"], "[]");
        assert_eq!(decision_from_json(Stream::L3Out, to_json(&event)).unwrap(), (event.ts, decision));
    }

    #[test]
    fn a_decision_with_a_score_out_of_range_is_refused() {
        let value = json!({ "ts": 1.0, "decision": "benign", "score": 1.5 });
        assert!(matches!(decision_from_json(Stream::L3Out, value), Err(WireError::Score { .. })));
    }
}
