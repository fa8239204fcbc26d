//! The named fields of one line.

use serde::{Deserialize, Serialize};

use super::scan::Address;
use crate::event::Entity;
use crate::limits;

/// What a line says, as far as it could be told.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// The program that logged it (`sshd`, `sudo`, `kernel`), without path and pid.
    pub program: Option<String>,
    pub pid: Option<u32>,
    /// Syslog severity, 0 (emergency) to 7 (debug).
    pub level: Option<u8>,
    /// The text after the header; for structured lines the message field, or the whole line.
    pub message: String,
    /// Key and value as the line writes them (JSON paths joined with dots, auditd keys), in order of the line; after
    /// them what was told from the text (W3C names for web requests), and the attributes.
    pub fields: Vec<(String, String)>,
    /// Who and what it is about.
    pub entity: Entity,
    pub src_port: Option<u16>,
    pub action: Action,
    /// The command line, where the line reports one being run.
    pub command: Option<String>,
    /// `Some(true)`: what the line reports succeeded; `Some(false)`: it was refused or failed.
    pub outcome: Option<bool>,
}

/// What kind of thing happened. One word for one meaning across all programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Action {
    #[default]
    Other,
    /// A password, key or other proof of identity was accepted or refused: see `outcome`.
    Login,
    Logout,
    /// Rights of another user were used or refused (sudo, su, pkexec, doas).
    PrivilegeUse,
    /// A user, group or password was made, changed or removed.
    AccountChange,
    /// A command or program was started.
    ProcessStart,
    ServiceStart,
    ServiceStop,
    /// A connection was made, refused or dropped.
    Connection,
    DnsQuery,
    HttpRequest,
    /// A log was cleared, rotated by hand, or auditing was switched.
    LogChange,
    /// A kernel module, firmware or boot setting.
    SystemChange,
    FileChange,
}

impl Record {
    /// The value of the first field with this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Keeps a field unless the line has too many.
    pub(super) fn push(&mut self, key: impl Into<String>, value: impl Into<String>) {
        if self.fields.len() < limits::FIELDS_PER_RECORD_MAX {
            self.fields.push((key.into(), value.into()));
        }
    }

    /// What was known before is kept: attributes and fields come before text.
    pub(super) fn set_source(&mut self, address: Address) {
        if self.entity.src_ip.is_none() {
            self.entity.src_ip = Some(address.ip.to_string());
            self.src_port = self.src_port.or(address.port);
        }
    }

    pub(super) fn set_user(&mut self, user: &str) {
        fill(&mut self.entity.user, user);
    }

    pub(super) fn set_command(&mut self, command: &str) {
        fill(&mut self.command, command);
    }

    pub(super) fn says(&mut self, action: Action, outcome: Option<bool>) {
        self.action = action;
        self.outcome = outcome;
    }
}

/// Empty, `-` and `?` are how programs write that they do not know.
pub(super) fn fill(place: &mut Option<String>, value: &str) {
    let value = value.trim();
    if place.is_none() && !matches!(value, "" | "-" | "?") {
        *place = Some(value.to_owned());
    }
}
