//! How far committed transactions have brought their consumers, and what the hot store keeps for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::bus::{Bus, Transaction};
use crate::event::EventId;
use crate::locked::locked;

/// By name of the consumer.
pub struct Progress(Mutex<BTreeMap<String, ConsumerProgress>>);

/// How far the committed transactions of a consumer go.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConsumerProgress {
    pub cursor: EventId,
    /// Cursor of its saved state.
    pub snapshot: EventId,
}

impl Progress {
    /// As it was committed last.
    pub fn new(committed: BTreeMap<String, ConsumerProgress>) -> Self {
        Self(Mutex::new(committed))
    }

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

    /// The oldest event that a stage's next run needs from the store: the first that it has not handled, by what is
    /// committed, and normally also the first after its saved state. In `need`, when the store is full, the state may
    /// miss what it has learnt since it was saved; what was not handled is never given up.
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
