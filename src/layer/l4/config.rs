//! `[l4]`: its keys, and what must hold between them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{Judge, Span};

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct L4 {
    pub enabled: bool,
    /// After this time without news an entity's risk has halved.
    pub half_life: Span,
    /// Accumulated risk from which an entity is suspicious.
    pub suspicious_at: f64,
    /// Accumulated risk from which an entity is malicious.
    pub malicious_at: f64,
    /// Files of scenarios or folders of them. One here replaces a built-in one with the same id.
    pub scenarios: Vec<PathBuf>,
    /// Load the scenarios that come with the daemon as well.
    pub builtin_scenarios: bool,
}

impl Default for L4 {
    fn default() -> Self {
        Self {
            enabled: true,
            half_life: Span::from_millis(3600 * 1000),
            suspicious_at: 1.0,
            malicious_at: 2.5,
            scenarios: Vec::new(),
            builtin_scenarios: true,
        }
    }
}

/// Every relation that does not hold.
pub fn check(l4: &L4, judge: &mut Judge<'_>) {
    let keys = ["l4.malicious_at", "l4.suspicious_at"];
    let holds = l4.malicious_at.is_finite() && l4.malicious_at > l4.suspicious_at;
    let problem = format!("{} is not above l4.suspicious_at = {}", l4.malicious_at, l4.suspicious_at);
    judge.expect(holds, &keys, problem, "an entity is suspicious before it is malicious");
    let holds = l4.suspicious_at.is_finite() && l4.suspicious_at > 0.0;
    let problem = format!("{} is not a risk above 0", l4.suspicious_at);
    judge.expect(holds, &["l4.suspicious_at"], problem, "a number like 1.0");
}
