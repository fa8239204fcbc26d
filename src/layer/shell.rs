//! The part of a stage's actor that outlives its crashes: what it was handling, which events killed it, its newest
//! state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::stage::StageSpec;
use crate::bus::{Bus, ConsumerId, Snapshot};
use crate::event::EventId;
use crate::limits;
use crate::supervise::Cause;

/// An event that crashes its stage this often is quarantined.
const CRASHES_TO_QUARANTINE: u32 = 2;

/// Shared by all runs of one stage's actor.
pub struct Shell {
    pub spec: StageSpec,
    pub consumer: ConsumerId,
    pub bus: Arc<Bus>,
    /// Packed id of the event in the stage's hands; 0: none.
    in_flight: AtomicI64,
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    /// By event: how often it crashed the stage, and how the last time.
    crashes: BTreeMap<EventId, (u32, String)>,
    snapshot: Option<Snapshot>,
}

impl Shell {
    pub fn new(spec: StageSpec, consumer: ConsumerId, bus: Arc<Bus>, snapshot: Option<Snapshot>) -> Arc<Self> {
        Arc::new(Self {
            spec,
            consumer,
            bus,
            in_flight: AtomicI64::new(0),
            record: Mutex::new(Record { crashes: BTreeMap::new(), snapshot }),
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

    /// Notes that the stage crashed, and at which event.
    pub fn died(&self, cause: Cause, reason: &str) {
        let id = EventId::from_packed(self.in_flight.swap(0, Ordering::Relaxed));
        if id == EventId::ZERO {
            return;
        }
        let mut record = self.record();
        let (crashes, last) = record.crashes.entry(id).or_default();
        *crashes += 1;
        *last = format!("{}: {reason}", cause.name());
        while record.crashes.len() > limits::REMEMBERED_CRASHES_MAX {
            record.crashes.pop_first();
        }
    }

    /// Why this event is quarantined; `None` when the stage is to handle it.
    pub fn quarantine_reason(&self, id: EventId) -> Option<String> {
        let record = self.record();
        let (crashes, last) = record.crashes.get(&id)?;
        (*crashes >= CRASHES_TO_QUARANTINE).then(|| format!("killed {} {crashes} times; last {last}", self.spec.name))
    }

    /// Whether any event has ever crashed the stage: the rare case that needs a look at each event.
    pub fn has_crashed(&self) -> bool {
        !self.record().crashes.is_empty()
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
