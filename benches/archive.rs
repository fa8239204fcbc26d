//! Rows a second into Postgres, next to `psql \copy` of the same rows in the same run.
//!
//! `cargo bench --bench archive`; PostgreSQL is started in `/dev/shm`.

// A bench is a program of its own: what goes wrong ends it.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use dsmild::bus::EventRef;
use dsmild::config;
use dsmild::event::{Body, Decision, Event, EventId, Format, Raw, Stream, Times, Timestamp};
use dsmild::outlet::archive::{Link, Progress, Rows, Window};
use dsmild::parse::built_in;
use futures_util::future::join;

use postgres::Server;

mod input;
mod postgres;

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

static ROWS: LazyLock<usize> = LazyLock::new(|| input::size(400_000));
const ROUNDS: usize = 3;
const BATCH: usize = 5000;
const NOW_MS: u64 = 1_763_856_000_000;

fn event(number: usize) -> Event {
    let id = EventId::new(NOW_MS + number as u64 / 100, number as u32 % 100);
    let line =
        "Nov 23 02:00:01 host sshd[4711]: Failed password for invalid user admin from 203.0.113.9 port 50022 ssh2";
    let (stream, body) = if number.is_multiple_of(2) {
        let raw = Raw::new(
            "file:/var/log/auth.log".into(),
            "ops".into(),
            Format::Syslog,
            line.into(),
            Vec::new(),
            built_in(),
        );
        (Stream::L3In, Body::Raw(raw))
    } else {
        let decision = Decision::benign("sigma".into(), 15, "ops".into(), id);
        (Stream::L3Out, Body::Decision(Box::new(decision)))
    };
    Event { id, stream, times: Times::at(Timestamp::from_millis(id.ms())), root: id, body }
}

async fn archive(server: &Server, events: &[Arc<[Event]>]) -> f64 {
    let config: config::Archive = toml::from_str(&format!("url = {:?}", server.url())).unwrap();
    let window = Window::at(Timestamp::from_millis(NOW_MS), Duration::from_secs(86_400));
    let mut link = loop {
        match Link::open(&config, "bench").await {
            Ok(link) => break link,
            Err(error) if error.text.contains("os error") => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) if error.text.contains("starting up") => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    };
    link.tend(Timestamp::from_millis(NOW_MS), window).await.unwrap();
    let begun = Instant::now();
    let mut portions = events.iter();
    let mut ready = portions.next().map(|events| Rows::of(EventRef::all(events), "bench", window));
    while let Some(rows) = ready {
        link.prepare_for(&rows).await.unwrap();
        let mut batch = link.transaction().await.unwrap();
        // As the daemon does: the next is made ready while Postgres works.
        let following = async { portions.next().map(|events| Rows::of(EventRef::all(events), "bench", window)) };
        let (written, next) = join(batch.rows(&rows), following).await;
        written.unwrap();
        batch.commit(Progress { rows: rows.through().unwrap(), letters: 0 }, None).await.unwrap();
        ready = next;
    }
    let rate = *ROWS as f64 / begun.elapsed().as_secs_f64();
    link.close().await;
    rate
}

/// Takes the rows out as text and copies them into tables of the same shape.
fn copy(server: &Server, folder: &Path) -> f64 {
    let file = |table: &str| folder.join(format!("{table}.copy"));
    let tables = ["raw_events_fast", "model_outputs_fast"];
    for table in tables {
        assert!(psql(server, &format!("\\copy (SELECT * FROM {table}) TO '{}'", file(table).display())));
        assert!(psql(server, &format!("TRUNCATE {table}")));
    }
    let begun = Instant::now();
    for table in tables {
        assert!(psql(server, &format!("\\copy {table} FROM '{}'", file(table).display())));
    }
    *ROWS as f64 / begun.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let events = (0..*ROWS).step_by(BATCH).map(|first| (first..(first + BATCH).min(*ROWS)).map(event).collect());
    let events: Vec<Arc<[Event]>> = events.collect();
    let (mut archived, mut copied) = (Vec::new(), Vec::new());
    // Interleaved, so that what else the machine does falls on both.
    if !postgres::installed() {
        return;
    }
    for _ in 0..ROUNDS {
        let server = Server::start();
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        archived.push(archive(&server, &events).await);
        copied.push(copy(&server, folder.path()));
        std::io::stdout().flush().unwrap();
    }
    let (archived, copied) = (median(archived), median(copied));
    println!("{} rows, half lines and half decisions, batches of {BATCH}, median of {ROUNDS} rounds", *ROWS);
    println!("psql \\copy  {copied:>9.0} rows/s");
    println!("archive     {archived:>9.0} rows/s, {:.2} of that", archived / copied);
}

fn psql(server: &Server, sql: &str) -> bool {
    let mut command = Command::new("psql");
    command.arg("-h").arg(server.dir.path()).args(["-p", "54329", "-U", "postgres", "-q", "-c", sql]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}
