//! Events as rows of the hot store and back, without loss. Pure.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NameError, StrDeserializer};
use serde_json::{Map, Value};
use sqlx::{ColumnIndex, Decode, FromRow, Type};

use crate::event::{
    Body, Claimed, Event, EventId, Format, Provenance, Raw, RecordParser, Stream, Times, Timestamp, hex, stream, wire,
};

/// How the `payload` column holds a raw event, and whose word the `source` column is.
pub mod attribute_form {
    /// The received bytes, nothing beside them.
    pub const BYTES: i64 = 0;
    /// A JSON object of the attributes with the payload as text under `payload`.
    pub const TEXT: i64 = 1;
    /// The same, the payload in hexadecimal under `payload_hex` because it is not UTF-8.
    pub const HEX: i64 = 2;
    /// Added to one of these: the sender has named the source.
    pub const NAMED: i64 = 8;
}
const TEXT_KEY: &str = "payload";
const HEX_KEY: &str = "payload_hex";

/// A row of `raw_events_fast`.
#[derive(Debug, Clone)]
pub struct RawRow<'event> {
    pub id: i64,
    pub ts: f64,
    /// Microseconds since the epoch, as is `believed`.
    pub arrival: i64,
    pub believed: i64,
    pub source: Arc<str>,
    pub compartment: Arc<str>,
    pub payload: Cow<'event, [u8]>,
    pub layer: i64,
    pub root: Option<i64>,
    pub format: Arc<str>,
    pub attributes: i64,
    pub provenance: Option<String>,
}

/// A row of `model_outputs_fast`.
#[derive(Debug, Clone)]
pub struct OutputRow {
    pub id: i64,
    pub ts: f64,
    /// Microseconds since the epoch, as is `believed`.
    pub arrival: i64,
    pub believed: i64,
    pub layer: i64,
    pub model: Arc<str>,
    pub input_ref: Option<String>,
    pub output_json: String,
    pub score: f64,
    pub root: i64,
    pub producer: i64,
}

/// A row of `control_events_fast`.
#[derive(Debug, Clone)]
pub struct ControlRow {
    pub id: i64,
    pub ts: f64,
    /// Microseconds since the epoch, as is `believed`.
    pub arrival: i64,
    pub believed: i64,
    pub stream: &'static str,
    pub root: Option<i64>,
    pub body_json: String,
}

/// An event as the row of its table.
#[derive(Debug, Clone)]
pub enum Row<'event> {
    Raw(RawRow<'event>),
    Output(OutputRow),
    Control(ControlRow),
}

/// An event as the `SELECT_RANGE` of the hot store and of the archive return it. Its names are the row's own. There `kind`, `layer` and
/// `attributes` are one number, `attributes << 16 | kind << 8 | layer`: each column of each row is copied on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<'row> {
    pub id: i64,
    pub ts: f64,
    pub root: Option<i64>,
    /// 0 raw, 1 output, 2 control.
    pub kind: i64,
    /// The layer; for control rows 0 is SHRINK and 1 is TICK.
    pub layer: i64,
    pub body: Vec<u8>,
    pub source: Option<&'row str>,
    pub compartment: Option<&'row str>,
    pub format: Option<&'row str>,
    pub attributes: i64,
    /// None in what was stored before they were.
    pub arrival: Option<i64>,
    pub believed: Option<i64>,
    /// Of a raw event, see [`Provenance`].
    pub provenance: Option<&'row str>,
}

impl<'row, AnyRow: sqlx::Row> FromRow<'row, AnyRow> for Stored<'row>
where
    usize: ColumnIndex<AnyRow>,
    i64: Decode<'row, AnyRow::Database> + Type<AnyRow::Database>,
    f64: Decode<'row, AnyRow::Database> + Type<AnyRow::Database>,
    &'row str: Decode<'row, AnyRow::Database> + Type<AnyRow::Database>,
    // TEXT or BLOB in SQLite: the bytes are the same.
    Vec<u8>: Decode<'row, AnyRow::Database> + Type<AnyRow::Database>,
{
    fn from_row(row: &'row AnyRow) -> Result<Self, sqlx::Error> {
        let form: i64 = row.try_get(3)?;
        Ok(Self {
            id: row.try_get(0)?,
            ts: row.try_get(1)?,
            root: row.try_get(2)?,
            kind: (form >> 8) & 0xff,
            layer: form & 0xff,
            body: row.try_get(4)?,
            source: row.try_get(5)?,
            compartment: row.try_get(6)?,
            format: row.try_get(7)?,
            attributes: form >> 16,
            arrival: row.try_get(8)?,
            believed: row.try_get(9)?,
            provenance: row.try_get(10)?,
        })
    }
}

/// Why an event has no row, or a row no event.
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
    let (id, ts) = (event.id.packed(), event.ts().seconds());
    let (arrival, believed) = (event.times.arrival.micros(), event.times.believed.micros());
    let root = (event.root != event.id).then(|| event.root.packed());
    match (&event.body, event.stream) {
        (Body::Raw(raw), Stream::L3In | Stream::L4In) => {
            let layer = if event.stream == Stream::L3In { 3 } else { 4 };
            let (payload, attributes) = payload_column(raw);
            let (source, compartment) = (raw.source.clone(), raw.compartment.clone());
            let format = formats.of(raw.format);
            let attributes = if raw.is_named { attributes | attribute_form::NAMED } else { attributes };
            Ok(Row::Raw(RawRow {
                id,
                ts,
                arrival,
                believed,
                source,
                compartment,
                payload,
                layer,
                root,
                format,
                attributes,
                provenance: raw.provenance.as_ref().map(ToString::to_string),
            }))
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
            let body_json = wire::to_text(event);
            Ok(Row::Control(ControlRow { id, ts, arrival, believed, stream: event.stream.name(), root, body_json }))
        }
        _ => Err(RowError::Mismatch { id: event.id, stream: event.stream }),
    }
}

fn output(event: &Event) -> OutputRow {
    OutputRow {
        id: event.id.packed(),
        ts: event.ts().seconds(),
        arrival: event.times.arrival.micros(),
        believed: event.times.believed.micros(),
        layer: 0,
        model: Arc::default(),
        input_ref: None,
        output_json: wire::to_text(event),
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
        Err(_) => (HEX_KEY, hex::encode(&raw.payload), attribute_form::HEX),
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

/// Makes events of rows again. Rows that follow one another are mostly of one source, so its names are kept from row to row.
pub struct Rebuilder {
    parser: Arc<dyn RecordParser>,
    source: Arc<str>,
    compartment: Arc<str>,
}

impl Rebuilder {
    pub fn new(parser: Arc<dyn RecordParser>) -> Self {
        Self { parser, source: Arc::default(), compartment: Arc::default() }
    }

    /// # Errors
    /// The row is not one that [`row`] of this version writes.
    pub fn event(&mut self, stored: Stored<'_>) -> Result<Event, RowError> {
        let id = EventId::from_packed(stored.id);
        let root = stored.root.map_or(id, EventId::from_packed);
        let unreadable = |reason: String| RowError::Unreadable { id, reason };
        let times = times(&stored).ok_or_else(|| unreadable(format!("its time is {}", stored.ts)))?;
        let stream = match (stored.kind, stored.layer) {
            (0, 3) => Stream::L3In,
            (0, 4) => Stream::L4In,
            (1, 3) => Stream::L3Out,
            (1, 4) => Stream::L4Out,
            (1, 8) => Stream::SocEvents,
            (2, 0) => Stream::Shrink,
            (2, 1) => return Ok(Event { id, stream: Stream::Tick, times, root, body: Body::Tick }),
            (_, layer) => return Err(unreadable(format!("it is of layer {layer}"))),
        };
        if stored.kind == 0 {
            let body = Body::Raw(self.raw(stored).map_err(unreadable)?);
            return Ok(Event { id, stream, times, root, body });
        }
        wire::derived_from_text(stream, (id, root), times, &stored.body).map_err(|error| unreadable(error.to_string()))
    }

    fn raw(&mut self, stored: Stored<'_>) -> Result<Raw, String> {
        let source = kept(&mut self.source, stored.source);
        let compartment = kept(&mut self.compartment, stored.compartment);
        let is_named = stored.attributes & attribute_form::NAMED != 0;
        let (payload, attributes) = match stored.attributes & !attribute_form::NAMED {
            attribute_form::BYTES => (stored.body, Vec::new()),
            form => payload_and_attributes(&stored.body, form)?,
        };
        let format = stored.format.map_or(Format::Auto, format_of);
        let parser = Arc::clone(&self.parser);
        let provenance = stored.provenance.and_then(Provenance::read);
        let raw = Raw::new(source, compartment, format, payload.into(), attributes, parser);
        Ok(raw.named_by_sender(is_named).read_at(provenance))
    }
}

pub(super) fn kept(last: &mut Arc<str>, name: Option<&str>) -> Arc<str> {
    let name = name.unwrap_or_default();
    if **last != *name {
        *last = name.into();
    }
    Arc::clone(last)
}

fn times(stored: &Stored<'_>) -> Option<Times> {
    let ts = Timestamp::from_seconds(stored.ts)?;
    Some(match stored.arrival.zip(stored.believed) {
        Some((arrival, believed)) => Times {
            ts: Claimed::new(ts),
            arrival: Timestamp::from_micros(arrival),
            believed: Timestamp::from_micros(believed),
        },
        None => Times::stored_without(ts, EventId::from_packed(stored.id)),
    })
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
    let payload = if form == attribute_form::HEX {
        hex::decode(&text).ok_or_else(|| format!("`{HEX_KEY}` is not hexadecimal"))?
    } else {
        text.into_bytes()
    };
    Ok((payload, attributes))
}

#[cfg(test)]
mod tests;
