//! Events as rows of the hot store and back, without loss. Pure.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NameError, StrDeserializer};
use serde_json::{Map, Value};

use crate::event::{Body, Event, EventId, Interest, Raw, Stream, Timestamp, stream, wire};
use crate::parse::Format;

/// How the `payload` column holds a raw event.
pub mod attribute_form {
    /// The received bytes, nothing beside them.
    pub const BYTES: i64 = 0;
    /// A JSON object of the attributes with the payload as text under `payload`.
    pub const TEXT: i64 = 1;
    /// The same, the payload in hexadecimal under `payload_hex` because it is not UTF-8.
    pub const HEX: i64 = 2;
}
const TEXT_KEY: &str = "payload";
const HEX_KEY: &str = "payload_hex";

/// A row of `raw_events_fast`.
#[derive(Debug)]
pub struct RawRow<'event> {
    pub id: i64,
    pub ts: f64,
    pub source: Arc<str>,
    pub compartment: Arc<str>,
    pub payload: Cow<'event, [u8]>,
    pub layer: i64,
    pub root: Option<i64>,
    pub format: Arc<str>,
    pub attributes: i64,
}

/// A row of `model_outputs_fast`.
#[derive(Debug)]
pub struct OutputRow {
    pub id: i64,
    pub ts: f64,
    pub layer: i64,
    pub model: Arc<str>,
    pub input_ref: Option<String>,
    pub output_json: String,
    pub score: f64,
    pub root: i64,
    pub producer: i64,
}

/// A row of `control_events_fast`.
#[derive(Debug)]
pub struct ControlRow {
    pub id: i64,
    pub ts: f64,
    pub stream: &'static str,
    pub root: Option<i64>,
    pub body_json: String,
}

#[derive(Debug)]
pub enum Row<'event> {
    Raw(RawRow<'event>),
    Output(OutputRow),
    Control(ControlRow),
}

/// An event as `schema::SELECT_RANGE` gives it back.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub id: i64,
    pub ts: f64,
    pub root: Option<i64>,
    /// 0 raw, 1 output, 2 control.
    pub kind: i64,
    /// The layer; for control rows 0 is SHRINK and 1 is TICK.
    pub layer: i64,
    pub body: Vec<u8>,
    pub source: Option<String>,
    pub compartment: Option<String>,
    pub format: Option<String>,
    pub attributes: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum RowError {
    #[error("event {id} of {stream} has a body of another stream")]
    Mismatch { id: EventId, stream: Stream },
    #[error("event {id} cannot be read: {reason}")]
    Unreadable { id: EventId, reason: String },
}

/// The names of formats, looked up once for many rows.
#[derive(Debug, Default)]
pub struct FormatNames(Vec<(Format, Arc<str>)>);

impl FormatNames {
    fn of(&mut self, format: Format) -> Arc<str> {
        if let Some((_, name)) = self.0.iter().find(|(known, _)| *known == format) {
            return name.clone();
        }
        let name: Arc<str> = match serde_json::to_value(format) {
            Ok(Value::String(name)) => name.into(),
            _ => "auto".into(),
        };
        self.0.push((format, name.clone()));
        name
    }
}

/// # Errors
/// The body does not belong on the event's stream.
pub fn row<'event>(event: &'event Event, formats: &mut FormatNames) -> Result<Row<'event>, RowError> {
    let (id, ts) = (event.id.packed(), event.ts.seconds());
    let root = (event.root != event.id).then(|| event.root.packed());
    match (&event.body, event.stream) {
        (Body::Raw(raw), Stream::L3In | Stream::L4In) => {
            let layer = if event.stream == Stream::L3In { 3 } else { 4 };
            let (payload, attributes) = payload_column(raw);
            let (source, compartment) = (raw.source.clone(), raw.compartment.clone());
            let format = formats.of(raw.format);
            Ok(Row::Raw(RawRow { id, ts, source, compartment, payload, layer, root, format, attributes }))
        }
        (Body::Decision(decision), Stream::L3Out | Stream::L4Out) => Ok(Row::Output(OutputRow {
            layer: if event.stream == Stream::L3Out { 3 } else { 4 },
            model: decision.model.clone(),
            input_ref: (!decision.input_ref.is_empty()).then(|| decision.input_ref.clone()),
            score: decision.score,
            producer: i64::from(stream::FUSION),
            ..output(event)
        })),
        (Body::Soc(soc), Stream::SocEvents) => Ok(Row::Output(OutputRow {
            layer: 8,
            model: match soc.producer() {
                stream::FUSION => "fusion".into(),
                device => format!("device-{device}").into(),
            },
            input_ref: (!soc.input_ref.is_empty()).then(|| soc.input_ref.clone()),
            score: soc.score,
            producer: i64::from(soc.producer()),
            ..output(event)
        })),
        (Body::Shrink(_), Stream::Shrink) | (Body::Tick, Stream::Tick) => {
            let body_json = wire::to_json(event).to_string();
            Ok(Row::Control(ControlRow { id, ts, stream: event.stream.name(), root, body_json }))
        }
        _ => Err(RowError::Mismatch { id: event.id, stream: event.stream }),
    }
}

fn output(event: &Event) -> OutputRow {
    OutputRow {
        id: event.id.packed(),
        ts: event.ts.seconds(),
        layer: 0,
        model: Arc::default(),
        input_ref: None,
        output_json: wire::to_json(event).to_string(),
        score: 0.0,
        root: event.root.packed(),
        producer: 0,
    }
}

fn payload_column(raw: &Raw) -> (Cow<'_, [u8]>, i64) {
    if raw.attributes.is_empty() {
        return (Cow::Borrowed(&raw.payload), attribute_form::BYTES);
    }
    let (key, text, form) = match std::str::from_utf8(&raw.payload) {
        Ok(text) => (TEXT_KEY, text.to_owned(), attribute_form::TEXT),
        Err(_) => (HEX_KEY, to_hex(&raw.payload), attribute_form::HEX),
    };
    let mut object = Map::new();
    let pairs = std::iter::once((key, text.as_str()))
        .chain(raw.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    for (key, value) in pairs {
        insert_repeatable(&mut object, key, value);
    }
    (Cow::Owned(Value::Object(object).to_string().into_bytes()), form)
}

/// A name that occurs more than once has an array of its values, the payload's own first.
fn insert_repeatable(object: &mut Map<String, Value>, key: &str, value: &str) {
    let value = Value::String(value.to_owned());
    match object.get_mut(key) {
        None => {
            object.insert(key.to_owned(), value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(single) => {
            let first = single.take();
            *single = Value::Array(vec![first, value]);
        }
    }
}

/// # Errors
/// The row is not one that [`row`] of this version writes.
pub fn event(stored: Stored) -> Result<Event, RowError> {
    let id = EventId::from_packed(stored.id);
    let root = stored.root.map_or(id, EventId::from_packed);
    let unreadable = |reason: String| RowError::Unreadable { id, reason };
    let ts = Timestamp::from_seconds(stored.ts).ok_or_else(|| unreadable(format!("its time is {}", stored.ts)))?;
    let stream = match (stored.kind, stored.layer) {
        (0, 3) => Stream::L3In,
        (0, 4) => Stream::L4In,
        (1, 3) => Stream::L3Out,
        (1, 4) => Stream::L4Out,
        (1, 8) => Stream::SocEvents,
        (2, 0) => Stream::Shrink,
        (2, 1) => return Ok(Event { id, stream: Stream::Tick, ts, root, body: Body::Tick }),
        (_, layer) => return Err(unreadable(format!("it is of layer {layer}"))),
    };
    if stored.kind == 0 {
        let body = Body::Raw(raw(stored).map_err(unreadable)?);
        return Ok(Event { id, stream, ts, root, body });
    }
    let value = serde_json::from_slice(&stored.body).map_err(|error| unreadable(error.to_string()))?;
    wire::derived_from_json(stream, id, root, value).map_err(|error| unreadable(error.to_string()))
}

fn raw(stored: Stored) -> Result<Raw, String> {
    let source = stored.source.unwrap_or_default().into();
    let compartment = stored.compartment.unwrap_or_default().into();
    let (payload, attributes) = match stored.attributes {
        attribute_form::BYTES => (stored.body, Vec::new()),
        form => payload_and_attributes(&stored.body, form)?,
    };
    let format = stored.format.as_deref().map_or(Format::Auto, format_of);
    Ok(Raw::new(source, compartment, format, payload.into(), attributes))
}

/// A format that this version does not know is decided for each line.
fn format_of(name: &str) -> Format {
    let name: StrDeserializer<'_, NameError> = name.into_deserializer();
    Format::deserialize(name).unwrap_or_default()
}

type Attributes = Vec<(String, String)>;

fn payload_and_attributes(body: &[u8], form: i64) -> Result<(Vec<u8>, Attributes), String> {
    let object: Map<String, Value> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let payload_key = if form == attribute_form::HEX { HEX_KEY } else { TEXT_KEY };
    let mut payload = None;
    let mut attributes = Vec::with_capacity(object.len());
    for (key, value) in object {
        let values = match value {
            Value::Array(values) => values,
            single => vec![single],
        };
        for value in values {
            let Value::String(text) = value else { return Err(format!("`{key}` is not text")) };
            if payload.is_none() && key == payload_key {
                payload = Some(text);
            } else {
                attributes.push((key.clone(), text));
            }
        }
    }
    let text = payload.ok_or_else(|| format!("`{payload_key}` is missing"))?;
    let payload = if form == attribute_form::HEX { from_hex(&text)? } else { text.into_bytes() };
    Ok((payload, attributes))
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(|| format!("`{HEX_KEY}` is not hexadecimal"));
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(format!("`{HEX_KEY}` has an odd number of digits"));
    }
    pairs.iter().map(|[high, low]| Ok((digit(*high)? << 4 | digit(*low)?) as u8)).collect()
}

/// An interest as the bit masks that the SELECTs test rows against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Masks {
    /// Bit 3: `L3_IN`; bit 4: `L4_IN`.
    pub raw: i64,
    /// Bit 3: `L3_OUT`; bit 4: `L4_OUT`; bit 8: some of `SOC_EVENTS`.
    pub outputs: i64,
    /// Bit `n`: SOC events of producer `50 + n`.
    pub producers: i64,
    /// Bit 0: `SHRINK`; bit 1: `TICK`.
    pub control: i64,
}

impl From<Interest> for Masks {
    fn from(interest: Interest) -> Self {
        let bit = |stream, bit: u32| i64::from(interest.overlaps(Interest::of(stream, 0))) << bit;
        let producers = (0..=stream::DEVICE_MAX - stream::FUSION)
            .filter(|n| interest.overlaps(Interest::of(Stream::SocEvents, stream::FUSION + n)))
            .fold(0, |mask, n| mask | 1 << n);
        Self {
            raw: bit(Stream::L3In, 3) | bit(Stream::L4In, 4),
            outputs: bit(Stream::L3Out, 3) | bit(Stream::L4Out, 4) | i64::from(producers != 0) << 8,
            producers,
            control: bit(Stream::Shrink, 0) | bit(Stream::Tick, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Category, Decision, Entity, Severity, ShrinkSample, ShrinkState, ShrinkView, Soc, Verdict};

    /// What the database gives back for a row.
    fn stored(row: Row<'_>) -> Stored {
        let empty = Stored {
            id: 0,
            ts: 0.0,
            root: None,
            kind: 0,
            layer: 0,
            body: Vec::new(),
            source: None,
            compartment: None,
            format: None,
            attributes: 0,
        };
        match row {
            Row::Raw(row) => Stored {
                id: row.id,
                ts: row.ts,
                root: row.root,
                layer: row.layer,
                body: row.payload.into_owned(),
                source: Some(row.source.to_string()),
                compartment: Some(row.compartment.to_string()),
                format: Some(row.format.to_string()),
                attributes: row.attributes,
                ..empty
            },
            Row::Output(row) => Stored {
                id: row.id,
                ts: row.ts,
                root: Some(row.root),
                kind: 1,
                layer: row.layer,
                body: row.output_json.into_bytes(),
                ..empty
            },
            Row::Control(row) => Stored {
                id: row.id,
                ts: row.ts,
                root: row.root,
                kind: 2,
                layer: i64::from(row.stream == "TICK"),
                body: row.body_json.into_bytes(),
                ..empty
            },
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z0-9 ]{0,12}", any::<String>(), Just("payload".to_owned()), Just("payload_hex".to_owned())]
    }

    fn name() -> impl Strategy<Value = Arc<str>> {
        text().prop_map(Arc::from)
    }

    fn unit() -> impl Strategy<Value = f64> {
        prop_oneof![0.0..=1.0, Just(0.1 + 0.2), Just(f64::MIN_POSITIVE)]
    }

    fn finite() -> impl Strategy<Value = f64> {
        prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO
    }

    fn format() -> impl Strategy<Value = Format> {
        use Format::*;
        prop::sample::select(vec![Auto, Syslog, Rfc5424, ShortIso, Json, Logfmt, Auditd, Text])
    }

    fn verdict() -> impl Strategy<Value = Verdict> {
        prop::sample::select(vec![Verdict::Benign, Verdict::Suspicious, Verdict::Malicious])
    }

    fn category() -> impl Strategy<Value = Category> {
        use Category::*;
        prop::sample::select(vec![Auth, Network, System, App, Intel, Crypto, Operator])
    }

    fn entity() -> impl Strategy<Value = Entity> {
        (prop::option::of(text()), prop::option::of(text()), prop::option::of(any::<u16>()))
            .prop_map(|(user, src_ip, dst_port)| Entity { user, src_ip, dst_port, ..Entity::default() })
    }

    fn raw() -> impl Strategy<Value = (Stream, Body)> {
        let stream = prop::sample::select(vec![Stream::L3In, Stream::L4In]);
        let payload = prop_oneof![vec(any::<u8>(), 0..40), text().prop_map(String::into_bytes)];
        (stream, name(), name(), format(), payload, vec((text(), text()), 0..5)).prop_map(
            |(stream, source, compartment, format, payload, attributes)| {
                (stream, Body::Raw(Raw::new(source, compartment, format, payload.into(), attributes)))
            },
        )
    }

    fn decision() -> impl Strategy<Value = (Stream, Body)> {
        let stream = prop::sample::select(vec![Stream::L3Out, Stream::L4Out]);
        let lists = (vec(text(), 0..3), vec(text(), 0..3), text(), text());
        (stream, verdict(), unit(), name(), any::<u16>(), name(), entity(), category(), lists).prop_map(
            |(stream, verdict, score, model, device_id, compartment, entity, category, lists)| {
                let (reasons, attack, summary, input_ref) = lists;
                let decision = Decision {
                    verdict,
                    score,
                    model,
                    device_id,
                    compartment,
                    input_ref,
                    entity,
                    category,
                    reasons,
                    attack,
                    summary,
                };
                (stream, Body::Decision(Box::new(decision)))
            },
        )
    }

    fn values() -> impl Strategy<Value = BTreeMap<String, f64>> {
        btree_map("v[a-z_]{0,8}", finite(), 0..5)
    }

    fn view() -> impl Strategy<Value = ShrinkView> {
        let state = prop::sample::select(vec![ShrinkState::Fresh, ShrinkState::Stale, ShrinkState::Down]);
        (state, prop::option::of(finite()), values()).prop_map(|(state, age_s, values)| ShrinkView {
            state,
            age_s,
            values,
        })
    }

    fn proposal() -> impl Strategy<Value = Option<Value>> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            finite().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        let tree = leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                btree_map(text(), inner, 0..4).prop_map(|map| map.into_iter().collect()),
            ]
        });
        // A proposal of `null` is none.
        prop::option::of(tree.prop_filter("null is none", |value| !value.is_null()))
    }

    fn soc() -> impl Strategy<Value = (Stream, Body)> {
        let severity = prop::sample::select(vec![Severity::Info, Severity::Low, Severity::High, Severity::Critical]);
        let texts = (prop::sample::select(vec!["3", "4", "8"]), text(), text(), text());
        let lists = (vec(text(), 0..3), vec(text(), 0..3), vec(text(), 0..3), proposal());
        let numbers = (unit(), prop::option::of(unit()), 50..=105_u16);
        (verdict(), numbers, severity, category(), texts, entity(), view(), lists).prop_map(
            |(decision, numbers, severity, category, texts, entity, shrink, lists)| {
                let (score, shrink_risk, src_device) = numbers;
                let (src_layer, input_ref, compartment, summary) = texts;
                let (flags, attack, reasons, proposal) = lists;
                let soc = Soc {
                    src_layer: src_layer.to_owned(),
                    decision,
                    score,
                    shrink_risk,
                    input_ref,
                    src_device,
                    severity,
                    category,
                    compartment,
                    summary,
                    entity,
                    shrink,
                    flags,
                    attack,
                    reasons,
                    proposal,
                };
                (Stream::SocEvents, Body::Soc(Box::new(soc)))
            },
        )
    }

    fn control() -> impl Strategy<Value = (Stream, Body)> {
        let sample = (values(), prop::option::of(text()))
            .prop_map(|(values, failure)| (Stream::Shrink, Body::Shrink(ShrinkSample { values, failure })));
        prop_oneof![Just((Stream::Tick, Body::Tick)), sample]
    }

    /// Times up to the year 2106, from where on epoch seconds as a double are coarser than a microsecond.
    fn any_event() -> impl Strategy<Value = Event> {
        let id = (0..=1_u64 << 43, 0..1_u32 << 20).prop_map(|(ms, n)| EventId::new(ms, n));
        let body = prop_oneof![raw(), decision(), soc(), control()];
        (id.clone(), prop::option::of(id), 0..=(1_i64 << 32) * 1_000_000, body).prop_map(|(id, root, ts, body)| Event {
            id,
            stream: body.0,
            ts: Timestamp::from_micros(ts),
            root: root.unwrap_or(id),
            body: body.1,
        })
    }

    /// Everything an event says, in a form that can be compared: `Debug` shows floats in the shortest exact form.
    fn shown(event: &Event) -> String {
        match &event.body {
            Body::Raw(raw) => {
                let fields = (&raw.source, &raw.compartment, raw.format, &raw.payload, &raw.attributes);
                format!("{:?} {:?} {fields:?}", (event.id, event.ts, event.root), event.stream)
            }
            _ => format!("{event:?}"),
        }
    }

    proptest! {
        #[test]
        fn an_event_comes_back_from_its_row_as_it_was(original in any_event()) {
            let back = event(stored(row(&original, &mut FormatNames::default()).unwrap())).unwrap();
            prop_assert_eq!(shown(&back), shown(&original));
        }

        #[test]
        fn a_damaged_payload_column_is_an_error_and_never_a_panic(body in vec(any::<u8>(), 0..40), form in 0..4_i64) {
            let original = Raw::new("s".into(), "c".into(), Format::Auto, Bytes::new(), vec![]);
            let id = EventId::new(1, 0);
            let (ts, body_of) = (Timestamp::ZERO, Body::Raw(original));
            let plain = Event { id, stream: Stream::L3In, ts, root: id, body: body_of };
            let row = stored(row(&plain, &mut FormatNames::default()).unwrap());
            let result = event(Stored { body, attributes: form, ..row });
            prop_assert!(form != attribute_form::BYTES || result.is_ok());
        }

        #[test]
        fn the_masks_let_exactly_the_interest_through(bits in vec(0..64_usize, 0..6), producer in 50..=105_u16) {
            let interest = Stream::ALL
                .into_iter()
                .filter(|stream| *stream != Stream::SocEvents && bits.contains(&(*stream as usize)))
                .fold(Interest::NONE, Interest::stream);
            let interest = bits.iter().filter(|bit| **bit >= 8).fold(interest, |all, bit| all.soc(42 + *bit as u16));
            let masks = Masks::from(interest);
            let covers = |stream| interest.overlaps(Interest::of(stream, producer));
            prop_assert_eq!(masks.raw >> 3 & 1 == 1, covers(Stream::L3In));
            prop_assert_eq!(masks.raw >> 4 & 1 == 1, covers(Stream::L4In));
            prop_assert_eq!(masks.outputs >> 3 & 1 == 1, covers(Stream::L3Out));
            prop_assert_eq!(masks.outputs >> 4 & 1 == 1, covers(Stream::L4Out));
            let soc = masks.outputs >> 8 & 1 == 1 && masks.producers >> (producer - 50) & 1 == 1;
            prop_assert_eq!(soc, covers(Stream::SocEvents));
            prop_assert_eq!(masks.control & 1 == 1, covers(Stream::Shrink));
            prop_assert_eq!(masks.control >> 1 & 1 == 1, covers(Stream::Tick));
        }
    }

    #[test]
    fn a_payload_with_nothing_beside_it_is_kept_as_received_and_one_with_attributes_is_a_json_object() {
        let column = |payload: &'static [u8], attributes: &[(&str, &str)]| {
            let attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let raw = Raw::new("s".into(), "c".into(), Format::Auto, Bytes::from_static(payload), attributes);
            let (bytes, form) = payload_column(&raw);
            (String::from_utf8_lossy(&bytes).into_owned(), form)
        };
        assert_eq!(column(b"{\"a\": 1}", &[]), ("{\"a\": 1}".to_owned(), attribute_form::BYTES));
        assert_eq!(column(b"x", &[("k", "v")]), (r#"{"payload":"x","k":"v"}"#.to_owned(), attribute_form::TEXT));
        assert_eq!(
            column(b"x", &[("k", "v"), ("k", "w"), ("payload", "p")]),
            (r#"{"payload":["x","p"],"k":["v","w"]}"#.to_owned(), attribute_form::TEXT)
        );
        assert_eq!(
            column(b"\xff\x0a", &[("k", "v")]),
            (r#"{"payload_hex":"ff0a","k":"v"}"#.to_owned(), attribute_form::HEX)
        );
    }
}
