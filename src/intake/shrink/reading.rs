//! From the body of one answer to named numbers. Pure.

use super::collector::{Collector, ReadError, Reading};
use super::{json, prometheus};
use crate::limits;

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
        json::read(text, &mut collector)?;
    } else {
        prometheus::read(text, &mut collector)?;
    }
    collector.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::collections::BTreeMap;

    use super::super::collector::{MEANINGS, is_name};
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
            r#"{"risk_acute_stress":1e308,"b":1}"#,
            r#"{"risk_acute_stress":1.01,"b":1}"#,
            r#"{"crisis_level":50,"b":1}"#,
            r#"{"anomaly_score":-1e300,"b":1}"#,
            r#"{"sentiment_score":-1e9,"b":1}"#,
            r#"{"entropy":1e9,"b":1}"#,
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
        let names = names.chain(MEANINGS.iter().map(|(name, ..)| (*name).to_owned()));
        let entries: Vec<String> = names.map(|name| format!("\"{name}\":1")).collect();
        let reading = json(&format!("{{{}}}", entries.join(","))).unwrap();
        assert_eq!(reading.values.len(), limits::SHRINK_VALUES_MAX);
        assert!(MEANINGS.iter().all(|(name, ..)| reading.values.contains_key(*name)));
        assert_eq!(reading.ignored, 1010 - limits::SHRINK_VALUES_MAX as u64);
    }

    #[test]
    fn what_is_at_the_end_of_its_range_is_a_value() {
        for (name, least, most) in MEANINGS {
            for value in [least, most] {
                let reading = json(&format!("{{\"{name}\":{value}}}")).unwrap();
                assert_eq!(reading.values.get(name), Some(&value));
            }
        }
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
