//! `[store]`: its keys, and what must hold between them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{Bytes, Judge, Span};
use crate::limits;

/// What a committed event survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Commits survive the end of the process.
    Process,
    /// Sources move only after Postgres has committed, so that commits survive a loss of power.
    Power,
}

/// `[store]`: where the hot store is, how large it may become and how long it keeps events.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// The database; `-wal`, `-shm`, `.lock` and `-reserve` stand beside it. Meant for a tmpfs.
    pub path: PathBuf,
    /// The database and its write-ahead log together.
    pub max_size: Bytes,
    /// Older events are removed, unless a consumer or an outlet still needs them.
    pub retention: Span,
    pub durability: Durability,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: PathBuf::from("/mnt/dsmil-ram/hotpath.db"),
            max_size: Bytes::from_mib(3 * 1024),
            retention: Span::from_millis(24 * 3600 * 1000),
            durability: Durability::Process,
        }
    }
}

/// Every relation that does not hold.
pub fn check(store: &Store, judge: &mut Judge<'_>) {
    judge.expect_path("store.path", &store.path);
    judge.expect(
        store.max_size.get() >= limits::STORE_BYTES_MIN,
        &["store.max_size"],
        format!("{:?} is too small for what its readers have not read yet", store.max_size),
        format!("at least {}MiB", limits::STORE_BYTES_MIN / (1024 * 1024)),
    );
}
