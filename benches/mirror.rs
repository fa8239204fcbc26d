//! Decisions a second into Redis, next to what `redis-benchmark -P 200` reaches with XADD of entries of the same fields
//! in the same run (goal: half of it); and the time in which a daemon refills an emptied Redis from its hot store
//! (goal: a million in 10 s).
//!
//! `cargo bench --bench mirror`

// A bench is a program of its own: what goes wrong ends it.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)]

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use dsmild::bus::Transaction;
use dsmild::config;
use dsmild::event::{Body, Decision, Event, EventId, Fields, Stream, Times, Timestamp};
use dsmild::limits::{MIRROR_BATCH_EVENTS_MAX, TRANSACTION_EVENTS_MAX};
use dsmild::outlet::mirror::{Appender, Batch, Target, Top};
use dsmild::store::HotStore;

mod input;
mod redis;

static EVENTS: LazyLock<usize> = LazyLock::new(|| input::size(1_000_000));
const ROUNDS: usize = 3;

fn decision(number: usize) -> Event {
    let id = EventId::new(1_763_856_000_000 + number as u64 / 100, number as u32 % 100);
    let mut decision = Decision::benign("l3-sigma".into(), 15, "ops".into(), id);
    decision.entity.src_ip = Some("203.0.113.9".into());
    let body = Body::Decision(Box::new(decision));
    Event { id, stream: Stream::L3Out, times: Times::at(Timestamp::from_millis(id.ms())), root: id, body }
}

/// Events in memory into Redis as the mirror does it: the next batch is made ready while Redis works on one.
async fn mirror(server: &redis::Server, events: &[Event]) -> f64 {
    let target = Target { key: "mirror".to_owned(), maxlen: server.config.maxlen };
    let mut appender = Appender::new(server.link().await, target.clone());
    let (begun, mut top) = (Instant::now(), EventId::ZERO);
    let mut batches = events.chunks(MIRROR_BATCH_EVENTS_MAX);
    let mut ready = batches.next().and_then(|events| Batch::of(&target, events));
    while let Some(batch) = ready {
        let prepare = async { batches.next().and_then(|events| Batch::of(&target, events)) };
        let (ends, next) = futures_util::future::join(appender.append(top, &batch), prepare).await;
        assert_eq!(ends.unwrap(), Top::At(batch.last));
        (top, ready) = (batch.last, next);
    }
    events.len() as f64 / begun.elapsed().as_secs_f64()
}

async fn fill(path: std::path::PathBuf) {
    let (store, _) = HotStore::open(&config::Store { path, ..config::Store::default() }).await.unwrap();
    for first in (0..*EVENTS).step_by(TRANSACTION_EVENTS_MAX) {
        let events: Vec<Event> = (first..EVENTS.min(first + TRANSACTION_EVENTS_MAX)).map(decision).collect();
        let (consumer, cursor) = ("bench".to_owned(), events.last().map(|event| event.id));
        let transaction = Transaction { consumer, cursor, events: events.into(), ..Transaction::default() };
        store.commit(&[Arc::new(transaction)]).await.unwrap();
    }
    store.close().await;
}

/// A daemon with a full hot store meets an empty Redis.
async fn refill(server: &redis::Server, folder: &std::path::Path) {
    fill(folder.join("hot/hotpath.db")).await;
    let link = server.link().await;
    let daemon = redis::daemon(folder, &server.config).await;
    let (refill, memory) = redis::until(async || length(&link).await == *EVENTS as u64).await;
    println!(
        "refill of {} from the hot store  {:>9.1} s, {:.0} entries/s; {memory}",
        *EVENTS,
        refill.as_secs_f64(),
        *EVENTS as f64 / refill.as_secs_f64()
    );
    daemon.stop().await;
    link.call("FLUSHALL", "mirror", Vec::new()).await.unwrap();
}

async fn bench() {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let server = redis::Server::start(folder.path(), "{ L3_IN = \"off\", L4_IN = \"off\" }");
    refill(&server, folder.path()).await;
    let link = server.link().await;
    let events: Vec<Event> = (0..*EVENTS).map(decision).collect();
    let fields = Fields::of(&events[0]);
    let fields = fields.list();
    let mut command = vec!["XADD", "limit", "*"];
    command.extend(fields.iter().flat_map(|(name, value)| [&**name, &**value]));
    let (mut limits, mut mirrored) = (Vec::new(), Vec::new());
    // Interleaved, so that what else the machine does falls on both.
    for _ in 0..ROUNDS {
        limits.push(server.benchmark(*EVENTS, &command));
        mirrored.push(mirror(&server, &events).await);
        link.call("FLUSHALL", "mirror", Vec::new()).await.unwrap();
    }
    let (limit, mirrored) = (median(limits), median(mirrored));
    println!("limit: redis-benchmark -P 200, XADD  {limit:>9.0} entries/s");
    println!("mirror, from memory                  {mirrored:>9.0} entries/s, {:.2} of the limit", mirrored / limit);
}

async fn length(link: &dsmild::redis::Link) -> u64 {
    link.call("XLEN", "L3_OUT", vec!["L3_OUT".into()]).await.ok().and_then(|reply| reply.number()).unwrap_or(0)
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

fn main() {
    if redis::installed() {
        actix::System::new().block_on(bench());
    }
}
