//! `[daemon]`: its keys, and what must hold between them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::judge::Judge;
use super::units::Bytes;
use crate::limits;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Daemon {
    /// Name of this daemon among several: the consumer name in Redis, a label in Loki.
    pub instance: String,
    /// Positions of the sources and the audit log; survives reboots.
    pub state_dir: PathBuf,
    /// Short for a `[stdout]` that prints SOC events of at least LOW for a person; they are not in the log as well then.
    pub print_events: bool,
    /// Sources wait while the process holds more than this, the hot store not counted.
    pub memory_max: Bytes,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            instance: "dsmild".to_owned(),
            state_dir: PathBuf::from("/var/lib/dsmil"),
            print_events: false,
            memory_max: Bytes::from_mib(1024),
        }
    }
}

/// Every relation that does not hold.
pub fn check(daemon: &Daemon, judge: &mut Judge<'_>) {
    judge.expect_name("daemon.instance", &daemon.instance);
    judge.expect(!daemon.instance.is_empty(), &["daemon.instance"], "is empty", "give this daemon a name");
    judge.expect_path("daemon.state_dir", &daemon.state_dir);
    judge.expect(
        daemon.memory_max.get() >= limits::MEMORY_BYTES_MIN,
        &["daemon.memory_max"],
        "is less than the daemon needs to work",
        format!("at least {} MiB", limits::MEMORY_BYTES_MIN >> 20),
    );
}
