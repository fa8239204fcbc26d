//! `[stdout]`: its keys, and what must hold between them.

use serde::{Deserialize, Serialize};

use crate::config::Judge;
use crate::event::{Severity, Stream};

/// `[stdout]`: which events are printed, and how.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub streams: Vec<Stream>,
    /// SOC events below this are left out; other events have no severity.
    pub min_severity: Severity,
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a line, as the HTTP API shows the event.
    Json,
    /// One line for a person; what is no SOC event stays JSON.
    Text,
}

impl Default for Config {
    fn default() -> Self {
        Self { streams: vec![Stream::SocEvents], min_severity: Severity::Info, format: Format::Json }
    }
}

impl Config {
    /// What `daemon.print_events` stands for.
    pub fn for_a_person() -> Self {
        Self { min_severity: Severity::Low, format: Format::Text, ..Self::default() }
    }
}

/// Every relation that does not hold.
pub fn check(stdout: &Config, judge: &mut Judge<'_>) {
    judge.expect(!stdout.streams.is_empty(), &["stdout.streams"], "is empty", "name a stream, or remove [stdout]");
}
