//! Throughput of the bus without stages: batches in, one reader, every transaction confirmed. The limit measured in the
//! same run is the same batches through a bounded standard channel.
//!
//! `cargo bench --bench bus`

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a bench prints and may panic

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dsmild::bus::{Bus, Ledger, Ready, Step};
use dsmild::event::{Body, Draft, EventId, Format, Interest, Raw, Stream, Times, Timestamp};
use dsmild::limits;
use dsmild::parse::built_in;

mod input;

static EVENTS: LazyLock<usize> = LazyLock::new(|| input::size(8_000_000));

fn main() {
    let events_per_second = bus();
    let limit = channel();
    println!("bus: {:.2} M events/s in batches of {}", events_per_second / 1e6, limits::TRANSACTION_EVENTS_MAX);
    println!(
        "limit (std channel, same batches): {:.2} M events/s; ratio {:.2}",
        limit / 1e6,
        events_per_second / limit
    );
}

fn batch(template: &Draft) -> Vec<Draft> {
    vec![template.clone(); limits::TRANSACTION_EVENTS_MAX]
}

fn template() -> Draft {
    let raw = Raw::new(
        "bench".into(),
        "".into(),
        Format::Auto,
        Bytes::from_static(b"a line of a log"),
        Vec::new(),
        built_in(),
    );
    Draft { stream: Stream::L3In, times: Times::at(Timestamp::from_millis(1)), root: None, body: Body::Raw(raw) }
}

fn bus() -> f64 {
    let reads = Interest::NONE.stream(Stream::L3In);
    let bus =
        Arc::new(Bus::new(Ledger::new([("reader".to_owned(), reads, Interest::NONE, EventId::ZERO)]), EventId::ZERO));
    let started = Instant::now();
    let (writer, committer) = (Arc::clone(&bus), Arc::clone(&bus));
    let producing = std::thread::spawn(move || {
        let template = template();
        for _ in 0..*EVENTS / limits::TRANSACTION_EVENTS_MAX {
            while !writer.has_room() {
                std::thread::yield_now();
            }
            writer.append("bench", batch(&template), Vec::new(), Vec::new());
        }
    });
    let id = bus.consumer("reader").unwrap();
    let (generation, _, mut reader) = bus.begin(id, EventId::ZERO, Arc::new(|| ())).unwrap();
    let mut seen = 0;
    while seen < *EVENTS / limits::TRANSACTION_EVENTS_MAX * limits::TRANSACTION_EVENTS_MAX {
        committer.confirm(&committer.pending(limits::COMMIT_EVENTS_MAX));
        match bus.next(&mut reader, limits::COMMIT_EVENTS_MAX) {
            Ready::Batch { events, upto } => {
                seen += events.len();
                bus.step(id, generation, Step { cursor: upto, handled: events.len() as u64, ..Step::default() })
                    .unwrap();
            }
            _ => std::thread::sleep(Duration::from_micros(20)),
        }
    }
    producing.join().unwrap();
    seen as f64 / started.elapsed().as_secs_f64()
}

fn channel() -> f64 {
    let (sender, receiver) = sync_channel(limits::IN_FLIGHT_EVENTS_MAX / limits::TRANSACTION_EVENTS_MAX);
    let started = Instant::now();
    let producing = std::thread::spawn(move || {
        let template = template();
        for _ in 0..*EVENTS / limits::TRANSACTION_EVENTS_MAX {
            sender.send(batch(&template)).unwrap();
        }
    });
    let seen: usize = receiver.iter().map(|batch| batch.len()).sum();
    producing.join().unwrap();
    seen as f64 / started.elapsed().as_secs_f64()
}
