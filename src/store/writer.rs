//! The one connection that writes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, Result as Sqlite};

use super::error::{StoreError, beside, file_bytes, room_bytes, used_bytes};
use super::opened::{Identity, OpenFiles};
use super::reserve::Reserve;
use super::shape;

/// Of the database; it cannot change once the file is there.
pub(super) const PAGE_BYTES: u64 = 4096;
/// Another program that holds the write lock for longer than this is reported as busy; commits are repeated.
const BUSY_TIMEOUT: Duration = Duration::from_millis(250);
/// Truncating the write-ahead log waits for readers, so it is not tried at every commit while one stays.
const TRUNCATE_EVERY: Duration = Duration::from_secs(1);
/// The write-ahead log is moved into the file each time it has this many pages: large enough that the pages of the
/// indexes, which change in every commit, are copied once for many commits.
const CHECKPOINT_PAGES: u64 = 2048;

/// Statements that are kept prepared: all of a commit's.
const PREPARED_MAX: usize = 32;

/// The writing connection with the limits of its file. One at a time: whoever commits holds it. It writes on the thread of whoever asks:
/// a commit is a dozen statements, and with a thread of its own each would be two switches to another.
pub(super) struct Writer {
    path: PathBuf,
    max_bytes: u64,
    /// `None` while it is in use, after an error that it may not have survived, and after closing.
    connection: Option<Connection>,
    closed: bool,
    /// What the connection has open, or had.
    files: Option<OpenFiles>,
    truncated_at: Option<Instant>,
    /// The limit of the file, in pages, that is set on the connection.
    pages: u64,
    /// The version of the tables that were looked at last; `None` before the first transaction on the connection.
    shape: Option<i64>,
    /// All tables have been seen.
    is_made: bool,
    reserve: Reserve,
}

/// How far the write-ahead log may grow before readers are asked to release it; a part of `max_size`.
fn wal_bytes_max(max_bytes: u64) -> u64 {
    (max_bytes / 8).clamp(256 * 1024, 64 * 1024 * 1024)
}

impl Writer {
    /// Opens the connection; `max_bytes` is for the database and its write-ahead log together.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn connect(path: PathBuf, max_bytes: u64) -> Result<Self, StoreError> {
        let reserve = Reserve::new(&path, wal_bytes_max(max_bytes));
        let mut writer = Self {
            path,
            max_bytes,
            connection: None,
            closed: false,
            files: None,
            truncated_at: None,
            pages: 0,
            shape: None,
            is_made: false,
            reserve,
        };
        writer.connection = Some(writer.take()?);
        Ok(writer)
    }

    /// What an error on this connection means.
    fn error(&self, tried: &'static str, error: &rusqlite::Error) -> StoreError {
        StoreError::of_writer(&self.path, tried, self.max_bytes, error)
    }

    /// The connection, with no transaction open. Who does not put it back, because of an error or a panic, closes it, and SQLite rolls
    /// back what it had begun.
    fn take(&mut self) -> Result<Connection, StoreError> {
        if self.closed {
            let reason = "it has been closed".to_owned();
            return Err(StoreError::Io { path: self.path.clone(), tried: "using it", reason });
        }
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.open(),
        }
    }

    /// A connection to the file that was opened first, if there was one.
    fn open(&mut self) -> Result<Connection, StoreError> {
        let tried = "opening it";
        let there = Identity::of(&self.path);
        let gone = || {
            let reason = "what stands at its path is not the file that was opened first".to_owned();
            StoreError::Gone { path: self.path.clone(), tried, reason }
        };
        if there.is_none() || self.files.as_ref().is_some_and(|files| files.database() != there) {
            return Err(gone());
        }
        let connection = self.connected().map_err(|error| self.error(tried, &error))?;
        let files = OpenFiles::of(&self.path);
        if files.database() != there {
            return Err(gone());
        }
        (self.pages, self.shape) = (0, None);
        self.files = Some(files);
        Ok(connection)
    }

    /// That what is open is where others find it, and the next start: `look` returns what is not.
    fn expect_in_place(
        &mut self,
        tried: &'static str,
        look: impl FnOnce(&mut OpenFiles) -> Option<String>,
    ) -> Result<(), StoreError> {
        let missing = self.files.as_mut().and_then(look);
        missing.map_or(Ok(()), |reason| Err(StoreError::Gone { path: self.path.clone(), tried, reason }))
    }

    fn connected(&self) -> Sqlite<Connection> {
        // One thread at a time has it.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
        let wal_bytes = wal_bytes_max(self.max_bytes);
        let (pages, checkpoint) = (max_pages(self.max_bytes), CHECKPOINT_PAGES.min(wal_bytes / PAGE_BYTES / 2));
        // Nothing to wait for with `synchronous`: what is written to a tmpfs survives the end of the process and never a loss of power.
        connection.execute_batch(&format!(
            "PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; \
             PRAGMA max_page_count = {pages}; PRAGMA wal_autocheckpoint = {checkpoint}; PRAGMA journal_size_limit = {wal_bytes}; \
             PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384"
        ))?;
        Ok(connection)
    }

    /// What `write` does as one transaction, after making sure that write-ahead log and file keep their limits.
    ///
    /// # Errors
    /// As [`HotStore::commit`](super::HotStore::commit).
    pub fn commit(&mut self, write: impl FnOnce(&Connection) -> Sqlite<()>) -> Result<(), StoreError> {
        let tried = "committing transactions";
        let is_closed = self.connection.is_none();
        self.expect_in_place(tried, |files| {
            if is_closed {
                files.forget_beside();
            }
            files.missing()
        })?;
        self.hold_wal_down()?;
        self.limit_pages()?;
        self.transaction(tried, write)?;
        self.reserve.take();
        // What went away meanwhile took it along; to repeat it changes nothing where it did not.
        self.expect_in_place(tried, OpenFiles::written)
    }

    /// What `write` does as one transaction. Whatever goes wrong, nothing of it is left.
    pub fn transaction<T>(
        &mut self,
        tried: &'static str,
        write: impl FnOnce(&Connection) -> Sqlite<T>,
    ) -> Result<T, StoreError> {
        let connection = self.take()?;
        let result = self.run(&connection, tried, write);
        // SQLite rolls back by itself where the file system is full.
        if result.is_ok() || connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok() {
            self.connection = Some(connection);
        }
        if matches!(result, Err(StoreError::Full { .. })) {
            self.make_room();
        }
        result
    }

    fn run<T>(
        &mut self,
        connection: &Connection,
        tried: &'static str,
        write: impl FnOnce(&Connection) -> Sqlite<T>,
    ) -> Result<T, StoreError> {
        let (path, max_bytes) = (self.path.clone(), self.max_bytes);
        let failed = |error: rusqlite::Error| StoreError::of_writer(&path, tried, max_bytes, &error);
        connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([])).map_err(failed)?;
        let shape = self.hold_shape(connection, tried)?;
        let written = write(connection).map_err(failed)?;
        connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])).map_err(failed)?;
        self.shape = Some(shape);
        Ok(written)
    }

    /// In a transaction, before anything is written in it: the tables are as they were made, and what others have added to them
    /// goes. Returns the version of what has been looked at.
    fn hold_shape(&mut self, connection: &Connection, tried: &'static str) -> Result<i64, StoreError> {
        let (path, max_bytes) = (self.path.clone(), self.max_bytes);
        let failed = |error: rusqlite::Error| StoreError::of_writer(&path, tried, max_bytes, &error);
        let version = || -> Sqlite<i64> { connection.prepare_cached(shape::VERSION)?.query_row([], |row| row.get(0)) };
        let seen = version().map_err(failed)?;
        if self.shape == Some(seen) {
            return Ok(seen);
        }
        let objects = shape::read_by_writer(connection).map_err(failed)?;
        if let Some(reason) = shape::fault(&objects, self.is_made) {
            return Err(StoreError::Corrupt { path: path.clone(), tried, reason });
        }
        self.is_made |= shape::is_complete(&objects);
        let removals = shape::removals(&objects);
        if let Some((_, first)) = removals.first() {
            log::error!(
                "hot store {}: others have added {} triggers or indexes to its tables, which would change what is kept: they are \
                 removed; look at who writes to the file. The first: {first:?}",
                path.display(),
                removals.len()
            );
        }
        for (removal, _) in removals {
            connection.execute_batch(&removal).map_err(failed)?;
        }
        version().map_err(failed)
    }

    /// What a failed transaction has written to the write-ahead log keeps the space until the log is truncated, and
    /// that may need space in the file.
    fn make_room(&mut self) {
        self.reserve.release();
        if let Err(error) = self.truncate_wal() {
            log::debug!("{error}; it is tried again");
        }
    }

    /// Others use the file system too: the file may grow as far as there would still be room for what deleting needs.
    fn limit_pages(&mut self) -> Result<(), StoreError> {
        let pages = max_pages(room_bytes(&self.path).min(self.max_bytes));
        // Small changes are others' small files, and not worth a statement.
        if self.pages.abs_diff(pages) <= self.pages / 16 {
            return Ok(());
        }
        let connection = self.take()?;
        // Below the size that the file has, SQLite takes that size.
        let result = connection.execute_batch(&format!("PRAGMA max_page_count = {pages}"));
        self.connection = Some(connection);
        self.pages = pages;
        result.map_err(|error| self.error("setting its limit", &error))
    }

    /// Truncates the write-ahead log when the automatic checkpoints cannot, because some reader was always there.
    fn hold_wal_down(&mut self) -> Result<(), StoreError> {
        let wal_bytes = file_bytes(&beside(&self.path, "-wal"));
        if wal_bytes <= wal_bytes_max(self.max_bytes) {
            return Ok(());
        }
        if self.truncated_at.is_none_or(|at| at.elapsed() >= TRUNCATE_EVERY) {
            self.truncated_at = Some(Instant::now());
            self.truncate_wal()?;
        }
        if used_bytes(&self.path) > self.max_bytes {
            return Err(StoreError::full(self.path.clone(), "committing transactions", self.max_bytes));
        }
        Ok(())
    }

    /// A reader that stays makes this a partial success, which is not an error.
    fn truncate_wal(&mut self) -> Result<(), StoreError> {
        let connection = self.take()?;
        let result = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        self.connection = Some(connection);
        result.map_err(|error| self.error("truncating its write-ahead log", &error))
    }

    /// Takes over another limit; the connection is opened anew for it.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn set_max_bytes(&mut self, max_bytes: u64) -> Result<(), StoreError> {
        self.max_bytes = max_bytes;
        self.connection = None;
        self.connection = Some(self.take()?);
        Ok(())
    }

    /// Leaves the files as they are, as the end of the process does: closing would move a damaged write-ahead log into the
    /// database, which may be sound. What comes after it fails.
    pub fn abandon(&mut self) {
        self.closed = true;
        std::mem::forget(self.connection.take());
    }

    /// Moves the write-ahead log into the file. What comes after it fails.
    pub fn close(&mut self) {
        if !self.closed
            && let Err(error) = self.truncate_wal()
        {
            log::warn!("{error}; it is read again at the next start");
        }
        self.closed = true;
        if let Some(connection) = self.connection.take()
            && let Err((_, error)) = connection.close()
        {
            log::warn!("{}", self.error("closing it", &error));
        }
    }
}

/// Pages of the file alone; the write-ahead log has its own part of `max_size`, and so has the reserve.
pub(super) fn max_pages(max_bytes: u64) -> u64 {
    (max_bytes.saturating_sub(2 * wal_bytes_max(max_bytes)) / PAGE_BYTES).max(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(folder: &tempfile::TempDir) -> Writer {
        let path = folder.path().join("x.db");
        std::fs::write(&path, "").unwrap();
        Writer::connect(path, 1 << 24).unwrap()
    }

    #[test]
    fn the_file_leaves_room_for_its_log_and_for_the_reserve() {
        for max_bytes in [16, 64, 1024, 3 * 1024].map(|mib| mib << 20) {
            let together = max_pages(max_bytes) * PAGE_BYTES + 2 * wal_bytes_max(max_bytes);
            assert!(together <= max_bytes && together > max_bytes - PAGE_BYTES, "{together} of {max_bytes}");
        }
    }

    #[test]
    fn one_connection_serves_all_transactions_also_after_one_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(&folder);
        writer
            .transaction("testing", |connection| connection.execute_batch("CREATE TABLE t (a INTEGER NOT NULL)"))
            .unwrap();
        assert!(writer.connection.is_some());
        writer
            .transaction("testing", |connection| connection.execute_batch("INSERT INTO t VALUES (NULL)"))
            .unwrap_err();
        assert!(writer.connection.is_some());
    }

    #[test]
    fn a_write_ahead_log_that_a_reader_has_held_up_is_taken_down_when_the_reader_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, path) = (writer(&folder), folder.path().join("x.db"));
        writer.commit(|connection| connection.execute_batch("CREATE TABLE t (a BLOB)")).unwrap();
        let mut connection = Connection::open(&path).unwrap();
        let reader = connection.transaction().unwrap();
        let _: i64 = reader.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        let wal_bytes = || file_bytes(&beside(&path, "-wal"));
        while wal_bytes() <= wal_bytes_max(1 << 24) {
            writer.commit(|connection| connection.execute_batch("INSERT INTO t VALUES (zeroblob(100000))")).unwrap();
        }
        reader.rollback().unwrap();
        // It is tried again after a second.
        writer.truncated_at = None;
        writer.commit(|_| Ok(())).unwrap();
        assert_eq!(wal_bytes(), 0);
    }

    #[test]
    fn a_small_write_ahead_log_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, path) = (writer(&folder), folder.path().join("x.db"));
        for _ in 0..2 {
            writer.commit(|connection| connection.execute_batch("CREATE TABLE IF NOT EXISTS t (a BLOB)")).unwrap();
        }
        assert!(file_bytes(&beside(&path, "-wal")) > 0 && writer.truncated_at.is_none());
    }
}
