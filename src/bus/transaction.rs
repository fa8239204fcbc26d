//! A transaction: one consumer's step forward, committed as a whole or not at all.
//! Not a transaction of SQLite: one of those commits many of these.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::log::weight;
use crate::event::{Event, EventId, Stream};

/// What one source, stage or outlet did. The hot store commits transactions in the order of the log.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    /// Who: `l3`, `device-51`, `intake-file`, `mirror`.
    pub consumer: String,
    /// It has handled everything that follows from events up to here. `None` for sources, which read nothing.
    pub cursor: Option<EventId>,
    /// What it wrote, with ids, in order.
    pub events: Arc<[Event]>,
    /// How far its outside inputs are read, by name (`/var/log/auth.log`, `journal`); the values are the source's own. Null:
    /// it will not come again, and is forgotten wherever positions are kept.
    pub positions: Vec<(String, Value)>,
    pub snapshot: Option<Snapshot>,
    pub dead_letters: Vec<DeadLetter>,
    /// Where the events are entries that other daemons could take as well: which entries, one for each event.
    pub entries: Option<TakenEntries>,
}

impl Transaction {
    /// Whether nobody outside waits for it: a tick, what SHRINK measured, or that a stage has nothing to say to what it has handled.
    pub fn is_of_the_clock(&self) -> bool {
        let Self { consumer: _, cursor: _, events, positions, snapshot: _, dead_letters, entries: _ } = self;
        positions.is_empty()
            && dead_letters.is_empty()
            && events.iter().all(|event| matches!(event.stream, Stream::Tick | Stream::Shrink))
    }

    /// Bytes that its events hold on to, roughly.
    pub fn weight(&self) -> usize {
        self.events.iter().map(|event| weight(&event.body)).sum()
    }
}

/// Keeps a position, or forgets a name that will not come again: nothing of it may stay, for senders invent names without end.
pub fn keep_position(positions: &mut BTreeMap<String, Value>, name: &str, position: &Value) {
    if position.is_null() {
        positions.remove(name);
    } else {
        positions.insert(name.to_owned(), position.clone());
    }
}

/// Entries of a stream outside, in the order of the events that came of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenEntries {
    /// The key of the stream, as all who read it name it.
    pub stream: Arc<str>,
    pub keys: Vec<EntryKey>,
}

/// The same for one entry whoever takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey {
    pub ms: u64,
    pub n: u64,
    /// Of its fields: a stream that was emptied may use an id again, for another entry.
    pub content: u64,
}

/// A stage's state, valid just after everything up to `cursor` was handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub cursor: EventId,
    pub state: Bytes,
}

/// Input that could not be handled, kept with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub id: EventId,
    /// Where it came from: a stream, or a source.
    pub stream: String,
    pub reason: String,
    pub payload: Bytes,
}
