//! Reading committed events. Every statement is short: a reader that stays would pin the write-ahead log, and a full
//! tmpfs stops the daemon.

mod unread;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt;
use sqlx::query::Query;
use sqlx::sqlite::SqliteRow;
use sqlx::{Database, FromRow, Row, Sqlite};

use super::HotStore;
use super::error::StoreError;
use super::masks::Masks;
use super::rows::{Rebuilder, RowError, Stored};
use super::schema::{self, snapshot_version};
use super::taken::{TakenEntry, unpack};
use crate::bus::{DeadLetter, Snapshot};
use crate::event::{Event, EventId, Interest, RecordParser};
use crate::limits;
pub use unread::StoredRow;

/// No statement of a reader runs longer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// The first stretch of the log that is searched: one second of it.
pub(super) const FIRST_STRETCH: i64 = 1000 << 20;
/// Stretches grow while a statement stays below this.
const STATEMENT_GOAL: Duration = Duration::from_millis(20);

/// A dead letter and its number in the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLetter {
    pub number: i64,
    pub letter: DeadLetter,
}

impl HotStore {
    /// Committed events after `id` in log order that the interest covers: at most `count` and, beyond the first, at
    /// most [`limits::READ_BYTES_MAX`]. Empty: there are none up to [`committed`](Self::committed). A row that cannot
    /// be read is logged and left out.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when no connection is free in time; [`StoreError::Corrupt`], [`StoreError::Io`].
    pub async fn after(&self, id: EventId, interest: Interest, count: usize) -> Result<Vec<Event>, StoreError> {
        let masks = Masks::from(interest);
        let mut found = Page::new(self.parser());
        self.fill(id, count, &mut found, |range, limit| select(schema::SELECT_RANGE, range, masks, limit)).await?;
        Ok(found.events)
    }

    /// # Errors
    /// As [`after`](Self::after).
    pub async fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        if id > self.committed() {
            return Ok(None);
        }
        let mut found = Page::new(self.parser());
        let key = (id.packed(), id.packed());
        self.read(schema::SELECT_ONE, key, Masks::from(Interest::ALL), 1, &mut found).await?;
        Ok(found.events.pop())
    }

    /// The last saved state of a consumer; none when another version wrote it.
    ///
    /// # Errors
    /// As [`after`](Self::after).
    pub async fn snapshot(&self, consumer: &str) -> Result<Option<Snapshot>, StoreError> {
        let query = sqlx::query_as("SELECT version, cursor, state FROM snapshots WHERE consumer = ?").bind(consumer);
        let found: Option<(String, i64, Vec<u8>)> =
            self.in_time("reading a snapshot", query.fetch_optional(&self.inner.readers)).await?;
        let Some((version, cursor, state)) = found else { return Ok(None) };
        if version != snapshot_version() {
            log::warn!(
                "hot store: the saved state of {consumer} is of version {version}, this is {}: it is rebuilt from events",
                snapshot_version()
            );
            return Ok(None);
        }
        Ok(Some(Snapshot { cursor: EventId::from_packed(cursor), state: state.into() }))
    }

    /// Dead letters after the one with this number (0: from the oldest), at most `count`.
    ///
    /// # Errors
    /// As [`after`](Self::after).
    pub async fn dead_letters(&self, after: i64, count: usize) -> Result<Vec<KeptLetter>, StoreError> {
        let sql =
            "SELECT number, id, stream, reason, payload FROM dead_letters WHERE number > ? ORDER BY number LIMIT ?";
        let count = count.min(limits::HTTP_PAGE_EVENTS_MAX) as i64;
        let query = sqlx::query_as(sql).bind(after).bind(count);
        let found: Vec<(i64, i64, String, String, Vec<u8>)> =
            self.in_time("reading dead letters", query.fetch_all(&self.inner.readers)).await?;
        Ok(found.into_iter().map(kept_letter).collect())
    }

    /// Reads at most `limit` rows. When there may be more in the range, returns the id of the last one: rows that cannot be read
    /// count as well.
    pub(super) async fn read(
        &self,
        sql: &'static str,
        range: (i64, i64),
        masks: Masks,
        limit: usize,
        found: &mut Page,
    ) -> Result<Option<i64>, StoreError> {
        self.take_rows("reading events", select(sql, range, masks, limit), limit, found).await
    }

    /// The same of a query that gives at most `limit` rows.
    pub(super) async fn take_rows<R: Reading>(
        &self,
        tried: &'static str,
        query: Query<'_, Sqlite, <Sqlite as Database>::Arguments>,
        limit: usize,
        found: &mut Page<R>,
    ) -> Result<Option<i64>, StoreError> {
        let rows = async {
            let mut rows = query.fetch(&self.inner.readers);
            let (mut count, mut last) = (0, 0);
            while let Some(row) = rows.try_next().await? {
                (count, last) = (count + 1, row.try_get(0)?);
                found.take(EventId::from_packed(last), &row);
                if found.bytes > limits::READ_BYTES_MAX {
                    return Ok(Some(last));
                }
            }
            Ok((count >= limit).then_some(last))
        };
        let read = self.in_time(tried, rows).await;
        // Once for all of them: a damaged page has many.
        if let Some(last) = found.left_out.last() {
            let (path, count) = (self.inner.path.display(), found.left_out.len());
            log::error!("hot store {path}: {count} rows were left out, the last: {last}");
            found.left_out.clear();
        }
        read
    }

    /// Reads on from `id`, by statements that give at most so many rows of a range in log order, until there are `count` or none are
    /// left. Returns the id up to which there are no more.
    async fn fill<R: Reading>(
        &self,
        id: EventId,
        count: usize,
        found: &mut Page<R>,
        statement: impl Fn((i64, i64), usize) -> Statement,
    ) -> Result<EventId, StoreError> {
        let end = self.committed().packed();
        let (mut low, mut stretch) = (id.packed(), FIRST_STRETCH);
        while low < end && found.has_room(count) {
            let high = low.saturating_add(stretch).min(end);
            let (begun, limit) = (Instant::now(), count - found.events.len());
            let cut = self.take_rows("reading events", statement((low, high), limit), limit, found).await?;
            low = cut.unwrap_or(high);
            stretch = next_stretch(stretch, begun.elapsed());
        }
        Ok(EventId::from_packed(low))
    }

    /// The entries that became events with `after < id <= through`.
    ///
    /// # Errors
    /// As [`after`](Self::after).
    pub async fn taken_entries(&self, after: EventId, through: EventId) -> Result<Vec<TakenEntry>, StoreError> {
        // The events of a transaction stand together on the log, so its row is the last one that begins before them.
        let sql = "SELECT stream, keys FROM taken_entries WHERE first <= ?2 AND last > ?1
            AND first >= ifnull((SELECT max(first) FROM taken_entries WHERE first <= ?1), 0)";
        let query = sqlx::query_as(sql).bind(after.packed()).bind(through.packed());
        let rows: Vec<(String, Vec<u8>)> =
            self.in_time("reading which entries were taken", query.fetch_all(&self.inner.readers)).await?;
        let entries = rows.iter().flat_map(|(stream, keys)| unpack(stream, keys));
        Ok(entries.filter(|entry| entry.id > after && entry.id <= through).collect())
    }

    /// Runs a query of a reader, at most for [`READ_TIMEOUT`]. `tried` says in the error what it was for.
    ///
    /// # Errors
    /// [`StoreError::Busy`] after that time, or as SQLite says.
    pub(super) async fn in_time<Answer>(
        &self,
        tried: &'static str,
        query: impl Future<Output = Result<Answer, sqlx::Error>>,
    ) -> Result<Answer, StoreError> {
        let inner = &self.inner;
        match tokio::time::timeout(READ_TIMEOUT, query).await {
            Ok(answer) => answer
                .map_err(|error| StoreError::of(&inner.path, tried, inner.max_bytes.load(Ordering::Relaxed), &error))
                .inspect_err(|error| inner.note_damage(error)),
            Err(_) => {
                let reason = format!("no answer within {READ_TIMEOUT:?}");
                Err(StoreError::Busy { path: inner.path.clone(), tried, reason })
            }
        }
    }
}

/// How far to look at once, after the last stretch took this long.
pub(super) fn next_stretch(stretch: i64, took: Duration) -> i64 {
    if took < STATEMENT_GOAL { stretch.saturating_mul(4) } else { (stretch / 4).max(FIRST_STRETCH) }
}

fn kept_letter((number, id, stream, reason, payload): (i64, i64, String, String, Vec<u8>)) -> KeptLetter {
    let letter = DeadLetter { id: EventId::from_packed(id), stream, reason, payload: Bytes::from(payload) };
    KeptLetter { number, letter }
}

type Statement = Query<'static, Sqlite, <Sqlite as Database>::Arguments>;

/// At most `limit` rows of a range.
fn select(sql: &'static str, range: (i64, i64), masks: Masks, limit: usize) -> Statement {
    sqlx::query(sql)
        .bind(range.0)
        .bind(range.1)
        .bind(masks.raw)
        .bind(masks.outputs)
        .bind(masks.producers)
        .bind(masks.control)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
}

/// What is made of the row of an event.
pub(super) trait Reading {
    type Event;

    /// What it is, and the bytes that it holds.
    fn read(&mut self, row: &SqliteRow) -> Result<(Result<Self::Event, RowError>, usize), sqlx::Error>;
}

impl Reading for Rebuilder {
    type Event = Event;

    fn read(&mut self, row: &SqliteRow) -> Result<(Result<Event, RowError>, usize), sqlx::Error> {
        let stored = Stored::from_row(row)?;
        let bytes = stored.body.len();
        Ok((self.event(stored), bytes))
    }
}

/// Events read so far.
pub(super) struct Page<R: Reading = Rebuilder> {
    reading: R,
    pub(super) events: Vec<R::Event>,
    bytes: usize,
    /// Rows that cannot be read.
    left_out: Vec<RowError>,
}

impl Page {
    pub(super) fn new(parser: Arc<dyn RecordParser>) -> Self {
        Self::of(Rebuilder::new(parser))
    }
}

impl<R: Reading> Page<R> {
    fn of(reading: R) -> Self {
        Self { reading, events: Vec::new(), bytes: 0, left_out: Vec::new() }
    }

    pub(super) fn has_room(&self, count: usize) -> bool {
        self.events.len() < count && self.bytes <= limits::READ_BYTES_MAX
    }

    fn take(&mut self, id: EventId, row: &SqliteRow) {
        let read = match self.reading.read(row) {
            Ok((read, bytes)) => {
                self.bytes += bytes;
                read
            }
            Err(error) => Err(RowError::Unreadable { id, reason: error.to_string() }),
        };
        match read {
            Ok(event) => self.events.push(event),
            Err(error) => self.left_out.push(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, Format, Raw, Stream, Times};
    use crate::parse::built_in;
    use crate::store::tests::{config, transaction};

    #[tokio::test]
    async fn a_page_of_long_lines_ends_soon_after_it_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = HotStore::open(&config(&folder)).await.unwrap();
        let line = |number: u64| {
            let payload = "x".repeat(limits::LINE_BYTES_MAX).into();
            let raw = Raw::new("s".into(), "c".into(), Format::Text, payload, Vec::new(), built_in());
            let (id, times) = (EventId::new(number, 0), Times::default());
            Event { id, stream: Stream::L3In, times, root: id, body: Body::Raw(raw) }
        };
        let full = (limits::READ_BYTES_MAX / limits::LINE_BYTES_MAX) as u64;
        store.commit(&[transaction("s", None, (1..=2 * full).map(line).collect())]).await.unwrap();
        let page = store.after(EventId::ZERO, Interest::ALL, 2 * full as usize).await.unwrap();
        assert!((full / 2..=full + 1).contains(&(page.len() as u64)), "{} of {full}", page.len());
    }

    #[tokio::test]
    async fn the_store_is_closed_though_somebody_who_is_frozen_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = HotStore::open(&config(&folder)).await.unwrap();
        let _held = store.inner.readers.acquire().await.unwrap();
        tokio::time::pause();
        store.close().await;
        tokio::time::resume();
        HotStore::open(&config(&folder)).await.unwrap().0.close().await;
    }
}
