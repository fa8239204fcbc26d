//! Opening the hot store: check what is there, make what is missing, read how far all consumers and sources were.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;

use super::entities::{about, index};
use super::error::{StoreError, file_bytes, used_bytes};
use super::writer::Writer;
use super::{HotStore, Inner, Recovery, files, millis, quarantine, schema, shape};
use crate::config;
use crate::event::{EventId, Timestamp};
use crate::parse::built_in;

/// Connections for readers: HTTP, outlets that have fallen behind, stages that restart.
const READERS_MAX: u32 = 4;
/// A larger file is checked as a whole only when damage has shown itself, because that takes seconds for each GiB and
/// the end of a process damages nothing.
const CHECKED_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// The clock may have been set back by so much since the last commit; an id beyond that was not given by the daemon.
const AHEAD_MAX: Duration = Duration::from_secs(600);
/// How long a reader waits for a free connection.
const READER_WAIT: Duration = Duration::from_secs(5);

impl HotStore {
    /// Opens the store or makes it, with its folder. A damaged file is moved aside and a new one made, because what
    /// is in it is a cache of the last hours and the daemon must come up.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Version`], [`StoreError::Foreign`] need a person; so does
    /// [`StoreError::Io`].
    pub async fn open(config: &config::Store) -> Result<(Self, Recovery), StoreError> {
        Self::open_after(config, EventId::ZERO).await
    }

    /// The same where it was saved outside of the store that the log is at least so far: ids beyond now can be true then.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_after(config: &config::Store, saved: EventId) -> Result<(Self, Recovery), StoreError> {
        let path = config.path.as_path();
        let lock = files::lock(path)?;
        let max_bytes = files::fitting(path, config.max_size.get());
        let newest_ms = saved.ms().max(Timestamp::now().millis());
        let bound = EventId::new(newest_ms.saturating_add(millis(AHEAD_MAX)), 0);
        let (writer, recovery) = match open_file(path, max_bytes, bound).await {
            Err(StoreError::Corrupt { reason, .. }) => begin_anew(path, max_bytes, bound, &reason).await?,
            other => other?,
        };
        let inner = Inner {
            path: path.to_owned(),
            max_bytes: AtomicU64::new(max_bytes),
            retention_ms: AtomicU64::new(millis(config.retention.get())),
            writer: Mutex::new(writer),
            readers: readers(path),
            committed: AtomicI64::new(recovery.last_id.packed()),
            parser: RwLock::new(built_in()),
            refused: AtomicBool::new(false),
            damage: OnceLock::new(),
            _lock: lock,
        };
        Ok((Self { inner: Arc::new(inner) }, recovery))
    }
}

async fn begin_anew(
    path: &Path,
    max_bytes: u64,
    bound: EventId,
    reason: &str,
) -> Result<(Writer, Recovery), StoreError> {
    let aside =
        files::move_aside(path).map_err(|error| StoreError::file(path, "moving a damaged file aside", &error))?;
    log::error!(
        "hot store {}: the file was damaged ({reason}): events that no outlet has taken yet are lost; it is now {}, \
         look at it and delete it, a new one is begun",
        path.display(),
        aside.display()
    );
    let (writer, recovery) = open_file(path, max_bytes, bound).await?;
    Ok((writer, Recovery { moved_aside: Some(aside), ..recovery }))
}

async fn open_file(path: &Path, max_bytes: u64, bound: EventId) -> Result<(Writer, Recovery), StoreError> {
    let existed = path.exists();
    files::create(path).map_err(|error| StoreError::file(path, "making the file", &error))?;
    let fresh = file_bytes(path) == 0 || is_fresh(path, max_bytes).await?;
    let mut writer = Writer::connect(path.to_owned(), max_bytes)?;
    writer.transaction("making its tables", |connection| make_tables(connection, fresh))?;
    writer.transaction("adding columns", add_columns)?;
    // A store in which there is no room for all of them is slower to search, and no worse otherwise.
    let mut indexes = index::CREATE.into_iter();
    let made = indexes.try_for_each(|create| writer.transaction("making an index", |it| it.execute_batch(create)));
    if let Err(error) = made {
        log::warn!(
            "{error}: not all indexes by user, address and machine, and of what tells of incidents, could be made: \
             pages about one, searches for one and lists of incidents are slow until a start at which there is room"
        );
    }
    let apart = |connection: &rusqlite::Connection| quarantine::beyond(connection, path, bound);
    writer.transaction("keeping ids beyond now apart", apart)?;
    let recovery =
        recovered(path).await.map_err(|error| StoreError::of(path, "reading how far it was", max_bytes, &error))?;
    files::clear_suspicion(path);
    Ok((writer, Recovery { created: fresh, emptied: fresh && existed, ..recovery }))
}

/// For a store that is not fresh it writes nothing, so that a full file system does not keep it from opening.
fn make_tables(connection: &rusqlite::Connection, fresh: bool) -> rusqlite::Result<()> {
    schema::CREATE.into_iter().try_for_each(|create| connection.execute_batch(create))?;
    about::make_table(connection)?;
    if fresh {
        connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", schema::SCHEMA_VERSION)?;
    }
    Ok(())
}

/// Nothing for a store that this version made.
fn add_columns(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    for (count, addition) in schema::ADDED {
        if connection.query_row(count, [], |row| row.get::<_, i64>(0))? == 0 {
            connection.execute_batch(addition)?;
        }
    }
    Ok(())
}

async fn recovered(path: &Path) -> Result<Recovery, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
    let mut connection = options.connect().await?;
    let recovery = recover(&mut connection).await;
    connection.close().await?;
    recovery
}

/// Looks at the file without changing it, since it may be another program's. Says whether it is still empty.
async fn is_fresh(path: &Path, max_bytes: u64) -> Result<bool, StoreError> {
    let error = |error: sqlx::Error| StoreError::of(path, "looking at the file", max_bytes, &error);
    let options = SqliteConnectOptions::new().filename(path).foreign_keys(false).disable_statement_logging();
    let mut connection = options.connect().await.map_err(error)?;
    let whole = files::is_suspect(path) || used_bytes(path) <= CHECKED_BYTES_MAX;
    let result = inspect(&mut connection, whole).await;
    connection.close().await.map_err(error)?;
    let Inspection { application_id, version, tables, fault } = result.map_err(error)?;
    let path = path.to_owned();
    if application_id == 0 && tables == 0 {
        return Ok(true);
    }
    if application_id != schema::APPLICATION_ID {
        let reason = format!("application_id {application_id}, {tables} tables and indexes");
        return Err(StoreError::Foreign { path, reason });
    }
    if version != schema::SCHEMA_VERSION {
        return Err(StoreError::Version { path, found: version, expected: schema::SCHEMA_VERSION });
    }
    match fault {
        Some(reason) => Err(StoreError::Corrupt { path, tried: "checking the file", reason }),
        None => Ok(false),
    }
}

struct Inspection {
    application_id: i64,
    version: i64,
    tables: i64,
    fault: Option<String>,
}

async fn inspect(connection: &mut SqliteConnection, whole: bool) -> Result<Inspection, sqlx::Error> {
    let application_id = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    let version = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    let tables = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await?;
    let ours = application_id == schema::APPLICATION_ID && version == schema::SCHEMA_VERSION;
    let fault = if ours { fault(connection, whole).await? } else { None };
    Ok(Inspection { application_id, version, tables, fault })
}

async fn fault(connection: &mut SqliteConnection, whole: bool) -> Result<Option<String>, sqlx::Error> {
    if let Some(reason) = shape::fault(&shape::read(&mut *connection).await?, false) {
        return Ok(Some(reason));
    }
    let pragmas = if whole { &["PRAGMA quick_check(1)"][..] } else { &schema::CHECK_SMALL_TABLES };
    for pragma in pragmas {
        let verdict: String = sqlx::query_scalar(*pragma).fetch_one(&mut *connection).await?;
        if verdict != "ok" {
            return Ok(Some(verdict));
        }
    }
    Ok(None)
}

/// How far all consumers and sources are, from the open database.
pub(super) async fn recover(connection: &mut SqliteConnection) -> Result<Recovery, sqlx::Error> {
    let last_id: i64 = sqlx::query_scalar(schema::NEWEST).fetch_one(&mut *connection).await?;
    let cursors: Vec<(String, i64)> =
        sqlx::query_as("SELECT consumer, id FROM cursors").fetch_all(&mut *connection).await?;
    let positions: Vec<(String, String)> =
        sqlx::query_as("SELECT source, position FROM positions").fetch_all(&mut *connection).await?;
    Ok(Recovery {
        last_id: EventId::from_packed(last_id),
        cursors: cursors.into_iter().map(|(consumer, id)| (consumer, EventId::from_packed(id))).collect(),
        positions: positions.into_iter().filter_map(readable_position).collect::<BTreeMap<_, _>>(),
        created: false,
        emptied: false,
        moved_aside: None,
    })
}

fn readable_position((source, text): (String, String)) -> Option<(String, Value)> {
    match serde_json::from_str(&text) {
        // Earlier versions kept what is forgotten so.
        Ok(Value::Null) => None,
        Ok(position) => Some((source, position)),
        Err(error) => {
            log::error!("hot store: the position of {source} cannot be read ({error}): it is read from its start");
            None
        }
    }
}

fn readers(path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(PathBuf::from(path))
        .read_only(true)
        .foreign_keys(false)
        .thread_name(|_| "dsmil-store-r".to_owned())
        .disable_statement_logging();
    SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(READER_WAIT)
        .test_before_acquire(false)
        .connect_lazy_with(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::config;

    #[tokio::test]
    async fn a_file_that_was_begun_and_got_no_table_becomes_a_store() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        std::fs::create_dir(config.path.parent().unwrap()).unwrap();
        let options = SqliteConnectOptions::new().filename(&config.path).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        // What a start that is killed leaves: the first page alone.
        sqlx::query("PRAGMA user_version = 0").execute(&mut connection).await.unwrap();
        sqlx::query("VACUUM").execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        assert!(file_bytes(&config.path) > 0);
        let (store, recovery) = HotStore::open(&config).await.unwrap();
        assert_eq!((recovery.created, recovery.emptied), (true, true));
        store.close().await;
        assert!(!HotStore::open(&config).await.unwrap().1.created, "it is marked as a store");
    }

    #[tokio::test]
    async fn a_store_of_an_earlier_version_gets_the_columns_that_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        HotStore::open(&config).await.unwrap().0.close().await;
        let options = SqliteConnectOptions::new().filename(&config.path);
        let mut earlier = options.connect().await.unwrap();
        for (_, addition) in schema::ADDED {
            let removal =
                addition.replace(" ADD COLUMN ", " DROP COLUMN ").replace(" INTEGER", "").replace(" TEXT", "");
            sqlx::query(sqlx::AssertSqlSafe(removal)).execute(&mut earlier).await.unwrap();
        }
        earlier.close().await.unwrap();
        HotStore::open(&config).await.unwrap().0.close().await;
        let mut now = options.connect().await.unwrap();
        for (count, _) in schema::ADDED {
            assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut now).await.unwrap(), 1, "{count}");
        }
    }
}
