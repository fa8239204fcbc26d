//! What can go wrong with the hot store, distinguished by what the caller should do.

use std::path::{Path, PathBuf};

/// Result codes of SQLite (the low byte of the extended code); <https://www.sqlite.org/rescode.html>.
mod code {
    pub const BUSY: i32 = 5;
    pub const LOCKED: i32 = 6;
    pub const CORRUPT: i32 = 11;
    pub const FULL: i32 = 13;
    pub const NOT_A_DATABASE: i32 = 26;
}

/// Below this much free space an input/output error is taken for a full file system: SQLite reports some of those
/// (growing the shared index of the WAL) without the reason.
const FULL_BELOW_BYTES: u64 = 64 * 1024;

/// Each says what was tried, on which file, why it failed and what to do. `Full` and `Busy` pass by themselves: the same call
/// works later. The others need a person, or a restart.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written. The same commit works once there is space.
    #[error(
        "hot store {}: {tried}: no space: {used_bytes} bytes used of store.max_size {max_bytes}, {available_bytes} bytes \
         available on the file system; free space there, raise store.max_size, or bring back the consumer or reader that \
         holds old events",
        path.display()
    )]
    Full { path: PathBuf, tried: &'static str, used_bytes: u64, max_bytes: u64, available_bytes: u64 },
    /// Nothing was written. Another program holds the write lock, or no reader connection was free in time.
    #[error("hot store {}: {tried}: another program holds it ({reason}); try again", path.display())]
    Busy { path: PathBuf, tried: &'static str, reason: String },
    /// The next [`open`](super::HotStore::open) goes on from what is sound, or moves the file aside and begins a new one.
    #[error(
        "hot store {}: {tried}: the file is damaged ({reason}); restart dsmild: it goes on from what is sound, or moves the \
         file aside, and reads again what its sources still have",
        path.display()
    )]
    Corrupt { path: PathBuf, tried: &'static str, reason: String },
    /// What is open is not what the path leads to: whatever is written is gone with the process.
    #[error(
        "hot store {}: {tried}: {reason}: what is written now would be lost, so nothing is; put it back (unmount what hides \
         it), or restart dsmild: it begins a new store and reads again what its sources still have",
        path.display()
    )]
    Gone { path: PathBuf, tried: &'static str, reason: String },
    #[error("hot store {}: {tried}: {reason}; check that the folder exists and is writable for this user", path.display())]
    Io { path: PathBuf, tried: &'static str, reason: String },
    #[error("hot store {}: another dsmild has it open; stop that one, or set store.path to another file", path.display())]
    InUse { path: PathBuf },
    #[error(
        "hot store {}: has schema version {found}, this version of dsmild reads {expected}; stop dsmild, let the \
         version that wrote it finish its archive, then move the file away",
        path.display()
    )]
    Version { path: PathBuf, found: i64, expected: i64 },
    #[error(
        "hot store {}: is a SQLite database of another program ({reason}); set store.path to a file of its own",
        path.display()
    )]
    Foreign { path: PathBuf, reason: String },
}

impl StoreError {
    /// What an error of a reader means for the caller.
    pub(super) fn of(path: &Path, tried: &'static str, max_bytes: u64, error: &sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::Busy { path: path.to_owned(), tried, reason: error.to_string() };
        }
        Self::of_code(path, tried, max_bytes, result_code(error), error.to_string())
    }

    /// What an error of the writer means for the caller.
    pub(super) fn of_writer(path: &Path, tried: &'static str, max_bytes: u64, error: &rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|error| error.extended_code & 0xff);
        Self::of_code(path, tried, max_bytes, code, error.to_string())
    }

    fn of_code(path: &Path, tried: &'static str, max_bytes: u64, code: Option<i32>, reason: String) -> Self {
        let path = path.to_owned();
        match code {
            Some(code::FULL) => Self::full(path, tried, max_bytes),
            Some(code::BUSY | code::LOCKED) => Self::Busy { path, tried, reason },
            Some(code::CORRUPT | code::NOT_A_DATABASE) => Self::Corrupt { path, tried, reason },
            Some(_) if available_bytes(&path).is_some_and(|bytes| bytes < FULL_BELOW_BYTES) => {
                Self::full(path, tried, max_bytes)
            }
            _ => Self::Io { path, tried, reason },
        }
    }

    /// With the sizes as they are now.
    pub(super) fn full(path: PathBuf, tried: &'static str, max_bytes: u64) -> Self {
        let used_bytes = used_bytes(&path);
        let available_bytes = available_bytes(&path).unwrap_or(0);
        Self::Full { path, tried, used_bytes, max_bytes, available_bytes }
    }

    /// An error of the file system.
    pub(super) fn file(path: &Path, tried: &'static str, error: &std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), tried, reason: error.to_string() }
    }
}

fn result_code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// The path with something appended to the file name, as SQLite names its companions.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Zero for a file that is not there.
pub(super) fn file_bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// What an unprivileged process may still write to the file system that holds `path`.
pub(super) fn available_bytes(path: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(path.parent()?).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}

/// The size of the file system that holds `path`, used or not; `None` when it cannot be asked.
pub(super) fn total_bytes(path: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(path.parent()?).ok()?;
    Some(space.f_blocks.saturating_mul(space.f_frsize))
}

/// The database and its write-ahead log.
pub(super) fn used_bytes(path: &Path) -> u64 {
    file_bytes(path) + file_bytes(&beside(path, "-wal"))
}

/// How large the store could become on its file system.
pub(super) fn room_bytes(path: &Path) -> u64 {
    let held = used_bytes(path) + file_bytes(&beside(path, "-reserve"));
    available_bytes(path).unwrap_or(u64::MAX).saturating_add(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_could_be_written_is_known_and_bounds_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hotpath.db");
        let (available, total) = (available_bytes(&path).unwrap(), total_bytes(&path).unwrap());
        assert!((1..=total).contains(&available), "{available} of {total}");
        std::fs::write(beside(&path, "-reserve"), [0; 9000]).unwrap();
        std::fs::write(&path, [0; 500]).unwrap();
        std::fs::write(beside(&path, "-wal"), [0; 40]).unwrap();
        assert_eq!(used_bytes(&path), 540);
        // Others write to the file system as well, but never so that more than all of it is free.
        assert!((9540..=total + 9540).contains(&room_bytes(&path)));
    }
}
