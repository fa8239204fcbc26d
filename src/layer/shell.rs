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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{Ledger, Ready};
    use crate::event::{Body, Draft, Event, Interest, Stream, Times};
    use crate::layer::run::StageRun;
    use crate::layer::stage::{Outbox, Stage, Stateful};

    /// Counts what it is given.
    struct Counts(u64);

    impl Stateful for Counts {
        type State = u64;

        fn step(&mut self, _: &Event, _: &mut Outbox) {
            self.0 += 1;
        }

        fn state(&self) -> &u64 {
            &self.0
        }

        fn state_mut(&mut self) -> &mut u64 {
            &mut self.0
        }
    }

    fn shell() -> Arc<Shell> {
        let reads = Interest::NONE.stream(Stream::Tick);
        let bus = Bus::new(Ledger::new([("counts".to_owned(), reads, Interest::NONE, EventId::ZERO)]), EventId::ZERO);
        let consumer = bus.consumer("counts").unwrap();
        let make = Arc::new(|| Box::new(Counts(0)) as Box<dyn Stage>);
        let spec = StageSpec { name: "counts", identifier: "dsmil-counts", reads, critical: false, make };
        Shell::new(spec, consumer, Arc::new(bus), None)
    }

    #[test]
    fn an_event_that_kills_its_stage_twice_is_quarantined_and_one_that_was_handled_before_is_not() {
        let shell = shell();
        let (guilty, innocent) = (EventId::new(1, 0), EventId::new(2, 0));
        for _ in 0..CRASHES_TO_QUARANTINE {
            assert_eq!(shell.quarantine_reason(guilty), None);
            shell.mark_in_flight(guilty);
            shell.died(Cause::Panic, "boom");
            shell.mark_in_flight(innocent);
            shell.clear_in_flight();
            shell.died(Cause::Panic, "not while it handled one");
        }
        let reason = shell.quarantine_reason(guilty).unwrap();
        assert!(reason.contains("killed counts 2 times") && reason.contains("boom"), "{reason}");
        assert_eq!(shell.quarantine_reason(innocent), None);
    }

    #[test]
    fn a_run_leaves_out_what_is_quarantined_counts_it_and_saves_where_it_is() {
        let shell = shell();
        let tick = Draft { stream: Stream::Tick, times: Times::default(), root: None, body: Body::Tick };
        shell.bus.append("source", vec![tick; 3], Vec::new(), Vec::new());
        let (mut run, unread) = StageRun::begin(&shell, Arc::new(|| ())).unwrap();
        assert!(unread.is_none());
        let Ready::Batch { events, upto } = run.next(&shell) else { panic!("nothing to read") };
        for _ in 0..CRASHES_TO_QUARANTINE {
            shell.mark_in_flight(events[1].id);
            shell.died(Cause::Panic, "boom");
        }
        let done = run.handle(&events, upto, &shell, false);
        assert_eq!((done.handled, done.quarantined, done.is_taken), (2, 1, true));
        assert!(matches!(done.saved, Some(Ok(()))), "or it would be counted again after a restart");
        let snapshot = shell.snapshot().unwrap();
        assert_eq!(snapshot.cursor, upto);
        let (again, unread) = StageRun::begin(&shell, Arc::new(|| ())).unwrap();
        assert!(unread.is_none());
        assert_eq!(again.handled_since_save(), 0);
        assert_eq!(rmp_serde::from_slice::<u64>(&snapshot.state).unwrap(), 2);
    }
}
