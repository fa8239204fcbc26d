//! What a daemon with an empty hot store begins from: the last checkpoint, and the events that its stages still need.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::TryStreamExt;
use sqlx::{Connection, FromRow};

use super::answer::whole;
use super::errors;
use super::link::{Link, within};
use super::sql;
use crate::event::{Event, EventId, RecordParser};
use crate::limits;
use crate::retry::OutsideError;
use crate::store::rows::{Rebuilder, Stored};
use crate::store::{Checkpoint, SavedState};

/// What Postgres has of this instance.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Restored {
    /// No id up to here is to be given again.
    pub last_id: EventId,
    /// None: there is no state to begin from.
    pub checkpoint: Option<Checkpoint>,
}

type StateRow = (String, String, i64, Vec<u8>);
type StateColumns = (i64, i64, Option<i64>, Option<String>, Option<String>);

impl Link {
    /// The state of the last checkpoint.
    ///
    /// # Errors
    /// Postgres does not answer, or the state cannot be read.
    pub async fn state(&mut self) -> Result<Restored, OutsideError> {
        let tried = "reading the state to begin from";
        let query = sqlx::query_as::<_, StateColumns>(sql::READ_STATE).bind(&self.instance);
        let Some((rows_through, _, id, cursors, positions)) =
            within(tried, query.fetch_optional(&mut self.connection)).await?
        else {
            return Ok(Restored::default());
        };
        let last_id = EventId::from_packed(rows_through);
        let (Some(id), Some(cursors), Some(positions)) = (id, cursors, positions) else {
            return Ok(Restored { last_id, checkpoint: None });
        };
        let cursors: BTreeMap<String, EventId> = readable(&cursors)?;
        let positions = readable(&positions)?;
        let query = sqlx::query_as::<_, StateRow>(sql::READ_SNAPSHOTS).bind(&self.instance);
        let rows = query.fetch(&mut self.connection);
        let saved = within(tried, whole(rows, |(consumer, _, _, state)| consumer.len() + state.len())).await?;
        let snapshots = saved
            .into_iter()
            .map(|(consumer, version, cursor, state)| SavedState {
                consumer,
                version,
                cursor: EventId::from_packed(cursor),
                state,
            })
            .collect();
        let id = EventId::from_packed(id);
        let checkpoint = Checkpoint { id, cursors, positions, letters: 0, snapshots };
        Ok(Restored { last_id: last_id.max(id), checkpoint: Some(checkpoint) })
    }

    /// Brings the rows back to the checkpoint: those of transactions after it come again with new ids, for the sources
    /// go back to it as well, and nothing that cannot be read again was confirmed to its sender.
    ///
    /// # Errors
    /// Postgres is as before.
    pub async fn take_back(&mut self, checkpoint: EventId) -> Result<(), OutsideError> {
        within("taking back rows after the checkpoint", self.delete_after(checkpoint.packed())).await
    }

    async fn delete_after(&mut self, id: i64) -> Result<(), sqlx::Error> {
        let Self { connection, instance, .. } = self;
        let mut transaction = connection.begin().await?;
        for statement in sql::DELETE_AFTER {
            sqlx::query(statement).bind(&*instance).bind(id).execute(&mut *transaction).await?;
        }
        sqlx::query(sql::TAKE_BACK).bind(&*instance).bind(id).execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// Events of this instance with `after < id <= through` in log order: at most `count` and, beyond the last, at most
    /// [`limits::READ_BYTES_MAX`]; and the id up to which all are given. None: there are no more. A row that cannot be
    /// read is logged and left out.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn events(
        &mut self,
        after: EventId,
        through: EventId,
        count: usize,
        parser: &Arc<dyn RecordParser>,
    ) -> Result<Option<(Vec<Event>, EventId)>, OutsideError> {
        let Self { connection, instance, .. } = self;
        let query = sqlx::query(sql::SELECT_RANGE).bind(&*instance).bind(after.packed()).bind(through.packed());
        let read = async {
            let mut rows = query.bind(count as i64).fetch(connection);
            let (mut events, mut scanned, mut bytes) = (Vec::new(), None, 0);
            let mut rebuilder = Rebuilder::new(Arc::clone(parser));
            while let Some(row) = rows.try_next().await? {
                let stored = Stored::from_row(&row)?;
                bytes += stored.body.len();
                scanned = Some(EventId::from_packed(stored.id));
                match rebuilder.event(stored) {
                    Ok(event) => events.push(event),
                    Err(error) => log::error!(target: "dsmil-archive", "left out of the restore: {error}"),
                }
                if bytes > limits::READ_BYTES_MAX {
                    break;
                }
            }
            Ok(scanned.map(|scanned| (events, scanned)))
        };
        within("reading events back from Postgres", read).await
    }
}

fn readable<Shape: serde::de::DeserializeOwned>(text: &str) -> Result<Shape, OutsideError> {
    serde_json::from_str(text).map_err(|error| {
        let remedy = "dsmil_archive_state was changed by hand: restore it, or set its checkpoint to NULL to begin anew";
        errors::failed("state", "reading the state to begin from", &error.to_string(), remedy)
    })
}
