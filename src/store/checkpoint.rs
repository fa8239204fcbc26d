//! What the archive takes besides events: how far all consumers and sources were at one commit, and dead letters as
//! they are kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Sqlite, SqliteConnection};

use super::error::StoreError;
use super::schema::snapshot_version;
use super::{HotStore, open};
use crate::event::EventId;

/// For who writes to the file at the same time.
const FILE_PATIENCE: Duration = Duration::from_secs(2);

/// The store as one commit left it, without its events: with the events up to `id` it is what a restart begins from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checkpoint {
    /// The newest id of an event or a cursor.
    pub id: EventId,
    pub cursors: BTreeMap<String, EventId>,
    pub positions: BTreeMap<String, Value>,
    /// The number of the newest dead letter.
    pub letters: i64,
    /// The saved states that this version can read; empty unless asked for.
    pub snapshots: Vec<SavedState>,
}

/// A stage's state with the place in the log that it belongs to, at or before the stage's cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedState {
    pub consumer: String,
    /// The version of the daemon that wrote it; another one cannot read it.
    pub version: String,
    pub cursor: EventId,
    pub state: Vec<u8>,
}

/// A row of `dead_letters`.
#[derive(Debug, Clone, PartialEq)]
pub struct LetterRow {
    pub number: i64,
    pub id: i64,
    /// Epoch seconds.
    pub kept_at: f64,
    pub stream: String,
    pub reason: String,
    pub payload: Vec<u8>,
    /// The same for a letter and its repetition, different between two letters; none in rows of other programs.
    pub digest: Option<Vec<u8>>,
}

impl SavedState {
    /// Whether this version of the daemon wrote it.
    pub fn is_readable(&self) -> bool {
        self.version == snapshot_version()
    }
}

impl HotStore {
    /// Reads how far all consumers and sources were at the newest commit, in one transaction.
    ///
    /// # Errors
    /// As [`after`](Self::after).
    pub async fn checkpoint(&self, with_snapshots: bool) -> Result<Checkpoint, StoreError> {
        let read = async {
            let mut transaction = self.inner.readers.begin().await?;
            let checkpoint = read(&mut transaction, with_snapshots).await;
            transaction.rollback().await?;
            checkpoint
        };
        self.in_time("reading how far it is", read).await
    }

    /// Rows of dead letters with `after < number <= through` in order, at most `count`.
    ///
    /// # Errors
    /// As [`after`](Self::after).
    pub async fn letter_rows(&self, after: i64, through: i64, count: usize) -> Result<Vec<LetterRow>, StoreError> {
        type Columns = (i64, i64, f64, String, String, Vec<u8>, Option<Vec<u8>>);
        let sql = "SELECT number, id, kept_at, stream, reason, payload, digest FROM dead_letters
            WHERE number > ? AND number <= ? ORDER BY number LIMIT ?";
        let query = sqlx::query_as::<Sqlite, Columns>(sql).bind(after).bind(through).bind(count as i64);
        let rows = self.in_time("reading dead letters", query.fetch_all(&self.inner.readers)).await?;
        let letter = |(number, id, kept_at, stream, reason, payload, digest)| LetterRow {
            number,
            id,
            kept_at,
            stream,
            reason,
            payload,
            digest,
        };
        Ok(rows.into_iter().map(letter).collect())
    }
}

const POSITION: &str = "SELECT position FROM positions WHERE source = ?";

/// The same of a hot store that is not open, or that another process has opened; `None` also where there is none.
pub async fn position_in(path: &Path, name: &str) -> Option<Value> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(FILE_PATIENCE);
    let mut connection = options.connect().await.ok()?;
    let found: Option<String> = sqlx::query_scalar(POSITION).bind(name).fetch_optional(&mut connection).await.ok()?;
    let _ = connection.close().await;
    serde_json::from_str(&found?).ok()
}

async fn read(connection: &mut SqliteConnection, with_snapshots: bool) -> Result<Checkpoint, sqlx::Error> {
    let recovery = open::recover(connection).await?;
    let letters = sqlx::query_scalar("SELECT ifnull(max(number), 0) FROM dead_letters").fetch_one(&mut *connection);
    let letters = letters.await?;
    let mut snapshots = Vec::new();
    if with_snapshots {
        let sql = "SELECT consumer, version, cursor, state FROM snapshots";
        let rows: Vec<(String, String, i64, Vec<u8>)> = sqlx::query_as(sql).fetch_all(&mut *connection).await?;
        let saved = rows.into_iter().map(|(consumer, version, cursor, state)| SavedState {
            consumer,
            version,
            cursor: EventId::from_packed(cursor),
            state,
        });
        snapshots = saved.filter(SavedState::is_readable).collect();
    }
    let (id, cursors, positions) = (recovery.last_id, recovery.cursors, recovery.positions);
    Ok(Checkpoint { id, cursors, positions, letters, snapshots })
}
