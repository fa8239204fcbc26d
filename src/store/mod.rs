//! The hot store: the last hours of the log in SQLite on a tmpfs. A commit here is the commit of the daemon.

mod batch;
mod checkpoint;
pub(crate) mod config;
mod count;
mod damage;
pub mod entities;
mod error;
mod files;
pub(crate) mod handled;
mod masks;
mod open;
mod opened;
pub(crate) mod positions;
mod quarantine;
mod read;
mod reserve;
mod retention;
pub(crate) mod rows;
mod schema;
mod search;
mod shape;
mod taken;
mod writer;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;
use sqlx::SqlitePool;
use tokio::sync::Mutex;

pub use checkpoint::{Checkpoint, LetterRow, SavedState, position_in};
pub use error::StoreError;
pub use read::{KeptLetter, StoredRow};
pub use retention::{Pruned, Size};
pub use rows::RowError;
pub use search::{IdSpan, Order, Searched};
pub use taken::TakenEntry;

use crate::bus::Transaction;
use crate::event::{EventId, RecordParser};
use writer::Writer;

/// As long as a statement of a reader may run.
const READERS_CLOSE_MAX: Duration = Duration::from_secs(10);

/// One writer connection and a few readers on the file; clones share them.
#[derive(Clone)]
pub struct HotStore {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    max_bytes: AtomicU64,
    retention_ms: AtomicU64,
    writer: Mutex<Writer>,
    readers: SqlitePool,
    /// Everything up to here is committed; readers look no further, so that all tables show the same log.
    committed: AtomicI64,
    /// What the events that are read are parsed with.
    parser: RwLock<Arc<dyn RecordParser>>,
    /// The last commit did not fit.
    refused: AtomicBool,
    /// What showed that the file is damaged; it stays so until the next start.
    damage: OnceLock<String>,
    /// Held as long as the store is open: two daemons on one file would mix their logs.
    _lock: File,
}

/// What the store knew when it was opened.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recovery {
    /// The newest id on the log or of a cursor; new ids go on from here.
    pub last_id: EventId,
    pub cursors: BTreeMap<String, EventId>,
    pub positions: BTreeMap<String, Value>,
    /// The store is new and empty.
    pub created: bool,
    /// It is, though there was a file: what was in it is gone.
    pub emptied: bool,
    /// A damaged file was found, and is here now.
    pub moved_aside: Option<PathBuf>,
}

impl Recovery {
    /// The cursor of a consumer; for one that the store does not know, the end.
    pub fn cursor(&self, name: &str) -> EventId {
        self.cursors.get(name).copied().unwrap_or(self.last_id)
    }
}

/// What one transaction wrote.
#[derive(Debug, Default)]
pub struct Committed {
    pub events: usize,
    /// The newest committed id.
    pub last_id: EventId,
    /// Events with a body of another stream, now among the dead letters.
    pub refused: Vec<RowError>,
}

impl HotStore {
    /// The newest committed id.
    pub fn committed(&self) -> EventId {
        EventId::from_packed(self.inner.committed.load(Ordering::Acquire))
    }

    /// Events that are read from now on are parsed with this.
    pub fn parse_with(&self, parser: Arc<dyn RecordParser>) {
        *self.inner.parser.write().unwrap_or_else(PoisonError::into_inner) = parser;
    }

    /// What events that are read now are parsed with: the formats that are compiled in, unless others were set.
    pub fn parser(&self) -> Arc<dyn RecordParser> {
        Arc::clone(&self.inner.parser.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// `store.max_size`, or the size of the file system where that is smaller.
    pub fn max_bytes(&self) -> u64 {
        self.inner.max_bytes.load(Ordering::Relaxed)
    }

    /// Writes the transactions in one transaction of SQLite: all of them or, on an error, none. Repeating a commit
    /// whose answer was lost changes nothing; a cursor never moves back. It keeps its thread busy until it is done.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`]: repeat it later. Others: the store needs a person or a restart.
    pub async fn commit(&self, transactions: &[Arc<Transaction>]) -> Result<Committed, StoreError> {
        let inner = &self.inner;
        if let Some(error) = self.damage() {
            return Err(error);
        }
        let batch = batch::Batch::of(transactions);
        let written = inner.writer.lock().await.commit(|connection| batch.write(connection));
        let batch::Batch { last_id: batch_last_id, events, refused, .. } = batch;
        inner.refused.store(matches!(written, Err(StoreError::Full { .. })), Ordering::Relaxed);
        written.inspect_err(|error| inner.note_damage(error))?;
        for error in &refused {
            log::error!("hot store {}: kept as a dead letter: {error}", inner.path.display());
        }
        let before = inner.committed.fetch_max(batch_last_id.packed(), Ordering::AcqRel);
        let last_id = EventId::from_packed(before).max(batch_last_id);
        Ok(Committed { events, last_id, refused })
    }

    /// Takes over `max_size` and `retention` of a reloaded configuration; another `path` needs a restart.
    ///
    /// # Errors
    /// The writer connection is not usable.
    pub async fn reconfigure(&self, config: &crate::config::Store) -> Result<(), StoreError> {
        self.inner.retention_ms.store(millis(config.retention.get()), Ordering::Relaxed);
        let max_bytes = files::fitting(&self.inner.path, config.max_size.get());
        self.inner.max_bytes.store(max_bytes, Ordering::Relaxed);
        self.inner.writer.lock().await.set_max_bytes(max_bytes)
    }

    /// Moves the write-ahead log into the file, unless one of them is damaged, and closes all connections. Clones are unusable
    /// afterwards.
    pub async fn close(self) {
        let mut writer = self.inner.writer.lock().await;
        if self.inner.damage.get().is_some() {
            writer.abandon();
        }
        // What an actor reads that is frozen is never given back.
        let _ = tokio::time::timeout(READERS_CLOSE_MAX, self.inner.readers.close()).await;
        writer.close();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;
    use crate::bus::{DeadLetter, Snapshot};
    use crate::config;
    use crate::event::{Body, Decision, Event, Format, Interest, Raw, ShrinkSample, Soc, Stream, Times, Timestamp};
    use crate::parse::built_in;

    impl HotStore {
        /// As any program that may write to the file.
        pub(in crate::store) async fn change(&self, sql: &str) {
            self.inner.writer.lock().await.transaction("testing", |it| it.execute_batch(sql)).unwrap();
        }
    }

    pub fn config(folder: &tempfile::TempDir) -> config::Store {
        config::Store {
            path: folder.path().join("ram/hotpath.db"),
            max_size: config::Bytes::from_mib(64),
            ..config::Store::default()
        }
    }

    pub async fn new_store() -> (tempfile::TempDir, HotStore) {
        let folder = tempfile::tempdir().unwrap();
        let (store, recovery) = HotStore::open(&config(&folder)).await.unwrap();
        assert!(recovery.created);
        (folder, store)
    }

    pub fn raw(ms: u64, n: u32) -> Event {
        let id = EventId::new(ms, n);
        let body = Body::Raw(Raw::new(
            "test".into(),
            "ops".into(),
            Format::Auto,
            format!("line {id}").into(),
            vec![],
            built_in(),
        ));
        Event { id, stream: Stream::L3In, times: Times::at(Timestamp::from_millis(ms)), root: id, body }
    }

    fn decision(ms: u64, n: u32, cause: EventId) -> Event {
        let body = Body::Decision(Box::new(Decision::benign("sigma".into(), 15, "ops".into(), cause)));
        Event {
            id: EventId::new(ms, n),
            stream: Stream::L3Out,
            times: Times::at(Timestamp::from_millis(ms)),
            root: cause,
            body,
        }
    }

    pub fn soc(ms: u64, n: u32, device: u16) -> Event {
        let body = Body::Soc(Box::new(Soc { src_device: device, summary: "x".into(), ..Soc::default() }));
        let id = EventId::new(ms, n);
        Event { id, stream: Stream::SocEvents, times: Times::at(Timestamp::from_millis(ms)), root: id, body }
    }

    pub fn control(ms: u64, stream: Stream) -> Event {
        let id = EventId::new(ms, 0);
        let body = if stream == Stream::Tick { Body::Tick } else { Body::Shrink(ShrinkSample::default()) };
        Event { id, stream, times: Times::at(Timestamp::from_millis(ms)), root: id, body }
    }

    pub fn transaction(consumer: &str, cursor: Option<EventId>, events: Vec<Event>) -> Arc<Transaction> {
        Arc::new(Transaction { consumer: consumer.into(), cursor, events: events.into(), ..Transaction::default() })
    }

    pub fn ids(events: &[Event]) -> Vec<(u64, u32)> {
        events.iter().map(|event| (event.id.ms(), event.id.n())).collect()
    }

    fn letter(id: EventId) -> DeadLetter {
        DeadLetter { id, stream: "L3_IN".into(), reason: "no payload".into(), payload: b"\xff?".as_slice().into() }
    }

    #[tokio::test]
    async fn what_was_committed_is_known_after_a_restart() {
        let (folder, store) = new_store().await;
        let source = Transaction {
            consumer: "intake-file".into(),
            events: vec![raw(5, 0), raw(5, 1)].into(),
            positions: vec![("/var/log/auth.log".into(), json!({ "offset": 77 }))],
            ..Transaction::default()
        };
        let id = EventId::new(5, 1);
        let snapshot = Some(Snapshot { cursor: id, state: b"state".as_slice().into() });
        let stage = Transaction {
            consumer: "l3".into(),
            cursor: Some(id),
            events: vec![decision(6, 0, id)].into(),
            snapshot: snapshot.clone(),
            ..Transaction::default()
        };
        let committed = store.commit(&[source.into(), stage.into()]).await.unwrap();
        assert_eq!((committed.events, committed.last_id), (3, EventId::new(6, 0)));
        store.close().await;

        let (store, recovery) = HotStore::open(&config(&folder)).await.unwrap();
        assert!(!recovery.created);
        assert_eq!(recovery.last_id, EventId::new(6, 0));
        assert_eq!(recovery.cursors, BTreeMap::from([("l3".to_owned(), id)]));
        assert_eq!(recovery.positions["/var/log/auth.log"], json!({ "offset": 77 }));
        assert_eq!(store.snapshot("l3").await.unwrap(), snapshot);
        assert_eq!(store.snapshot("l4").await.unwrap(), None);
        let all = store.after(EventId::ZERO, Interest::ALL, 10).await.unwrap();
        assert_eq!(ids(&all), [(5, 0), (5, 1), (6, 0)]);
    }

    #[tokio::test]
    async fn a_repeated_commit_changes_nothing_and_no_cursor_moves_back() {
        let (_folder, store) = new_store().await;
        let transactions = [Arc::new(Transaction {
            consumer: "l3".into(),
            cursor: Some(EventId::new(9, 0)),
            events: vec![raw(9, 0)].into(),
            dead_letters: vec![letter(EventId::new(8, 0)), letter(EventId::new(8, 0))],
            ..Transaction::default()
        })];
        store.commit(&transactions).await.unwrap();
        store.commit(&transactions).await.unwrap();
        store.commit(&[transaction("l3", Some(EventId::new(4, 0)), vec![])]).await.unwrap();
        assert_eq!(ids(&store.after(EventId::ZERO, Interest::ALL, 10).await.unwrap()), [(9, 0)]);
        let letters = store.dead_letters(0, 10).await.unwrap();
        assert_eq!(letters.len(), 2, "two equal letters are two, however often they are committed");
        assert_eq!(letters[1].letter, letter(EventId::new(8, 0)));
        assert!(store.dead_letters(letters[1].number, 10).await.unwrap().is_empty());
        let cursors: Vec<(String, i64)> =
            sqlx::query_as("SELECT consumer, id FROM cursors").fetch_all(&store.inner.readers).await.unwrap();
        assert_eq!(cursors, [("l3".to_owned(), EventId::new(9, 0).packed())]);
    }

    #[tokio::test]
    async fn readers_get_the_streams_they_ask_for_in_log_order() {
        let (_folder, store) = new_store().await;
        let day = 24 * 3600 * 1000;
        let events = vec![
            raw(1, 0),
            soc(1, 1, 51),
            control(2, Stream::Tick),
            decision(3, 0, EventId::new(1, 0)),
            control(4, Stream::Shrink),
            soc(5, 0, 57),
            raw(day, 0),
        ];
        store.commit(&[transaction("any", None, events)]).await.unwrap();
        let read = async |interest, count| ids(&store.after(EventId::new(1, 0), interest, count).await.unwrap());
        let all = [(1, 1), (2, 0), (3, 0), (4, 0), (5, 0), (day, 0)];
        assert_eq!(read(Interest::ALL, 10).await, all);
        assert_eq!(read(Interest::ALL, 2).await, all[..2]);
        assert_eq!(read(Interest::NONE.stream(Stream::L3In), 10).await, [(day, 0)]);
        assert_eq!(read(Interest::NONE.soc(57).stream(Stream::Tick), 10).await, [(2, 0), (5, 0)]);
        assert_eq!(read(Interest::NONE.stream(Stream::Shrink).stream(Stream::L3Out), 10).await, [(3, 0), (4, 0)]);
        assert_eq!(read(Interest::NONE.stream(Stream::SocEvents), 10).await, [(1, 1), (5, 0)]);
        assert_eq!(read(Interest::NONE, 10).await, []);
        let one = store.event(EventId::new(5, 0)).await.unwrap().unwrap();
        assert_eq!(one.kind(), Interest::of(Stream::SocEvents, 57));
        assert!(store.event(EventId::new(5, 1)).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_event_with_a_body_of_another_stream_is_kept_as_a_dead_letter() {
        let (_folder, store) = new_store().await;
        let odd = Event { stream: Stream::SocEvents, ..raw(3, 0) };
        let committed = store.commit(&[transaction("l3", None, vec![odd])]).await.unwrap();
        assert_eq!(committed.refused.len(), 1);
        assert!(store.dead_letters(0, 1).await.unwrap()[0].letter.reason.contains("SOC_EVENTS"));
    }

    #[tokio::test]
    async fn rows_that_another_program_inserts_are_no_events_and_cost_none() {
        let (folder, store) = new_store().await;
        store.commit(&[transaction("intake", None, vec![raw(7, 0)])]).await.unwrap();
        let insert = "INSERT INTO raw_events_fast(ts, source, compartment, payload) VALUES (1.5, 'me', '', x'00')";
        let insert_output = "INSERT INTO model_outputs_fast(ts, layer, model, input_ref, output_json, score)
            VALUES (1.5, 3, 'mine', NULL, '{}', 0.5)";
        store.change(&format!("{insert}; {insert_output}")).await;
        // SQLite assigned the id 7-1 to the foreign row, which the log assigns to its own next event.
        store.commit(&[transaction("intake", None, vec![raw(7, 1)])]).await.unwrap();
        let all = store.after(EventId::ZERO, Interest::ALL, 10).await.unwrap();
        assert_eq!(ids(&all), [(7, 0), (7, 1)]);
        let Body::Raw(raw) = &all[1].body else { panic!("{all:?}") };
        assert_eq!(&*raw.source, "test");
        store.close().await;
        let (_store, recovery) = HotStore::open(&config(&folder)).await.unwrap();
        assert_eq!(recovery.last_id, EventId::new(7, 1));
    }

    #[tokio::test]
    async fn a_snapshot_of_another_version_is_not_read() {
        let (_folder, store) = new_store().await;
        let snapshot = Snapshot { cursor: EventId::new(1, 0), state: b"s".as_slice().into() };
        let transaction = Transaction { consumer: "l4".into(), snapshot: Some(snapshot), ..Transaction::default() };
        store.commit(&[transaction.into()]).await.unwrap();
        store.change("UPDATE snapshots SET version = '0.0.0/1'").await;
        assert_eq!(store.snapshot("l4").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_second_daemon_is_kept_out() {
        let (folder, store) = new_store().await;
        assert!(matches!(HotStore::open(&config(&folder)).await, Err(StoreError::InUse { .. })));
        store.close().await;
        assert!(HotStore::open(&config(&folder)).await.is_ok());
    }

    #[tokio::test]
    async fn readers_look_no_further_than_what_is_known_to_be_committed() {
        let (_folder, store) = new_store().await;
        store.commit(&[transaction("any", None, vec![raw(5, 0), raw(6, 0)])]).await.unwrap();
        // As between SQLite's commit and the mark: another table was read already.
        store.inner.committed.store(EventId::new(5, 0).packed(), Ordering::Release);
        assert_eq!(ids(&store.after(EventId::ZERO, Interest::ALL, 10).await.unwrap()), [(5, 0)]);
        assert!(store.event(EventId::new(6, 0)).await.unwrap().is_none());
    }
}
