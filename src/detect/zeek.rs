//! Zeek's own log format: values between tabs, named by a `#fields` line before them.

use crate::event::{Record, Timestamp};

/// Columns kept of one log.
const COLUMNS_MAX: usize = 64;

/// The names in a `#fields` line; `None` for any other line.
pub fn columns(line: &str) -> Option<Vec<String>> {
    let names = line.strip_prefix("#fields\t")?;
    Some(names.trim_end().split('\t').take(COLUMNS_MAX).map(str::to_owned).collect())
}

/// One line under these names, and its time. `None` for a line that does not have as many values.
pub fn record(line: &str, columns: &[String]) -> Option<(Timestamp, Record)> {
    let line = line.trim_end_matches(['\r', '\n']);
    if line.starts_with('#') || line.matches('\t').count() + 1 != columns.len() {
        return None;
    }
    let fields: Vec<(String, String)> = columns
        .iter()
        .zip(line.split('\t'))
        .filter(|(_, value)| !matches!(*value, "-" | "(empty)" | ""))
        .map(|(name, value)| (name.clone(), value.to_owned()))
        .collect();
    let record = Record { fields, ..Record::default() };
    let ts = Timestamp::from_seconds(record.field("ts")?.parse().ok()?)?;
    Some((ts, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_named_by_the_fields_line_before_them() {
        let names = columns("#fields\tts\tuid\tid.orig_h\tservice").unwrap();
        let (ts, record) = record("1655071198.5\tC1\t192.0.2.7\t-", &names).unwrap();
        assert_eq!(ts, Timestamp::from_millis(1_655_071_198_500));
        assert_eq!((record.field("id.orig_h"), record.field("service")), (Some("192.0.2.7"), None));
    }

    #[test]
    fn a_line_that_does_not_fit_the_names_is_none() {
        let names = columns("#fields\tts\tuid").unwrap();
        for line in ["", "1.5", "1.5\tC1\tmore", "#close\t2022", "never\tC1", "-1\tC1"] {
            assert_eq!(record(line, &names), None, "{line}");
        }
        assert_eq!(columns("fields\tts"), None);
    }
}
