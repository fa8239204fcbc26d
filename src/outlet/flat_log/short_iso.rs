//! Journal entries as `journalctl -o short-iso` shows them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::journal::Entry;

/// A host name, identifier or pid of this many bytes or more is not shown.
const SHOWN_BYTES: usize = 300;
const TAB: &[u8] = b"        ";
const ESCAPE: u8 = 0x1b;
const BELL: u8 = 0x07;

/// Writes lines; remembers the text of the last second, for most entries share it with the one before.
pub struct ShortIso {
    zone: TimeZone,
    stamp: Option<(i64, String)>,
}

impl ShortIso {
    /// Times are shown in this zone.
    pub fn new(zone: TimeZone) -> Self {
        Self { zone, stamp: None }
    }

    /// Adds the entry's line to `out`, and further ones, indented, for a message of several lines. An entry without a
    /// message adds nothing. What is not printable never gets through: it could pass for another line or steer a terminal.
    pub fn write(&mut self, entry: &Entry, out: &mut Vec<u8>) {
        let shown = Shown::of(entry);
        let Some(message) = shown.message else { return };
        let start = out.len();
        self.write_time(shown.micros(), out);
        if let Some(host) = shown.host.filter(|value| is_shown(value)) {
            out.push(b' ');
            out.extend_from_slice(host);
        }
        let name = [shown.identifier, shown.command].into_iter().flatten().find(|value| is_shown(value));
        out.push(b' ');
        out.extend_from_slice(name.unwrap_or(b"unknown"));
        if let Some(pid) = [shown.pid, shown.claimed_pid].into_iter().flatten().find(|value| is_shown(value)) {
            out.push(b'[');
            out.extend_from_slice(pid);
            out.push(b']');
        }
        out.extend_from_slice(b": ");
        let indent = out.len() - start;
        write_message(&plain(message), indent, out);
    }

    fn write_time(&mut self, micros: i64, out: &mut Vec<u8>) {
        let second = micros.div_euclid(1_000_000);
        match &self.stamp {
            Some((known, text)) if *known == second => out.extend_from_slice(text.as_bytes()),
            _ => {
                let time = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
                let text = time.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%z").to_string();
                out.extend_from_slice(text.as_bytes());
                self.stamp = Some((second, text));
            }
        }
    }
}

/// The fields that make up a line. Of a field with several values journalctl shows the last.
#[derive(Default)]
struct Shown<'a> {
    message: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
    identifier: Option<&'a [u8]>,
    command: Option<&'a [u8]>,
    pid: Option<&'a [u8]>,
    /// As the sender says, which is believed only where journald does not know.
    claimed_pid: Option<&'a [u8]>,
    sent: Option<&'a [u8]>,
    received: Option<&'a [u8]>,
}

impl<'a> Shown<'a> {
    fn of(entry: &'a Entry) -> Self {
        let mut shown = Self::default();
        for (name, value) in &entry.fields {
            let field = match name.as_str() {
                "MESSAGE" => &mut shown.message,
                "_HOSTNAME" => &mut shown.host,
                "SYSLOG_IDENTIFIER" => &mut shown.identifier,
                "_COMM" => &mut shown.command,
                "_PID" => &mut shown.pid,
                "SYSLOG_PID" => &mut shown.claimed_pid,
                "_SOURCE_REALTIME_TIMESTAMP" => &mut shown.sent,
                "__REALTIME_TIMESTAMP" => &mut shown.received,
                _ => continue,
            };
            *field = Some(value);
        }
        shown
    }

    fn micros(&self) -> i64 {
        let number = |value: Option<&[u8]>| std::str::from_utf8(value?).ok()?.parse::<i64>().ok().filter(|it| *it > 0);
        number(self.sent).or_else(|| number(self.received)).unwrap_or_default()
    }
}

/// journalctl would also show a newline here, and a tab; in a file of lines that would be somebody else's line, or field.
fn is_shown(value: &[u8]) -> bool {
    value.len() < SHOWN_BYTES && is_printable(value) && !value.iter().any(u8::is_ascii_control)
}

fn is_printable(text: &[u8]) -> bool {
    if text.is_ascii() {
        return text.iter().all(|byte| (b' '..0x7f).contains(byte) || matches!(byte, b'\n' | b'\t'));
    }
    std::str::from_utf8(text).is_ok_and(|text| {
        text.chars().all(|letter| (!letter.is_control() || matches!(letter, '\n' | '\t')) && !is_no_character(letter))
    })
}

/// Code points that Unicode keeps out of text for good.
fn is_no_character(letter: char) -> bool {
    let code = u32::from(letter);
    (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

fn write_message(message: &[u8], indent: usize, out: &mut Vec<u8>) {
    if !is_printable(message) {
        out.extend_from_slice(format!("[{} blob data]\n", size(message.len())).as_bytes());
        return;
    }
    let message = message.strip_suffix(b"\n").unwrap_or(message);
    for (number, line) in message.split(|byte| *byte == b'\n').enumerate() {
        if number > 0 {
            out.resize(out.len() + indent, b' ');
        }
        out.extend_from_slice(line);
        out.push(b'\n');
    }
}

/// `17B`, `1.9K`, cut and not rounded.
fn size(bytes: usize) -> String {
    let (unit, letter) = match bytes {
        0..1024 => return format!("{bytes}B"),
        1024..1_048_576 => (1024, 'K'),
        _ => (1_048_576, 'M'),
    };
    format!("{}.{}{letter}", bytes / unit, bytes % unit * 10 / unit)
}

/// The message with spaces for tabs, without colours, without what sets a terminal's title, and without carriage returns
/// before the end of a line.
fn plain(message: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if !message.iter().any(|byte| matches!(*byte, b'\t' | b'\r' | ESCAPE)) {
        return message.into();
    }
    let mut plain = Vec::with_capacity(message.len() + TAB.len());
    let mut rest = message;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\t' => plain.extend_from_slice(TAB),
            b'\r' => {
                let next = rest.iter().find(|byte| **byte != b'\r');
                if next.is_some_and(|byte| *byte != b'\n') {
                    plain.push(b'\r');
                }
            }
            ESCAPE => match sequence_bytes(rest) {
                Some(length) => rest = rest.get(length..).unwrap_or_default(),
                None => plain.push(ESCAPE),
            },
            _ => plain.push(byte),
        }
    }
    plain.into()
}

/// Length of a whole colour or title sequence behind its escape character.
fn sequence_bytes(rest: &[u8]) -> Option<usize> {
    let (kind, rest) = rest.split_first()?;
    let end = match kind {
        b'[' => rest
            .iter()
            .position(|byte| !byte.is_ascii_digit() && *byte != b';')
            .filter(|end| rest.get(*end) == Some(&b'm')),
        b']' => rest.iter().position(|byte| !(b' '..0x7f).contains(byte)).filter(|end| rest.get(*end) == Some(&BELL)),
        _ => None,
    }?;
    Some(end + 2)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn line(fields: &[(&str, &[u8])]) -> String {
        let mut entry = Entry::default();
        entry.fields = fields.iter().map(|(name, value)| ((*name).to_owned(), Bytes::copy_from_slice(value))).collect();
        let mut out = Vec::new();
        ShortIso::new(TimeZone::fixed(jiff::tz::offset(1))).write(&entry, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn message(text: &[u8]) -> String {
        let line = line(&[("SYSLOG_IDENTIFIER", b"x"), ("MESSAGE", text)]);
        line.strip_prefix("1970-01-01T01:00:00+0100 x: ").unwrap().to_owned()
    }

    #[test]
    fn a_line_has_time_host_identifier_and_pid() {
        let fields: &[(&str, &[u8])] = &[
            ("__REALTIME_TIMESTAMP", b"1763856099000000"),
            ("_SOURCE_REALTIME_TIMESTAMP", b"1763856000999999"),
            ("_HOSTNAME", b"atlas"),
            ("SYSLOG_IDENTIFIER", b"dsmil-l3"),
            ("_COMM", b"python3"),
            ("_PID", b"7"),
            ("SYSLOG_PID", b"1"),
            ("MESSAGE", b"hello"),
        ];
        assert_eq!(line(fields), "2025-11-23T01:00:00+0100 atlas dsmil-l3[7]: hello\n");
        assert_eq!(line(&[("_COMM", b"sh"), ("MESSAGE", b"m")]), "1970-01-01T01:00:00+0100 sh: m\n");
        assert_eq!(line(&[("MESSAGE", b"m")]), "1970-01-01T01:00:00+0100 unknown: m\n");
        assert_eq!(line(&[("SYSLOG_IDENTIFIER", b"x")]), "", "without a message there is no line");
    }

    #[test]
    fn each_entry_has_its_own_time_and_indentation_whatever_was_written_before() {
        let mut writer = ShortIso::new(TimeZone::UTC);
        let mut out = Vec::new();
        for micros in [1_000_000, 1_900_000, 2_000_000, 1_000_000] {
            let mut entry = Entry::default();
            let fields = [("SYSLOG_IDENTIFIER", "x".to_owned()), ("MESSAGE", "a\nb".to_owned())];
            let time = ("__REALTIME_TIMESTAMP", micros.to_string());
            entry.fields =
                fields.into_iter().chain([time]).map(|(name, value)| (name.to_owned(), value.into())).collect();
            writer.write(&entry, &mut out);
        }
        let indent = " ".repeat("1970-01-01T00:00:01+0000 x: ".len());
        let record = |second| format!("1970-01-01T00:00:0{second}+0000 x: a\n{indent}b\n");
        assert_eq!(String::from_utf8(out).unwrap(), [1, 1, 2, 1].map(record).concat());
    }

    #[test]
    fn further_lines_of_a_message_are_indented_and_cannot_pass_for_other_entries() {
        let indent = " ".repeat("1970-01-01T01:00:00+0100 x: ".len());
        assert_eq!(
            message(b"a\n2026-11-23T10:00:00+0000 h sshd[1]: forged\n\nb\n"),
            format!("a\n{indent}2026-11-23T10:00:00+0000 h sshd[1]: forged\n{indent}\n{indent}b\n")
        );
        for identifier in [&b"dsmil-a\nforged"[..], b"dsmil-a\tforged"] {
            let forged = line(&[("SYSLOG_IDENTIFIER", identifier), ("_COMM", b"evil"), ("MESSAGE", b"m")]);
            assert_eq!(forged, "1970-01-01T01:00:00+0100 evil: m\n");
        }
    }

    #[test]
    fn what_is_not_printable_is_told_by_its_size() {
        assert_eq!(message(b"a\x00b"), "[3B blob data]\n");
        assert_eq!(message(b"\x1b[2Jscreen"), "[10B blob data]\n");
        assert_eq!(message(&[0xff; 2001]), "[1.9K blob data]\n");
        assert_eq!(message("\u{85}".as_bytes()), "[2B blob data]\n");
    }

    #[test]
    fn colours_titles_tabs_and_carriage_returns_are_taken_out() {
        assert_eq!(message(b"\x1b[1;31mred\x1b[0m\ta\r"), "red        a\n");
        assert_eq!(message(b"\x1b]0;title\x07x"), "x\n");
        assert_eq!(message(b"\x1b[31"), "[4B blob data]\n", "a sequence that does not end stays");
    }

    proptest! {
        #[test]
        fn every_entry_is_one_line_and_indented_ones_whatever_it_holds(
            message in prop::collection::vec(prop::sample::select(b"a\n\r\t\x1b[]m;0\x07\xff\xc3\xa4 ".to_vec()), 0..60),
            identifier in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            let text = line(&[("SYSLOG_IDENTIFIER", &identifier), ("MESSAGE", &message)]);
            prop_assert!(text.ends_with('\n'));
            for (number, line) in text.lines().enumerate() {
                prop_assert_eq!(number == 0, line.starts_with("1970-01-01T01:00:00+0100 "), "{:?}", text);
            }
            prop_assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()));
        }
    }
}
