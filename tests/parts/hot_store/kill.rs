//! After `kill -9` the log is a prefix, and cursors, positions and rows agree.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dsmild::bus::{Snapshot, Transaction};
use dsmild::event::{EventId, Interest, Stream};
use dsmild::store::{HotStore, Recovery};
use serde_json::json;

use super::{assert_sound, config, decision, line, number_of};

const ROUNDS: u32 = 20;
const PATH: &str = "DSMIL_TEST_STORE";

/// A source transaction and the stage transaction that follows from it.
fn step(numbers: std::ops::Range<u64>) -> [Arc<Transaction>; 2] {
    let last = line(numbers.end - 1, 0).id;
    let source = Transaction {
        consumer: "intake-test".into(),
        events: numbers.clone().map(|number| line(number, 200)).collect(),
        positions: vec![("test".into(), json!(numbers.end))],
        ..Transaction::default()
    };
    let stage = Transaction {
        consumer: "l3".into(),
        cursor: Some(last),
        events: numbers.clone().map(decision).collect(),
        snapshot: Some(Snapshot { cursor: last, state: numbers.end.to_be_bytes().to_vec().into() }),
        ..Transaction::default()
    };
    [source.into(), stage.into()]
}

/// The process that is killed; does nothing as a test of its own.
#[tokio::test]
#[ignore = "started by kills_at_any_moment_leave_a_prefix"]
async fn child() {
    let Ok(path) = std::env::var(PATH) else { return };
    let (store, recovery) = HotStore::open(&config(Path::new(&path), "64MiB")).await.unwrap();
    let mut next = recovery.positions.get("test").map_or(0, |count| count.as_u64().unwrap());
    println!("\nready");
    let mut has_committed = false;
    loop {
        let transactions: Vec<_> = (0..1 + next % 5)
            .flat_map(|_| {
                let first = next;
                next += 1 + next % 97;
                step(first..next)
            })
            .collect();
        store.commit(&transactions).await.unwrap();
        if !std::mem::replace(&mut has_committed, true) {
            println!("committed");
        }
    }
}

/// Kills it some time after it has said that.
fn run_and_kill(path: &Path, after: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hot_store::kill::child", "--ignored", "--nocapture"])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == after), "the child was never {after}");
    // Not a wait for anything: the moment of the kill is meant to be arbitrary.
    let random = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    std::thread::sleep(Duration::from_micros(u64::from(random / 7 % 60_000)));
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn count_of_a_prefix(store: &HotStore, recovery: &Recovery) -> u64 {
    let (mut raw, mut decided, mut last) = (0, 0, EventId::ZERO);
    loop {
        let page = store.after(last, Interest::ALL, 1000).await.unwrap();
        let Some(newest) = page.last() else { break };
        last = newest.id;
        for event in &page {
            let count = if event.stream == Stream::L3In { &mut raw } else { &mut decided };
            assert_eq!(number_of(event), *count, "a hole in {}", event.stream);
            *count += 1;
        }
    }
    assert_eq!(raw, decided, "a transaction was torn");
    assert_eq!(recovery.positions.get("test").map_or(0, |count| count.as_u64().unwrap()), raw);
    if raw > 0 {
        let last_line = line(raw - 1, 0).id;
        assert_eq!(recovery.cursors["l3"], last_line);
        assert_eq!(recovery.last_id, last);
        assert_eq!(store.snapshot("l3").await.unwrap().unwrap().cursor, last_line);
    }
    raw
}

#[tokio::test]
async fn kills_at_any_moment_leave_a_prefix() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = folder.path().join("hotpath.db");
    let mut before = 0;
    for round in 0..ROUNDS {
        // Where the machine has no time for it, no other round may come to a commit.
        run_and_kill(&path, if round == 0 { "committed" } else { "ready" });
        let (store, recovery) = HotStore::open(&config(&path, "64MiB")).await.unwrap();
        assert_eq!(recovery.moved_aside, None);
        let count = count_of_a_prefix(&store, &recovery).await;
        assert!(count >= before, "{count} lines after {before}");
        before = count;
        store.close().await;
        assert_sound(&path).await;
    }
    assert!(before > 0, "what was committed is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_given_up_half_way_is_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hotpath.db");
    let (store, _) = HotStore::open(&config(&path, "64MiB")).await.unwrap();
    let mut count = 0;
    for microseconds in (0..4000).step_by(100) {
        let transactions = step(count..count + 300);
        // However far it came: the commit's future is dropped.
        let _ = tokio::time::timeout(Duration::from_micros(microseconds), store.commit(&transactions)).await;
        let mut attempts = 0;
        while let Err(error) = store.commit(&transactions).await {
            attempts += 1;
            assert!(attempts < 100, "{error}");
        }
        count += 300;
    }
    store.close().await;
    let (store, recovery) = HotStore::open(&config(&path, "64MiB")).await.unwrap();
    assert_eq!(count_of_a_prefix(&store, &recovery).await, count);
    store.close().await;
    assert_sound(&path).await;
}
