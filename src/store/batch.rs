//! Transactions of the log as the rows of one transaction of SQLite.

pub(super) mod insert;

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, Result as Sqlite, params};

use super::entities::about::About;
use super::entities::index;
use super::rows::{ControlRow, FormatNames, OutputRow, RawRow, Row, RowError, row};
use super::schema::snapshot_version;
use super::taken::TakenRow;
use crate::bus::{DeadLetter, Transaction};
use crate::event::EventId;
use insert::{Table, each, table, write_rows};

/// What the transactions of one commit write, by table.
#[derive(Default)]
pub(super) struct Batch<'a> {
    raw: Vec<RawRow<'a>>,
    outputs: Vec<OutputRow>,
    /// Of the SOC events among the outputs.
    about: Vec<About<'a>>,
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
    pub refused: Vec<RowError>,
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
                Ok(Row::Output(row)) => {
                    self.outputs.push(row);
                    self.about.extend(About::of(event));
                }
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

    /// Writes all of it; in a transaction.
    pub fn write(&self, connection: &Connection) -> Sqlite<()> {
        const RAW: Table = table!(
            "raw_events_fast (id, ts, arrival, believed, source, compartment, payload, layer, root, format, \
             attributes, provenance)",
            "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        );
        const OUTPUT: Table = table!(
            "model_outputs_fast (id, ts, arrival, believed, layer, model, input_ref, output_json, score, root, \
             producer)",
            "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        );
        const CONTROL: Table =
            table!("control_events_fast (id, ts, arrival, believed, stream, root, body_json)", "(?, ?, ?, ?, ?, ?, ?)");
        write_rows(connection, &RAW, &self.raw, |row, write| {
            let RawRow { id, ts, arrival, believed, layer, root, attributes, .. } = row;
            let (source, compartment, format) = (&*row.source, &*row.compartment, &*row.format);
            let (payload, provenance) = (&*row.payload, row.provenance.as_deref());
            write(params![
                id,
                ts,
                arrival,
                believed,
                source,
                compartment,
                payload,
                layer,
                root,
                format,
                attributes,
                provenance
            ])
        })?;
        write_rows(connection, &OUTPUT, &self.outputs, |row, write| {
            let OutputRow { id, ts, arrival, believed, layer, input_ref, output_json, score, root, producer, .. } = row;
            let model = &*row.model;
            write(params![id, ts, arrival, believed, layer, model, input_ref, output_json, score, root, producer])
        })?;
        write_rows(connection, &index::INSERT, &self.about, About::write)?;
        write_rows(connection, &CONTROL, &self.control, |row, write| {
            let ControlRow { id, ts, arrival, believed, stream, root, body_json } = row;
            write(params![id, ts, arrival, believed, stream, root, body_json])
        })?;
        self.write_state(connection)
    }

    fn write_state(&self, connection: &Connection) -> Sqlite<()> {
        const LETTER: &str =
            "INSERT OR IGNORE INTO dead_letters (id, stream, reason, payload, digest) VALUES (?, ?, ?, ?, ?)";
        const CURSOR: &str = "INSERT INTO cursors (consumer, id) VALUES (?, ?) \
            ON CONFLICT(consumer) DO UPDATE SET id = max(id, excluded.id)";
        const TAKEN: &str = "INSERT OR REPLACE INTO taken_entries (first, last, stream, keys) VALUES (?, ?, ?, ?)";
        const SNAPSHOT: &str =
            "INSERT OR REPLACE INTO snapshots (consumer, version, cursor, state) VALUES (?, ?, ?, ?)";
        each(connection, LETTER, &self.letters, |statement, letter| {
            let Letter { id, stream, reason, payload, digest } = letter;
            statement.execute(params![id, stream, reason, payload, digest])
        })?;
        each(connection, CURSOR, &self.cursors, |statement, cursor| statement.execute(cursor))?;
        self.write_positions(connection)?;
        each(connection, TAKEN, &self.taken, |statement, row| {
            statement.execute(params![row.first, row.last, row.stream, row.keys])
        })?;
        each(connection, SNAPSHOT, &self.snapshots, |statement, (consumer, snapshot)| {
            statement.execute(params![consumer, snapshot_version(), snapshot.cursor.packed(), &*snapshot.state])
        })
    }

    /// What is forgotten leaves no row: senders invent names without end.
    fn write_positions(&self, connection: &Connection) -> Sqlite<()> {
        const KNOWN: &str = "INSERT OR REPLACE INTO positions (source, position) VALUES (?, ?)";
        const GONE: &str = "DELETE FROM positions WHERE source = ?";
        let known = self.positions.iter().filter_map(|(source, position)| Some((source, position.as_ref()?)));
        each(connection, KNOWN, known, |statement, position| statement.execute(position))?;
        let gone = self.positions.iter().filter(|(_, position)| position.is_none());
        each(connection, GONE, gone, |statement, (source, _)| statement.execute([source]))
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
