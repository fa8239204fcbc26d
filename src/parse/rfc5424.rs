//! RFC 5424: `<34>1 2026-01-31T10:00:00Z host app pid msgid [id key="value"] message`.

use super::time::{LogTime, Parsed};
use super::{level, stamp};
use crate::event::Record;

pub(super) fn read(line: &str) -> Option<Parsed> {
    let (priority, rest) = line.strip_prefix('<')?.split_once('>')?;
    let level = level::of_priority(priority.parse().ok()?)?;
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
    Some(Parsed { time, record })
}

/// `[id a="1" b="2"][id2 …] message`: fields `id.a`, `id.b`; returns the message.
fn structured_data<'a>(text: &'a str, record: &mut Record) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(rest.strip_prefix(' ').unwrap_or(rest));
    }
    let mut rest = text;
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
        let Parsed { time, record } = read(line).unwrap();
        assert!(matches!(time, LogTime::Instant(_)));
        assert_eq!((record.program.as_deref(), record.pid, record.level), (Some("sshd"), Some(55), Some(6)));
        assert_eq!(record.entity.host.as_deref(), Some("gate"));
        assert_eq!(record.field("q@1.s"), Some("a\"b]]"));
        assert_eq!(record.field("msgid"), Some("ID7"));
        assert_eq!(record.message, "hello [you]");
    }

    #[test]
    fn unknown_parts_are_hyphens() {
        let Parsed { time, record } = read("<13>1 - - - - - - text").unwrap();
        assert_eq!((time, record.program, record.message.as_str()), (LogTime::Absent, None, "text"));
    }

    #[test]
    fn unfinished_structured_data_is_another_format() {
        assert_eq!(read(r#"<13>1 - - - - - [a b="c"#), None);
    }
}
