//! What outlives the process: a hot store as the daemon knows it, and by its own account everything that was ever
//! committed.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use serde_json::Value;

use crate::bus::{Snapshot, Transaction, keep_position};
use crate::event::{Body, Event, EventId, Interest, Raw};
use crate::parse::built_in;
use crate::store::Recovery;

#[derive(Default)]
pub struct Disk {
    /// Those that retention has left.
    events: BTreeMap<EventId, Event>,
    pub cursors: BTreeMap<String, EventId>,
    pub snapshots: BTreeMap<String, Snapshot>,
    pub positions: BTreeMap<String, Value>,
    pub last_id: EventId,
    pub letters: usize,
    /// Everything that was ever committed, in that order.
    pub history: Vec<Event>,
}

impl Disk {
    /// Commits the transactions as one: repeating a commit whose answer was lost changes nothing, a cursor never moves back.
    pub fn commit(&mut self, transactions: &[Arc<Transaction>]) {
        for transaction in transactions {
            for event in transaction.events.iter() {
                self.last_id = self.last_id.max(event.id);
                if self.history.last().is_none_or(|last| last.id < event.id) {
                    self.events.insert(event.id, event.clone());
                    self.history.push(event.clone());
                } else {
                    assert!(self.history.iter().rev().any(|known| known.id == event.id), "{} came late", event.id);
                }
            }
            if let Some(cursor) = transaction.cursor {
                let known = self.cursors.entry(transaction.consumer.clone()).or_default();
                *known = cursor.max(*known);
                self.last_id = self.last_id.max(cursor);
            }
            if let Some(snapshot) = &transaction.snapshot {
                let known = self.snapshots.get(&transaction.consumer);
                if known.is_none_or(|known| known.cursor <= snapshot.cursor) {
                    self.snapshots.insert(transaction.consumer.clone(), snapshot.clone());
                }
            }
            for (name, value) in &transaction.positions {
                keep_position(&mut self.positions, name, value);
            }
            self.letters += transaction.dead_letters.len();
        }
    }

    /// What a start finds.
    pub fn recovery(&self) -> Recovery {
        let (cursors, positions) = (self.cursors.clone(), self.positions.clone());
        Recovery { last_id: self.last_id, cursors, positions, ..Recovery::default() }
    }

    /// As the hot store returns them: what a line means is found out anew.
    pub fn after(&self, after: EventId, reads: Interest, count: usize) -> Vec<Event> {
        let found = self.events.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, event)| event);
        found.filter(|event| reads.overlaps(event.kind())).take(count).cloned().map(parsed_anew).collect()
    }

    pub fn count(&self, after: EventId, upto: EventId, reads: Interest) -> u64 {
        let found = self.events.values().filter(|event| event.id > after && event.id <= upto);
        found.filter(|event| reads.overlaps(event.kind())).count() as u64
    }

    /// Retention: nobody needs what is up to here.
    pub fn remove_through(&mut self, id: EventId) {
        self.events = self.events.split_off(&id.next(id.ms()));
    }
}

fn parsed_anew(mut event: Event) -> Event {
    if let Body::Raw(raw) = &mut event.body {
        let (source, compartment) = (Arc::clone(&raw.source), Arc::clone(&raw.compartment));
        let again = Raw::new(source, compartment, raw.format, raw.payload.clone(), raw.attributes.clone(), built_in());
        *raw = again.named_by_sender(raw.is_named).read_at(raw.provenance.as_deref().cloned());
    }
    event
}
