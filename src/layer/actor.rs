//! The actor round a run of a stage: when it reads, waits, saves its state, and what it says of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix::fut::future::ActorFutureExt;
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, SpawnHandle, Supervised, WrapFuture};

use super::meters::StageMeters;
use super::run::StageRun;
use super::shell::Shell;
use super::stage::StateError;
use crate::bus::{EventRef, Ready};
use crate::event::EventId;
use crate::limits;
use crate::observe::metrics;
use crate::store::HotStore;
use crate::supervise::{ChildSpec, HEARTBEAT_EVERY, TaskContext, spawn};

/// An actor that nothing wakes gives a heartbeat after this; a tick each second wakes it sooner.
const REST: Duration = HEARTBEAT_EVERY.saturating_add(Duration::from_millis(100));
/// Turns that are further apart than this do not come one after the other.
const APART: Duration = Duration::from_millis(50);

/// So many stages that follow one another save their states at different times.
const SAVED_APART: u32 = 16;

/// There may be something to read.
struct Wake;

impl Message for Wake {
    type Result = ();
}

pub struct StageActor {
    task: TaskContext,
    shell: Arc<Shell>,
    store: HotStore,
    awake: Arc<AtomicBool>,
    running: Option<Running>,
    meters: StageMeters,
    place: usize,
    /// The heartbeat to come, and when it was put off last.
    beat: Option<SpawnHandle>,
    put_off: Instant,
    /// The last turn.
    turned: Instant,
}

struct Running {
    run: StageRun,
    saved_at: Instant,
    /// That the state cannot be saved has been logged.
    save_failed: bool,
}

/// The supervised child that runs this stage.
pub fn child(shell: &Arc<Shell>, store: HotStore, place: usize, drain: Duration) -> ChildSpec {
    let (dead, given_up, start) = (Arc::clone(shell), Arc::clone(shell), Arc::clone(shell));
    ChildSpec {
        name: shell.spec.name.to_owned(),
        place,
        drain,
        critical: shell.spec.critical,
        on_failure: Arc::new(move |cause, reason| dead.died(cause, reason)),
        on_give_up: Arc::new(move || given_up.bus.detach(given_up.consumer)),
        start: Arc::new(move |arbiter, task, gave_up| {
            let (shell, store) = (Arc::clone(&start), store.clone());
            let make = move |task| {
                let meters = StageMeters::new(shell.spec.name);
                let (awake, now) = (Arc::default(), Instant::now());
                StageActor {
                    task,
                    shell,
                    store,
                    awake,
                    running: None,
                    meters,
                    place,
                    beat: None,
                    put_off: now,
                    turned: now,
                }
            };
            drop(spawn(arbiter, task, make, gave_up));
        }),
    }
}

impl Actor for StageActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.put_off_beat(context);
        let task = self.task.clone();
        context.spawn(async move { task.stopped().await }.into_actor(self).map(|(), actor, context| {
            actor.save();
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
        self.beat = None;
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
        self.put_off_beat(context);
        let Some(running) = &mut self.running else { return };
        match running.run.next(&self.shell) {
            Ready::Nothing => self.save_if_due(),
            Ready::Lost(events) => {
                self.report_lost(events);
                context.notify(Wake);
            }
            Ready::Batch { events, upto } => {
                let is_apart = std::mem::replace(&mut self.turned, Instant::now()).elapsed() > APART;
                self.handle_batch(&events, upto);
                if self.shell.spec.critical || events.len() >= limits::SMALL_BATCH_EVENTS {
                    context.notify(Wake);
                } else if !is_apart {
                    self.pause(context);
                }
            }
            Ready::Behind { after, window } => self.catch_up(after, window, context),
        }
    }
}

impl StageActor {
    fn begin(&mut self, context: &mut Context<Self>) {
        let (awake, address) = (Arc::clone(&self.awake), context.address());
        let wake = Arc::new(move || {
            // One wake-up in the mailbox is enough.
            if !awake.swap(true, Ordering::AcqRel) {
                // A full mailbox holds a wake-up already; a closed one needs none.
                let _ = address.try_send(Wake);
            }
        });
        let Some((run, unread)) = StageRun::begin(&self.shell, wake) else { return };
        if let Some(error) = unread {
            log::warn!(target: self.shell.spec.identifier, "{}: {error}", self.shell.spec.name);
        }
        let now = Instant::now();
        let saved_at = now.checked_sub(head_start(self.place)).unwrap_or(now);
        self.running = Some(Running { run, saved_at, save_failed: false });
    }

    /// A timer costs a wake-up, so that there is none where something else wakes the actor.
    fn put_off_beat(&mut self, context: &mut Context<Self>) {
        if self.beat.is_some() && self.put_off.elapsed() < HEARTBEAT_EVERY / 2 {
            return;
        }
        self.put_off = Instant::now();
        if let Some(beat) = self.beat.take() {
            context.cancel_future(beat);
        }
        self.beat = Some(context.run_later(REST, |actor, context| {
            actor.beat = None;
            actor.task.heartbeat();
            actor.put_off_beat(context);
        }));
    }

    /// Lets a few events gather: nothing waits for a device but other devices, and each turn costs as much as some events.
    fn pause(&self, context: &mut Context<Self>) {
        self.awake.store(true, Ordering::Release);
        context.notify_later(Wake, limits::DEVICE_PAUSE);
    }

    fn handle_batch(&mut self, events: &[EventRef], upto: EventId) {
        let started = Instant::now();
        let Some(running) = &mut self.running else { return };
        let is_due = running.is_due();
        let done = running.run.handle(events, upto, &self.shell, is_due);
        if let Some(saved) = done.saved {
            running.was_saved(saved, &self.shell, &self.meters);
        }
        if done.is_taken {
            self.meters.batch(done.handled, done.quarantined, done.refused, started.elapsed());
        }
    }

    /// Reads from the hot store what memory no longer has.
    fn catch_up(&mut self, after: EventId, window: EventId, context: &mut Context<Self>) {
        let Some(running) = &self.running else { return };
        let (store, reads, task) = (self.store.clone(), running.run.reads(), self.task.clone());
        let page =
            async move { task.run_until_stopped(store.after(after, reads, limits::STORE_PAGE_EVENTS_MAX)).await };
        context.wait(page.into_actor(self).map(move |page, actor, context| {
            let Some(running) = &mut actor.running else { return };
            match page {
                None => return,
                Some(Ok(events)) => {
                    // An empty page is the end: a short one may have been cut by its bytes.
                    let scanned = events.last().map_or(window, |event| event.id);
                    running.run.feed(&actor.shell, events, scanned);
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
        if self.running.as_ref().is_some_and(Running::is_due) {
            self.save();
        }
    }

    /// Also the last transaction of an orderly stop, so that the next start replays nothing.
    fn save(&mut self) {
        let Some(running) = &mut self.running else { return };
        if running.run.handled_since_save() > 0 {
            let saved = running.run.save(&self.shell);
            running.was_saved(saved, &self.shell, &self.meters);
        }
    }
}

/// By how much sooner a stage saves its state for the first time than it would have to. Stages that all save at once take the whole
/// machine for as long as that lasts, and are done in one large commit; each keeps the distance that it began with.
fn head_start(place: usize) -> Duration {
    let part = u32::try_from(place).unwrap_or_default() % SAVED_APART;
    limits::SNAPSHOT_EVERY * part / SAVED_APART
}

impl Running {
    /// Nothing is handled while the state is saved, so that a large one is saved less often.
    fn is_due(&self) -> bool {
        let since = self.saved_at.elapsed();
        let handled = self.run.handled_since_save();
        let every =
            if handled < limits::SNAPSHOT_FEW_EVENTS { limits::SNAPSHOT_AT_REST_EVERY } else { limits::SNAPSHOT_EVERY };
        let is_time = since >= every || handled >= limits::SNAPSHOT_EVENTS;
        is_time && since >= self.run.save_took() * limits::SNAPSHOT_PART_OF_TIME
    }

    /// A state that could not be saved is counted and logged: then the one that was saved before stays, and the hot store
    /// keeps what came since.
    fn was_saved(&mut self, saved: Result<(), StateError>, shell: &Shell, meters: &StageMeters) {
        self.saved_at = Instant::now();
        let Err(error) = saved else { return };
        meters.state_not_saved();
        if !std::mem::replace(&mut self.save_failed, true) {
            log::error!(target: shell.spec.identifier, "{}: {error}", shell.spec.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_that_follow_one_another_save_their_states_at_different_times() {
        let apart = SAVED_APART as usize;
        for first in [0, 1, 7, apart - 1, 10 * apart] {
            let mut head_starts: Vec<Duration> = (first..first + apart).map(head_start).collect();
            head_starts.sort();
            assert!(head_starts.windows(2).all(|two| two[0] < two[1]), "{head_starts:?}");
            assert!(head_starts.iter().all(|head_start| *head_start < limits::SNAPSHOT_EVERY));
        }
    }
}
