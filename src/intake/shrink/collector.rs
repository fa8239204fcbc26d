//! Takes named numbers in and keeps what is a value. What is not clearly a number by name is not a value.

use std::collections::{BTreeMap, BTreeSet};

use crate::limits;

/// Names with a meaning in fusion and the devices, and the least and the most that each can be. What severities are judged
/// by is a share of one; of the other scores some are given in percent.
pub(super) const MEANINGS: [(&str, f64, f64); 10] = [
    ("risk_acute_stress", 0.0, 1.0),
    ("shrink_crisis_level", 0.0, 1.0),
    ("crisis_level", 0.0, 1.0),
    ("lbi_hyperfocus_density", 0.0, 100.0),
    ("cognitive_load_index", 0.0, 100.0),
    ("emotional_intensity_score", 0.0, 100.0),
    ("linguistic_complexity_index", 0.0, 100.0),
    ("entropy", 0.0, 64.0),
    ("anomaly_score", -1e6, 1e6),
    ("sentiment_score", -100.0, 100.0),
];
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
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
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
    #[error("`{name}` is out of its range, {least} to {most}")]
    OutOfRange { name: &'static str, least: f64, most: f64 },
    #[error("`{0}` is there twice")]
    Twice(String),
    #[error("the answer has no number in it")]
    NoNumber,
}

#[derive(Debug, Default)]
pub(super) struct Collector {
    reading: Reading,
    /// Names that came again with other labels: none of them can be told from the other.
    ambiguous: BTreeSet<String>,
}

impl Collector {
    /// # Errors
    /// The number is not finite, out of its range, or a second one of a name that has a meaning.
    pub(super) fn number(&mut self, name: &str, number: f64) -> Result<(), ReadError> {
        let meaning = meaning(name);
        if !number.is_finite() {
            return Err(ReadError::NotFinite(short(name)));
        }
        if let Some(&(name, least, most)) = meaning.filter(|(_, least, most)| !(*least..=*most).contains(&number)) {
            return Err(ReadError::OutOfRange { name, least, most });
        }
        // Room stays for the names with a meaning, wherever in the answer they are.
        let room = limits::SHRINK_VALUES_MAX - MEANINGS.len();
        let full = self.reading.values.len() >= room && meaning.is_none();
        if full || !is_name(name) || self.ambiguous.contains(name) {
            self.ignored();
        } else if self.reading.values.insert(name.to_owned(), number).is_some() {
            if meaning.is_some() {
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

    /// # Errors
    /// There was no value.
    pub(super) fn finish(self) -> Result<Reading, ReadError> {
        if self.reading.values.is_empty() { Err(ReadError::NoNumber) } else { Ok(self.reading) }
    }
}

pub(super) fn meaning(name: &str) -> Option<&'static (&'static str, f64, f64)> {
    MEANINGS.iter().find(|(known, ..)| *known == name)
}

/// Whether the name can be a label of a metric and a key beside `state`.
pub(super) fn is_name(name: &str) -> bool {
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
