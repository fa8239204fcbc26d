//! An archive that an earlier version made: another daemon brings it up to date and goes on.

use std::sync::Arc;

use dsmild::event::{EventId, RecordParser, Timestamp};
use dsmild::outlet::archive::{Link, Progress};
use dsmild::parse::built_in;
use sqlx::Row;

use crate::archive_keys::{config, events, write};
use crate::harness::{Site, wait_for, wait_for_count};
use crate::postgres::{Postgres, block_on};

/// The tables of version 2, before arrival and belief were kept.
const OLD_TABLES: &str = "
CREATE TABLE raw_events_fast (
    ts DOUBLE PRECISION NOT NULL, source TEXT NOT NULL, compartment TEXT NOT NULL, payload BYTEA NOT NULL,
    id BIGINT NOT NULL, layer SMALLINT NOT NULL, root BIGINT, format TEXT NOT NULL, attributes SMALLINT NOT NULL,
    instance TEXT NOT NULL, ts_shift INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE raw_events_fast_default PARTITION OF raw_events_fast DEFAULT;
CREATE INDEX idx_raw_events_fast_ts ON raw_events_fast (ts);
CREATE TABLE model_outputs_fast (
    ts DOUBLE PRECISION NOT NULL, layer SMALLINT NOT NULL, model TEXT NOT NULL, input_ref TEXT,
    output_json TEXT NOT NULL, score DOUBLE PRECISION, id BIGINT NOT NULL, root BIGINT NOT NULL,
    producer SMALLINT NOT NULL, instance TEXT NOT NULL, ts_shift INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE model_outputs_fast_default PARTITION OF model_outputs_fast DEFAULT;
CREATE INDEX idx_model_outputs_fast_layer_ts ON model_outputs_fast (layer, ts);
CREATE TABLE control_events_fast (
    id BIGINT NOT NULL, ts DOUBLE PRECISION NOT NULL, stream TEXT NOT NULL, root BIGINT, body_json TEXT NOT NULL,
    instance TEXT NOT NULL, ts_shift INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE control_events_fast_default PARTITION OF control_events_fast DEFAULT;
CREATE TABLE dead_letters (
    id BIGINT NOT NULL, stream TEXT NOT NULL, reason TEXT NOT NULL, payload BYTEA NOT NULL,
    ts DOUBLE PRECISION NOT NULL, digest BYTEA NOT NULL, instance TEXT NOT NULL,
    ts_shift INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE dead_letters_default PARTITION OF dead_letters DEFAULT;
CREATE TABLE dsmil_archive_state (
    instance TEXT PRIMARY KEY, rows_through BIGINT NOT NULL, letters_through BIGINT NOT NULL,
    checkpoint BIGINT, cursors TEXT, positions TEXT, changed_at TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE TABLE dsmil_archive_snapshots (
    instance TEXT NOT NULL, consumer TEXT NOT NULL, version TEXT NOT NULL, cursor BIGINT NOT NULL, state BYTEA NOT NULL,
    PRIMARY KEY (instance, consumer));
CREATE TABLE dsmil_archive_entries (
    stream TEXT NOT NULL, ms BIGINT NOT NULL, n BIGINT NOT NULL, content BIGINT NOT NULL,
    instance TEXT NOT NULL, id BIGINT NOT NULL, PRIMARY KEY (ms, n, content, stream));
CREATE INDEX idx_dsmil_archive_entries_id ON dsmil_archive_entries USING brin (id);
CREATE TABLE dsmil_archive_duplicates (
    instance TEXT NOT NULL, id BIGINT NOT NULL, of_instance TEXT NOT NULL, of_id BIGINT NOT NULL,
    PRIMARY KEY (instance, id));
CREATE TABLE dsmil_archive_schema (version INTEGER NOT NULL);
INSERT INTO dsmil_archive_schema VALUES (1), (2);
CREATE TABLE raw_events_fast_20251122 PARTITION OF raw_events_fast FOR VALUES FROM (1763769600) TO (1763856000);
";

/// Rows of the earlier version: one in a partition of its day, one in none.
fn old_archive(postgres: &Postgres) -> [EventId; 2] {
    postgres.execute(OLD_TABLES);
    let ids = [EventId::new(1_763_700_000_000, 0), EventId::new(1_763_800_000_000, 3)];
    for id in ids {
        postgres.execute(&format!(
            "INSERT INTO raw_events_fast VALUES ({}, 'old', '', 'an old line', {}, 3, NULL, 'auto', 0, 'one')",
            id.ms() as f64 / 1000.0,
            id.packed()
        ));
    }
    postgres.execute(&format!("INSERT INTO dsmil_archive_state VALUES ('one', {}, 0)", ids[1].packed()));
    ids
}

#[test]
fn an_archive_without_arrival_and_belief_is_brought_up_to_date_and_read() {
    let Some(postgres) = Postgres::started() else { return };
    let old = old_archive(&postgres);
    block_on(async {
        let parser: Arc<dyn RecordParser> = built_in();
        let mut link = Link::open(&config(&postgres), "one").await.unwrap();
        assert_eq!(link.progress().await.unwrap(), Some(Progress { rows: old[1], letters: 0 }));
        write(&mut link, &events("new")).await;
        let last = events("new").last().unwrap().id;
        let (found, _) = link.events(EventId::ZERO, last, 100, &parser).await.unwrap().unwrap();
        let ids: Vec<EventId> = found.iter().map(|event| event.id).collect();
        assert_eq!(ids, old.into_iter().chain(events("new").iter().map(|event| event.id)).collect::<Vec<_>>());
        for event in found.iter().take(2) {
            let at = Timestamp::from_millis(event.id.ms());
            assert_eq!((event.times.arrival, event.times.believed), (at, at), "{event:?}");
        }
        link.close().await;
        // Once: the next one finds nothing to do.
        Link::open(&config(&postgres), "one").await.unwrap().close().await;
    });
    let versions = postgres.rows("SELECT version FROM dsmil_archive_schema ORDER BY 1", |row| row.get::<i32, _>(0));
    assert_eq!(versions, [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        postgres.count("raw_events_fast WHERE source = 'old' AND arrival IS NULL"),
        2,
        "old rows are left alone"
    );
    assert_eq!(postgres.count("raw_events_fast WHERE source = 'new' AND arrival IS NOT NULL"), 10);
}

#[test]
fn a_daemon_goes_on_in_the_archive_of_an_earlier_version() {
    let Some(postgres) = Postgres::started() else { return };
    old_archive(&postgres);
    // The rows are of 2025, and are not to be dropped for their age.
    let keep = "retention = \"36500days\"";
    let site =
        Site::new(&format!("[archive]\n{keep}\nurl = \"{}\"\n[fusion]\ninclude_benign = true\n", postgres.url()));
    let daemon = site.start_ready();
    let (code, body) = daemon.post("/api/v1/streams/L3_IN", "{\"source\":\"new\",\"payload\":\"a line\"}\n").unwrap();
    assert_eq!(code, 200, "{body}");
    wait_for_count("the line in Postgres", 1, || postgres.count("raw_events_fast WHERE source = 'new'"));
    for layer in [3, 8] {
        let judged = format!("model_outputs_fast WHERE layer = {layer} AND arrival IS NOT NULL");
        wait_for("what came of it", || postgres.count(&judged) > 0);
    }
    assert_eq!(postgres.count("raw_events_fast WHERE source = 'old'"), 2);
    assert_eq!(daemon.terminate(), Some(0));
}
