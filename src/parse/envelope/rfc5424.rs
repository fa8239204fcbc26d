//! RFC 5424: `<34>1 2026-01-31T10:00:00Z host app pid msgid [id key="value"] message`.

use super::super::time::LogTime;
use super::layer::{Inside, Layer};
use super::{priority, stamp};
use crate::event::Record;

pub(super) fn read(line: &str) -> Option<Layer> {
    let (level, rest) = priority::numbered(priority::without_octet_count(line))?;
    let rest = rest.strip_prefix("1 ")?;
    let (time, rest) = rest.split_once(' ')?;
    let time = match stamp::iso(time) {
        Some((time, "")) => time,
        None if time == "-" => LogTime::Absent,
        _ => return None,
    };
    let mut words = rest.splitn(5, ' ');
    let mut known = || words.next().map(|word| Some(word).filter(|word| *word != "-"));
    let (host, program, process, message_id) = (known()?, known()?, known()?, known()?);
    let mut record = Record { level: Some(level), ..Record::default() };
    let message = structured_data(words.next().unwrap_or("-"), &mut record)?;
    record.message = message.strip_prefix('\u{feff}').unwrap_or(message).to_owned();
    record.program = program
        .map(|program| program.rsplit('/').next().filter(|_| program.starts_with('/')).unwrap_or(program).to_owned());
    record.pid = process.and_then(|pid| pid.parse().ok());
    record.entity.host = host.map(str::to_owned);
    if let Some(id) = message_id {
        record.push("msgid", id);
    }
    Some(Layer::new(time, record, Inside::Payload))
}

/// `[id a="1" b="2"][id2 …] message`: fields `id.a`, `id.b`, and where only one element is there also `a`, `b`; returns
/// the message.
fn structured_data<'a>(text: &'a str, record: &mut Record) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(rest.strip_prefix(' ').unwrap_or(rest));
    }
    let mut rest = text;
    let mut elements = 0;
    while let Some(element) = rest.strip_prefix('[') {
        let end = element.find([' ', ']'])?;
        let (id, mut parameters) = element.split_at_checked(end)?;
        while let Some(parameter) = parameters.strip_prefix(' ') {
            let (name, value) = parameter.split_once("=\"")?;
            let (value, after) = quoted(value)?;
            record.push(format!("{id}.{name}"), value);
            parameters = after;
        }
        rest = parameters.strip_prefix(']')?;
        elements += 1;
    }
    if elements == 1 {
        let bare: Vec<_> = record
            .fields
            .iter()
            .filter_map(|(key, value)| Some((key.rsplit_once('.')?.1.to_owned(), value.clone())))
            .collect();
        for (key, value) in bare {
            record.push(key, value);
        }
    }
    Some(rest.strip_prefix(' ').unwrap_or(rest))
}

/// Up to the closing quote; backslashes escape `"`, `\` and `]`.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                escaped @ ('"' | '\\' | ']') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_data_becomes_fields_and_brackets_in_values_stay_values() {
        let line = r#"<38>1 2026-07-08T17:40:17.9-04:00 gate sshd 55 ID7 [q@1 tz="1" s="a\"b]\]"][x@2] hello [you]"#;
        let Layer { time, record, .. } = read(line).unwrap();
        assert!(matches!(time, LogTime::Instant(_)));
        assert_eq!((record.program.as_deref(), record.pid, record.level), (Some("sshd"), Some(55), Some(6)));
        assert_eq!(record.entity.host.as_deref(), Some("gate"));
        assert_eq!(record.field("q@1.s"), Some("a\"b]]"));
        assert_eq!(record.field("msgid"), Some("ID7"));
        assert_eq!(record.message, "hello [you]");
    }

    #[test]
    fn unknown_parts_are_hyphens() {
        let Layer { time, record, .. } = read("<13>1 - - - - - - text").unwrap();
        assert_eq!((time, record.program, record.message.as_str()), (LogTime::Absent, None, "text"));
    }

    #[test]
    fn the_keys_of_a_single_element_are_fields_by_themselves() {
        let record = read(r#"90 <13>1 - - - - - [meta@1.2 src="192.0.2.1"] x"#).unwrap().record;
        assert_eq!((record.field("meta@1.2.src"), record.field("src")), (Some("192.0.2.1"), Some("192.0.2.1")));
        let record = read(r#"<13>1 - - - - - [a@1 x="1"][b@1 x="2"] y"#).unwrap().record;
        assert_eq!((record.field("b@1.x"), record.field("x")), (Some("2"), None));
    }

    #[test]
    fn unfinished_structured_data_is_another_format() {
        assert_eq!(read(r#"<13>1 - - - - - [a b="c"#), None);
    }
}
