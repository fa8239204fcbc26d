//! The one connection that writes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::batch::Statement;
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

/// The writing connection with the limits of its file. One at a time: whoever commits holds it.
pub(super) struct Writer {
    path: PathBuf,
    max_bytes: u64,
    /// `None` while it is in use, after an error that it may not have survived, and after closing.
    connection: Option<SqliteConnection>,
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
    pub async fn connect(path: PathBuf, max_bytes: u64) -> Result<Self, StoreError> {
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
        let connection = writer.take().await?;
        writer.put(connection);
        Ok(writer)
    }

    /// What an error on this connection means.
    pub fn error(&self, tried: &'static str, error: &sqlx::Error) -> StoreError {
        StoreError::of(&self.path, tried, self.max_bytes, error)
    }

    /// The connection, with no transaction open. Who does not [`put`](Self::put) it back, because of an error or
    /// because its future was dropped, closes it, and SQLite rolls back what it had begun.
    pub async fn take(&mut self) -> Result<SqliteConnection, StoreError> {
        if self.closed {
            let reason = "it has been closed".to_owned();
            return Err(StoreError::Io { path: self.path.clone(), tried: "using it", reason });
        }
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.open().await,
        }
    }

    /// A connection to the file that was opened first, if there was one.
    async fn open(&mut self) -> Result<SqliteConnection, StoreError> {
        let tried = "opening it";
        let there = Identity::of(&self.path);
        let gone = || {
            let reason = "what stands at its path is not the file that was opened first".to_owned();
            StoreError::Gone { path: self.path.clone(), tried, reason }
        };
        if there.is_none() || self.files.as_ref().is_some_and(|files| files.database() != there) {
            return Err(gone());
        }
        let connection = self.options().connect().await.map_err(|error| self.error(tried, &error))?;
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

    /// Back after [`take`](Self::take), with no transaction open.
    pub fn put(&mut self, connection: SqliteConnection) {
        self.connection = Some(connection);
    }

    fn options(&self) -> SqliteConnectOptions {
        let wal_pages = wal_bytes_max(self.max_bytes) / PAGE_BYTES;
        SqliteConnectOptions::new()
            .filename(&self.path)
            .busy_timeout(BUSY_TIMEOUT)
            .page_size(PAGE_BYTES as u32)
            .journal_mode(SqliteJournalMode::Wal)
            // Nothing to wait for: what is written to a tmpfs survives the end of the process and never a loss of
            // power.
            .synchronous(SqliteSynchronous::Off)
            .foreign_keys(false)
            .pragma("max_page_count", max_pages(self.max_bytes).to_string())
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.min(wal_pages / 2).to_string())
            .pragma("journal_size_limit", wal_bytes_max(self.max_bytes).to_string())
            .pragma("temp_store", "MEMORY")
            .pragma("cache_size", "-16384")
            .thread_name(|_| "dsmil-store".to_owned())
            .disable_statement_logging()
    }

    /// Writes the statements in one transaction, after making sure that write-ahead log and file keep their limits.
    ///
    /// # Errors
    /// As [`HotStore::commit`](super::HotStore::commit).
    pub async fn commit(&mut self, statements: Vec<Statement>) -> Result<(), StoreError> {
        let tried = "committing transactions";
        let is_closed = self.connection.is_none();
        self.expect_in_place(tried, |files| {
            if is_closed {
                files.forget_beside();
            }
            files.missing()
        })?;
        self.hold_wal_down().await?;
        self.limit_pages().await?;
        self.transaction(tried, statements).await?;
        self.reserve.take();
        // What went away meanwhile took it along; to repeat it changes nothing where it did not.
        self.expect_in_place(tried, OpenFiles::written)
    }

    /// Runs the statements in one transaction. Whatever goes wrong, none of them is left.
    pub async fn transaction(&mut self, tried: &'static str, statements: Vec<Statement>) -> Result<u64, StoreError> {
        let mut connection = self.take().await?;
        let result = self.run(&mut connection, tried, statements).await;
        if result.is_ok() || sqlx::query("ROLLBACK").execute(&mut connection).await.is_ok() {
            self.put(connection);
        }
        if matches!(result, Err(StoreError::Full { .. })) {
            self.make_room().await;
        }
        result
    }

    /// Written out because sqlx's own transactions lose count when SQLite rolls back by itself (a full file system).
    async fn run(
        &mut self,
        connection: &mut SqliteConnection,
        tried: &'static str,
        statements: Vec<Statement>,
    ) -> Result<u64, StoreError> {
        let (path, max_bytes) = (self.path.clone(), self.max_bytes);
        let failed = |error: sqlx::Error| StoreError::of(&path, tried, max_bytes, &error);
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.map_err(failed)?;
        let shape = self.hold_shape(connection, tried).await?;
        let mut rows = 0;
        for Statement { sql, arguments } in statements {
            rows += sqlx::query_with(sql, arguments).execute(&mut *connection).await.map_err(failed)?.rows_affected();
        }
        sqlx::query("COMMIT").execute(&mut *connection).await.map_err(failed)?;
        self.shape = Some(shape);
        Ok(rows)
    }

    /// In a transaction, before anything is written in it: the tables are as they were made, and what others have added to them
    /// goes. Returns the version of what has been looked at.
    async fn hold_shape(&mut self, connection: &mut SqliteConnection, tried: &'static str) -> Result<i64, StoreError> {
        let (path, max_bytes) = (self.path.clone(), self.max_bytes);
        let failed = |error: sqlx::Error| StoreError::of(&path, tried, max_bytes, &error);
        let version: i64 = sqlx::query_scalar(shape::VERSION).fetch_one(&mut *connection).await.map_err(failed)?;
        if self.shape == Some(version) {
            return Ok(version);
        }
        let objects = shape::read(&mut *connection).await.map_err(failed)?;
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
            sqlx::query(sqlx::AssertSqlSafe(removal)).execute(&mut *connection).await.map_err(failed)?;
        }
        sqlx::query_scalar(shape::VERSION).fetch_one(&mut *connection).await.map_err(failed)
    }

    /// What a failed transaction has written to the write-ahead log keeps the space until the log is truncated, and
    /// that may need space in the file.
    async fn make_room(&mut self) {
        self.reserve.release();
        if let Err(error) = self.truncate_wal().await {
            log::debug!("{error}; it is tried again");
        }
    }

    /// Others use the file system too: the file may grow as far as there would still be room for what deleting needs.
    async fn limit_pages(&mut self) -> Result<(), StoreError> {
        let pages = max_pages(room_bytes(&self.path).min(self.max_bytes));
        // Small changes are others' small files, and not worth a statement.
        if self.pages.abs_diff(pages) <= self.pages / 16 {
            return Ok(());
        }
        let mut connection = self.take().await?;
        // Below the size that the file has, SQLite takes that size.
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        let result = sqlx::query(sql).execute(&mut connection).await;
        self.put(connection);
        self.pages = pages;
        result.map(|_| ()).map_err(|error| self.error("setting its limit", &error))
    }

    /// Truncates the write-ahead log when the automatic checkpoints cannot, because some reader was always there.
    async fn hold_wal_down(&mut self) -> Result<(), StoreError> {
        let wal_bytes = file_bytes(&beside(&self.path, "-wal"));
        if wal_bytes <= wal_bytes_max(self.max_bytes) {
            return Ok(());
        }
        if self.truncated_at.is_none_or(|at| at.elapsed() >= TRUNCATE_EVERY) {
            self.truncated_at = Some(Instant::now());
            self.truncate_wal().await?;
        }
        if used_bytes(&self.path) > self.max_bytes {
            return Err(StoreError::full(self.path.clone(), "committing transactions", self.max_bytes));
        }
        Ok(())
    }

    /// A reader that stays makes this a partial success, which is not an error.
    async fn truncate_wal(&mut self) -> Result<(), StoreError> {
        let mut connection = self.take().await?;
        let result = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await;
        self.put(connection);
        result.map(|_| ()).map_err(|error| self.error("truncating its write-ahead log", &error))
    }

    /// Takes over another limit; the connection is opened anew for it.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub async fn set_max_bytes(&mut self, max_bytes: u64) -> Result<(), StoreError> {
        self.max_bytes = max_bytes;
        self.connection = None;
        let connection = self.take().await?;
        self.put(connection);
        Ok(())
    }

    /// Leaves the files as they are, as the end of the process does: closing would move a damaged write-ahead log into the
    /// database, which may be sound. What comes after it fails.
    pub fn abandon(&mut self) {
        self.closed = true;
        std::mem::forget(self.connection.take());
    }

    /// Moves the write-ahead log into the file. What comes after it fails.
    pub async fn close(&mut self) {
        if !self.closed
            && let Err(error) = self.truncate_wal().await
        {
            log::warn!("{error}; it is read again at the next start");
        }
        self.closed = true;
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
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

    async fn writer(folder: &tempfile::TempDir) -> Writer {
        let path = folder.path().join("x.db");
        std::fs::write(&path, "").unwrap();
        Writer::connect(path, 1 << 24).await.unwrap()
    }

    #[test]
    fn the_file_leaves_room_for_its_log_and_for_the_reserve() {
        for max_bytes in [16, 64, 1024, 3 * 1024].map(|mib| mib << 20) {
            let together = max_pages(max_bytes) * PAGE_BYTES + 2 * wal_bytes_max(max_bytes);
            assert!(together <= max_bytes && together > max_bytes - PAGE_BYTES, "{together} of {max_bytes}");
        }
    }

    #[tokio::test]
    async fn one_connection_serves_all_transactions_also_after_one_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(&folder).await;
        let plain = |sql: &str| vec![Statement::plain(sql.to_owned())];
        writer.transaction("testing", plain("CREATE TABLE t (a INTEGER NOT NULL)")).await.unwrap();
        assert!(writer.connection.is_some());
        writer.transaction("testing", plain("INSERT INTO t VALUES (NULL)")).await.unwrap_err();
        assert!(writer.connection.is_some());
    }

    #[tokio::test]
    async fn a_write_ahead_log_that_a_reader_has_held_up_is_taken_down_when_the_reader_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, path) = (writer(&folder).await, folder.path().join("x.db"));
        let plain = |sql: &str| vec![Statement::plain(sql.to_owned())];
        writer.commit(plain("CREATE TABLE t (a BLOB)")).await.unwrap();
        let mut connection = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
        let mut reader = connection.begin().await.unwrap();
        let _: i64 = sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&mut *reader).await.unwrap();
        let wal_bytes = || file_bytes(&beside(&path, "-wal"));
        while wal_bytes() <= wal_bytes_max(1 << 24) {
            writer.commit(plain("INSERT INTO t VALUES (zeroblob(100000))")).await.unwrap();
        }
        reader.rollback().await.unwrap();
        // It is tried again after a second.
        writer.truncated_at = None;
        writer.commit(Vec::new()).await.unwrap();
        assert_eq!(wal_bytes(), 0);
    }

    #[tokio::test]
    async fn a_small_write_ahead_log_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, path) = (writer(&folder).await, folder.path().join("x.db"));
        for _ in 0..2 {
            writer.commit(vec![Statement::plain("CREATE TABLE IF NOT EXISTS t (a BLOB)".to_owned())]).await.unwrap();
        }
        assert!(file_bytes(&beside(&path, "-wal")) > 0 && writer.truncated_at.is_none());
    }
}
