//! `key=value key="value with spaces"`.

use super::super::fields;
use super::super::time::Parsed;
use super::layer::{Inside, Layer};
use crate::limits;

pub(super) fn read(line: &str) -> Option<Layer> {
    let pairs = pairs(line);
    if pairs.is_empty() {
        return None;
    }
    let Parsed { time, record } = fields::header(pairs, line);
    Some(Layer::new(time, record, Inside::Text))
}

/// What a program that logs in pairs sends to syslog: a level and a message among them.
pub(super) fn payload(message: &str) -> Option<Layer> {
    if !message.contains("msg=") || !(message.contains("level=") || message.contains("lvl=")) {
        return None;
    }
    detect(message)
}

/// For lines of unknown format: the first two words must be pairs.
pub(super) fn detect(line: &str) -> Option<Layer> {
    let (_, _, rest) = pair(line)?;
    pair(rest.trim_start())?;
    read(line)
}

/// Words without `=` are skipped.
pub(super) fn pairs(line: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && found.len() < limits::FIELDS_PER_RECORD_MAX {
        rest = match pair(rest) {
            Some((key, value, after)) => {
                found.push((key.to_owned(), value));
                after
            }
            None => rest.split_once(' ').map_or("", |(_, after)| after),
        }
        .trim_start();
    }
    found
}

fn pair(text: &str) -> Option<(&str, String, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '@' | '/')))?;
    let (key, rest) = text.split_at_checked(end)?;
    let value = rest.strip_prefix('=').filter(|_| (1..=limits::KEY_BYTES_MAX).contains(&key.len()))?;
    let Some(quoted) = value.strip_prefix('"') else {
        let end = value.find(' ').unwrap_or(value.len());
        let (value, rest) = value.split_at_checked(end)?;
        return Some((key, value.to_owned(), rest));
    };
    let (value, rest) = unquote(quoted)?;
    Some((key, value, rest))
}

/// Up to the closing quote, with `\"`, `\\`, `\n` and `\t` read as Go writes them.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                other => other,
            }),
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, Format};
    use crate::parse::{LogTime, parse};

    #[test]
    fn pairs_with_and_without_quotes_are_fields() {
        let line =
            r#"time="2026-01-31T10:00:00Z" level=error msg="Authentication failed for \"bob\"" remote_ip=192.0.2.7"#;
        let Parsed { time, record } = parse(line.as_bytes(), Format::Auto, &[]);
        assert!(matches!(time, LogTime::Instant(_)));
        assert_eq!((record.level, record.message.as_str()), (Some(3), r#"Authentication failed for "bob""#));
        assert_eq!(record.entity.src_ip.as_deref(), Some("192.0.2.7"));
        assert_eq!((record.action, record.outcome), (Action::Login, Some(false)));
    }

    #[test]
    fn prose_with_an_equals_sign_is_no_logfmt() {
        for line in ["x=1 is what he said", "a b=1 c=2", "=1 b=2", "sum = 3"] {
            assert_eq!(detect(line), None, "{line}");
        }
    }

    #[test]
    fn an_open_quote_does_not_swallow_the_line() {
        assert_eq!(pairs(r#"a=1 b="open c=3"#).len(), 2);
    }
}
