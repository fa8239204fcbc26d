//! What keeps Loki from taking events, told so that an operator knows what to do. Pure.

use std::time::Duration;

use crate::config::redact;
use crate::layer::one_line;
use crate::observe::notice::Reason;
use crate::store::StoreError;

/// How soon it is worth trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It may be over in a moment.
    Soon,
    /// Loki itself named the time.
    After(Duration),
    /// A person must act.
    Slowly,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Trouble {
    pub reason: &'static str,
    pub patience: Patience,
    /// What was tried, why it failed, what to do.
    text: String,
}

impl Trouble {
    pub fn new(reason: &'static str, patience: Patience, tried: &str, cause: &str, remedy: &str) -> Self {
        let cause = redact(&one_line(cause));
        Self { reason, patience, text: format!("{tried}: {cause}; {remedy}") }
    }

    pub(super) fn unreachable(tried: &str, cause: &str) -> Self {
        let (reason, remedy) = match cause {
            _ if cause.contains("certificate") => ("tls", "name the authority of its certificate in loki.tls_ca_file"),
            _ if cause.contains("TLS") => ("tls", "does loki.url need http:// instead of https://?"),
            _ if cause.contains("lookup address") => ("name", "the host in loki.url cannot be resolved"),
            _ => ("unreachable", "is Loki running, and is loki.url right?"),
        };
        Self::new(reason, Patience::Soon, tried, cause, remedy)
    }

    pub(super) fn silent(tried: &str, waited: Duration) -> Self {
        let cause = format!("no answer within {} s", waited.as_secs());
        Self::new("silent", Patience::Soon, tried, &cause, "Loki is frozen, overloaded or out of reach")
    }

    /// A file that the configuration names.
    pub(super) fn file(key: &str, cause: &str) -> Self {
        let remedy = "make the file readable for this user, or correct the key";
        Self::new("file", Patience::Slowly, &format!("reading {key}"), cause, remedy)
    }
}

impl Reason for Trouble {
    fn reason(&self) -> &'static str {
        self.reason
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        let remedy = "it goes on when the hot store can be read again";
        Self::new("store", Patience::Soon, "reading the hot store", &error.to_string(), remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_says_what_was_tried_why_it_failed_and_what_to_do_on_one_line_and_without_secrets() {
        let trouble =
            Trouble::unreachable("pushing to Loki", "no TLS: invalid peer certificate: http://u:hunter2@h\nx");
        let text = trouble.to_string();
        assert!(text.starts_with("pushing to Loki: ") && text.contains("loki.tls_ca_file"), "{text}");
        assert!(!text.contains('\n') && !text.contains("hunter2"), "{text}");
    }
}
