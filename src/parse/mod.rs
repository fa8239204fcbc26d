//! From the bytes of one line to a time and named fields. Pure: no clock, no files; whoever knows the reference time
//! and the time zone resolves a [`LogTime`].
//!
//! A line goes through three steps: its *format* gives header and fields (one file each here), what came beside it
//! overrules them (`attributes`), and the *program* that wrote it tells what the message means (`program/`).
//! Lines are written by attackers: whatever a client may have put into a message (user names, user agents, queries) is
//! never taken for the source address. An extractor starts from the end of the message that the program writes itself;
//! where that leaves two readings, there is no source address.

mod attributes;
mod auditd;
mod fields;
mod json;
mod level;
mod logfmt;
mod program;
mod record;
mod rfc5424;
mod scan;
mod stamp;
mod syslog;
mod text;
mod time;

pub use record::{Action, Record};
pub use time::{Calendar, LogTime};

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::limits;

/// How a source's lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Decide for each line.
    #[default]
    Auto,
    /// RFC 3164, also with RFC 3339 times as rsyslog writes them.
    Syslog,
    Rfc5424,
    /// `journalctl -o short-iso`.
    ShortIso,
    Json,
    Logfmt,
    Auditd,
    /// A message without structure, perhaps after a time.
    Text,
}

/// What one line holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed {
    pub time: LogTime,
    pub record: Record,
}

/// Reads one line. Never fails: what has no structure is a message. `attributes` came beside the payload
/// (journal fields, fields of a stream entry) and win over what the text says.
///
/// Of a payload longer than [`limits::LINE_BYTES_MAX`] the rest is ignored; bytes that are no UTF-8, and NUL, become
/// U+FFFD; fields past [`limits::FIELDS_PER_RECORD_MAX`] are left out.
pub fn parse(payload: &[u8], format: Format, attributes: &[(String, String)]) -> Parsed {
    let line = line(payload);
    let mut parsed = match format {
        Format::Auto => auto(&line, attributes),
        Format::Syslog | Format::ShortIso => syslog::read(&line),
        Format::Rfc5424 => rfc5424::read(&line),
        Format::Json => json::read(&line),
        Format::Logfmt => logfmt::read(&line),
        Format::Auditd => auditd::read(&line),
        Format::Text => None,
    }
    .unwrap_or_else(|| text::read(&line));
    json::unwrap(&mut parsed);
    attributes::apply(&mut parsed.record, attributes);
    program::describe(&mut parsed.record);
    parsed
}

/// The fields alone, for whoever already has the time.
pub fn record(payload: &[u8], format: Format, attributes: &[(String, String)]) -> Record {
    parse(payload, format, attributes).record
}

fn line(payload: &[u8]) -> Cow<'_, str> {
    let payload = payload.get(..limits::LINE_BYTES_MAX).unwrap_or(payload);
    let text = String::from_utf8_lossy(payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload));
    if text.contains('\0') {
        return Cow::Owned(text.replace('\0', "\u{fffd}").trim_end_matches(['\n', '\r']).to_owned());
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches(['\n', '\r'])),
        Cow::Owned(text) => Cow::Owned(text.trim_end_matches(['\n', '\r']).to_owned()),
    }
}

/// The first bytes decide; a reader that finds its format broken gives way to the next.
fn auto(line: &str, attributes: &[(String, String)]) -> Option<Parsed> {
    // Journald has taken the header off already: what looks like one was written by the sender.
    let bare = attributes::names_program(attributes);
    match line.bytes().next()? {
        b'{' => json::read(line),
        b'<' if !bare => rfc5424::read(line).or_else(|| syslog::read(line)),
        b't' | b'n' if auditd::begins(line) => auditd::read(line),
        b'0'..=b'9' | b'A'..=b'Z' | b'[' if !bare => syslog::read(line).or_else(|| logfmt::detect(line)),
        byte if byte.is_ascii_alphabetic() || byte == b'@' => {
            logfmt::detect(line).or_else(|| if bare { None } else { syslog::without_time(line) })
        }
        _ => None,
    }
}
