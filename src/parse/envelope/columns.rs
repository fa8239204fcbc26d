//! Files whose first lines name the columns of the others: Zeek's tab-separated logs and W3C's extended log format, which
//! IIS writes. Whoever reads the file hands the naming line along.

use super::super::fields;
use super::super::time::Parsed;
use super::layer::{Inside, Layer};
use super::stamp;
use crate::limits;

/// Whether a line names the columns of those that follow it.
pub(crate) fn is_naming(line: &[u8]) -> bool {
    line.starts_with(b"#fields\t") || line.starts_with(b"#Fields: ")
}

/// A line under its naming line; `None` where it has not as many columns.
pub(super) fn read(line: &str, naming: &str) -> Option<Layer> {
    if let Some(names) = naming.strip_prefix("#fields\t") {
        let named = pairs(names.split('\t'), line.split('\t'))?;
        let Parsed { time, record } = fields::header(named, line);
        return Some(Layer::new(time, record, Inside::Text));
    }
    let named = pairs(naming.strip_prefix("#Fields: ")?.trim_end().split(' '), line.trim_end().split(' '))?;
    let Parsed { mut time, mut record } = fields::header(named, line);
    // The format is in UTC by definition.
    if let (Some(day), Some(clock)) = (record.field("date"), record.field("time"))
        && let Some((found, "")) = stamp::iso(&format!("{day} {clock}Z"))
    {
        time = found;
    }
    record.program = None;
    Some(Layer::new(time, record, Inside::Text))
}

/// What is not there is a hyphen in both formats, and `(empty)` in Zeek's.
fn pairs<'a>(
    names: impl Iterator<Item = &'a str>,
    values: impl Iterator<Item = &'a str> + Clone,
) -> Option<Vec<(String, String)>> {
    let names: Vec<&str> = names.take(limits::FIELDS_PER_RECORD_MAX + 1).collect();
    if names.len() < 2
        || names.len() > limits::FIELDS_PER_RECORD_MAX
        || values.clone().take(names.len() + 1).count() != names.len()
    {
        return None;
    }
    let is_said = |(name, value): &(&str, &str)| !matches!(*value, "-" | "(empty)" | "") && !name.is_empty();
    Some(
        names
            .into_iter()
            .zip(values)
            .filter(is_said)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::time::LogTime;
    use super::*;

    #[test]
    fn columns_have_the_names_of_their_header() {
        let naming = "#fields\tts\tuid\tid.orig_h\tid.resp_p\tservice";
        let Layer { time, record, .. } = read("1258531221.486539\tPnoe\t192.0.2.102\t68\t-", naming).unwrap();
        assert!(matches!(time, LogTime::Instant(_)));
        assert_eq!((record.field("id.orig_h"), record.field("service")), (Some("192.0.2.102"), None));
        let naming = "#Fields: date time s-ip cs-method c-ip sc-status";
        let Layer { time, record, .. } = read("2026-07-28 15:07:26 198.51.100.7 GET 192.0.2.1 500", naming).unwrap();
        assert!(matches!(time, LogTime::Instant(_)));
        assert_eq!((record.field("c-ip"), record.field("sc-status")), (Some("192.0.2.1"), Some("500")));
    }

    #[test]
    fn two_columns_are_enough_and_as_many_as_a_record_has_fields_are_not_too_many() {
        let is_read = |columns: usize| {
            let names: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
            read(&vec!["x"; columns].join("\t"), &format!("#fields\t{}", names.join("\t"))).is_some()
        };
        assert!(!is_read(1) && is_read(2));
        assert!(is_read(limits::FIELDS_PER_RECORD_MAX) && !is_read(limits::FIELDS_PER_RECORD_MAX + 1));
    }

    #[test]
    fn a_line_with_another_number_of_columns_has_no_names() {
        assert_eq!(read("a b c", "#Fields: x y"), None);
        assert_eq!(read("a\tb", "#fields\tx"), None);
        assert_eq!(read("a\tb", "no header"), None);
    }
}
