//! Stream entries as other programs write them: fields of a Redis stream, lines of NDJSON, bodies of `POST`.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::Origin;
use super::entry_time::{NotATime, time};
use crate::event::wire::{self, WireError};
use crate::event::{Body, Decision, Draft, Format, Measured, MeasuredError, Stream, Times, Timestamp, cut_name};
use crate::limits::{FIELDS_PER_RECORD_MAX, LINE_BYTES_MAX, SENDER_NAME_BYTES_MAX, SUMMARY_CHARS_MAX};

/// Bytes of all names and values of a decision that another program made.
const DECISION_BYTES_MAX: usize = 2 * LINE_BYTES_MAX;

/// Why an entry cannot be taken; the text goes to `dead_letters`.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("`payload` is missing; write the text or JSON of the event there")]
    NoPayload,
    #[error("`payload` has {0} bytes; at most {LINE_BYTES_MAX} are taken")]
    PayloadTooLong(usize),
    #[error(transparent)]
    Time(#[from] NotATime),
    #[error("`{0}` is not text")]
    NotText(&'static str),
    #[error("`{0}` has {1} bytes; at most {SENDER_NAME_BYTES_MAX} are taken")]
    NameTooLong(&'static str, usize),
    #[error("the decision has {0} bytes; at most {DECISION_BYTES_MAX} are taken")]
    DecisionTooLong(usize),
    #[error("the entry has {0} fields; at most {FIELDS_PER_RECORD_MAX} are taken")]
    TooManyFields(usize),
    #[error("`payload`: {0}")]
    Measured(#[from] MeasuredError),
    #[error(transparent)]
    Decision(#[from] WireError),
    #[error("{0} is not taken from outside; write to L3_IN, L4_IN, L3_OUT or L4_OUT")]
    Stream(Stream),
}

/// Reads the fields of a Redis stream entry: bytes each, so that a payload that is not UTF-8 survives. Of a field that
/// comes twice the last one counts.
///
/// # Errors
/// As [`from_entry`].
pub fn from_fields(
    fields: &[(Bytes, Bytes)],
    stream: Stream,
    source: &Arc<str>,
    arrival: Timestamp,
) -> Result<Draft, EntryError> {
    if matches!(stream, Stream::L3In | Stream::L4In) {
        return raw_from_fields(fields, stream, source, arrival);
    }
    let lossy = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let entry = fields.iter().map(|(name, value)| (lossy(name), Value::String(lossy(value)))).collect();
    from_entry(entry, stream, source, arrival)
}

/// Without a map between, for these are most of what is read.
fn raw_from_fields(
    fields: &[(Bytes, Bytes)],
    stream: Stream,
    source: &Arc<str>,
    arrival: Timestamp,
) -> Result<Draft, EntryError> {
    let (mut payload, mut own, mut attributes) = (None, Own::default(), Vec::new());
    for (name, value) in fields {
        match &**name {
            b"payload" => payload = Some(value.clone()),
            b"ts" => own.ts = Some(Value::String(String::from_utf8_lossy(value).into_owned())),
            b"source" => own.source = Some(Value::String(String::from_utf8_lossy(value).into_owned())),
            b"compartment" => own.compartment = Some(Value::String(String::from_utf8_lossy(value).into_owned())),
            b"event_id" => {}
            _ if attributes.len() > FIELDS_PER_RECORD_MAX => return Err(EntryError::TooManyFields(fields.len())),
            _ => {
                let name = String::from_utf8_lossy(name).into_owned();
                attributes.retain(|(known, _)| *known != name);
                attributes.push((name, String::from_utf8_lossy(value).into_owned()));
            }
        }
    }
    raw(payload.ok_or(EntryError::NoPayload)?, own, attributes, stream, source, arrival)
}

/// The fields of an entry that are not attributes.
#[derive(Default)]
struct Own {
    ts: Option<Value>,
    source: Option<Value>,
    compartment: Option<Value>,
}

/// Reads an entry of `L3_IN` or `L4_IN`: `ts` (epoch seconds or RFC 3339; absent: `arrival`), `source` (absent: the one
/// given here), `compartment`, `payload` (text or JSON); other fields become attributes, except `event_id`, which is
/// only written, never read. An entry of `L3_OUT` or `L4_OUT` is a decision, with every field as JSON or as text of it.
///
/// # Errors
/// A field is missing, of the wrong kind, out of range or too large.
pub fn from_entry(
    mut entry: Map<String, Value>,
    stream: Stream,
    source: &Arc<str>,
    arrival: Timestamp,
) -> Result<Draft, EntryError> {
    match stream {
        Stream::L3In | Stream::L4In => {
            let payload = match entry.shift_remove("payload") {
                None | Some(Value::Null) => return Err(EntryError::NoPayload),
                Some(Value::String(text)) => Bytes::from(text),
                Some(json) => Bytes::from(json.to_string()),
            };
            entry.shift_remove("event_id");
            let mut take = |name| entry.shift_remove(name);
            let own = Own { ts: take("ts"), source: take("source"), compartment: take("compartment") };
            let attributes = entry.into_iter().map(|(name, value)| (name, plain(value))).collect();
            raw(payload, own, attributes, stream, source, arrival)
        }
        Stream::L3Out | Stream::L4Out => decision(entry, stream, arrival),
        Stream::Shrink | Stream::SocEvents | Stream::Tick => Err(EntryError::Stream(stream)),
    }
}

fn raw(
    payload: Bytes,
    own: Own,
    attributes: Vec<(String, String)>,
    stream: Stream,
    source: &Arc<str>,
    arrival: Timestamp,
) -> Result<Draft, EntryError> {
    if payload.len() > LINE_BYTES_MAX {
        return Err(EntryError::PayloadTooLong(payload.len()));
    }
    if stream == Stream::L4In {
        Measured::read(&payload)?;
    }
    let ts = time(own.ts, arrival)?;
    let named = text(own.source, "source")?;
    let is_named = named.is_some();
    let source = named.map_or_else(|| Arc::clone(source), Arc::from);
    let compartment = Arc::from(text(own.compartment, "compartment")?.unwrap_or_default());
    if attributes.len() > FIELDS_PER_RECORD_MAX {
        return Err(EntryError::TooManyFields(attributes.len()));
    }
    let origin = Origin { stream, source, compartment, format: Format::Auto };
    let mut draft = origin.message(payload, attributes, Times::claimed(ts, arrival));
    if let Body::Raw(raw) = &mut draft.body {
        raw.is_named = is_named;
    }
    Ok(draft)
}

/// JSON as one string: text as it is, everything else as JSON.
fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The name of a source or a compartment.
fn text(value: Option<Value>, name: &'static str) -> Result<Option<String>, EntryError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() > SENDER_NAME_BYTES_MAX => {
            Err(EntryError::NameTooLong(name, text.len()))
        }
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(_) => Err(EntryError::NotText(name)),
    }
}

/// What is text in Redis becomes what it stands for; [`wire::decision_from_json`] judges the rest.
fn decision(mut entry: Map<String, Value>, stream: Stream, arrival: Timestamp) -> Result<Draft, EntryError> {
    let bytes: usize = entry.iter().map(|(name, value)| name.len() + text_bytes(value)).sum();
    if bytes > DECISION_BYTES_MAX {
        return Err(EntryError::DecisionTooLong(bytes));
    }
    let ts = time(entry.shift_remove("ts"), arrival)?;
    for name in ["score", "device_id", "entity", "reasons", "attack"] {
        let Some(Value::String(text)) = entry.get(name) else { continue };
        if text.is_empty() {
            entry.shift_remove(name);
        } else if let Ok(value) = serde_json::from_str(text) {
            entry.insert(name.to_owned(), value);
        }
    }
    entry.insert("ts".to_owned(), Value::from(ts.seconds()));
    let (ts, decision) = wire::decision_from_json(stream, Value::Object(entry))?;
    let cut = |names: Vec<String>| names.into_iter().map(cut_name).collect();
    let (reasons, attack, summary) = (cut(decision.reasons), cut(decision.attack), decision.summary);
    let summary = summary.chars().take(SUMMARY_CHARS_MAX).collect();
    let decision = Decision { reasons, attack, summary, ..decision };
    Ok(Draft { stream, times: Times::claimed(ts, arrival), root: None, body: Body::Decision(Box::new(decision)) })
}

fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(text_bytes).sum(),
        Value::Object(values) => values.iter().map(|(name, value)| name.len() + text_bytes(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => size_of::<Value>(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::event::{Event, EventId, Raw, Verdict};

    const ARRIVAL: Timestamp = Timestamp::ZERO;

    fn read(entry: &Value) -> Result<Draft, EntryError> {
        from_entry(entry.as_object().unwrap().clone(), Stream::L3In, &Arc::from("http"), ARRIVAL)
    }

    fn claimed(draft: &Draft) -> Timestamp {
        draft.times.ts.as_claimed()
    }

    fn raw_of(draft: Draft) -> Raw {
        let Body::Raw(raw) = draft.body else { panic!("a raw event") };
        raw
    }

    #[test]
    fn an_entry_gives_time_source_compartment_payload_and_attributes() {
        let draft = read(
            &json!({"ts": 1763856000.5, "source": "fw", "compartment": "ops", "payload": "deny", "n": 3, "u": "x"}),
        );
        let draft = draft.unwrap();
        assert_eq!((draft.stream, claimed(&draft)), (Stream::L3In, Timestamp::from_millis(1_763_856_000_500)));
        let raw = raw_of(draft);
        assert_eq!((&*raw.source, &*raw.compartment, &*raw.payload), ("fw", "ops", b"deny" as &[u8]));
        assert!(raw.is_named, "by whoever sent it");
        assert_eq!(raw.attributes, [("n".to_owned(), "3".to_owned()), ("u".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn what_is_absent_is_the_arrival_and_the_senders_way_in() {
        let draft = read(&json!({"payload": {"b": 1, "a": [2]}})).unwrap();
        assert_eq!(draft.times, Times::at(ARRIVAL));
        let raw = raw_of(draft);
        assert_eq!((&*raw.source, raw.is_named), ("http", false));
        assert_eq!(&*raw.payload, br#"{"b":1,"a":[2]}"#);
    }

    #[test]
    fn a_time_is_epoch_seconds_or_rfc_3339() {
        let expected = Timestamp::from_millis(1_763_856_000_250);
        for ts in [
            json!(1763856000.25),
            json!("1763856000.25"),
            json!("2025-11-23T00:00:00.25Z"),
            json!("2025-11-23T01:00:00.250+01:00"),
        ] {
            assert_eq!(read(&json!({"ts": ts, "payload": "x"})).unwrap().times.ts.as_claimed(), expected, "{ts}");
        }
    }

    #[test]
    fn a_measurement_of_a_known_kind_that_cannot_be_read_is_refused_on_l4_in() {
        let entry = json!({"payload": {"kind": "syscalls", "process": "nginx", "calls": []}});
        let read = |stream| from_entry(entry.as_object().unwrap().clone(), stream, &Arc::from("http"), ARRIVAL);
        assert!(read(Stream::L3In).is_ok());
        let reason = read(Stream::L4In).unwrap_err().to_string();
        assert_eq!(reason, "`payload`: `calls` has 0 values; 1 to 8192 are expected");
    }

    #[test]
    fn what_cannot_be_read_has_a_reason() {
        let many: Map<_, _> = (0..=FIELDS_PER_RECORD_MAX)
            .map(|n| (format!("k{n}"), json!(n)))
            .chain([("payload".into(), json!("x"))])
            .collect();
        for (entry, word) in [
            (json!({"ts": 1}), "payload"),
            (json!({"payload": null}), "payload"),
            (json!({"payload": "x".repeat(LINE_BYTES_MAX + 1)}), "65537 bytes"),
            (json!({"payload": "x", "ts": "yesterday"}), "yesterday"),
            (json!({"payload": "x", "ts": -5}), "-5"),
            (json!({"payload": "x", "ts": "nan"}), "nan"),
            (json!({"payload": "x", "ts": "9999-01-01T00:00:00Z"}), "9999"),
            (json!({"payload": "x", "ts": []}), "[]"),
            (json!({"payload": "x", "source": 7}), "source"),
            (json!({"payload": "x", "source": "s".repeat(SENDER_NAME_BYTES_MAX + 1)}), "`source` has 4097 bytes"),
            (json!({"payload": "x", "compartment": "s".repeat(500_000)}), "`compartment` has 500000 bytes"),
            (Value::Object(many), "fields"),
        ] {
            let reason = read(&entry).unwrap_err().to_string();
            assert!(reason.contains(word), "{reason}");
        }
        assert!(matches!(
            from_entry(Map::new(), Stream::SocEvents, &Arc::from("x"), ARRIVAL),
            Err(EntryError::Stream(_))
        ));
    }

    #[test]
    fn a_decision_of_others_is_no_larger_than_one_of_our_own_could_be() {
        let read = |reason: String| {
            let entry = json!({"decision": "benign", "score": "0.5", "reasons": format!("[\"{reason}\"]")});
            from_entry(entry.as_object().unwrap().clone(), Stream::L3Out, &Arc::from("redis"), ARRIVAL)
        };
        let Body::Decision(decision) = read("r".repeat(LINE_BYTES_MAX)).unwrap().body else { panic!("a decision") };
        assert_eq!(decision.reasons[0].len(), 256, "a name is remembered, and no longer than names are");
        let reason = read("r".repeat(DECISION_BYTES_MAX)).unwrap_err().to_string();
        assert!(reason.starts_with("the decision has 1311"), "{reason}");
    }

    #[test]
    fn a_raw_event_that_was_shown_as_json_is_read_back_the_same() {
        let draft = read(&json!({"ts": 5, "source": "fw", "compartment": "c", "payload": "p", "k": "v"})).unwrap();
        let event = Event {
            id: EventId::new(9, 1),
            stream: draft.stream,
            times: draft.times,
            root: EventId::new(9, 1),
            body: draft.body,
        };
        let again = read(&wire::to_json(&event)).unwrap();
        assert_eq!(again.times.ts, event.ts());
        let Body::Raw(before) = event.body else { unreachable!() };
        let after = raw_of(again);
        assert_eq!(
            (&after.source, &after.payload, &after.attributes),
            (&before.source, &before.payload, &before.attributes)
        );
    }

    #[test]
    fn a_payload_in_redis_that_is_not_utf_8_survives() {
        let fields = [("payload", &b"\xff\x00"[..]), ("ts", b"12"), ("k", b"old"), ("k", b"new"), ("event_id", b"1-1")]
            .map(|(name, value)| (Bytes::from(name), Bytes::from(value)));
        let draft = from_fields(&fields, Stream::L4In, &Arc::from("redis"), ARRIVAL).unwrap();
        assert_eq!(claimed(&draft), Timestamp::from_millis(12_000));
        let raw = raw_of(draft);
        assert_eq!(&*raw.payload, b"\xff\x00");
        assert_eq!(raw.attributes, [("k".to_owned(), "new".to_owned())], "the last of a name counts");
        let many: Vec<_> = (0..=FIELDS_PER_RECORD_MAX).map(|n| (Bytes::from(format!("k{n}")), Bytes::new())).collect();
        let fields: Vec<_> = many.into_iter().chain(fields).collect();
        let error = from_fields(&fields, Stream::L3In, &Arc::from("redis"), ARRIVAL).unwrap_err();
        assert!(matches!(error, EntryError::TooManyFields(_)), "{error}");
    }

    #[test]
    fn a_decision_that_was_written_to_redis_is_read_back() {
        let mut decision = Decision::benign("m".into(), 15, "ops".into(), EventId::new(7, 1));
        decision.verdict = Verdict::Malicious;
        decision.score = 0.9;
        decision.reasons = vec!["r".into()];
        let ts = Timestamp::from_millis(7);
        let body = Body::Decision(Box::new(decision.clone()));
        let event = Event {
            id: EventId::new(8, 0),
            stream: Stream::L3Out,
            times: Times::at(ts),
            root: EventId::new(7, 1),
            body,
        };
        let fields = crate::event::Fields::of(&event);
        let bytes = |text: std::borrow::Cow<'_, str>| Bytes::from(text.into_owned());
        let fields: Vec<_> = fields.list().into_iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
        let draft = from_fields(&fields, Stream::L3Out, &Arc::from("redis"), ARRIVAL).unwrap();
        let at = claimed(&draft);
        let Body::Decision(read) = draft.body else { panic!("a decision") };
        assert_eq!((at, *read), (ts, decision));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(line in prop::collection::vec(any::<u8>(), 0..100), text in ".{0,40}") {
            let source = Arc::from("x");
            if let Ok(entry) = serde_json::from_slice(&line) {
                let _ = from_entry(entry, Stream::L3In, &source, ARRIVAL);
            }
            let fields = ["ts", "score", "payload", "source"].map(|name| (Bytes::from(name), Bytes::from(text.clone())));
            for stream in Stream::ALL {
                let _ = from_fields(&fields, stream, &source, ARRIVAL);
            }
        }
    }
}
