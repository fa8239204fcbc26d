//! The named fields of one line.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Entity, Severity};

/// What a line says, as far as it could be understood.
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
    /// them what was read from the text (W3C names for web requests), and the attributes.
    pub fields: Vec<(String, String)>,
    /// Who and what it is about.
    pub entity: Entity,
    pub src_port: Option<u16>,
    pub action: Action,
    /// The command line, where the line reports one being run.
    pub command: Option<String>,
    /// `Some(true)`: what the line reports succeeded; `Some(false)`: it was refused or failed.
    pub outcome: Option<bool>,
    /// The line stands for so many of its kind, as syslog daemons fold them; `None`: for itself.
    pub repeated: Option<u32>,
    /// How bad the product that raised an alert says it is.
    pub severity: Option<Severity>,
    /// The kernel knows the writer as another program than the line claims: who claims to be whom. Such a line has no user, no
    /// address and no action, so that it counts against nobody.
    pub impostor: Option<String>,
    pub log_source: LogSource,
}

/// What Sigma calls the kind of the log, as the format that speaks of the line has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSource {
    pub product: Option<Arc<str>>,
    pub category: Option<Arc<str>>,
    pub service: Option<Arc<str>>,
}

/// What kind of thing happened. One word for one meaning across all programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Action {
    #[default]
    Other,
    /// A password, key or other proof of identity was accepted or refused: see `outcome`.
    Login,
    Logout,
    /// A session of a user began or ended, beside the login itself.
    Session,
    /// Rights of another user were used or refused (sudo, su, pkexec, doas).
    PrivilegeUse,
    /// A user, group or password was made, changed or removed.
    AccountChange,
    /// A command or program was started.
    ProcessStart,
    ServiceStart,
    ServiceStop,
    /// Something else happened to a service: see `outcome`.
    Service,
    /// A connection was made, refused or dropped.
    Connection,
    DnsQuery,
    HttpRequest,
    /// A message was taken or refused by a mail server.
    Mail,
    /// A log was cleared, rotated by hand, or auditing was switched.
    LogChange,
    /// A kernel module, firmware or boot setting.
    SystemChange,
    FileChange,
    /// Another product raised an alert.
    Alert,
}

const ACTIONS: [(&str, Action); 19] = [
    ("login", Action::Login),
    ("logout", Action::Logout),
    ("session", Action::Session),
    ("privilege_use", Action::PrivilegeUse),
    ("account_change", Action::AccountChange),
    ("process", Action::ProcessStart),
    ("service_start", Action::ServiceStart),
    ("service_stop", Action::ServiceStop),
    ("service", Action::Service),
    ("connection", Action::Connection),
    ("dns_query", Action::DnsQuery),
    ("request", Action::HttpRequest),
    ("mail", Action::Mail),
    ("log_control", Action::LogChange),
    ("config_change", Action::SystemChange),
    ("file", Action::FileChange),
    ("alert", Action::Alert),
    ("", Action::Other),
    ("other", Action::Other),
];

impl Action {
    /// Every [`name`](Self::name) that there is.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ACTIONS.iter().map(|(name, _)| *name).filter(|name| *name != "other")
    }

    /// What consumers read; empty for [`Action::Other`].
    pub fn name(self) -> &'static str {
        ACTIONS.iter().find(|(_, action)| *action == self).map_or("", |(name, _)| name)
    }

    /// An unknown name is [`Action::Other`]: a writer outside may have names of its own.
    pub fn named(name: &str) -> Self {
        ACTIONS.iter().find(|(known, _)| *known == name).map_or(Self::Other, |(_, action)| *action)
    }
}

/// The first value under a name.
pub(crate) fn named<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

impl Record {
    /// See [`Entity::cut`].
    #[must_use]
    pub fn with_names_cut(self) -> Self {
        Self { entity: self.entity.cut(), ..self }
    }

    /// How often what the line says has happened.
    pub fn times(&self) -> u32 {
        self.repeated.unwrap_or(1)
    }

    /// The value of the first field with this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        named(&self.fields, name)
    }

    /// The value of the first of these names that there is a field of.
    pub fn first_of(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.field(name))
    }
}
