//! Rows a second into the hot store, next to the limit measured in the same run: the same rows through one
//! prepared statement of bare SQLite on the same file system, without events, JSON, cursors or checks.
//!
//! `cargo bench --bench hot_store [-- FOLDER]`; the folder is `/dev/shm` unless given.

// A bench is a program of its own: what goes wrong ends it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use dsmild::bus::Transaction;
use dsmild::config;
use dsmild::event::{Body, Decision, Event, EventId, Format, Interest, Raw, Soc, Stream, Times, Timestamp};
use dsmild::limits::TRANSACTION_EVENTS_MAX;
use dsmild::parse::built_in;
use dsmild::store::HotStore;
use rusqlite::{Connection, params};

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

mod input;

static ROWS: LazyLock<usize> = LazyLock::new(|| input::size(400_000));
const ROUNDS: usize = 5;
/// Transactions of one commit, as the writer groups them under load.
const TRANSACTIONS_PER_COMMIT: usize = 4;

#[derive(Clone, Copy, PartialEq)]
enum Mix {
    /// Lines alone.
    Raw,
    /// A line and its decision in turn.
    Decisions,
    /// Each line with a decision and a SOC event.
    Soc,
}

fn event(number: usize, mix: Mix) -> Event {
    let id = EventId::new(1_763_856_000_000 + number as u64 / 100, number as u32 % 100);
    let line =
        "Nov 23 02:00:01 host sshd[4711]: Failed password for invalid user admin from 203.0.113.9 port 50022 ssh2";
    let (stream, body) = match (mix, number % 3) {
        (Mix::Decisions, 1 | 2) | (Mix::Soc, 1) => {
            let mut decision = Decision::benign("sigma".into(), 15, "ops".into(), id);
            decision.entity.src_ip = Some("203.0.113.9".into());
            (Stream::L3Out, Body::Decision(Box::new(decision)))
        }
        (Mix::Soc, 2) => {
            let soc = Soc { src_device: 57, summary: line.into(), input_ref: id.to_string(), ..Soc::default() };
            (Stream::SocEvents, Body::Soc(Box::new(soc)))
        }
        _ => {
            let source: Arc<str> = "file:/var/log/auth.log".into();
            let raw = Raw::new(source, "ops".into(), Format::Syslog, line.into(), Vec::new(), built_in());
            (Stream::L3In, Body::Raw(raw))
        }
    };
    Event { id, stream, times: Times::at(Timestamp::from_millis(id.ms())), root: id, body }
}

fn transactions(mix: Mix) -> Vec<Arc<Transaction>> {
    let events: Vec<Event> = (0..*ROWS).map(|number| event(number, mix)).collect();
    let transaction = |events: &[Event]| {
        let (consumer, cursor) = ("bench".to_owned(), events.last().map(|event| event.id));
        Arc::new(Transaction { consumer, cursor, events: events.into(), ..Transaction::default() })
    };
    events.chunks(TRANSACTION_EVENTS_MAX).map(transaction).collect()
}

fn rate(rows: usize, begun: Instant) -> f64 {
    rows as f64 / begun.elapsed().as_secs_f64()
}

async fn open(path: &Path) -> HotStore {
    let config = config::Store { path: path.to_owned(), ..config::Store::default() };
    HotStore::open(&config).await.unwrap().0
}

async fn commit_all(path: &Path, transactions: &[Arc<Transaction>]) -> f64 {
    let store = open(path).await;
    let begun = Instant::now();
    for group in transactions.chunks(TRANSACTIONS_PER_COMMIT) {
        store.commit(group).await.unwrap();
    }
    let rate = rate(*ROWS, begun);
    store.close().await;
    rate
}

async fn read_all(path: &Path) -> f64 {
    let store = open(path).await;
    let (mut count, mut last, begun) = (0, EventId::ZERO, Instant::now());
    loop {
        let page = store.after(last, Interest::ALL, TRANSACTION_EVENTS_MAX).await.unwrap();
        let Some(newest) = page.last() else { break };
        (count, last) = (count + page.len(), newest.id);
    }
    assert_eq!(count, *ROWS);
    let rate = rate(count, begun);
    store.close().await;
    rate
}

fn bare_connection(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
            CREATE TABLE raw_events_fast (ts REAL NOT NULL, source TEXT NOT NULL, compartment TEXT NOT NULL,
            payload BLOB NOT NULL, id INTEGER PRIMARY KEY, layer INTEGER, root INTEGER, format TEXT, attributes INTEGER);
            CREATE INDEX idx_raw_events_fast_ts ON raw_events_fast(ts)",
        )
        .unwrap();
    connection
}

/// The limit: values that are ready are inserted, nothing else.
fn bare_insert(path: &Path) -> f64 {
    let mut connection = bare_connection(path);
    let Body::Raw(raw) = event(0, Mix::Raw).body else { return 0.0 };
    let ids: Vec<usize> = (0..*ROWS).collect();
    let begun = Instant::now();
    for rows in ids.chunks(TRANSACTION_EVENTS_MAX * TRANSACTIONS_PER_COMMIT) {
        let transaction = connection.transaction().unwrap();
        let sql = "INSERT INTO raw_events_fast (id, ts, source, compartment, payload, layer, root, format, attributes) \
                   VALUES (?, ?, ?, ?, ?, 3, NULL, 'syslog', 0)";
        let mut statement = transaction.prepare_cached(sql).unwrap();
        for row in rows {
            let id = EventId::new(1_763_856_000_000 + *row as u64 / 100, *row as u32 % 100).packed();
            statement.execute(params![id, id as f64, &*raw.source, &*raw.compartment, &*raw.payload]).unwrap();
        }
        drop(statement);
        transaction.commit().unwrap();
    }
    rate(*ROWS, begun)
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

#[tokio::main]
async fn main() {
    let folder = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(|| PathBuf::from("/dev/shm"), PathBuf::from);
    let mixes = [(Mix::Raw, "raw lines"), (Mix::Decisions, "1 line, 2 decisions"), (Mix::Soc, "line, decision, SOC")];
    let all: Vec<_> = mixes.iter().map(|(mix, name)| (transactions(*mix), *name)).collect();
    let mut limit = Vec::new();
    let mut written = vec![Vec::new(); all.len()];
    let mut read = vec![Vec::new(); all.len()];
    // Interleaved, so that what else the machine does falls on all of them.
    for _ in 0..ROUNDS {
        limit.push(bare_insert(&tempfile::tempdir_in(&folder).unwrap().path().join("bare.db")));
        for ((transactions, _), (written, read)) in all.iter().zip(written.iter_mut().zip(&mut read)) {
            let folder = tempfile::tempdir_in(&folder).unwrap();
            let path = folder.path().join("hotpath.db");
            written.push(commit_all(&path, transactions).await);
            read.push(read_all(&path).await);
        }
    }
    let limit = median(limit);
    println!("{} rows, median of {ROUNDS} rounds, in {}", *ROWS, folder.display());
    println!("limit: bare SQLite, raw lines        {limit:>9.0} rows/s");
    for ((_, name), (written, read)) in all.into_iter().zip(written.into_iter().zip(read)) {
        let (written, read) = (median(written), median(read));
        println!("commit {name:<22}        {written:>9.0} rows/s, {:.2} of the limit", written / limit);
        println!("after  {name:<22}        {read:>9.0} rows/s");
    }
}
