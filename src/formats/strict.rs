//! Fields that have exactly one end.

use super::address;
use super::kind::{HEX_BYTES, HOST_BYTES, Kind, NUMBER_BYTES, TIME_BYTES};
use crate::parse::stamp;

/// Where a field of a strict type that begins at `at` ends; `None` where none begins.
pub fn end(kind: &Kind, message: &str, at: usize) -> Option<usize> {
    let text = message.as_bytes().get(at..)?;
    let length = match kind {
        Kind::Ip => address::ip(text)?.1,
        Kind::Port => address::port(text).filter(|(_, length)| !is_word(text.get(*length)))?.1,
        Kind::IpPort => address::ip_port(text)?.2,
        Kind::Host => host(text)?,
        Kind::Addr => match address::ip(text) {
            Some((_, length)) => length,
            None => host(text)?,
        },
        Kind::Int => int(text)?,
        Kind::Number => number(text)?,
        Kind::Hex => hex(text)?,
        Kind::Time => time(message.get(at..)?)?,
        Kind::Duration => duration(message.get(at..)?)?,
        Kind::Mac => mac(text)?,
        Kind::Space => {
            Some(text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()).filter(|it| *it > 0)?
        }
        Kind::Quoted => quoted(text)?,
        Kind::One(texts) => texts.end(text)?,
        Kind::List(separator) => list(text, separator.as_bytes())?,
        Kind::Pairs => text.contains(&b'=').then_some(text.len())?,
        Kind::Json => (text.first() == Some(&b'{') && text.last() == Some(&b'}')).then_some(text.len())?,
        Kind::Word | Kind::Text | Kind::Rest | Kind::Path | Kind::Url | Kind::Not(_) => return None,
    };
    Some(at + length)
}

fn is_word(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Longer ones are no field of any type: how many bytes more there are does not matter, and may be many.
const RUN_BYTES: usize = if HEX_BYTES > HOST_BYTES { HEX_BYTES } else { HOST_BYTES };

fn run(text: &[u8], is_part: impl Fn(&u8) -> bool) -> Option<usize> {
    Some(text.iter().take(RUN_BYTES + 1).take_while(|byte| is_part(byte)).count()).filter(|length| *length > 0)
}

/// Letters, digits, `-`, `_`, and `.` between them; a full stop at the end belongs to the sentence.
fn host(text: &[u8]) -> Option<usize> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let length = run(text, is_part).filter(|length| *length <= HOST_BYTES)?;
    let kept = text.get(..length)?.iter().rposition(|byte| *byte != b'.')? + 1;
    (text.first() != Some(&b'.')).then_some(kept)
}

fn int(text: &[u8]) -> Option<usize> {
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let digits = run(text.get(sign..)?, u8::is_ascii_digit)?;
    Some(sign + digits).filter(|length| *length <= NUMBER_BYTES)
}

/// With a fraction after a point, and an exponent.
fn number(text: &[u8]) -> Option<usize> {
    let mut end = int(text)?;
    if text.get(end) == Some(&b'.')
        && let Some(digits) = run(text.get(end + 1..)?, u8::is_ascii_digit)
    {
        end += 1 + digits;
    }
    if matches!(text.get(end), Some(b'e' | b'E'))
        && let Some(digits) = int(text.get(end + 1..)?)
    {
        end += 1 + digits;
    }
    Some(end).filter(|length| *length <= NUMBER_BYTES)
}

fn hex(text: &[u8]) -> Option<usize> {
    let prefix = if text.starts_with(b"0x") || text.starts_with(b"0X") { 2 } else { 0 };
    let digits = run(text.get(prefix..)?, u8::is_ascii_hexdigit)?;
    Some(prefix + digits).filter(|length| *length <= HEX_BYTES)
}

fn time(text: &str) -> Option<usize> {
    let (_, rest) = stamp::any(text)?;
    Some(text.len() - rest.len()).filter(|length| *length <= TIME_BYTES)
}

const UNITS: &[&str] = &[
    "milliseconds",
    "millisecond",
    "microseconds",
    "seconds",
    "second",
    "minutes",
    "minute",
    "hours",
    "hour",
    "days",
    "day",
    "weeks",
    "week",
    "msec",
    "usec",
    "secs",
    "sec",
    "mins",
    "min",
    "hrs",
    "ms",
    "us",
    "µs",
    "ns",
    "s",
    "m",
    "h",
    "d",
    "w",
];

/// Where the time that something takes ends, which the text begins with: `1.5`, `250ms`, `1h2m3.5s`, `3 days`, `00:01:02.5`, `1d 02:03`.
pub fn duration(text: &str) -> Option<usize> {
    let mut end = 0;
    loop {
        let rest = text.get(end..)?;
        let gap = usize::from(end > 0 && rest.starts_with(' '));
        let Some(length) = amount(rest.get(gap..)?) else { break };
        // After a number without unit nothing is joined to it.
        let has_unit = text.get(end + gap..end + gap + length)?.ends_with(|c: char| c.is_ascii_alphabetic());
        if gap > 0 && !has_unit && !text.get(end + gap..end + gap + length)?.contains(':') {
            break;
        }
        end += gap + length;
        if !has_unit {
            break;
        }
    }
    Some(end).filter(|length| *length > 0 && *length <= TIME_BYTES)
}

fn amount(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut end = number(bytes)?;
    while bytes.get(end) == Some(&b':')
        && let Some(length) = run(bytes.get(end + 1..)?, u8::is_ascii_digit)
    {
        end += 1 + length;
    }
    if bytes.get(end) == Some(&b'.')
        && let Some(length) = run(bytes.get(end + 1..)?, u8::is_ascii_digit)
    {
        end += 1 + length;
    }
    let rest = text.get(end..)?;
    let gap = usize::from(rest.starts_with(' '));
    let unit = UNITS.iter().find(|unit| {
        let after = rest.get(gap..).and_then(|rest| rest.strip_prefix(*unit));
        after.is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
    });
    Some(end + unit.map_or(0, |unit| gap + unit.len()))
}

/// `00:11:22:aa:bb:cc`, the same with `-`, and `0011.22aa.bbcc`.
fn mac(text: &[u8]) -> Option<usize> {
    let is = |length: usize, group: usize, mark: &[u8]| {
        let text = text.get(..length)?;
        let separator = *text.get(group).filter(|byte| mark.contains(byte))?;
        let fits = text
            .iter()
            .enumerate()
            .all(|(at, byte)| if at % (group + 1) == group { *byte == separator } else { byte.is_ascii_hexdigit() });
        fits.then_some(length)
    };
    let length = is(17, 2, b":-").or_else(|| is(14, 4, b"."))?;
    (!is_word(text.get(length))).then_some(length)
}

/// Up to the next quote of the same kind that no backslash stands before.
fn quoted(text: &[u8]) -> Option<usize> {
    let quote = *text.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
    let mut at = 1;
    loop {
        at += memchr::memchr2(quote, b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&quote) {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Words without white space; the separator and a quote end a word.
fn list(text: &[u8], separator: &[u8]) -> Option<usize> {
    let word = |text: &[u8]| {
        let length = (0..text.len())
            .find(|at| {
                text.get(*at..).is_none_or(|rest| rest.starts_with(separator))
                    || text.get(*at).is_none_or(u8::is_ascii_whitespace)
            })
            .unwrap_or(text.len());
        Some(length).filter(|length| *length > 0)
    };
    let mut end = word(text)?;
    while let Some(rest) = text.get(end..).and_then(|rest| rest.strip_prefix(separator)) {
        match word(rest) {
            Some(length) => end += separator.len() + length,
            None => break,
        }
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &Kind, accepted: &[(&str, &str)], refused: &[&str]) {
        for (text, rest) in accepted {
            assert_eq!(end(kind, text, 0).map(|end| &text[end..]), Some(*rest), "{kind:?} {text}");
        }
        for text in refused {
            assert_eq!(end(kind, text, 0), None, "{kind:?} {text}");
        }
    }

    /// How long a field may be is for each type its own bound, and the bound itself is allowed.
    #[test]
    fn a_field_may_be_as_long_as_its_type_allows_and_no_longer() {
        let digits = |count: usize| "7".repeat(count);
        for (kind, longest) in [
            (Kind::Int, NUMBER_BYTES),
            (Kind::Number, NUMBER_BYTES),
            (Kind::Hex, HEX_BYTES),
            (Kind::Host, HOST_BYTES),
            (Kind::Duration, NUMBER_BYTES),
        ] {
            assert_eq!(end(&kind, &format!("{} x", digits(longest)), 0), Some(longest), "{kind:?}");
            assert_eq!(end(&kind, &digits(longest + 1), 0), None, "{kind:?}");
        }
        let fraction = format!("1.{}", digits(NUMBER_BYTES - 2));
        assert_eq!(end(&Kind::Number, &fraction, 0), Some(NUMBER_BYTES));
        assert_eq!(end(&Kind::Number, &format!("{fraction}7"), 0), None);
        let padded = format!("-{}", digits(NUMBER_BYTES - 1));
        assert_eq!(end(&Kind::Int, &padded, 0), Some(NUMBER_BYTES), "the sign counts");
    }

    #[test]
    fn a_field_begins_where_it_is_looked_for() {
        for (kind, message, begins, ends) in [
            (Kind::Int, "from 42 to", 5, 7),
            (Kind::Duration, "took 1h 2m.", 5, 10),
            (Kind::Quoted, "say \"x\" now", 4, 7),
            (Kind::Mac, "mac 00:11:22:aa:bb:cc!", 4, 21),
            (Kind::List(",".into()), "of a,b c", 3, 6),
        ] {
            assert_eq!(end(&kind, message, begins), Some(ends), "{kind:?}");
            assert_eq!(end(&kind, message, message.len() + 1), None, "{kind:?}");
        }
    }

    #[test]
    fn every_strict_type_has_one_end() {
        check(&Kind::Port, &[("22", ""), ("65535 x", " x")], &["", "65536", "123456", "22a", "x"]);
        check(&Kind::Host, &[("a-b.example.org. x", ". x"), ("x_1:", ":")], &["", ".a", "...", "é"]);
        check(&Kind::Addr, &[("192.0.2.1 x", " x"), ("192.0.2.1.example.org", ""), ("host[", "[")], &["["]);
        check(&Kind::Int, &[("-12.5", ".5"), ("+3", "")], &["-", "a"]);
        check(&Kind::Number, &[("-12.5s", "s"), ("1.", "."), ("2e-3", "")], &[".5"]);
        check(&Kind::Hex, &[("0xDEADbeef:", ":"), ("00ff", "")], &["0x", "xyz"]);
        check(&Kind::Time, &[("2026-01-31T10:00:00Z x", " x"), ("31/Jan/2026:10:00:00 +0000]", "]")], &["31"]);
        check(
            &Kind::Duration,
            &[
                ("1.5 x", " x"),
                ("250ms,", ","),
                ("1h2m3.5s", ""),
                ("3 days", ""),
                ("00:01:02.5", ""),
                ("1d 02:03", ""),
                ("5 secs", ""),
                ("1h 2m 3s x", " x"),
                ("1h 5 x", " 5 x"),
                ("1h 02:03 x", " x"),
                ("12:34:56.789 x", " x"),
                ("10 s_x", " s_x"),
                ("7 hello", " hello"),
            ],
            &["ms", ""],
        );
        check(
            &Kind::Mac,
            &[("00:11:22:aa:BB:cc", ""), ("0011.22aa.bbcc x", " x")],
            &["00:11:22", "00:11:22:aa:bb:ccd"],
        );
        check(&Kind::Space, &[("  x", "x")], &["x"]);
        check(&Kind::Quoted, &[(r#""a\"b" c"#, " c"), ("'a\"b'", "")], &[r#""a\""#, "a", "\""]);
        let one = Kind::named("one", Some("a|ab")).unwrap();
        check(&one, &[("abc", "c"), ("ac", "c")], &["b"]);
        check(&Kind::List(", ".into()), &[("a, b, c d", " d"), ("a", ""), ("a, ", ", ")], &["", " a"]);
        check(&Kind::Json, &[("{\"a\":1}", "")], &["{", "a}"]);
    }
}
