//! One transaction of the archive: rows, dead letters, the checkpoint, and how far it is now.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use sqlx::{Connection, PgConnection, Row};

use super::columns::Columns;
use super::copied::Copied;
use super::errors;
use super::link::{Link, Progress, within};
use super::rows::Rows;
use super::sql::{self, Insert};
use super::values::clean;
use crate::limits;
use crate::retry::OutsideError;
use crate::store::{Checkpoint, LetterRow};

/// Dropped without a commit, it leaves nothing.
pub struct Transaction<'link> {
    pub(super) transaction: sqlx::Transaction<'link, Postgres>,
    pub(super) instance: &'link str,
    pub(super) duplicates: &'link mut BTreeSet<i64>,
    meets_rows: &'link mut bool,
}

type Bound<'value> = Query<'value, Postgres, PgArguments>;

const WRITING: &str = "writing events to Postgres";
/// What is handed on at once while Postgres takes what came before.
const PIECE_BYTES: usize = 256 * 1024;

impl Link {
    /// # Errors
    /// Postgres does not answer. After any error of a transaction the link is of no more use.
    pub async fn transaction(&mut self) -> Result<Transaction<'_>, OutsideError> {
        let Self { connection, instance, duplicates, meets_rows, .. } = self;
        let transaction = within("beginning a transaction", connection.begin()).await?;
        Ok(Transaction { transaction, instance, duplicates, meets_rows })
    }

    /// Forgets the state that a restart could begin from: with `durability = "process"` sources do not wait for it.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn forget_checkpoint(&mut self) -> Result<(), OutsideError> {
        let query = sqlx::query(sql::FORGET_CHECKPOINT).bind(&self.instance).execute(&mut self.connection);
        within("writing how far the archive is", query).await.map(|_| ())
    }
}

impl Transaction<'_> {
    /// Rows that are there already are left as they are.
    ///
    /// # Errors
    /// Nothing of the transaction is written.
    pub async fn rows(&mut self, rows: &Rows) -> Result<(), OutsideError> {
        if !within(WRITING, self.copy(rows)).await? {
            self.insert_missing(&Columns::of(&rows.items)).await?;
        }
        let control = &rows.control;
        let insert = self.insert(WRITING, sql::INSERT_CONTROL, control.id.len(), |query| {
            let query = query.bind(&control.ts).bind(&control.id);
            let query = query.bind(&control.stream).bind(&control.root).bind(&control.body_json);
            query.bind(&control.arrival).bind(&control.believed)
        });
        insert.await.map(|_| ())
    }

    /// Whether all rows of lines and outputs are written now: none, when one has a key that is there already.
    async fn copy(&mut self, rows: &Rows) -> Result<bool, sqlx::Error> {
        if rows.raw.rows + rows.outputs.rows == 0 {
            return Ok(true);
        }
        if *self.meets_rows {
            return Ok(false);
        }
        let mut savepoint = self.transaction.begin().await?;
        let copied = async {
            copy(&mut savepoint, sql::COPY_RAW, &rows.raw).await?;
            copy(&mut savepoint, sql::COPY_OUTPUTS, &rows.outputs).await
        };
        match copied.await {
            Ok(()) => savepoint.commit().await.map(|()| true),
            Err(error) if error.as_database_error().is_some_and(|error| error.is_unique_violation()) => {
                savepoint.rollback().await?;
                *self.meets_rows = true;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Where rows are there already: a batch is offered again, or another daemon has the same keys.
    async fn insert_missing(&mut self, Columns { raw, outputs }: &Columns) -> Result<(), OutsideError> {
        let insert = self.insert(WRITING, sql::INSERT_RAW, raw.id.len(), |query| {
            let query = query.bind(&raw.ts).bind(&raw.id).bind(&raw.source).bind(&raw.compartment).bind(&raw.payload);
            let query = query.bind(&raw.layer).bind(&raw.root).bind(&raw.format).bind(&raw.attributes);
            query.bind(&raw.arrival).bind(&raw.believed).bind(&raw.provenance)
        });
        let lines_are_new = insert.await?;
        let insert = self.insert(WRITING, sql::INSERT_OUTPUTS, outputs.id.len(), |query| {
            let query = query.bind(&outputs.ts).bind(&outputs.id).bind(&outputs.layer).bind(&outputs.model);
            let query = query.bind(&outputs.input_ref).bind(&outputs.output_json).bind(&outputs.score);
            query.bind(&outputs.root).bind(&outputs.producer).bind(&outputs.arrival).bind(&outputs.believed)
        });
        *self.meets_rows = !(insert.await? && lines_are_new);
        Ok(())
    }

    /// As [`rows`](Self::rows).
    ///
    /// # Errors
    /// Nothing of the transaction is written.
    pub async fn letters(&mut self, letters: &[LetterRow]) -> Result<(), OutsideError> {
        fn column<T>(letters: &[LetterRow], value: impl Fn(&LetterRow) -> T) -> Vec<T> {
            letters.iter().map(value).collect()
        }
        let (ts, id) = (column(letters, |letter| letter.kept_at), column(letters, |letter| letter.id));
        let (stream, reason) = (
            column(letters, |letter| clean(&letter.stream).into_owned()),
            column(letters, |letter| clean(&letter.reason).into_owned()),
        );
        let payload = column(letters, |letter| letter.payload.clone());
        let digest =
            column(letters, |letter| letter.digest.clone().unwrap_or_else(|| letter.number.to_le_bytes().to_vec()));
        let insert = self.insert("writing dead letters to Postgres", sql::INSERT_LETTERS, letters.len(), |query| {
            query.bind(&ts).bind(&id).bind(&stream).bind(&reason).bind(&payload).bind(&digest)
        });
        insert.await.map(|_| ())
    }

    /// Returns whether none was there already.
    async fn insert<'value>(
        &mut self,
        tried: &'static str,
        insert: Insert,
        rows: usize,
        bind: impl Fn(Bound<'value>) -> Bound<'value>,
    ) -> Result<bool, OutsideError> {
        if rows == 0 {
            return Ok(true);
        }
        let instance = self.instance.to_owned();
        let query = |sql: &'static str, shift: i32| bind(sqlx::query(sql).bind(instance.clone()).bind(shift));
        let done = within(tried, query(insert.all, 0).execute(&mut *self.transaction)).await?;
        if done.rows_affected() == rows as u64 {
            return Ok(true);
        }
        // The rest is there already, or its keys are another daemon's.
        for shift in 1..=limits::ARCHIVE_SHIFT_MAX {
            let missing = within(tried, query(insert.count_missing, 0).fetch_one(&mut *self.transaction)).await?;
            if missing.try_get::<i64, _>(0).map_err(|error| errors::of(tried, &error))? == 0 {
                return Ok(false);
            }
            within(tried, query(insert.missing_shifted, shift).execute(&mut *self.transaction)).await?;
        }
        let reason = format!("{} daemons have rows with the same id and time", limits::ARCHIVE_SHIFT_MAX);
        Err(errors::failed("keys", tried, &reason, "archive some of them to another database"))
    }

    /// Ends the transaction. The checkpoint is what a restart after a loss of power begins from: all its events must be there.
    ///
    /// # Errors
    /// Nothing of the transaction is written.
    pub async fn commit(mut self, progress: Progress, checkpoint: Option<&Checkpoint>) -> Result<(), OutsideError> {
        let tried = "writing how far the archive is";
        let query = sqlx::query(sql::WRITE_ROWS_THROUGH).bind(self.instance).bind(progress.rows.packed());
        within(tried, query.bind(progress.letters).execute(&mut *self.transaction)).await?;
        if let Some(checkpoint) = checkpoint {
            within(tried, self.write_checkpoint(checkpoint)).await?;
        }
        within("committing to Postgres", self.transaction.commit()).await
    }

    async fn write_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), sqlx::Error> {
        let cursors: serde_json::Map<String, Value> =
            checkpoint.cursors.iter().map(|(name, cursor)| (name.clone(), Value::from(cursor.to_string()))).collect();
        let positions: serde_json::Map<String, Value> =
            checkpoint.positions.iter().map(|(name, position)| (name.clone(), position.clone())).collect();
        let query = sqlx::query(sql::WRITE_CHECKPOINT).bind(self.instance).bind(checkpoint.id.packed());
        let query = query.bind(Value::Object(cursors).to_string()).bind(Value::Object(positions).to_string());
        query.execute(&mut *self.transaction).await?;
        for saved in &checkpoint.snapshots {
            let query = sqlx::query(sql::WRITE_SNAPSHOT).bind(self.instance).bind(&saved.consumer);
            let query = query.bind(&saved.version).bind(saved.cursor.packed()).bind(&saved.state);
            query.execute(&mut *self.transaction).await?;
        }
        Ok(())
    }
}

/// All of them, or an error.
async fn copy(connection: &mut PgConnection, statement: &'static str, copied: &Copied) -> Result<(), sqlx::Error> {
    if copied.rows == 0 {
        return Ok(());
    }
    let mut copy = connection.copy_in_raw(statement).await?;
    for piece in copied.pieces(PIECE_BYTES) {
        copy.send(piece).await?;
    }
    copy.finish().await.map(|_| ())
}
