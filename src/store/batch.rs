//! Transactions of the log as the statements of one transaction of SQLite. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{AssertSqlSafe, Execute, QueryBuilder, SqlSafeStr, SqlStr};

use super::rows::{ControlRow, FormatNames, OutputRow, RawRow, Row, RowError, row};
use super::schema::snapshot_version;
use super::taken::TakenRow;
use crate::bus::{DeadLetter, Transaction};
use crate::event::EventId;
use crate::limits::INSERT_ROWS_MAX;

/// One statement of SQLite with its values.
pub(super) struct Statement {
    pub sql: SqlStr,
    pub arguments: SqliteArguments,
}

impl Statement {
    /// One without values.
    pub fn plain(sql: String) -> Self {
        Self { sql: AssertSqlSafe(sql).into_sql_str(), arguments: SqliteArguments::default() }
    }
}

impl From<QueryBuilder<Sqlite>> for Statement {
    fn from(mut builder: QueryBuilder<Sqlite>) -> Self {
        let mut query = builder.build();
        let arguments = query.take_arguments().ok().flatten().unwrap_or_default();
        Self { sql: query.sql(), arguments }
    }
}

/// What the transactions of one commit write, by table.
#[derive(Default)]
pub(super) struct Batch<'a> {
    raw: Vec<RawRow<'a>>,
    outputs: Vec<OutputRow>,
    control: Vec<ControlRow>,
    letters: Vec<Letter<'a>>,
    cursors: BTreeMap<&'a str, i64>,
    /// `None`: it will not come again.
    positions: BTreeMap<&'a str, Option<String>>,
    snapshots: BTreeMap<&'a str, &'a crate::bus::Snapshot>,
    taken: Vec<TakenRow<'a>>,
    /// The largest id of an event or a cursor.
    pub last_id: EventId,
    /// How many events there are.
    pub events: usize,
    /// Events that no table takes; each is among the letters.
    refused: Vec<RowError>,
}

struct Letter<'a> {
    id: i64,
    stream: &'a str,
    reason: String,
    payload: Vec<u8>,
    digest: Vec<u8>,
}

impl<'a> Batch<'a> {
    /// Sorts what the transactions hold by table. Of several cursors or snapshots of a consumer the latest counts.
    pub fn of(transactions: &'a [Arc<Transaction>]) -> Self {
        let mut batch = Self::default();
        let mut formats = FormatNames::default();
        for transaction in transactions {
            batch.add(transaction, &mut formats);
        }
        batch
    }

    fn add(&mut self, transaction: &'a Transaction, formats: &mut FormatNames) {
        let letters_before = self.letters.len();
        for event in transaction.events.iter() {
            self.last_id = self.last_id.max(event.id);
            match row(event, formats) {
                Ok(Row::Raw(row)) => self.raw.push(row),
                Ok(Row::Output(row)) => self.outputs.push(row),
                Ok(Row::Control(row)) => self.control.push(row),
                Err(error) => {
                    let payload = crate::event::wire::to_text(event).into_bytes();
                    self.letter(transaction, letters_before, event.id, event.stream.name(), error.to_string(), payload);
                    self.refused.push(error);
                }
            }
        }
        self.events += transaction.events.len();
        self.taken.extend(TakenRow::of(transaction));
        if let Some(cursor) = transaction.cursor {
            self.last_id = self.last_id.max(cursor);
            let known = self.cursors.entry(&transaction.consumer).or_default();
            *known = cursor.packed().max(*known);
        }
        for (source, position) in &transaction.positions {
            self.positions.insert(source, (!position.is_null()).then(|| position.to_string()));
        }
        if let Some(snapshot) = &transaction.snapshot {
            self.snapshots.insert(&transaction.consumer, snapshot);
        }
        for DeadLetter { id, stream, reason, payload } in &transaction.dead_letters {
            self.letter(transaction, letters_before, *id, stream, reason.clone(), payload.to_vec());
        }
    }

    fn letter(
        &mut self,
        transaction: &Transaction,
        letters_before: usize,
        id: EventId,
        stream: &'a str,
        reason: String,
        payload: Vec<u8>,
    ) {
        let digest = letter_digest(transaction, self.letters.len() - letters_before, id, stream, &reason, &payload);
        self.letters.push(Letter { id: id.packed(), stream, reason, payload, digest });
    }

    /// The statements in order, and the events that no table took.
    pub fn statements(self) -> (Vec<Statement>, Vec<RowError>) {
        let mut statements = Vec::new();
        self.event_statements(&mut statements);
        self.state_statements(&mut statements);
        (statements, self.refused)
    }

    /// REPLACE and not IGNORE: a repeated commit writes the same bytes again, and a row that another program put
    /// under one of our ids does not cost us the event.
    fn event_statements(&self, statements: &mut Vec<Statement>) {
        let raw = "INSERT OR REPLACE INTO raw_events_fast \
                   (id, ts, arrival, believed, source, compartment, payload, layer, root, format, attributes, provenance) ";
        with_values(statements, raw, "", &self.raw, |mut values, row| {
            values.push_bind(row.id).push_bind(row.ts).push_bind(row.arrival).push_bind(row.believed);
            values
                .push_bind(row.source.clone())
                .push_bind(row.compartment.clone())
                .push_bind(&*row.payload)
                .push_bind(row.layer);
            values.push_bind(row.root).push_bind(row.format.clone()).push_bind(row.attributes);
            values.push_bind(row.provenance.as_deref());
        });
        let outputs = "INSERT OR REPLACE INTO model_outputs_fast \
                       (id, ts, arrival, believed, layer, model, input_ref, output_json, score, root, producer) ";
        with_values(statements, outputs, "", &self.outputs, |mut values, row| {
            values.push_bind(row.id).push_bind(row.ts).push_bind(row.arrival).push_bind(row.believed);
            values.push_bind(row.layer).push_bind(row.model.clone());
            values.push_bind(row.input_ref.as_deref()).push_bind(row.output_json.as_str()).push_bind(row.score);
            values.push_bind(row.root).push_bind(row.producer);
        });
        let control =
            "INSERT OR REPLACE INTO control_events_fast (id, ts, arrival, believed, stream, root, body_json) ";
        with_values(statements, control, "", &self.control, |mut values, row| {
            values.push_bind(row.id).push_bind(row.ts).push_bind(row.arrival).push_bind(row.believed);
            values.push_bind(row.stream).push_bind(row.root).push_bind(row.body_json.as_str());
        });
    }

    fn state_statements(&self, statements: &mut Vec<Statement>) {
        let letters = "INSERT OR IGNORE INTO dead_letters (id, stream, reason, payload, digest) ";
        with_values(statements, letters, "", &self.letters, |mut values, letter| {
            values.push_bind(letter.id).push_bind(letter.stream).push_bind(letter.reason.as_str());
            values.push_bind(letter.payload.as_slice()).push_bind(letter.digest.as_slice());
        });
        let cursors: Vec<_> = self.cursors.iter().collect();
        let never_back = " ON CONFLICT(consumer) DO UPDATE SET id = max(id, excluded.id)";
        with_values(
            statements,
            "INSERT INTO cursors (consumer, id) ",
            never_back,
            &cursors,
            |mut values, (consumer, id)| {
                values.push_bind(**consumer).push_bind(**id);
            },
        );
        self.position_statements(statements);
        let taken = "INSERT OR REPLACE INTO taken_entries (first, last, stream, keys) ";
        with_values(statements, taken, "", &self.taken, |mut values, row| {
            values.push_bind(row.first).push_bind(row.last).push_bind(row.stream).push_bind(row.keys.as_slice());
        });
        let snapshots: Vec<_> = self.snapshots.iter().collect();
        let replace = "INSERT OR REPLACE INTO snapshots (consumer, version, cursor, state) ";
        with_values(statements, replace, "", &snapshots, |mut values, (consumer, snapshot)| {
            values.push_bind(**consumer).push_bind(snapshot_version());
            values.push_bind(snapshot.cursor.packed()).push_bind(&*snapshot.state);
        });
    }

    /// What is forgotten leaves no row: senders invent names without end.
    fn position_statements(&self, statements: &mut Vec<Statement>) {
        let known: Vec<_> =
            self.positions.iter().filter_map(|(source, position)| Some((source, position.as_ref()?))).collect();
        let replace = "INSERT OR REPLACE INTO positions (source, position) ";
        with_values(statements, replace, "", &known, |mut values, (source, position)| {
            values.push_bind(**source).push_bind(position.as_str());
        });
        let gone: Vec<_> = self.positions.iter().filter(|(_, position)| position.is_none()).collect();
        with_values(statements, "DELETE FROM positions WHERE source IN (", ")", &gone, |mut values, (source, _)| {
            values.push_bind(**source);
        });
    }
}

/// The same transaction leads to the same digest, so that a repeated commit keeps each letter once; two equal letters
/// of different transactions, or of one transaction, are kept apart.
fn letter_digest(
    transaction: &Transaction,
    number: usize,
    id: EventId,
    stream: &str,
    reason: &str,
    payload: &[u8],
) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    let positions = serde_json::to_vec(&transaction.positions).unwrap_or_default();
    let numbers = format!("{:?} {number} {id}", transaction.cursor);
    for part in
        [transaction.consumer.as_bytes(), &positions, numbers.as_bytes(), stream.as_bytes(), reason.as_bytes(), payload]
    {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.finalize().as_bytes().iter().take(16).copied().collect()
}

type Values<'values> = sqlx::query_builder::Separated<'values, Sqlite, &'static str>;

/// Adds statements that take many rows of values: full ones, and the rest in powers of two, so that there are few distinct texts to prepare.
fn with_values<Item>(
    statements: &mut Vec<Statement>,
    head: &str,
    tail: &str,
    rows: &[Item],
    mut bind: impl FnMut(Values<'_>, &Item),
) {
    let mut rest = rows;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(chunk_rows(rest.len()));
        rest = after;
        let mut builder = QueryBuilder::<Sqlite>::new(head);
        builder.push_values(chunk, &mut bind).push(tail);
        statements.push(builder.into());
    }
}

fn chunk_rows(rows: usize) -> usize {
    if rows >= INSERT_ROWS_MAX { INSERT_ROWS_MAX } else { 1 << rows.ilog2() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection};

    use super::*;
    use crate::store::HotStore;
    use crate::store::tests::config;

    #[tokio::test]
    async fn a_position_that_will_not_come_again_leaves_no_row_and_one_that_comes_again_has_one() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = HotStore::open(&config(&folder)).await.unwrap();
        let positions = |positions: &[(&str, Value)]| {
            let positions = positions.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            Arc::new(Transaction { consumer: "intake-file".into(), positions, ..Transaction::default() })
        };
        let many: Vec<(String, Value)> = (0..700).map(|n| (format!("clock:http:{n}"), json!(n))).collect();
        let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let gone: Vec<_> = many.iter().map(|(name, _)| (*name, Value::Null)).collect();
        store.commit(&[positions(&many), positions(&[("a", json!(1)), ("b", json!(1))])]).await.unwrap();
        store
            .commit(&[positions(&gone), positions(&[("a", json!(null)), ("b", json!(null)), ("b", json!(2))])])
            .await
            .unwrap();
        let rows: i64 =
            sqlx::query_scalar("SELECT count(*) FROM positions").fetch_one(&store.inner.readers).await.unwrap();
        assert_eq!(rows, 1);
        store.close().await;
        let (store, recovery) = HotStore::open(&config(&folder)).await.unwrap();
        assert_eq!(recovery.positions, BTreeMap::from([("b".to_owned(), json!(2))]));
        store.close().await;
        // As earlier versions kept it.
        let mut connection = SqliteConnectOptions::new().filename(config(&folder).path).connect().await.unwrap();
        sqlx::query("INSERT INTO positions VALUES ('c', 'null')").execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let (_store, recovery) = HotStore::open(&config(&folder)).await.unwrap();
        assert_eq!(recovery.positions.len(), 1);
    }
}
