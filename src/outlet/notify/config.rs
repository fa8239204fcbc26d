//! `[[notify]]`: its keys.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::quiet::QuietHours;
use crate::config::Span;
use crate::event::Severity;
use crate::query::{Filter, QueryError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    Webhook,
    Email,
    Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    #[default]
    Incidents,
    Events,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    #[default]
    Starttls,
    /// From the first byte.
    Tls,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    #[default]
    Post,
    Put,
}

/// One `[[notify]]`: what is told, when, and which way it goes.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    pub kind: How,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub of: Of,
    /// In the language of `dsmild events --where`.
    #[serde(default = "defaults::filter")]
    pub r#where: String,
    #[serde(default = "defaults::every")]
    pub every: Span,
    /// Messages an hour.
    #[serde(default = "defaults::rate")]
    pub rate: u32,
    #[serde(default = "defaults::urgent")]
    pub urgent: Severity,
    #[serde(default)]
    pub quiet_hours: Option<QuietHours>,
    #[serde(default)]
    pub link: Option<String>,
    /// For one message until it is taken.
    #[serde(default = "defaults::timeout")]
    pub timeout: Span,
    #[serde(default)]
    pub url: Option<String>,
    /// Where the URL itself is a secret.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    #[serde(default)]
    pub method: Method,
    #[serde(default = "defaults::template")]
    pub template: String,
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The header that the text of `secret_file` is sent in; without it the template has it, as `secret`.
    #[serde(default)]
    pub secret_header: Option<String>,
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    #[serde(default)]
    pub tls_ca_file: Option<PathBuf>,
    /// `host:port` of SMTP.
    #[serde(default)]
    pub server: Option<String>,
    #[serde(default)]
    pub tls: SmtpTls,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    #[serde(default)]
    pub from: Option<String>,
    #[serde(default)]
    pub to: Vec<String>,
    /// The program and its arguments.
    #[serde(default)]
    pub command: Vec<String>,
}

mod defaults {
    use super::{Severity, Span};

    pub fn filter() -> String {
        "severity >= HIGH".to_owned()
    }

    pub fn every() -> Span {
        Span::from_millis(15 * 60 * 1000)
    }

    pub fn rate() -> u32 {
        30
    }

    pub fn urgent() -> Severity {
        Severity::Critical
    }

    pub fn timeout() -> Span {
        Span::from_millis(15_000)
    }

    pub fn template() -> String {
        "message".to_owned()
    }
}

impl Notify {
    /// # Errors
    /// The text is no filter; the error names the column.
    pub fn filter(&self) -> Result<Filter, QueryError> {
        self.r#where.parse()
    }

    /// Host and port of SMTP; an IPv6 address stands in brackets.
    pub fn smtp(&self) -> Option<(&str, u16)> {
        let (host, port) = self.server.as_deref()?.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        port.parse().ok().filter(|port| *port > 0 && !host.is_empty()).map(|port| (host, port))
    }
}

/// Every notifier with its name: without one it is that of its kind and where it stands among those, from 1.
pub fn named(list: &[Notify]) -> Vec<(String, &Notify)> {
    let (mut named, mut counts) = (Vec::new(), [0_usize; 3]);
    for notify in list {
        let (word, count) = match (notify.kind, &mut counts) {
            (How::Webhook, [count, ..]) => ("webhook", count),
            (How::Email, [_, count, _]) => ("email", count),
            (How::Command, [.., count]) => ("command", count),
        };
        *count += 1;
        named.push((notify.name.clone().unwrap_or_else(|| format!("{word}{count}")), notify));
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_without_a_name_is_called_after_its_kind_and_number() {
        let of = |kind: &str, more: &str| -> Notify { toml::from_str(&format!("kind = \"{kind}\"\n{more}")).unwrap() };
        let list = [of("webhook", ""), of("email", ""), of("webhook", ""), of("command", "name = \"pager\"")];
        let names: Vec<String> = named(&list).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["webhook1", "email1", "webhook2", "pager"]);
    }
}
