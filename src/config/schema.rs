//! The configuration file as a whole. Each section lies beside the component that it configures; a section that is an
//! `Option` may be left out, and then the component does not run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::loki::Loki;
use super::units::Span;
use crate::daemon::config::Daemon;
use crate::intake::config::Intake;
use crate::intake::shrink::config::Shrink;
use crate::layer::fusion::config::Fusion;
use crate::layer::l3::config::L3;
use crate::layer::l4::config::L4;
use crate::observe::log::config::Log;
use crate::redis::config::Redis;
use crate::server::config::Http;
use crate::store::config::Store;
use crate::supervise::config::Supervisor;

#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub daemon: Daemon,
    pub log: Log,
    pub http: Http,
    pub store: Store,
    pub redis: Option<Redis>,
    pub archive: Option<Archive>,
    pub shrink: Option<Shrink>,
    pub intake: Intake,
    pub flat_log: Option<FlatLog>,
    pub loki: Option<Loki>,
    pub l3: L3,
    pub l4: L4,
    pub fusion: Fusion,
    /// By number; each device reads its own table.
    pub device: BTreeMap<String, toml::Table>,
    pub supervisor: Supervisor,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// `postgres://user@host/database`; no password in it: see `password_file`.
    pub url: String,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    #[serde(default = "Archive::every")]
    pub every: Span,
    /// Rows of one statement.
    #[serde(default = "Archive::batch")]
    pub batch: usize,
    /// Days kept; older partitions are dropped.
    #[serde(default = "Archive::retention")]
    pub retention: Span,
}

impl Archive {
    fn every() -> Span {
        Span::from_millis(1000)
    }
    fn batch() -> usize {
        5000
    }
    fn retention() -> Span {
        Span::from_millis(365 * 24 * 3600 * 1000)
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlatLog {
    pub path: PathBuf,
    /// Besides every `dsmil-*`.
    pub identifiers: Vec<String>,
    /// A journal directory other than the system's.
    pub directory: Option<PathBuf>,
}

impl Default for FlatLog {
    fn default() -> Self {
        Self { path: PathBuf::from("/var/log/dsmil.log"), identifiers: Vec::new(), directory: None }
    }
}
