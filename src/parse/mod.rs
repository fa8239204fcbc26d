//! From the bytes of one line to a time and named fields. Pure: no clock, no files; whoever knows the reference time
//! and the time zone resolves a [`LogTime`].

mod record;
mod time;

pub use record::{Action, Record};
pub use time::{Calendar, LogTime};

use serde::{Deserialize, Serialize};

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
    /// A message without structure.
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
pub fn parse(payload: &[u8], format: Format, attributes: &[(String, String)]) -> Parsed {
    let _ = format;
    let message = String::from_utf8_lossy(payload).into_owned();
    Parsed { time: LogTime::Absent, record: Record { message, fields: attributes.to_vec(), ..Record::default() } }
}

/// The fields alone, for whoever already has the time.
pub fn record(payload: &[u8], format: Format, attributes: &[(String, String)]) -> Record {
    parse(payload, format, attributes).record
}
