//! The parts of a request that patterns look at.

use crate::event::{Action, Record};

/// Where a pattern looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Path and query.
    Url,
    /// The same, as a shell reads it: the end of a line ends a command.
    Commands,
    Path,
    Query,
    Agent,
    Referrer,
    Method,
}

/// One request as its log has it; what the log does not have is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Request<'a> {
    pub method: &'a str,
    pub url: &'a str,
    pub agent: &'a str,
    pub referrer: &'a str,
    pub status: Option<u16>,
}

impl<'a> Request<'a> {
    /// `None`: the record is of no request.
    pub fn of(record: &'a Record) -> Option<Self> {
        if record.action != Action::HttpRequest {
            return None;
        }
        let first = |names: &[&str]| record.first_of(names).unwrap_or_default();
        Some(Self {
            method: first(&["cs-method", "method"]),
            url: first(&["c-uri", "cs-uri", "uri", "url", "cs-uri-stem", "path", "request"]),
            agent: first(&["cs-user-agent", "user_agent"]),
            referrer: first(&["cs-referer", "referer", "referrer"]),
            status: first(&["sc-status", "status"]).parse().ok(),
        })
    }

    /// Path and query, split where the first question mark is. A browser sends nothing of what stands behind a `#`; whoever has sent
    /// it all the same means it for the server, and it belongs to the query.
    pub fn split(&self) -> (&'a str, &'a str) {
        let at = self.url.find(['?', '#']).unwrap_or(self.url.len());
        let (path, rest) = self.url.split_at_checked(at).unwrap_or((self.url, ""));
        (path, rest.strip_prefix('?').unwrap_or(rest))
    }

    /// The server did something, or failed at it, where most attempts find nothing.
    pub fn is_answered(&self) -> bool {
        self.status.is_some_and(|status| matches!(status, 200..=299 | 500..=599))
    }

    /// The server has what was asked for, or knows who may have it.
    pub fn is_welcome(&self) -> bool {
        self.status.is_some_and(|status| !matches!(status, 400 | 403..=499))
    }
}
