//! The part of a stage's actor that outlives its crashes: what it was handling, which events killed it, its newest
//! state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::stage::StageSpec;
use crate::bus::{Bus, ConsumerId, Snapshot};
use crate::event::EventId;
use crate::limits;
use crate::store::HotStore;
use crate::supervise::Cause;

/// An event that kills its stage this often is quarantined.
const DEATHS_TO_QUARANTINE: u32 = 2;

/// Shared by all runs of one stage's actor.
pub struct Shell {
    pub spec: StageSpec,
    pub consumer: ConsumerId,
    pub bus: Arc<Bus>,
    pub store: HotStore,
    /// Packed id of the event in the stage's hands; 0: none.
    in_flight: AtomicI64,
    record: Mutex<Record>,
    /// Outputs refused because one event asked for too many.
    pub refused: AtomicU64,
}

#[derive(Default)]
struct Record {
    /// By event: how often it killed the stage, and how the last time.
    deaths: BTreeMap<EventId, (u32, String)>,
    snapshot: Option<Snapshot>,
}

impl Shell {
    pub fn new(
        spec: StageSpec,
        consumer: ConsumerId,
        bus: Arc<Bus>,
        store: HotStore,
        snapshot: Option<Snapshot>,
    ) -> Arc<Self> {
        Arc::new(Self {
            spec,
            consumer,
            bus,
            store,
            in_flight: AtomicI64::new(0),
            record: Mutex::new(Record { deaths: BTreeMap::new(), snapshot }),
            refused: AtomicU64::new(0),
        })
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn mark_in_flight(&self, id: EventId) {
        self.in_flight.store(id.packed(), Ordering::Relaxed);
    }

    pub fn clear_in_flight(&self) {
        self.in_flight.store(0, Ordering::Relaxed);
    }

    /// Notes that the stage died, and of which event.
    pub fn died(&self, cause: Cause, reason: &str) {
        let id = EventId::from_packed(self.in_flight.swap(0, Ordering::Relaxed));
        if id == EventId::ZERO {
            return;
        }
        let mut record = self.record();
        let (deaths, last) = record.deaths.entry(id).or_default();
        *deaths += 1;
        *last = format!("{}: {reason}", cause.name());
        while record.deaths.len() > limits::REMEMBERED_DEATHS_MAX {
            record.deaths.pop_first();
        }
    }

    /// Why this event is not given to the stage any more; `None` when it is.
    pub fn quarantine_reason(&self, id: EventId) -> Option<String> {
        let record = self.record();
        let (deaths, last) = record.deaths.get(&id)?;
        (*deaths >= DEATHS_TO_QUARANTINE).then(|| format!("killed {} {deaths} times; last {last}", self.spec.name))
    }

    /// Whether any event has ever killed the stage: the rare case that needs a look at each event.
    pub fn has_deaths(&self) -> bool {
        !self.record().deaths.is_empty()
    }

    pub fn snapshot(&self) -> Option<Snapshot> {
        self.record().snapshot.clone()
    }

    pub fn remember(&self, snapshot: Snapshot) {
        self.record().snapshot = Some(snapshot);
    }

    /// A state that cannot be read is worth nothing.
    pub fn forget_snapshot(&self) {
        self.record().snapshot = None;
    }
}
