//! The actor round a stage: reads its events off the bus, steps the stage, hands in outputs and cursor as one
//! transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix::fut::future::ActorFutureExt;
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, Supervised, WrapFuture};

use super::meters::StageMeters;
use super::shell::Shell;
use super::stage::{Outbox, Stage};
use crate::bus::{DeadLetter, EventRef, Reader, Ready, Snapshot, Step};
use crate::event::{EventId, wire};
use crate::limits;
use crate::observe::metrics;
use crate::supervise::{ChildSpec, TaskContext, spawn};

/// There may be something to read.
struct Wake;

impl Message for Wake {
    type Result = ();
}

pub struct StageActor {
    task: TaskContext,
    shell: Arc<Shell>,
    awake: Arc<AtomicBool>,
    running: Option<Running>,
    meters: StageMeters,
}

/// What one run of the actor holds of the log.
struct Running {
    stage: Box<dyn Stage>,
    reader: Reader,
    generation: u64,
    /// The outputs of everything up to this root are in the log already: replayed for the state alone.
    live_after: EventId,
    out: Outbox,
    saved_at: Instant,
    handled_since_save: usize,
    /// That the state cannot be saved has been logged.
    save_failed: bool,
}

/// The supervised child that runs this stage.
pub fn child(shell: &Arc<Shell>, place: usize, drain: Duration) -> ChildSpec {
    let (dead, given_up, start) = (Arc::clone(shell), Arc::clone(shell), Arc::clone(shell));
    ChildSpec {
        name: shell.spec.name.to_owned(),
        place,
        drain,
        critical: shell.spec.critical,
        on_failure: Arc::new(move |cause, reason| dead.died(cause, reason)),
        on_give_up: Arc::new(move || given_up.bus.detach(given_up.consumer)),
        start: Arc::new(move |arbiter, task, gave_up| {
            let shell = Arc::clone(&start);
            let make = move |task| {
                let meters = StageMeters::new(shell.spec.name);
                StageActor { task, shell, awake: Arc::default(), running: None, meters }
            };
            drop(spawn(arbiter, task, make, gave_up));
        }),
    }
}

impl Actor for StageActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        const HEARTBEAT_EVERY: Duration = Duration::from_millis(200);
        context.run_interval(HEARTBEAT_EVERY, |actor, _| actor.task.heartbeat());
        let task = self.task.clone();
        context.spawn(async move { task.stopped().await }.into_actor(self).map(|(), actor, context| {
            actor.finish();
            context.stop();
        }));
        self.begin(context);
        context.notify(Wake);
    }
}

impl Supervised for StageActor {
    fn restarting(&mut self, _: &mut Self::Context) {
        // What a panic has left half changed is not to be trusted.
        self.running = None;
    }
}

impl Handler<Wake> for StageActor {
    type Result = ();

    fn handle(&mut self, _: Wake, context: &mut Self::Context) {
        self.awake.store(false, Ordering::Release);
        if self.task.is_superseded() {
            context.stop();
            return;
        }
        self.task.heartbeat();
        let Some(running) = &mut self.running else { return };
        match self.shell.bus.next(&mut running.reader, limits::TRANSACTION_EVENTS_MAX) {
            Ready::Nothing => self.save_if_due(),
            Ready::Lost(events) => {
                self.report_lost(events);
                context.notify(Wake);
            }
            Ready::Batch { events, upto } => {
                self.handle_batch(&events, upto);
                context.notify(Wake);
            }
            Ready::Behind { after, window } => self.catch_up(after, window, context),
        }
    }
}

impl StageActor {
    /// Takes up the newest state and the place in the log that belongs to it.
    fn begin(&mut self, context: &mut Context<Self>) {
        let mut stage = (self.shell.spec.make)();
        let mut at = EventId::ZERO;
        if let Some(snapshot) = self.shell.snapshot() {
            match stage.load(&snapshot.state) {
                Ok(()) => at = snapshot.cursor,
                Err(error) => {
                    log::warn!(target: self.shell.spec.identifier, "{}: {error}", self.shell.spec.name);
                    self.shell.forget_snapshot();
                }
            }
        }
        let (awake, address) = (Arc::clone(&self.awake), context.address());
        let wake = Arc::new(move || {
            // One wake-up in the mailbox is enough.
            if !awake.swap(true, Ordering::AcqRel) {
                // A full mailbox holds a wake-up already; a closed one needs none.
                let _ = address.try_send(Wake);
            }
        });
        let Some((generation, live_after, reader)) = self.shell.bus.begin(self.shell.consumer, at, wake) else {
            return;
        };
        self.running = Some(Running {
            stage,
            reader,
            generation,
            live_after,
            out: Outbox::default(),
            saved_at: Instant::now(),
            handled_since_save: 0,
            save_failed: false,
        });
    }

    fn handle_batch(&mut self, events: &[EventRef], upto: EventId) {
        let started = Instant::now();
        let Some(running) = &mut self.running else { return };
        let careful = self.shell.has_crashed();
        let (mut handled, mut refused, mut outputs, mut dead_letters) = (0, 0, Vec::new(), Vec::new());
        for event in events {
            let live = event.root > running.live_after;
            if careful && let Some(reason) = self.shell.quarantine_reason(event.id) {
                if live {
                    dead_letters.push(dead_letter(self.shell.spec.name, event, reason));
                }
                continue;
            }
            self.shell.mark_in_flight(event.id);
            running.out.begin(event);
            running.stage.step(event, &mut running.out);
            let (mut written, too_many) = (running.out.take(), running.out.take_refused());
            // What is replayed for the state alone was written, and refused, before.
            if live {
                outputs.append(&mut written);
                refused += too_many;
                handled += 1;
            }
        }
        self.shell.clear_in_flight();
        running.handled_since_save += events.len();
        let quarantined = dead_letters.len() as u64;
        let save = quarantined > 0 || running.due();
        let snapshot = if save { running.save(upto, &self.shell, &self.meters) } else { None };
        if running.hand_in(Step { cursor: upto, outputs, handled, refused, dead_letters, snapshot }, &self.shell) {
            self.meters.batch(handled, quarantined, refused, started.elapsed());
        }
    }

    /// Reads from the hot store what memory no longer has.
    fn catch_up(&mut self, after: EventId, window: EventId, context: &mut Context<Self>) {
        let Some(running) = &self.running else { return };
        let (store, reads, task) = (self.shell.store.clone(), running.reader.reads(), self.task.clone());
        let page =
            async move { task.run_until_stopped(store.after(after, reads, limits::STORE_PAGE_EVENTS_MAX)).await };
        context.wait(page.into_actor(self).map(move |page, actor, context| {
            let Some(running) = &mut actor.running else { return };
            match page {
                None => return,
                Some(Ok(events)) => {
                    // An empty page is the end: a short one may have been cut by its bytes.
                    let scanned = events.last().map_or(window, |event| event.id);
                    actor.shell.bus.feed(&mut running.reader, events, scanned);
                }
                Some(Err(error)) => {
                    actor.task.report_error(format!("reading the log behind memory: {error}"));
                    context.stop();
                    return;
                }
            }
            context.notify(Wake);
        }));
    }

    /// A stage that is given up holds nothing back in the hot store: what it has not read by its return may be gone.
    fn report_lost(&self, events: u64) {
        let name = self.shell.spec.name;
        metrics::dropped(name, "retention").increment(events);
        log::error!(
            target: self.shell.spec.identifier,
            "{name}: {events} events that came while it was given up are past store.retention and were not looked at"
        );
    }

    fn save_if_due(&mut self) {
        if let Some(running) = &mut self.running
            && running.handled_since_save > 0
            && running.due()
        {
            self.save();
        }
    }

    fn save(&mut self) {
        let Some(running) = &mut self.running else { return };
        let cursor = running.reader.at();
        if let Some(snapshot) = running.save(cursor, &self.shell, &self.meters) {
            running.hand_in(Step { cursor, snapshot: Some(snapshot), ..Step::default() }, &self.shell);
        }
    }

    /// The last transaction of an orderly stop: the state, so that the next start replays nothing.
    fn finish(&mut self) {
        if self.running.as_ref().is_some_and(|running| running.handled_since_save > 0) {
            self.save();
        }
    }
}

impl Running {
    fn due(&self) -> bool {
        self.handled_since_save >= limits::SNAPSHOT_EVENTS_MAX || self.saved_at.elapsed() >= limits::SNAPSHOT_EVERY
    }

    /// The state after everything up to `cursor`. `None` when it cannot be encoded, which is counted and logged: then
    /// the one that was saved before stays, and the hot store keeps what came since.
    fn save(&mut self, cursor: EventId, shell: &Shell, meters: &StageMeters) -> Option<Snapshot> {
        self.saved_at = Instant::now();
        self.handled_since_save = 0;
        match self.stage.save() {
            Ok(state) => Some(Snapshot { cursor, state: state.into() }),
            Err(error) => {
                meters.state_not_saved();
                if !std::mem::replace(&mut self.save_failed, true) {
                    log::error!(target: shell.spec.identifier, "{}: {error}", shell.spec.name);
                }
                None
            }
        }
    }

    /// Whether the transaction was taken; not when another run has taken this one's place meanwhile.
    fn hand_in(&self, step: Step, shell: &Shell) -> bool {
        let snapshot = step.snapshot.clone();
        let taken = shell.bus.step(shell.consumer, self.generation, step).is_ok();
        if taken && let Some(snapshot) = snapshot {
            shell.remember(snapshot);
        }
        taken
    }
}

fn dead_letter(stage: &str, event: &EventRef, reason: String) -> DeadLetter {
    let payload = wire::to_text(event).into();
    DeadLetter { id: event.id, stream: stage.to_owned(), reason, payload }
}
