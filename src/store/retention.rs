//! How much the hot store holds, and the deletion of what is too old or too much.

use std::sync::atomic::Ordering;

use rusqlite::{Connection, params};

use super::entities::index;
use super::error::{StoreError, beside, file_bytes, room_bytes};
use super::writer::{PAGE_BYTES, max_pages};
use super::{HotStore, schema};
use crate::event::{EventId, Timestamp};
use crate::limits::{DEAD_LETTERS_MAX, PRUNE_ROWS_MAX, PRUNE_STEPS_MAX};

/// How large the store is and which events it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Pages in use and the write-ahead log.
    pub used_bytes: u64,
    pub wal_bytes: u64,
    /// `store.max_size`, or less where the file system has no room for that.
    pub max_bytes: u64,
    pub oldest: Option<EventId>,
    pub newest: Option<EventId>,
}

impl Size {
    /// Deletion by size begins here …
    pub fn is_near_max(&self) -> bool {
        self.rows_bytes() > self.rows_bytes_max() / 10 * 8
    }

    /// … and goes on to here, so that it does not run at every commit.
    fn is_relaxed(&self) -> bool {
        self.rows_bytes() <= self.rows_bytes_max() / 10 * 7
    }

    fn rows_bytes(&self) -> u64 {
        self.used_bytes - self.wal_bytes
    }

    /// The file's part of `max_bytes`.
    fn rows_bytes_max(&self) -> u64 {
        max_pages(self.max_bytes) * PAGE_BYTES
    }
}

/// What one run of the retention deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    pub events: u64,
    pub dead_letters: u64,
    /// Events up to here are gone; zero: none were deleted.
    pub through: EventId,
    /// There is more to delete: run again soon.
    pub more: bool,
    /// The size asks for more deletion than the floor allows: some consumer is far behind.
    pub held_by_floor: bool,
}

impl HotStore {
    /// # Errors
    /// As [`after`](Self::after).
    pub async fn size(&self) -> Result<Size, StoreError> {
        let sql =
            "SELECT (SELECT page_count FROM pragma_page_count), (SELECT freelist_count FROM pragma_freelist_count),
            (SELECT min(id) FROM (SELECT min(id) AS id FROM raw_events_fast UNION ALL
                SELECT min(id) FROM model_outputs_fast UNION ALL SELECT min(id) FROM control_events_fast)),
            (SELECT max(id) FROM (SELECT max(id) AS id FROM raw_events_fast UNION ALL
                SELECT max(id) FROM model_outputs_fast UNION ALL SELECT max(id) FROM control_events_fast))";
        let query = sqlx::query_as(sql).fetch_one(&self.inner.readers);
        let (pages, free, oldest, newest): (i64, i64, Option<i64>, Option<i64>) =
            self.in_time("reading its size", query).await?;
        let path = &self.inner.path;
        let wal_bytes = file_bytes(&beside(path, "-wal"));
        Ok(Size {
            used_bytes: u64::try_from(pages - free).unwrap_or(0) * PAGE_BYTES + wal_bytes,
            wal_bytes,
            max_bytes: self.inner.max_bytes.load(Ordering::Relaxed).min(room_bytes(path)),
            oldest: oldest.map(EventId::from_packed),
            newest: newest.map(EventId::from_packed),
        })
    }

    /// Deletes the oldest events: those that arrived longer than `retention` before `now`, and more while the size is
    /// near its limit or when the last commit did not fit. Never one after `floor`, which some consumer has not handled
    /// yet, and never the newest, from which ids go on after a restart. Works in steps between which commits go on, and ends
    /// after [`PRUNE_STEPS_MAX`] of them.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); steps done before are not undone.
    pub async fn prune(&self, now: Timestamp, floor: EventId) -> Result<Pruned, StoreError> {
        let retention_ms = self.inner.retention_ms.load(Ordering::Relaxed);
        let floor = floor.min(EventId::from_packed(self.committed().packed() - 1));
        let expired = EventId::new(now.millis().saturating_sub(retention_ms), 0).min(floor);
        let mut pruned = Pruned::default();
        pruned.dead_letters += self.prune_letters(now, retention_ms).await?;
        // What did not fit may be larger than the part that is normally kept free.
        let mut shrinking = self.size().await?.is_near_max() || self.inner.refused.load(Ordering::Relaxed);
        for _ in 0..PRUNE_STEPS_MAX {
            let bound = if shrinking { floor } else { expired };
            let Some(through) = self.step_end(bound).await? else {
                pruned.held_by_floor = shrinking;
                pruned.more = false;
                return Ok(pruned);
            };
            pruned.events += self.delete_through(through).await?;
            pruned.through = through;
            pruned.more = true;
            shrinking = shrinking && !self.size().await?.is_relaxed();
        }
        Ok(pruned)
    }

    /// The last id of the next step: at most [`PRUNE_ROWS_MAX`] rows of each table are up to it. None: nothing to do.
    async fn step_end(&self, bound: EventId) -> Result<Option<EventId>, StoreError> {
        let sql =
            "SELECT min(ifnull((SELECT id FROM raw_events_fast WHERE id <= ?1 ORDER BY id LIMIT 1 OFFSET ?2), ?1),
            ifnull((SELECT id FROM model_outputs_fast WHERE id <= ?1 ORDER BY id LIMIT 1 OFFSET ?2), ?1),
            ifnull((SELECT id FROM control_events_fast WHERE id <= ?1 ORDER BY id LIMIT 1 OFFSET ?2), ?1))
            WHERE EXISTS (SELECT 1 FROM raw_events_fast WHERE id <= ?1)
               OR EXISTS (SELECT 1 FROM model_outputs_fast WHERE id <= ?1)
               OR EXISTS (SELECT 1 FROM control_events_fast WHERE id <= ?1)";
        let query = sqlx::query_scalar(sql).bind(bound.packed()).bind(PRUNE_ROWS_MAX as i64 - 1);
        let found: Option<i64> =
            self.in_time("looking for old events", query.fetch_optional(&self.inner.readers)).await?;
        Ok(found.map(EventId::from_packed))
    }

    async fn delete_through(&self, through: EventId) -> Result<u64, StoreError> {
        let delete = |connection: &Connection| {
            let delete = |sql| connection.prepare_cached(sql)?.execute([through.packed()]);
            delete(index::DELETE_THROUGH)?;
            schema::DELETE_THROUGH.into_iter().map(delete).sum()
        };
        self.delete("deleting old events", delete).await
    }

    async fn prune_letters(&self, now: Timestamp, retention_ms: u64) -> Result<u64, StoreError> {
        let cutoff = now.seconds() - retention_ms as f64 / 1000.0;
        let sql = "DELETE FROM dead_letters WHERE kept_at < ? OR number <= (SELECT max(number) FROM dead_letters) - ?";
        let delete =
            |connection: &Connection| connection.prepare_cached(sql)?.execute(params![cutoff, DEAD_LETTERS_MAX as i64]);
        self.delete("deleting old dead letters", delete).await
    }

    /// How many rows were deleted.
    async fn delete(
        &self,
        tried: &'static str,
        delete: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
    ) -> Result<u64, StoreError> {
        let deleted = self.inner.writer.lock().await.transaction(tried, delete);
        deleted.map(|rows| rows as u64).inspect_err(|error| self.inner.note_damage(error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::bus::{DeadLetter, Transaction};
    use crate::store::tests::{new_store, raw};

    #[tokio::test]
    async fn dead_letters_are_kept_as_long_as_events() {
        let (_folder, store) = new_store().await;
        let id = EventId::new(Timestamp::now().millis(), 0);
        let letter =
            DeadLetter { id, stream: "l3".into(), reason: "test".into(), payload: bytes::Bytes::from_static(b"x") };
        let transaction = Transaction {
            consumer: "l3".into(),
            events: vec![raw(id.ms(), 0)].into(),
            dead_letters: vec![letter],
            ..Transaction::default()
        };
        store.commit(&[Arc::new(transaction)]).await.unwrap();
        let kept = Duration::from_millis(store.inner.retention_ms.load(Ordering::Relaxed));
        for (after, left) in [(kept - Duration::from_secs(60), 1), (kept + Duration::from_secs(60), 0)] {
            store.prune(Timestamp::now().plus(after), EventId::ZERO).await.unwrap();
            assert_eq!(store.dead_letters(0, 10).await.unwrap().len(), left, "after {after:?}");
        }
    }

    #[test]
    fn deletion_begins_at_eight_tenths_of_what_rows_may_take_and_ends_at_seven_the_log_beside_it_left_out() {
        let max_bytes = 1 << 30;
        let part = max_pages(max_bytes) * PAGE_BYTES / 10;
        let size = |rows: u64| Size { used_bytes: rows + 77, wal_bytes: 77, max_bytes, ..Size::default() };
        let judged = |rows| (size(rows).is_near_max(), size(rows).is_relaxed());
        assert_eq!(judged(7 * part), (false, true));
        assert_eq!(judged(7 * part + 1), (false, false));
        assert_eq!(judged(8 * part), (false, false));
        assert_eq!(judged(8 * part + 1), (true, false));
    }
}
