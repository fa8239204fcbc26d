//! A store that an earlier version made is opened, gets what it lacks, and is gone on with.

use std::path::Path;
use std::sync::Arc;

use dsmild::bus::{Snapshot, Transaction};
use dsmild::event::{Event, EventId, Interest, Times, Timestamp};
use dsmild::store::HotStore;
use serde_json::json;
use sqlx::AssertSqlSafe;

use super::{assert_sound, config, decision, line, lines, outsider};

/// The tables of events as they were before arrival and belief were kept.
const OLD_TABLES: [(&str, &str, &str); 3] = [
    (
        "raw_events_fast",
        "ts, source, compartment, payload, id, layer, root, format, attributes",
        "CREATE TABLE raw_events_fast (
            ts REAL NOT NULL, source TEXT NOT NULL, compartment TEXT NOT NULL, payload BLOB NOT NULL,
            id INTEGER PRIMARY KEY, layer INTEGER NOT NULL DEFAULT 3, root INTEGER, format TEXT,
            attributes INTEGER NOT NULL DEFAULT 0)",
    ),
    (
        "model_outputs_fast",
        "ts, layer, model, input_ref, output_json, score, id, root, producer",
        "CREATE TABLE model_outputs_fast (
            ts REAL NOT NULL, layer INTEGER NOT NULL, model TEXT NOT NULL, input_ref TEXT, output_json TEXT NOT NULL, score REAL,
            id INTEGER PRIMARY KEY, root INTEGER, producer INTEGER NOT NULL DEFAULT 50)",
    ),
    (
        "control_events_fast",
        "id, ts, stream, root, body_json",
        "CREATE TABLE control_events_fast (
            id INTEGER PRIMARY KEY, ts REAL NOT NULL, stream TEXT NOT NULL, root INTEGER, body_json TEXT NOT NULL)",
    ),
];

const EVENTS: u64 = 20;

/// Lines, what Layer 3 says of them, cursor, position and state of a stage, by this version.
async fn fill(path: &Path) {
    let (store, _) = HotStore::open(&config(path, "64MiB")).await.unwrap();
    let last = line(EVENTS - 1, 0).id;
    let source = Transaction {
        consumer: "intake-test".into(),
        events: (0..EVENTS).map(|number| line(number, 10)).collect(),
        positions: vec![("test".into(), json!(EVENTS))],
        ..Transaction::default()
    };
    let stage = Transaction {
        consumer: "l3".into(),
        cursor: Some(last),
        events: (0..EVENTS).map(decision).collect(),
        snapshot: Some(Snapshot { cursor: last, state: b"state".to_vec().into() }),
        ..Transaction::default()
    };
    store.commit(&[source.into(), stage.into()]).await.unwrap();
    store.close().await;
}

/// The same rows in the tables of the earlier version.
async fn downgrade(path: &Path) {
    let mut outsider = outsider(path).await;
    for (table, columns, ddl) in OLD_TABLES {
        for sql in [
            format!("ALTER TABLE {table} RENAME TO newer"),
            ddl.to_owned(),
            format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM newer"),
            "DROP TABLE newer".to_owned(),
        ] {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut outsider).await.unwrap();
        }
    }
    sqlx::query("UPDATE snapshots SET version = '0.1.0/1'").execute(&mut outsider).await.unwrap();
    // As it was left by a process that was killed between the one column and the other.
    sqlx::query("ALTER TABLE model_outputs_fast ADD COLUMN arrival INTEGER").execute(&mut outsider).await.unwrap();
}

#[tokio::test]
async fn a_store_without_arrival_and_belief_opens_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hotpath.db");
    fill(&path).await;
    downgrade(&path).await;
    let (store, recovery) = HotStore::open(&config(&path, "64MiB")).await.unwrap();
    assert!(recovery.moved_aside.is_none() && !recovery.created);
    assert_eq!(recovery.last_id, decision(EVENTS - 1).id);
    assert_eq!(recovery.cursors.get("l3"), Some(&line(EVENTS - 1, 0).id));
    assert_eq!(recovery.positions.get("test"), Some(&json!(EVENTS)));
    assert!(store.snapshot("l3").await.unwrap().is_none(), "a state of another shape is built again from the log");

    let old = store.after(EventId::ZERO, Interest::ALL, 1000).await.unwrap();
    let told = |id: EventId| Timestamp::from_millis(id.ms());
    assert_eq!(old.len() as u64, 2 * EVENTS);
    let expected = |event: &Event| Times::stored_without(event.times.ts.as_claimed(), event.id);
    assert!(old.iter().all(|event| event.times == expected(event)), "{old:?}");
    assert_eq!(
        old.iter().find(|event| event.id == line(3, 0).id).map(|event| event.times.ts.as_claimed()),
        Some(told(line(3, 0).id))
    );

    let mut late = line(EVENTS, 10);
    late.times = Times { believed: told(late.id).plus(std::time::Duration::from_millis(1)), ..late.times };
    let mut judged = decision(EVENTS);
    judged.times = late.times;
    let transaction = |events: Vec<Event>| {
        Arc::new(Transaction { consumer: "intake-test".into(), events: events.into(), ..Transaction::default() })
    };
    store.commit(&[transaction(vec![late.clone(), judged.clone()])]).await.unwrap();
    store.commit(&[lines(EVENTS + 1..EVENTS + 5, 10)]).await.unwrap();
    store.close().await;

    let (store, _) = HotStore::open(&config(&path, "64MiB")).await.unwrap();
    let all = store.after(EventId::ZERO, Interest::ALL, 1000).await.unwrap();
    assert_eq!(all.len() as u64, 2 * EVENTS + 6);
    let keys = |events: &[Event]| events.iter().map(|event| (event.id, event.times)).collect::<Vec<_>>();
    assert_eq!(keys(&all[..old.len()]), keys(&old), "as they were read before");
    for event in [late, judged] {
        assert_eq!(all.iter().find(|found| found.id == event.id).map(|found| found.times), Some(event.times));
    }
    store.close().await;
    assert_sound(&path).await;
}
