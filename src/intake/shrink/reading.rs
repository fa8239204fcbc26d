//! From the body of one answer to named numbers. Pure. What is not clearly a number by name is not a value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::prometheus;
use crate::limits;

/// Names with a meaning in fusion and the devices. None but the last two can be negative.
const NEVER_NEGATIVE: [&str; 8] = [
    "risk_acute_stress",
    "shrink_crisis_level",
    "crisis_level",
    "lbi_hyperfocus_density",
    "cognitive_load_index",
    "emotional_intensity_score",
    "linguistic_complexity_index",
    "entropy",
];
const ANY_SIGN: [&str; 2] = ["anomaly_score", "sentiment_score"];
/// Keys of the `shrink` object on `SOC_EVENTS` that are not values.
const RESERVED: [&str; 2] = ["state", "age_s"];

/// One answer, read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// Finite numbers, at least one, at most [`limits::SHRINK_VALUES_MAX`].
    pub values: BTreeMap<String, f64>,
    /// Entries that are not values: texts, lists, names that cannot be a label, series that differ in labels alone,
    /// numbers beyond the limit.
    pub ignored: u64,
}

/// Why an answer is no sample. Shows names of the answer at most, cut short, never its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("the answer is longer than {} bytes", limits::SHRINK_RESPONSE_BYTES_MAX)]
    TooLong,
    #[error("the answer is not UTF-8")]
    Encoding,
    #[error("the answer is empty")]
    Empty,
    #[error("the answer is a web page: is shrink.url the address of the metrics?")]
    WebPage,
    #[error("the answer is neither JSON ({0}) nor Prometheus text")]
    Json(String),
    #[error("line {0} of the answer is not Prometheus text")]
    Line(usize),
    #[error("`{0}` is not a finite number")]
    NotFinite(String),
    #[error("`{0}` is negative, which it cannot be")]
    Negative(String),
    #[error("`{0}` is there twice")]
    Twice(String),
    #[error("the answer has no number in it")]
    NoNumber,
}

/// Reads a JSON object of numbers, or of `metrics` that is one, or Prometheus text. `content_type` as in the header.
///
/// # Errors
/// Anything else: then no value of the answer is to be used.
pub fn read(content_type: Option<&str>, body: &[u8]) -> Result<Reading, ReadError> {
    if body.len() > limits::SHRINK_RESPONSE_BYTES_MAX {
        return Err(ReadError::TooLong);
    }
    let text = std::str::from_utf8(body).map_err(|_| ReadError::Encoding)?.trim_ascii();
    let kind = content_type.unwrap_or_default().to_ascii_lowercase();
    if text.is_empty() {
        return Err(ReadError::Empty);
    }
    if kind.contains("html") || text.starts_with('<') {
        return Err(ReadError::WebPage);
    }
    let mut collector = Collector::default();
    if text.starts_with('{') || kind.contains("json") {
        let object: Object = serde_json::from_str(text).map_err(|error| ReadError::Json(place(&error)))?;
        collector.object(object, true)?;
    } else {
        prometheus::read(text, &mut collector)?;
    }
    collector.finish()
}

/// What is wrong and where, without the content.
fn place(error: &serde_json::Error) -> String {
    format!("{:?} error at line {}, column {}", error.classify(), error.line(), error.column()).to_lowercase()
}

/// Takes named numbers in and keeps what is a value.
#[derive(Debug, Default)]
pub(super) struct Collector {
    reading: Reading,
    /// Names that came again with other labels: none of them can be told from the other.
    ambiguous: BTreeSet<String>,
}

impl Collector {
    /// # Errors
    /// The number is not finite, has an impossible sign, or is a second one of a name that has a meaning.
    pub(super) fn number(&mut self, name: &str, number: f64) -> Result<(), ReadError> {
        let known = NEVER_NEGATIVE.contains(&name) || ANY_SIGN.contains(&name);
        if !number.is_finite() {
            return Err(ReadError::NotFinite(short(name)));
        }
        if number < 0.0 && NEVER_NEGATIVE.contains(&name) {
            return Err(ReadError::Negative(short(name)));
        }
        // Room stays for the names with a meaning, wherever in the answer they are.
        let room = limits::SHRINK_VALUES_MAX - NEVER_NEGATIVE.len() - ANY_SIGN.len();
        let full = self.reading.values.len() >= room && !known;
        if full || !is_name(name) || self.ambiguous.contains(name) {
            self.ignored();
        } else if self.reading.values.insert(name.to_owned(), number).is_some() {
            if known {
                return Err(ReadError::Twice(short(name)));
            }
            self.reading.values.remove(name);
            self.ambiguous.insert(name.to_owned());
            self.reading.ignored += 2;
        }
        Ok(())
    }

    pub(super) fn ignored(&mut self) {
        self.reading.ignored += 1;
    }

    fn object(&mut self, object: Object, outermost: bool) -> Result<(), ReadError> {
        for (name, value) in object.0 {
            match value {
                Value::Number(number) => self.number(&name, number)?,
                Value::Object(inner) if outermost && name == "metrics" => self.object(inner, false)?,
                Value::Object(_) | Value::Other => self.ignored(),
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Reading, ReadError> {
        if self.reading.values.is_empty() { Err(ReadError::NoNumber) } else { Ok(self.reading) }
    }
}

/// Whether the name can be a label of a metric and a key beside `state`.
fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.' | b'-');
    !name.is_empty()
        && name.len() <= limits::SHRINK_NAME_BYTES_MAX
        && name.bytes().all(fits)
        && !RESERVED.contains(&name)
}

/// The name as it may be shown in a log line.
fn short(name: &str) -> String {
    name.chars().take(limits::SHRINK_NAME_BYTES_MAX).map(|shown| if shown.is_control() { '?' } else { shown }).collect()
}

/// A JSON object whose keys are all different.
struct Object(Vec<(String, Value)>);

enum Value {
    Number(f64),
    Object(Object),
    Other,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut entries = Vec::new();
        let mut seen = BTreeSet::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom("a key is there twice"));
            }
            entries.push((name, value));
        }
        Ok(Object(entries))
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        ObjectVisitor.visit_map(map).map(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(body: &str) -> Result<Reading, ReadError> {
        read(Some("application/json"), body.as_bytes())
    }

    #[test]
    fn numbers_are_kept_whatever_their_name_and_the_rest_is_counted() {
        let reading = json(
            r#"{"risk_acute_stress":0.7,"sentiment_score":-0.5,"heart.rate":72,"user":"op","ok":true,"at":null,
                "list":[1,2],"nested":{"x":1},"state":1,"bad name":3}"#,
        );
        let values = [("heart.rate", 72.0), ("risk_acute_stress", 0.7), ("sentiment_score", -0.5)];
        let values = values.map(|(name, value)| (name.to_owned(), value)).into();
        assert_eq!(reading, Ok(Reading { values, ignored: 7 }));
    }

    #[test]
    fn numbers_one_level_down_under_metrics_are_kept() {
        let reading = json(r#"{"timestamp":"now","metrics":{"entropy":1.5,"metrics":{"x":1}}}"#).unwrap();
        assert_eq!(reading.values, BTreeMap::from([("entropy".to_owned(), 1.5)]));
    }

    #[test]
    fn what_is_no_answer_gives_no_value() {
        for body in [
            "",
            "  ",
            "null",
            "[1]",
            "7",
            "{",
            "{}",
            r#"{"a":"1"}"#,
            r#"{"a":NaN,"b":1}"#,
            r#"{"a":Infinity,"b":1}"#,
            r#"{"a":-Infinity,"b":1}"#,
            r#"{"a":1e400,"b":1}"#,
            r#"{"a":1,"a":2,"b":1}"#,
            r#"{"metrics":{"a":1,"a":2}}"#,
            r#"{"risk_acute_stress":-0.1,"b":1}"#,
            r#"{"a":1} trailing"#,
            "<html>0.5</html>",
            r#"{"a":0x10}"#,
        ] {
            assert!(json(body).is_err(), "{body}");
        }
        assert_eq!(read(Some("text/html; charset=utf-8"), br#"{"a":1}"#), Err(ReadError::WebPage));
        assert_eq!(read(None, b"{\"a\xff\":1}"), Err(ReadError::Encoding));
        assert_eq!(read(None, &vec![b' '; limits::SHRINK_RESPONSE_BYTES_MAX + 1]), Err(ReadError::TooLong));
        assert!(json(&"[".repeat(100_000)).is_err());
        assert!(json(&r#"{"a":"#.repeat(100_000)).is_err());
    }

    #[test]
    fn names_with_a_meaning_are_kept_however_many_others_there_are() {
        let names = (0..1000).map(|number| format!("v{number}"));
        let names = names.chain(NEVER_NEGATIVE.into_iter().chain(ANY_SIGN).map(str::to_owned));
        let entries: Vec<String> = names.map(|name| format!("\"{name}\":1")).collect();
        let reading = json(&format!("{{{}}}", entries.join(","))).unwrap();
        assert_eq!(reading.values.len(), limits::SHRINK_VALUES_MAX);
        assert!(NEVER_NEGATIVE.iter().chain(&ANY_SIGN).all(|name| reading.values.contains_key(*name)));
        assert_eq!(reading.ignored, 1010 - limits::SHRINK_VALUES_MAX as u64);
    }

    #[test]
    fn an_error_shows_nothing_of_a_hostile_answer_but_a_short_name() {
        let body = format!("{} NaN", "x".repeat(10_000));
        let error = read(Some("text/plain"), body.as_bytes()).unwrap_err().to_string();
        assert!(error.len() < 200, "{error}");
    }

    proptest! {
        #[test]
        fn whatever_comes_every_value_is_finite_and_has_a_plain_name(body in prop::collection::vec(any::<u8>(), 0..200), kind in prop::option::of(".{0,20}")) {
            if let Ok(reading) = read(kind.as_deref(), &body) {
                prop_assert!(reading.values.iter().all(|(name, value)| value.is_finite() && is_name(name)));
            }
        }
    }
}
