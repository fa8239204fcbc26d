//! The forms that outside consumers read: JSON objects, and the field lists of Redis stream entries.

use std::borrow::Cow;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::{
    Action, Alarm, Body, Category, Decision, Entity, Event, EventId, Evidence, Happened, Raw, ShrinkSample, Soc,
    Stream, Times, Timestamp, Verdict, outcome,
};

#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("{stream} event is not what this version writes: {source}")]
    Shape { stream: Stream, source: serde_json::Error },
    #[error("{stream} event has the time `{ts}`, which is not epoch seconds between 1970 and 2248")]
    Time { stream: Stream, ts: String },
    #[error("{stream} event has the score {score}, which is not between 0 and 1")]
    Score { stream: Stream, score: f64 },
}

/// An event as consumers see it, with natural JSON types: what is serialised for all of them.
#[derive(Serialize)]
#[serde(untagged)]
enum Form<'event> {
    Raw(RawForm<'event>),
    Decision(Box<DecisionForm<'event>>),
    Soc {
        ts: f64,
        event_id: EventId,
        #[serde(flatten)]
        soc: &'event Soc,
    },
    Shrink {
        ts: f64,
        event_id: EventId,
        #[serde(flatten)]
        sample: &'event ShrinkSample,
    },
    Tick {
        ts: f64,
        event_id: EventId,
    },
}

/// A decision on `L3_OUT` or `L4_OUT`.
#[derive(Serialize, Deserialize)]
struct DecisionForm<'event> {
    ts: f64,
    decision: Verdict,
    score: f64,
    #[serde(default)]
    model: Cow<'event, str>,
    #[serde(default)]
    device_id: u16,
    #[serde(default)]
    compartment: Cow<'event, str>,
    #[serde(default)]
    input_ref: Cow<'event, str>,
    #[serde(default)]
    entity: Cow<'event, Entity>,
    #[serde(default)]
    reasons: Cow<'event, [String]>,
    #[serde(default = "system")]
    category: Category,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    program: Option<Cow<'event, str>>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    action: Cow<'event, str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    outcome: Cow<'event, str>,
    #[serde(default, skip_serializing_if = "is_once")]
    times: u32,
    #[serde(default)]
    attack: Cow<'event, [String]>,
    #[serde(default)]
    summary: Cow<'event, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alert_id: Option<Cow<'event, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_ts: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_ts: Option<f64>,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    members: Cow<'event, [String]>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    over: bool,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::evidence::read")]
    evidence: Option<Box<Evidence>>,
}

fn is_once(times: &u32) -> bool {
    *times <= 1
}

fn system() -> Category {
    Category::System
}

/// `ts`, `source`, `compartment`, `payload`, `event_id`, and the attributes that have other names; of a name that comes
/// twice the first.
struct RawForm<'event> {
    event: &'event Event,
    raw: &'event Raw,
}

/// Names and values of a line.
pub(super) type RawFields<'event> = Vec<(&'event str, Cow<'event, str>)>;

/// The members of a line's form, all of them as text.
pub(super) fn raw_fields<'event>(event: &'event Event, raw: &'event Raw) -> RawFields<'event> {
    // A number that is finite always serialises.
    let ts = serde_json::to_string(&event.ts().seconds()).unwrap_or_default();
    std::iter::once(("ts", ts.into())).chain(raw_texts(event, raw)).collect()
}

/// All of them but its time, which is a number.
fn raw_texts<'event>(event: &'event Event, raw: &'event Raw) -> impl Iterator<Item = (&'event str, Cow<'event, str>)> {
    let own = [
        ("source", Cow::Borrowed(&*raw.source)),
        ("compartment", Cow::Borrowed(&*raw.compartment)),
        ("payload", String::from_utf8_lossy(&raw.payload)),
        ("event_id", event.id.to_string().into()),
    ];
    let attributes = raw_attributes(raw).map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str())));
    own.into_iter().chain(attributes)
}

/// Those that are members of the line's form.
fn raw_attributes(raw: &Raw) -> impl Iterator<Item = &(String, String)> {
    const OWN: [&str; 5] = ["ts", "source", "compartment", "payload", "event_id"];
    let mut before = None;
    // They are sorted by name.
    let attributes = raw.attributes.iter();
    attributes.filter(move |(name, _)| before.replace(name) != Some(name) && !OWN.contains(&name.as_str()))
}

impl Serialize for RawForm<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("ts", &self.event.ts().seconds())?;
        for (name, value) in raw_texts(self.event, self.raw) {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}

/// Its members in the order in which consumers read them.
pub(super) fn form(event: &Event) -> impl Serialize {
    let (ts, event_id) = (event.ts().seconds(), event.id);
    match &event.body {
        Body::Raw(raw) => Form::Raw(RawForm { event, raw }),
        Body::Decision(decision) => Form::Decision(Box::new(DecisionForm {
            ts,
            decision: decision.verdict,
            score: decision.score,
            model: Cow::Borrowed(&decision.model),
            device_id: decision.device_id,
            compartment: Cow::Borrowed(&decision.compartment),
            input_ref: Cow::Borrowed(&decision.input_ref),
            entity: Cow::Borrowed(&decision.entity),
            reasons: Cow::Borrowed(&decision.reasons),
            category: decision.category,
            program: decision.happened.program.as_deref().map(Cow::Borrowed),
            action: Cow::Borrowed(decision.happened.action.name()),
            outcome: Cow::Borrowed(outcome::name(decision.happened.outcome)),
            times: decision.happened.times,
            attack: Cow::Borrowed(&decision.attack),
            summary: Cow::Borrowed(&decision.summary),
            alert_id: decision.alarm.as_ref().map(|alarm| Cow::Borrowed(alarm.id.as_str())),
            count: decision.alarm.as_ref().map(|alarm| alarm.count),
            first_ts: decision.alarm.as_ref().map(|alarm| alarm.first_ts),
            last_ts: decision.alarm.as_ref().map(|alarm| alarm.last_ts),
            members: Cow::Borrowed(decision.alarm.as_ref().map_or(&[], |alarm| &alarm.members)),
            over: decision.alarm.as_ref().is_some_and(|alarm| alarm.is_over),
            evidence: decision.evidence.clone(),
        })),
        Body::Soc(soc) => Form::Soc { ts, event_id, soc },
        Body::Shrink(sample) => Form::Shrink { ts, event_id, sample },
        Body::Tick => Form::Tick { ts, event_id },
    }
}

/// The event as one JSON object: the shape of the contract for decisions and SOC events, `ts`, `source`,
/// `compartment`, `payload` and attributes for raw events.
pub fn to_json(event: &Event) -> Value {
    // These shapes have string keys, so they always serialise.
    serde_json::to_value(form(event)).unwrap_or_default()
}

/// The text of [`to_json`].
pub fn to_text(event: &Event) -> String {
    serde_json::to_string(&form(event)).unwrap_or_default()
}

/// Reads a decision as another program wrote it.
///
/// # Errors
/// The object lacks `decision`, `score` or `ts`, or a value is of the wrong type or out of its range.
pub fn decision_from_json(stream: Stream, value: Value) -> Result<(Timestamp, Decision), WireError> {
    let form: DecisionForm<'_> = serde_json::from_value(value).map_err(|source| WireError::Shape { stream, source })?;
    decision_of(stream, form)
}

fn decision_of(stream: Stream, form: DecisionForm<'_>) -> Result<(Timestamp, Decision), WireError> {
    let ts = time(stream, form.ts)?;
    if !(0.0..=1.0).contains(&form.score) {
        return Err(WireError::Score { stream, score: form.score });
    }
    let decision = Decision {
        verdict: form.decision,
        score: form.score,
        model: Arc::from(form.model),
        device_id: form.device_id,
        compartment: Arc::from(form.compartment),
        input_ref: form.input_ref.into_owned(),
        entity: form.entity.into_owned().cut(),
        category: form.category,
        happened: Happened {
            program: form.program.map(Cow::into_owned),
            action: Action::named(&form.action),
            outcome: outcome::named(&form.outcome),
            times: form.times,
        },
        reasons: form.reasons.into_owned(),
        attack: form.attack.into_owned(),
        summary: form.summary.into_owned(),
        alarm: form.alert_id.map(|id| {
            Box::new(Alarm {
                id: id.into_owned(),
                count: form.count.unwrap_or_default(),
                first_ts: form.first_ts.unwrap_or(form.ts),
                last_ts: form.last_ts.unwrap_or(form.ts),
                members: form.members.into_owned(),
                is_over: form.over,
            })
        }),
        evidence: form.evidence,
    };
    Ok((ts, decision))
}

fn time(stream: Stream, seconds: f64) -> Result<Timestamp, WireError> {
    Timestamp::from_seconds(seconds).ok_or_else(|| WireError::Time { stream, ts: seconds.to_string() })
}

/// Rebuilds an event of a derived stream from what [`to_text`] wrote and what is stored beside it.
///
/// # Errors
/// It is not what [`to_text`] writes for an event of this stream.
pub fn derived_from_text(
    stream: Stream,
    (id, root): (EventId, EventId),
    times: Times,
    text: &[u8],
) -> Result<Event, WireError> {
    let shape = |source| WireError::Shape { stream, source };
    let body = match stream {
        Stream::SocEvents => Body::Soc(serde_json::from_slice(text).map_err(shape)?),
        Stream::Shrink => Body::Shrink(serde_json::from_slice(text).map_err(shape)?),
        _ => Body::Decision(Box::new(decision_of(stream, serde_json::from_slice(text).map_err(shape)?)?.1)),
    };
    Ok(Event { id, stream, times, root, body })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
            times: Times::at(Timestamp::from_micros(1_763_856_000_123_456)),
            root: EventId::new(1_763_856_000_123, 4),
            body: Body::Soc(Box::new(soc)),
        }
    }

    #[test]
    fn a_soc_event_is_read_back_as_it_was_written() {
        let event = soc_event();
        let read =
            derived_from_text(event.stream, (event.id, event.root), event.times, to_text(&event).as_bytes()).unwrap();
        assert_eq!(read.times, event.times);
        let (Body::Soc(original), Body::Soc(soc)) = (&event.body, &read.body) else { unreachable!() };
        assert_eq!(soc, original);
    }

    #[test]
    fn a_decision_with_a_score_out_of_range_is_refused() {
        let value = json!({ "ts": 1.0, "decision": "benign", "score": 1.5 });
        assert!(matches!(decision_from_json(Stream::L3Out, value), Err(WireError::Score { .. })));
    }
}
