//! How far the committed transactions of each consumer go, and which events the hot store must keep for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::bus::{Bus, Transaction};
use crate::event::EventId;
use crate::locked::locked;

/// The progress of every consumer, by its name.
pub struct Progress(Mutex<BTreeMap<String, ConsumerProgress>>);

/// How far the committed transactions of one consumer go.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConsumerProgress {
    /// The consumer has handled every event up to this id.
    pub cursor: EventId,
    /// Its saved state is the state after every event up to this id.
    pub snapshot: EventId,
}

impl Progress {
    /// `committed`: the progress that the hot store had at the start.
    pub fn new(committed: BTreeMap<String, ConsumerProgress>) -> Self {
        Self(Mutex::new(committed))
    }

    /// Takes over the cursors of transactions that have just been committed.
    pub fn note(&self, transactions: &[Arc<Transaction>]) {
        let mut committed = locked(&self.0);
        for transaction in transactions {
            let progress = committed.entry(transaction.consumer.clone()).or_default();
            progress.cursor = progress.cursor.max(transaction.cursor.unwrap_or_default());
            if let Some(snapshot) = &transaction.snapshot {
                progress.snapshot = progress.snapshot.max(snapshot.cursor);
            }
        }
    }

    /// The id up to which no attached consumer needs events any more; [`EventId::MAX`] when there is no such consumer. A
    /// stage that starts again needs every event that it has not handled, and those after its saved state, from which it
    /// learns again. With `in_need` (the store is full) only the events that it has not handled are kept.
    pub fn floor(&self, bus: &Bus, in_need: bool) -> EventId {
        let committed = locked(&self.0);
        let consumers = bus.consumers();
        let needs = consumers.iter().filter(|consumer| consumer.attached).map(|consumer| {
            let progress = committed.get(&consumer.name).copied().unwrap_or_default();
            if in_need { progress.cursor } else { progress.cursor.min(progress.snapshot) }
        });
        needs.min().unwrap_or(EventId::MAX)
    }
}
