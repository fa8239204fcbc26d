//! Takes named numbers in and keeps what is a value. What is not clearly a number by name is not a value.

use std::collections::{BTreeMap, BTreeSet};

use crate::limits;

/// Names with a meaning in fusion and the devices. None but the last two can be negative.
pub(super) const NEVER_NEGATIVE: [&str; 8] = [
    "risk_acute_stress",
    "shrink_crisis_level",
    "crisis_level",
    "lbi_hyperfocus_density",
    "cognitive_load_index",
    "emotional_intensity_score",
    "linguistic_complexity_index",
    "entropy",
];
pub(super) const ANY_SIGN: [&str; 2] = ["anomaly_score", "sentiment_score"];
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

    /// # Errors
    /// There was no value.
    pub(super) fn finish(self) -> Result<Reading, ReadError> {
        if self.reading.values.is_empty() { Err(ReadError::NoNumber) } else { Ok(self.reading) }
    }
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
