//! What the server is made of besides its own section of the configuration.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::gateway::Gateway;
use crate::event::{Draft, Stream, Timestamp};
use crate::knowledge::loaded_rules::LoadedRules;
use crate::respond::config::Respond;
use crate::respond::guard::Guard;
use crate::silence::config::Configured;

/// Turns the fields of one entry that arrived at a time into an event, or says why it cannot.
pub type ReadEntry = fn(Stream, Map<String, Value>, Timestamp) -> Result<Draft, String>;

pub struct Parts {
    pub gateway: Arc<dyn Gateway>,
    pub read_entry: ReadEntry,
    /// `intake.http.enabled`.
    pub ingest_enabled: bool,
    /// Where the Unix socket is to be.
    pub socket: PathBuf,
    /// `[respond]` as it is now; a reload changes it.
    pub respond: Arc<dyn Fn() -> Respond + Send + Sync>,
    /// What must not be blocked, as of now: asked where no helper judges. It reads files.
    pub guard: Arc<dyn Fn() -> Result<Guard, String> + Send + Sync>,
    /// `[[silence]]` as it is now.
    pub silences: Arc<dyn Fn() -> Vec<Configured> + Send + Sync>,
    /// What is looked for as it is now; `None` while the daemon waits to start.
    pub rules: Arc<dyn Fn() -> Option<Arc<LoadedRules>> + Send + Sync>,
    /// `audit.log` in `daemon.state_dir`.
    pub audit_file: PathBuf,
}
