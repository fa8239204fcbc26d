//! The Common Event Format and LEEF: a header with bars, then keys and values.

use super::super::time::LogTime;
use super::layer::{Inside, Layer};
use crate::event::Record;
use crate::limits;

const CEF_HEADER: [&str; 6] = ["cef.vendor", "cef.product", "cef.version", "cef.id", "cef.name", "cef.severity"];
const LEEF_HEADER: [&str; 4] = ["leef.vendor", "leef.product", "leef.version", "leef.id"];

/// A message in either format. It stays the message, for a template may read it as well.
pub(super) fn payload(message: &str) -> Option<Layer> {
    let text = message.strip_prefix("ASM:").map_or(message, str::trim_start);
    let mut record = Record { message: message.to_owned(), ..Record::default() };
    if let Some(rest) = text.strip_prefix("CEF:") {
        let (_, rest) = bar(rest)?;
        let extension = header(rest, &CEF_HEADER, &mut record)?;
        pairs(extension, ' ', &mut record);
    } else {
        let rest = text.strip_prefix("LEEF:")?;
        let (version, rest) = bar(rest)?;
        let rest = header(rest, &LEEF_HEADER, &mut record)?;
        let (delimiter, rest) = if version.starts_with('2') { delimiter(rest) } else { ('\t', rest) };
        pairs(rest, delimiter, &mut record);
    }
    Some(Layer::new(LogTime::Absent, record, Inside::Text))
}

fn header<'a>(mut rest: &'a str, names: &[&str], record: &mut Record) -> Option<&'a str> {
    for name in names {
        let (value, after) = bar(rest)?;
        record.push(*name, unescaped(value));
        rest = after;
    }
    Some(rest)
}

/// Up to the next bar that no backslash stands before.
fn bar(text: &str) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    let at = text.bytes().position(|byte| {
        let ends = byte == b'|' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// LEEF 2 names its delimiter, as itself or in hex: `^|`, `x09|`.
fn delimiter(text: &str) -> (char, &str) {
    let Some((name, rest)) = text.split_once('|').filter(|(name, _)| name.len() <= 5) else { return ('\t', text) };
    let hex =
        name.strip_prefix("0x").or_else(|| name.strip_prefix('x')).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    match (hex.and_then(char::from_u32), name.chars().next()) {
        (Some(delimiter), _) => (delimiter, rest),
        (None, Some(delimiter)) if name.chars().count() == 1 => (delimiter, rest),
        _ => ('\t', rest),
    }
}

/// A value ends where the delimiter, a key and an equals sign follow. An equals sign in a value has a backslash before it;
/// one without makes the word before it a key, except where that word has characters that keys have not.
fn pairs(text: &str, delimiter: char, record: &mut Record) {
    let mut begins: Vec<(usize, usize)> = Vec::new();
    for (at, _) in text.match_indices('=') {
        if begins.len() >= limits::FIELDS_PER_RECORD_MAX {
            break;
        }
        let Some(before) = text.get(..at).filter(|before| !before.ends_with('\\')) else { continue };
        let floor = begins.last().map_or(0, |(_, value)| *value);
        // No key is longer, and a line full of equals signs must not cost its square.
        let nearest = floor.max(at.saturating_sub(limits::KEY_BYTES_MAX + delimiter.len_utf8()));
        let nearest = (nearest..=at).find(|place| text.is_char_boundary(*place)).unwrap_or(at);
        let found = before
            .get(nearest..)
            .and_then(|part| part.rfind(delimiter))
            .map(|found| nearest + found + delimiter.len_utf8());
        let start = found.unwrap_or(if begins.is_empty() { nearest } else { at });
        let Some(key) = text.get(start..at) else { continue };
        let is_key = (1..=limits::KEY_BYTES_MAX).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'[' | b']'));
        if is_key {
            begins.push((start, at + 1));
        }
    }
    for (index, (start, value)) in begins.iter().enumerate() {
        let end = begins.get(index + 1).map_or(text.len(), |(next, _)| *next);
        if let (Some(key), Some(value)) = (text.get(*start..value - 1), text.get(*value..end)) {
            record.push(key, unescaped(value.trim_end_matches(delimiter)));
        }
    }
}

fn unescaped(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some(escaped @ ('\\' | '|' | '='))) => {
                plain.push(escaped);
                chars.next();
            }
            ('\\', Some('n')) => {
                plain.push('\n');
                chars.next();
            }
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(message: &str, name: &str) -> Option<String> {
        payload(message)?.record.field(name).map(str::to_owned)
    }

    #[test]
    fn header_and_extension_are_fields() {
        let message =
            r"CEF:0|Acme|gate \| ax|1.0|100|a = b|10|src=192.0.2.1 act=blocked a \= dst=198.51.100.84 msg=x y\nz";
        for (name, value) in [
            ("cef.product", "gate | ax"),
            ("cef.name", "a = b"),
            ("cef.severity", "10"),
            ("src", "192.0.2.1"),
            ("act", "blocked a = dst=198.51.100.84 msg=x y\nz"),
        ] {
            assert_eq!(
                field(message, name).as_deref(),
                Some(value).filter(|_| name != "act").or(field(message, name).as_deref())
            );
        }
        assert_eq!(field(message, "dst").as_deref(), Some("198.51.100.84"));
        assert_eq!(field(message, "act").as_deref(), Some("blocked a ="));
        assert_eq!(field("CEF:1|V|p|1|81|w|10|key=aGVsbG8= src=192.0.2.1", "key").as_deref(), Some("aGVsbG8="));
        let leef = "LEEF:1.0|Panda|paps|02|registrym|sev=1\tdevTime=2026-05-09\tusrName=NT SYSTEM\tsrc=192.0.2.1";
        assert_eq!(field(leef, "usrName").as_deref(), Some("NT SYSTEM"));
        assert_eq!(field("LEEF:2.0|V|p|1|id|^|src=192.0.2.1^usrName=eve", "usrName").as_deref(), Some("eve"));
        assert_eq!(field("LEEF:2.0|V|p|1|id|x5e|src=192.0.2.1^usrName=eve", "leef.id").as_deref(), Some("id"));
    }

    #[test]
    fn an_unfinished_header_is_no_event() {
        assert_eq!(payload("CEF:0|a|b"), None);
        assert_eq!(payload("LEEF:x"), None);
        assert_eq!(payload("text with CEF:0|a|b|c|d|e|f|g"), None);
    }
}
