//! From the bytes of a field to named values.

use std::borrow::Cow;

use super::address;
use super::kind::Kind;
use super::names::{Identity, identity};
use crate::limits;

/// Named values, in the order in which they stand.
pub type Fields<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// What a field of this type and name says. `src` and `dst` of an address become `src_ip` or `src_host`; an address is
/// written in its one canonical form; quotes and escapes are taken off.
pub fn values<'n, 'a>(name: &'n str, kind: &Kind, text: &'a str, mut each: impl FnMut(Cow<'n, str>, Cow<'a, str>)) {
    match kind {
        Kind::Ip => each(Cow::Borrowed(name), canonical(text)),
        Kind::Addr => match address::ip(text.as_bytes()) {
            Some(_) => each(side(name, "src_ip", "dst_ip").unwrap_or(name).into(), canonical(text)),
            None => each(side(name, "src_host", "dst_host").unwrap_or(name).into(), Cow::Borrowed(host(text))),
        },
        Kind::IpPort => {
            if let Some((ip, port, _)) = address::ip_port(text.as_bytes()) {
                let named =
                    |side: Option<&'static str>, part| side.map_or_else(|| format!("{name}_{part}").into(), Cow::from);
                each(named(side(name, "src_ip", "dst_ip"), "ip"), Cow::Owned(ip.to_string()));
                each(named(side(name, "src_port", "dst_port"), "port"), Cow::Owned(port.to_string()));
            }
        }
        // What looks up names may have found none.
        Kind::Host if matches!(name, "src_host" | "dst_host") && is_whole_address(text) => {
            each(if name == "src_host" { "src_ip" } else { "dst_ip" }.into(), canonical(text));
        }
        Kind::Quoted => each(Cow::Borrowed(name), unquoted(text)),
        _ if matches!(name, "src_host" | "dst_host") => each(Cow::Borrowed(name), Cow::Borrowed(host(text))),
        _ => each(Cow::Borrowed(name), Cow::Borrowed(text)),
    }
}

/// The root, which a name may end with, makes it no other one.
fn host(text: &str) -> &str {
    text.strip_suffix('.').unwrap_or(text)
}

fn is_whole_address(text: &str) -> bool {
    address::ip(text.as_bytes()).is_some_and(|(_, end)| end == text.len())
}

/// Whether the text of a field that may hold an address or the name of a host is an address.
pub fn is_address(kind: &Kind, text: &str) -> bool {
    match kind {
        Kind::Addr => address::ip(text.as_bytes()).is_some(),
        _ => is_whole_address(text),
    }
}

fn side(name: &str, source: &'static str, destination: &'static str) -> Option<&'static str> {
    match name {
        "src" => Some(source),
        "dst" => Some(destination),
        _ => None,
    }
}

/// What a field can say of who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gives {
    #[default]
    Nothing,
    One(Identity),
    /// An address or the name of a host.
    Either(Identity, Identity),
    /// An address and its port.
    Both(Identity, Identity),
    /// Pairs or an object, which say anything.
    Tail(Option<Identity>),
}

/// Which of those that readings must agree in a field of this type and name says.
pub fn gives(name: Option<&str>, kind: &Kind) -> Gives {
    use Identity::{DestinationHost, DestinationIp, DestinationPort, SourceHost, SourceIp, SourcePort};
    let own = name.and_then(identity);
    match (kind, name) {
        (Kind::Pairs | Kind::Json, _) => Gives::Tail(own),
        (Kind::Addr, Some("src")) | (Kind::Host, Some("src_host")) => Gives::Either(SourceIp, SourceHost),
        (Kind::Addr, Some("dst")) | (Kind::Host, Some("dst_host")) => Gives::Either(DestinationIp, DestinationHost),
        (Kind::IpPort, Some("src")) => Gives::Both(SourceIp, SourcePort),
        (Kind::IpPort, Some("dst")) => Gives::Both(DestinationIp, DestinationPort),
        (Kind::IpPort, _) => Gives::Nothing,
        _ => own.map_or(Gives::Nothing, Gives::One),
    }
}

/// Whether a program that writes this for a field knows its value.
pub fn says(name: &str, value: &str) -> bool {
    match value {
        "" | "-" | "?" => false,
        "(unknown)" | "(unknown user)" | "(invalid user)" | "(null)" | "(none)" | "unset" | "<none>" => {
            !matches!(name, "user" | "target_user" | "group")
        }
        _ => true,
    }
}

fn canonical(text: &str) -> Cow<'_, str> {
    if address::is_canonical_v4(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    match address::ip(text.as_bytes()) {
        Some((ip, _)) => {
            let written = ip.to_string();
            if written == text { Cow::Borrowed(text) } else { Cow::Owned(written) }
        }
        None => Cow::Borrowed(text),
    }
}

/// Without the quotes, with `\"`, `\\`, `\n`, `\t`, `\r`, `\xHH` and `\uHHHH` read. Other backslashes go before a mark, and stay before a letter
/// or a digit: those stand in what was not escaped, like a domain before a user.
pub fn unquoted(text: &str) -> Cow<'_, str> {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        rest = escaped(after, &mut bytes);
    }
    bytes.extend_from_slice(rest.as_bytes());
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn escaped<'a>(after: &'a str, bytes: &mut Vec<u8>) -> &'a str {
    let mut chars = after.chars();
    let Some(mark) = chars.next() else { return after };
    let rest = chars.as_str();
    let hex = |digits: usize| u32::from_str_radix(rest.get(..digits)?, 16).ok();
    match mark {
        'n' => bytes.push(b'\n'),
        't' => bytes.push(b'\t'),
        'r' => bytes.push(b'\r'),
        'x' => {
            if let Some(byte) = hex(2).and_then(|value| u8::try_from(value).ok()) {
                bytes.push(byte);
                return rest.get(2..).unwrap_or_default();
            }
            bytes.extend_from_slice(b"\\x");
        }
        'u' => {
            if let Some(read) = hex(4).and_then(char::from_u32) {
                bytes.extend_from_slice(read.encode_utf8(&mut [0; 4]).as_bytes());
                return rest.get(4..).unwrap_or_default();
            }
            bytes.extend_from_slice(b"\\u");
        }
        other => {
            if other.is_alphanumeric() {
                bytes.push(b'\\');
            }
            bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    rest
}

/// `key=value key="va lue", key='…'`. Words without `=` are passed over.
pub fn pairs(text: &str) -> Fields<'_> {
    let mut found = Vec::new();
    let mut rest = text;
    while found.len() < limits::FIELDS_PER_RECORD_MAX {
        let (_, pairs) = split(rest, |byte| !is(byte, GAP));
        if pairs.is_empty() {
            break;
        }
        match pair(pairs) {
            Some((key, value, after)) => {
                found.push((Cow::Borrowed(key), value));
                rest = after;
            }
            None => (_, rest) = split(pairs, |byte| is(byte, BLANK)),
        }
    }
    found
}

/// What a byte can be among pairs: between words, between pairs, a part of a key.
const BLANK: u8 = 1;
const GAP: u8 = 2;
const KEY: u8 = 4;

static MEANS: [u8; 256] = meanings();

#[allow(clippy::indexing_slicing, reason = "in a constant, where it would not compile")]
const fn meanings() -> [u8; 256] {
    let mut meanings = [0; 256];
    let mut byte = 0_u8;
    loop {
        meanings[byte as usize] = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' => BLANK | GAP,
            b',' | b';' => GAP,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'@' | b'/' => KEY,
            _ => 0,
        };
        if byte == u8::MAX {
            return meanings;
        }
        byte += 1;
    }
}

fn is(byte: u8, meaning: u8) -> bool {
    MEANS.get(usize::from(byte)).is_some_and(|means| means & meaning != 0)
}

/// The text before the first byte that ends it, and from that on.
fn split(text: &str, ends: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(ends).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn pair(text: &str) -> Option<(&str, Cow<'_, str>, &str)> {
    let (key, rest) = split(text, |byte| !is(byte, KEY));
    let value = rest.strip_prefix('=').filter(|_| (1..=limits::KEY_BYTES_MAX).contains(&key.len()))?;
    if value.starts_with(['"', '\''])
        && let Some(end) = super::strict::end(&Kind::Quoted, value, 0)
    {
        let (quoted, after) = value.split_at_checked(end)?;
        return Some((key, unquoted(quoted), after));
    }
    let (value, after) = split(value, |byte| is(byte, BLANK));
    Some((key, Cow::Borrowed(value.trim_end_matches([',', ';'])), after))
}

/// The object's values; keys of nested ones are joined with dots.
pub fn object(text: &str) -> Fields<'static> {
    let mut found = Vec::new();
    if let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text) {
        for (key, value) in object {
            flatten(key, value, |_| None, &mut found);
        }
    }
    found.into_iter().map(|(key, value)| (Cow::Owned(key), Cow::Owned(value))).collect()
}

/// The values under a key, each under a key of its own; `text_of` tells which lists are one value. As deep as the JSON reader
/// goes: it refuses more than 128 levels.
pub(crate) fn flatten(
    key: String,
    value: serde_json::Value,
    text_of: fn(&[serde_json::Value]) -> Option<String>,
    found: &mut Vec<(String, String)>,
) {
    use serde_json::Value;
    if found.len() >= limits::FIELDS_PER_RECORD_MAX || key.len() > limits::KEY_BYTES_MAX {
        return;
    }
    match value {
        Value::Null => {}
        Value::String(text) => found.push((key, text)),
        Value::Bool(_) | Value::Number(_) => found.push((key, value.to_string())),
        Value::Array(items) => match text_of(&items) {
            Some(text) => found.push((key, text)),
            None => {
                for (at, item) in items.into_iter().enumerate() {
                    flatten(format!("{key}.{at}"), item, text_of, found);
                }
            }
        },
        Value::Object(object) => {
            for (name, item) in object {
                flatten(format!("{key}.{name}"), item, text_of, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(name: &str, kind: &Kind, text: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        values(name, kind, text, |name, value| found.push((name.into_owned(), value.into_owned())));
        found
    }

    fn one(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn a_user_or_group_that_the_program_does_not_know_is_not_said() {
        for value in ["", "-", "?"] {
            assert!(!says("user", value) && !says("path", value), "{value}");
        }
        for value in ["(unknown)", "(unknown user)", "(invalid user)", "(null)", "(none)", "unset", "<none>"] {
            for name in ["user", "target_user", "group"] {
                assert!(!says(name, value), "{name} {value}");
            }
            assert!(says("path", value), "{value}");
        }
        assert!(says("user", "none") && says("user", "root"));
    }

    #[test]
    fn what_a_field_says_of_who_acted_is_told_by_its_name_and_type() {
        use Identity::{DestinationHost, DestinationIp, DestinationPort, SourceHost, SourceIp, SourcePort};
        assert_eq!(gives(Some("src"), &Kind::Addr), Gives::Either(SourceIp, SourceHost));
        assert_eq!(gives(Some("src_host"), &Kind::Host), Gives::Either(SourceIp, SourceHost));
        assert_eq!(gives(Some("dst"), &Kind::Addr), Gives::Either(DestinationIp, DestinationHost));
        assert_eq!(gives(Some("dst_host"), &Kind::Host), Gives::Either(DestinationIp, DestinationHost));
        assert_eq!(gives(Some("src"), &Kind::IpPort), Gives::Both(SourceIp, SourcePort));
        assert_eq!(gives(Some("dst"), &Kind::IpPort), Gives::Both(DestinationIp, DestinationPort));
        assert_eq!(gives(Some("peer"), &Kind::IpPort), Gives::Nothing);
        assert_eq!(gives(Some("src_ip"), &Kind::Ip), Gives::One(SourceIp));
        assert_eq!(gives(None, &Kind::Word), Gives::Nothing);
        assert_eq!(gives(None, &Kind::Json), Gives::Tail(None));
        assert_eq!(gives(Some("src_ip"), &Kind::Pairs), Gives::Tail(Some(SourceIp)));
    }

    #[test]
    fn a_source_or_destination_is_named_by_what_it_turns_out_to_be() {
        for (side, other) in [("src", "dst"), ("dst", "src")] {
            assert_eq!(all(side, &Kind::Addr, "192.0.2.1"), one(&format!("{side}_ip"), "192.0.2.1"));
            assert_eq!(all(side, &Kind::Addr, "a.example"), one(&format!("{side}_host"), "a.example"));
            let both = [one(&format!("{side}_ip"), "192.0.2.1"), one(&format!("{side}_port"), "53")].concat();
            assert_eq!(all(side, &Kind::IpPort, "192.0.2.1:53"), both, "and not {other}");
        }
    }

    #[test]
    fn addresses_have_one_form_and_the_name_that_fits() {
        assert_eq!(all("src_ip", &Kind::Ip, "::ffff:192.0.2.1"), one("src_ip", "192.0.2.1"));
        assert_eq!(all("src_ip", &Kind::Ip, "[2001:DB8::1%eth0]"), one("src_ip", "2001:db8::1"));
        assert_eq!(all("src", &Kind::Addr, "192.0.2.1"), one("src_ip", "192.0.2.1"));
        assert_eq!(all("src", &Kind::Addr, "gate.example.org"), one("src_host", "gate.example.org"));
        assert_eq!(all("src_host", &Kind::Host, "192.0.2.1"), one("src_ip", "192.0.2.1"));
        assert_eq!(all("relay", &Kind::Addr, "192.0.2.1"), one("relay", "192.0.2.1"));
        let both = [one("dst_ip", "192.0.2.1"), one("dst_port", "53")].concat();
        assert_eq!(all("dst", &Kind::IpPort, "192.0.2.1#53"), both);
    }

    #[test]
    fn quotes_and_escapes_are_taken_off() {
        assert_eq!(unquoted(r#""a\"b\\c\x41\u00e9\n\[""#), "a\"b\\cAé\n[");
        assert_eq!(unquoted(r#""DOM\eve""#), r"DOM\eve");
        assert_eq!(unquoted("''"), "");
        assert_eq!(unquoted(r#""\xzz\user""#), r"\xzz\user");
    }

    #[test]
    fn pairs_are_read_with_and_without_quotes() {
        let found = pairs(r#"a=1, b="x y" word c='z' d= e="open f=2"#);
        let expected = [("a", "1"), ("b", "x y"), ("c", "z"), ("d", ""), ("e", "\"open"), ("f", "2")];
        assert_eq!(found, expected.map(|(key, value)| (key.into(), value.into())));
    }
}
