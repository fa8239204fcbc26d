//! Other programs read the store, and write to it, while the daemon does.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use dsmild::event::{EventId, Interest};
use dsmild::store::{HotStore, StoreError};

use super::{config, decision, lines, outsider};

fn sqlite3(path: &Path, sql: &str) -> Option<String> {
    let output = match Command::new("sqlite3").arg("-readonly").arg(path).arg(sql).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: sqlite3 cannot be run ({error})");
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sqlite3_shell_reads_while_the_daemon_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hotpath.db");
    let (store, _) = HotStore::open(&config(&path, "256MiB")).await.unwrap();
    store.commit(&[lines(0..100, 100)]).await.unwrap();
    let writer = store.clone();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        let mut next = 100;
        while stopped.try_recv().is_err() && next < 200_000 {
            writer.commit(&[lines(next..next + 100, 100)]).await.unwrap();
            next += 100;
        }
        next
    });
    for _ in 0..20 {
        let Some(count) = sqlite3(&path, "SELECT count(*) FROM raw_events_fast") else { return };
        let count: u64 = count.parse().unwrap();
        assert!(count >= 100 && count.is_multiple_of(100), "{count}: a reader saw half a transaction");
    }
    stop.send(()).unwrap();
    let written = writing.await.unwrap();
    assert_eq!(sqlite3(&path, "SELECT count(*) FROM raw_events_fast").unwrap(), written.to_string());
}

#[tokio::test]
async fn the_public_tables_have_the_columns_and_indexes_that_others_rely_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hotpath.db");
    let (store, _) = HotStore::open(&config(&path, "64MiB")).await.unwrap();
    let transaction =
        dsmild::bus::Transaction { events: vec![decision(7)].into(), ..dsmild::bus::Transaction::default() };
    store.commit(&[lines(7..8, 3), transaction.into()]).await.unwrap();
    let mut other = outsider(&path).await;

    let columns = |table: &str| format!("SELECT name, type, \"notnull\", pk FROM pragma_table_info('{table}')");
    let expected_raw =
        [("ts", "REAL", 1, 0), ("source", "TEXT", 1, 0), ("compartment", "TEXT", 1, 0), ("payload", "BLOB", 1, 0)];
    let expected_outputs = [
        ("ts", "REAL", 1, 0),
        ("layer", "INTEGER", 1, 0),
        ("model", "TEXT", 1, 0),
        ("input_ref", "TEXT", 0, 0),
        ("output_json", "TEXT", 1, 0),
        ("score", "REAL", 0, 0),
    ];
    for (table, expected) in [("raw_events_fast", &expected_raw[..]), ("model_outputs_fast", &expected_outputs[..])] {
        let sql = sqlx::AssertSqlSafe(columns(table));
        let found: Vec<(String, String, i64, i64)> = sqlx::query_as(sql).fetch_all(&mut other).await.unwrap();
        let found: Vec<_> =
            found.iter().map(|(name, kind, required, key)| (&**name, &**kind, *required, *key)).collect();
        assert_eq!(&found[..expected.len()], expected);
        assert!(found.contains(&("id", "INTEGER", 0, 1)), "{found:?}");
    }
    for (index, expected) in
        [("idx_raw_events_fast_ts", &["ts"][..]), ("idx_model_outputs_fast_layer_ts", &["layer", "ts"][..])]
    {
        let sql = "SELECT name FROM pragma_index_info(?)";
        let found: Vec<String> = sqlx::query_scalar(sql).bind(index).fetch_all(&mut other).await.unwrap();
        assert_eq!(found, expected);
    }
    let raw: (f64, String, Vec<u8>, i64) =
        sqlx::query_as("SELECT ts, source, payload, id FROM raw_events_fast").fetch_one(&mut other).await.unwrap();
    assert_eq!(raw, (1000.007, "test".to_owned(), b"7 xxx".to_vec(), 1_000_007 << 20));
    let output: (i64, String, String, f64) =
        sqlx::query_as("SELECT layer, model, json_extract(output_json, '$.decision'), score FROM model_outputs_fast")
            .fetch_one(&mut other)
            .await
            .unwrap();
    assert_eq!(output, (3, "test".to_owned(), "benign".to_owned(), 0.0));
}

#[tokio::test]
async fn the_group_may_read_and_others_may_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ram/hotpath.db");
    let (store, _) = HotStore::open(&config(&path, "64MiB")).await.unwrap();
    store.commit(&[lines(0..1, 1)]).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o770);
    for name in ["hotpath.db", "hotpath.db-wal", "hotpath.db-shm"] {
        assert_eq!(mode(&path.with_file_name(name)), 0o660, "{name}");
    }
}

#[tokio::test]
async fn a_commit_while_another_program_holds_the_write_lock_is_busy_and_works_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hotpath.db");
    let (store, _) = HotStore::open(&config(&path, "64MiB")).await.unwrap();
    let mut other = outsider(&path).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let error = store.commit(&[lines(0..10, 1)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    store.commit(&[lines(0..10, 1)]).await.unwrap();
    assert_eq!(store.after(EventId::ZERO, Interest::ALL, 100).await.unwrap().len(), 10);
}
