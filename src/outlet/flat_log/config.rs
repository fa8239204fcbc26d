//! `[flat_log]`: its keys, and what must hold between them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Judge;

/// `[flat_log]`: which file, and whose lines beside those of the daemon.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub path: PathBuf,
    /// Besides every `dsmil-*`.
    pub identifiers: Vec<String>,
    /// A journal directory other than the system's.
    pub directory: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self { path: PathBuf::from("/var/log/dsmil.log"), identifiers: Vec::new(), directory: None }
    }
}

/// Every relation that does not hold.
pub fn check(flat_log: &Config, judge: &mut Judge<'_>) {
    judge.expect_path("flat_log.path", &flat_log.path);
}
