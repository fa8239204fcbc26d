//! What the daemon remembers of its own last day.

use std::time::Duration;

/// Minutes that are remembered: a day.
pub const HISTORY_MINUTES_MAX: usize = 24 * 60;
/// Latencies of a minute are counted in so many classes: each millisecond up to 4, then two for each doubling, up to six minutes.
pub const HISTORY_LATENCY_CLASSES: usize = 38;
/// Scores of SHRINK that are remembered: those with a meaning, and the first others.
pub const HISTORY_SHRINK_NAMES_MAX: usize = 16;
/// Bytes that all minutes take in memory.
pub const HISTORY_BYTES_MAX: usize = 400 * 1024;
/// What has changed of sources, outlets, actors and configuration: so much is remembered.
pub const HISTORY_CHANGES_MAX: usize = 256;
/// Characters of the reason of a change.
pub const HISTORY_REASON_CHARS_MAX: usize = 300;
/// The same change of one part within this time is told once, with how often it was.
pub const HISTORY_CHANGE_AGAIN: Duration = Duration::from_secs(10 * 60);
/// All of it is written to the disk this often, and at the stop.
pub const HISTORY_SAVED_EVERY: Duration = Duration::from_secs(5 * 60);
/// Bytes of that file.
pub const HISTORY_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

const _: () = assert!(
    HISTORY_MINUTES_MAX * (HISTORY_LATENCY_CLASSES + HISTORY_SHRINK_NAMES_MAX + 16) * 16
        + HISTORY_CHANGES_MAX * (HISTORY_REASON_CHARS_MAX * 6 + 1024)
        < HISTORY_FILE_BYTES_MAX as usize,
    "what is written can be read back"
);
