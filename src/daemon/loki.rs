//! The body of Loki's actor: pushes SOC events for as long as the daemon runs, whatever becomes of Loki meanwhile.
//!
//! Nothing waits for Loki. While it is away the hot store keeps what it has not taken, also beyond `store.retention`,
//! until the store needs the place; what is removed then is counted and said.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join;
use tokio::runtime::Handle;

use super::core::Core;
use super::loki_meter::Meter;
use crate::bus::Transaction;
use crate::config;
use crate::event::{EventId, Interest, Stream};
use crate::limits;
use crate::outlet::loki::{Answer, Batch, Labels, Pauses, Pusher, Trouble};
use crate::store::StoreError;
use crate::supervise::TaskContext;

/// The name of its actor, and of its cursor in the hot store: up to there Loki has everything.
pub const NAME: &str = "loki";

const READS: Interest = Interest::NONE.stream(Stream::SocEvents);
/// The first event of a push waits so long for others.
const GATHER_FOR: Duration = Duration::from_millis(500);
const CURSOR_EVERY: Duration = Duration::from_secs(3);
/// What a stop gives it to push the last events, and then to save the cursor.
const DRAIN_PATIENCE: Duration = Duration::from_secs(1);
const CURSOR_PATIENCE: Duration = Duration::from_millis(500);
const STORE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The hot store is written on the threads of `io`: a run that is abandoned in the middle of it does not hold it.
pub async fn run(task: TaskContext, core: Arc<Core>, io: Handle) -> Result<(), String> {
    let Some(config) = core.config().loki.clone() else { return Err("no [loki] section".to_owned()) };
    let Some(outlet) = task.run_until_stopped(Outlet::begin(&task, core, config, io)).await else { return Ok(()) };
    task.run_until_stopped(join(outlet.keep_pushing(), outlet.meter.keep_telling())).await;
    outlet.end().await;
    Ok(())
}

struct Outlet {
    task: TaskContext,
    core: Arc<Core>,
    config: config::Loki,
    io: Handle,
    labels: Labels,
    meter: Meter,
    /// Loki has everything up to here, or will never take it.
    passed: Cell<EventId>,
    /// As in the hot store.
    saved: Cell<EventId>,
    saved_at: Cell<Instant>,
}

impl Outlet {
    async fn begin(task: &TaskContext, core: Arc<Core>, config: config::Loki, io: Handle) -> Self {
        let mut told = false;
        let (saved, meter) = loop {
            match place(&core).await {
                Ok(found) => break found,
                Err(error) if !std::mem::replace(&mut told, true) => {
                    log::warn!(target: "dsmil-loki", "{}", Trouble::from(error));
                }
                Err(_) => {}
            }
            tokio::time::sleep(STORE_AGAIN_AFTER).await;
        };
        // What this process knows is newer than what it has saved.
        let passed = core.passed_if_room(NAME).unwrap_or_default().max(saved);
        core.set_passed_if_room(NAME, passed);
        let labels = Labels::new(&config, &core.config().daemon.instance);
        let task = task.clone();
        let (passed, saved, saved_at) = (Cell::new(passed), Cell::new(saved), Cell::new(Instant::now()));
        Self { task, core, config, io, labels, meter, passed, saved, saved_at }
    }

    async fn keep_pushing(&self) {
        let mut pusher = Pusher::new(self.config.clone());
        let mut pauses = Pauses::default();
        loop {
            match self.round(&mut pusher).await {
                Ok(more) => {
                    pauses.reset();
                    self.save_cursor_if_due().await;
                    if !more {
                        self.wait_for_more().await;
                    }
                }
                Err(trouble) => {
                    let pause = pauses.next(trouble.patience);
                    self.meter.down(trouble);
                    self.save_cursor_if_due().await;
                    self.meter.look_for_loss(self.passed.get()).await;
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// One batch; whether there is more.
    async fn round(&self, pusher: &mut Pusher) -> Result<bool, Trouble> {
        let count = limits::LOKI_BATCH_EVENTS_MAX;
        let (events, scanned) = self.core.committed_after(self.passed.get(), READS, count).await?;
        let Some(batch) = Batch::of(events.iter().map(|event| &**event)) else {
            if !self.meter.is_up() {
                taken(pusher.ask().await)?;
                self.meter.well();
            }
            self.advance(scanned, 0);
            self.meter.caught_up(scanned).await?;
            return Ok(false);
        };
        let whole = batch.events() == events.len();
        self.deliver(pusher, batch).await?;
        if whole {
            self.advance(scanned, 0);
        }
        Ok(!whole || events.len() == count)
    }

    /// Until Loki has all of it, or has refused what it does not have. A push that is refused is cut in two, again and
    /// again, so that what Loki will not take does not keep back what it will; what it has of it already, it drops.
    async fn deliver(&self, pusher: &mut Pusher, batch: Batch) -> Result<(), Trouble> {
        let (mut waiting, mut cuts) = (vec![batch], 0);
        while let Some(batch) = waiting.pop() {
            let (last, events) = (batch.last(), batch.events());
            match pusher.push(batch.body(&self.labels)).await {
                Answer::Taken => {}
                Answer::NotNow(trouble) => return Err(trouble),
                Answer::Refused { reason, said } => {
                    if cuts < limits::LOKI_CUTS_MAX
                        && let Ok((first, second)) = batch.cut()
                    {
                        cuts += 1;
                        waiting.extend([second, first]);
                        continue;
                    }
                    self.meter.refused(events, reason, &said);
                }
            }
            self.meter.well();
            self.advance(last, events);
        }
        Ok(())
    }

    /// Everything up to `id` is passed on, `events` of it new.
    fn advance(&self, id: EventId, events: usize) {
        if self.task.is_superseded() {
            return;
        }
        self.meter.passed(events);
        self.passed.set(id.max(self.passed.get()));
        self.core.set_passed_if_room(NAME, self.passed.get());
    }

    async fn wait_for_more(&self) {
        let mut committed = self.core.bus.committed();
        tokio::select! {
            // An error would mean that the bus is gone; then the timer decides.
            Ok(_) = committed.wait_for(|id| *id > self.passed.get()) => {}
            () = tokio::time::sleep(CURSOR_EVERY) => {}
        }
        tokio::time::sleep(GATHER_FOR).await;
    }

    async fn save_cursor_if_due(&self) {
        if self.saved_at.get().elapsed() >= CURSOR_EVERY {
            self.saved_at.set(Instant::now());
            self.save_cursor().await;
        }
    }

    async fn save_cursor(&self) {
        let cursor = self.passed.get();
        if cursor == self.saved.get() || self.task.is_superseded() {
            return;
        }
        let transaction = Transaction { consumer: NAME.to_owned(), cursor: Some(cursor), ..Transaction::default() };
        let store = self.core.store.clone();
        match self.io.spawn(async move { store.commit(&[Arc::new(transaction)]).await }).await {
            Ok(Ok(_)) => self.saved.set(cursor),
            // A full store takes it later; the price is that more is sent again after a crash.
            Ok(Err(error)) => log::debug!(target: "dsmil-loki", "how far Loki is could not be saved: {error}"),
            Err(error) => log::debug!(target: "dsmil-loki", "how far Loki is could not be saved: {error}"),
        }
    }

    /// After an orderly stop Loki has what was committed before it; what it lacks waits for the next start.
    async fn end(self) {
        if self.task.is_superseded() {
            return;
        }
        if self.meter.is_up() {
            let mut pusher = Pusher::new(self.config.clone());
            let rest = async {
                while self.round(&mut pusher).await? {}
                Ok::<_, Trouble>(())
            };
            // What does not succeed now is pushed by the next run.
            let _ = tokio::time::timeout(DRAIN_PATIENCE, rest).await;
        }
        let _ = tokio::time::timeout(CURSOR_PATIENCE, self.save_cursor()).await;
        self.meter.end();
        if self.core.config().loki.is_none() {
            self.core.forget_passed(NAME);
        }
    }
}

/// The saved cursor, and what waits after it. A store without a cursor is one that Loki has never seen: everything in
/// it is pushed.
async fn place(core: &Arc<Core>) -> Result<(EventId, Meter), StoreError> {
    let saved = core.store.checkpoint(false).await?.cursors.get(NAME).copied().unwrap_or_default();
    let passed = core.passed_if_room(NAME).unwrap_or_default().max(saved);
    Ok((saved, Meter::new(Arc::clone(core), READS, passed).await?))
}

fn taken(answer: Answer) -> Result<(), Trouble> {
    match answer {
        Answer::NotNow(trouble) => Err(trouble),
        Answer::Taken | Answer::Refused { .. } => Ok(()),
    }
}
