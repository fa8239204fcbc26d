//! The hot store against what machines do to it: kills, full file systems, damage, other programs.

mod damage;
mod full;
mod kill;
mod outside;
mod retention;
mod upgrade;

use std::path::Path;
use std::sync::Arc;

use dsmild::bus::Transaction;
use dsmild::config;
use dsmild::event::{Body, Decision, Event, EventId, Format, Raw, Stream, Times, Timestamp};
use dsmild::parse::built_in;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

fn config(path: &Path, max_size: &str) -> config::Store {
    let max_size = serde_json::from_value(max_size.into()).unwrap();
    config::Store { path: path.to_owned(), max_size, ..config::Store::default() }
}

/// The `number`-th line of a source; ids follow the numbers.
fn line(number: u64, bytes: usize) -> Event {
    let id = EventId::new(1_000_000 + number, 0);
    let payload = format!("{number} {}", "x".repeat(bytes));
    let body = Body::Raw(Raw::new("test".into(), "ops".into(), Format::Text, payload.into(), vec![], built_in()));
    Event { id, stream: Stream::L3In, times: Times::at(Timestamp::from_millis(id.ms())), root: id, body }
}

/// What Layer 3 says of the `number`-th line.
fn decision(number: u64) -> Event {
    let cause = line(number, 0);
    let body = Body::Decision(Box::new(Decision::benign("test".into(), 15, "ops".into(), cause.id)));
    Event { id: EventId::new(cause.id.ms(), 1), stream: Stream::L3Out, times: cause.times, root: cause.id, body }
}

fn number_of(event: &Event) -> u64 {
    event.id.ms() - 1_000_000
}

fn lines(numbers: std::ops::Range<u64>, bytes: usize) -> Arc<Transaction> {
    let events: Vec<Event> = numbers.map(|number| line(number, bytes)).collect();
    Arc::new(Transaction { consumer: "intake-test".into(), events: events.into(), ..Transaction::default() })
}

/// A connection of another program.
async fn outsider(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).disable_statement_logging().connect().await.unwrap()
}

async fn assert_sound(path: &Path) {
    let verdict: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut outsider(path).await).await.unwrap();
    assert_eq!(verdict, "ok");
}
