//! The Prometheus text format, as far as a number by name needs it: `name{labels} value [timestamp]`.

use super::collector::{Collector, ReadError};

/// Reads every sample; labels are not looked at. Numbers as the format writes them, so `NaN` and `+Inf` are numbers
/// here, and refused by the collector.
///
/// # Errors
/// A line is not of the format, or the collector refuses its number.
pub(super) fn read(text: &str, collector: &mut Collector) -> Result<(), ReadError> {
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, number) = sample(line).ok_or(ReadError::Line(index + 1))?;
        collector.number(name, number)?;
    }
    Ok(())
}

fn sample(line: &str) -> Option<(&str, f64)> {
    let end = line.find(|next: char| next == '{' || next.is_ascii_whitespace())?;
    let (name, rest) = line.split_at_checked(end)?;
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_' || first == ':');
    let rest = if rest.starts_with('{') { rest.get(labels_end(rest)?..)? } else { rest };
    let mut words = rest.split_ascii_whitespace();
    let number = words.next()?.parse().ok()?;
    let timestamp = words.next().is_none_or(|word| word.parse::<f64>().is_ok());
    (starts && timestamp && words.next().is_none()).then_some((name, number))
}

/// The byte after the closing brace; a brace inside a quoted label value does not close.
fn labels_end(labels: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (index, byte) in labels.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Some(index + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::{ReadError, read};

    fn text(body: &str) -> Result<Vec<(String, f64)>, ReadError> {
        read(Some("text/plain; version=0.0.4"), body.as_bytes()).map(|reading| reading.values.into_iter().collect())
    }

    #[test]
    fn samples_with_labels_timestamps_and_comments_are_read() {
        let body = "# HELP risk_acute_stress now\n# TYPE risk_acute_stress gauge\nrisk_acute_stress{user=\"a } \\\" b\"} 0.25\n\
                    entropy 3 1763856000123\r\n\nsentiment_score\t-1e-1\n";
        let expected = [("entropy", 3.0), ("risk_acute_stress", 0.25), ("sentiment_score", -0.1)];
        assert_eq!(text(body), Ok(expected.map(|(name, value)| (name.to_owned(), value)).to_vec()));
    }

    #[test]
    fn series_that_differ_in_labels_alone_are_no_value_and_two_risks_are_no_sample() {
        let body = "gc{g=\"0\"} 1\ngc{g=\"1\"} 2\ngc{g=\"2\"} 3\nentropy 1";
        let reading = read(None, body.as_bytes()).unwrap();
        assert_eq!((reading.values.len(), reading.ignored), (1, 3));
        let twice = "risk_acute_stress{u=\"a\"} 0.1\nrisk_acute_stress{u=\"b\"} 0.9";
        assert_eq!(text(twice), Err(ReadError::Twice("risk_acute_stress".to_owned())));
    }

    #[test]
    fn a_number_that_is_none_refuses_the_whole_answer() {
        for number in ["NaN", "nan", "+Inf", "-Inf", "inf", "1e400"] {
            assert_eq!(text(&format!("entropy 1\nx {number}")), Err(ReadError::NotFinite("x".to_owned())), "{number}");
        }
    }

    #[test]
    fn text_of_another_kind_is_refused() {
        for body in ["hello world", "ok", "a{b=\"c\" 1", "a 1 2 3", "a 1 x", "9a 1", "{\"a\" 1", "# only a comment"] {
            assert!(text(body).is_err(), "{body}");
        }
    }
}
