//! How lines are written.

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
    /// A message without structure, perhaps after a time.
    Text,
}
