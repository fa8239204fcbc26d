//! `[l3]`: its keys.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct L3 {
    pub enabled: bool,
    /// Sigma rule files or folders of them. A rule here replaces a built-in one with the same id.
    pub rules: Vec<PathBuf>,
    /// Load the rules that come with the daemon as well.
    pub builtin_rules: bool,
    /// Files of patterns of web attacks or folders of them. A technique here replaces a built-in one with the same name.
    pub web: Vec<PathBuf>,
    /// Load the patterns that come with the daemon as well.
    pub builtin_web: bool,
}

impl Default for L3 {
    fn default() -> Self {
        Self { enabled: true, rules: Vec::new(), builtin_rules: true, web: Vec::new(), builtin_web: true }
    }
}
