//! Entries of a stream that several daemons read: what one has taken and another has taken over is archived once.
//!
//! A daemon that dies between its commit and its acknowledgement leaves entries that another one of its group handles again.
//! Each entry belongs to the event that reaches Postgres first; the other daemon's event for it, and what follows from that
//! event, is left out of the archive. It stays in that daemon's hot store and in what it mirrors.

use std::time::Duration;

use sqlx::PgConnection;

use super::answer::whole;
use super::link::{Link, within};
use super::sql;
use super::write::Transaction;
use crate::event::{EventId, Timestamp};
use crate::limits;
use crate::retry::OutsideError;
use crate::store::TakenEntry;

/// An entry cannot come again after this: a dead daemon's hot store is gone, and its entries have been taken over.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
const CLAIMING: &str = "writing which entries were taken";

impl Link {
    /// The events of this instance that are left out, for what follows from them.
    pub(super) async fn find_duplicates(&mut self) -> Result<(), OutsideError> {
        let found = read_duplicates(&mut self.connection, &self.instance, EventId::ZERO);
        self.duplicates = within(CLAIMING, found).await?.into_iter().collect();
        Ok(())
    }

    /// Forgets entries that cannot come again.
    pub(super) async fn forget_entries(&mut self, now: Timestamp) -> Result<(), OutsideError> {
        let kept_ms = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
        let before = EventId::new(now.millis().saturating_sub(kept_ms), 0).packed();
        for statement in sql::FORGET_ENTRIES {
            within("forgetting old entries", sqlx::query(statement).bind(before).execute(&mut self.connection)).await?;
        }
        Ok(())
    }
}

impl Transaction<'_> {
    /// Claims the entries for the events of this batch. To be called before its rows are written.
    ///
    /// # Errors
    /// Nothing of the transaction is written.
    pub async fn claim(&mut self, entries: &[TakenEntry]) -> Result<(), OutsideError> {
        let Some(first) = entries.first() else { return Ok(()) };
        let columns = Columns::of(entries);
        let claimed = within(CLAIMING, columns.bind(sql::CLAIM_ENTRIES, self.instance).execute(&mut *self.transaction));
        if claimed.await?.rows_affected() == entries.len() as u64 {
            return Ok(());
        }
        within(CLAIMING, columns.bind(sql::NOTE_DUPLICATES, self.instance).execute(&mut *self.transaction)).await?;
        let found = read_duplicates(&mut self.transaction, self.instance, first.id);
        self.duplicates.extend(within(CLAIMING, found).await?);
        while self.duplicates.len() > limits::ARCHIVE_DUPLICATES_MAX {
            self.duplicates.pop_first();
        }
        Ok(())
    }

    /// Whether what follows from this event is left out, because its entry was archived as another event.
    pub fn is_duplicate(&self, root: EventId) -> bool {
        !self.duplicates.is_empty() && self.duplicates.contains(&root.packed())
    }
}

/// The newest ones, from `first` on.
async fn read_duplicates(
    connection: &mut PgConnection,
    instance: &str,
    first: EventId,
) -> Result<Vec<i64>, sqlx::Error> {
    let query = sqlx::query_scalar(sql::READ_DUPLICATES).bind(instance).bind(first.packed());
    whole(query.bind(limits::ARCHIVE_DUPLICATES_MAX as i64).fetch(connection), size_of_val).await
}

/// What UNNEST takes. The numbers of an entry are bit patterns here: Postgres has no unsigned ones.
struct Columns<'entries> {
    stream: Vec<&'entries str>,
    ms: Vec<i64>,
    n: Vec<i64>,
    content: Vec<i64>,
    id: Vec<i64>,
}

impl<'entries> Columns<'entries> {
    fn of(entries: &'entries [TakenEntry]) -> Self {
        let column = |number: fn(&TakenEntry) -> u64| entries.iter().map(|entry| number(entry) as i64).collect();
        Self {
            stream: entries.iter().map(|entry| entry.stream.as_str()).collect(),
            ms: column(|entry| entry.key.ms),
            n: column(|entry| entry.key.n),
            content: column(|entry| entry.key.content),
            id: column(|entry| entry.id.packed() as u64),
        }
    }

    fn bind<'query>(
        &'query self,
        statement: &'static str,
        instance: &'query str,
    ) -> sqlx::query::Query<'query, sqlx::Postgres, sqlx::postgres::PgArguments> {
        let query = sqlx::query(statement).bind(instance).bind(&self.stream);
        query.bind(&self.ms).bind(&self.n).bind(&self.content).bind(&self.id)
    }
}
