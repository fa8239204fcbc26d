//! The audit log: who decided what, one JSON object a line, each line bound to the one before by its hash.
//!
//! A line is `{"seq":…,"ts":…,"action":…,"subject":…,"who":…,"note":…,"prev":"<hash>","hash":"<hash>"}`. `hash` is
//! BLAKE3 over the line as it would be without `hash`; `prev` is the `hash` of the line before, 64 zeros for the first.
//! Whoever rewrites the whole file can compute new hashes, and a file that was cut is a whole chain: so the number and
//! the hash of the last line, the head, also go to the journal (each with [`MESSAGE_ID`]), to the hot store, to `positions.json`, to
//! Postgres and with each batch of SOC events to Redis, and the file is compared with them.

mod entry;
mod file;
mod kept;
mod mark;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

pub use entry::{Entry, Head};
pub use file::{Audit, compare, verify};
pub use kept::Kept;

/// In `daemon.state_dir`.
pub const FILE: &str = "audit.log";
/// What each head in the journal has as its MESSAGE_ID, beside `SEQ` and `HASH`: `journalctl MESSAGE_ID=…` lists them.
pub const MESSAGE_ID: &str = "15d2ed3d61f9492ea7e67b9f4d7550ec";
/// The field of SOC events in Redis that has a head.
pub const HEAD_FIELD: &str = "audit_head";
/// Beside the audit log: the hash of the head that is given up for a new beginning.
pub const ACCEPT_FILE: &str = "audit.accept";

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("audit log {}: {problem}: {source}; the file must be writable by the daemon alone", path.display())]
    Io { path: PathBuf, problem: &'static str, source: io::Error },
    #[error("audit log {}: line {line} {problem}; compare it with the heads that the journal keeps", path.display())]
    Broken { path: PathBuf, line: u64, problem: String },
    #[error(
        "audit log {}: it ends with line {found}, but the daemon remembers line {} with the hash {}: it was cut, emptied \
         or replaced; put the right file back, or write that hash into {ACCEPT_FILE} beside it and restart the daemon to \
         begin a new one",
        path.display(), kept.lines, kept.hash
    )]
    Cut { path: PathBuf, found: u64, kept: Head },
    #[error(
        "audit log {}: line {} has the hash {found}, but the daemon remembers {}: it was rewritten or replaced; put the \
         right file back, or write the remembered hash into {ACCEPT_FILE} beside it and restart the daemon to begin a new \
         one",
        path.display(), kept.lines, kept.hash
    )]
    Rewritten { path: PathBuf, found: String, kept: Head },
    #[error(
        "audit log {}: it is not the file that the daemon opened: it was removed or replaced; put that one back, or \
         restart the daemon, which compares the new one with what it remembers",
        path.display()
    )]
    Replaced { path: PathBuf },
}
