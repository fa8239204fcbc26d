//! `[parse]`: its keys.

use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::config::Span;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parse {
    /// Files of formats or folders of them. A format here takes the place of a built-in one with the same name.
    pub formats: Vec<PathBuf>,
    /// Networks of proxies whose word on the client (`X-Forwarded-For`) counts.
    pub trusted_proxies: Vec<IpNet>,
    /// A line that claims to be later than its arrival by more is not believed, nor a single one that is so far away from
    /// the lines before it.
    pub skew_max: Span,
}

impl Default for Parse {
    fn default() -> Self {
        Self { formats: Vec::new(), trusted_proxies: Vec::new(), skew_max: Span::from_millis(120_000) }
    }
}
