//! The body of the archive's actor: takes committed events to Postgres for as long as the daemon runs, whatever becomes
//! of Postgres meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join;

use super::archive_meter::Meter;
use super::core::Core;
use crate::bus::{EventRef, Transaction};
use crate::config;
use crate::event::{EventId, Interest, Timestamp};
use crate::limits;
use crate::outlet::archive::{Batch, Link, Progress, Rows, Trouble, Window};
use crate::store::{Checkpoint, StoreError, TakenEntry, positions::Positions};
use crate::supervise::TaskContext;

/// The name of its actor, and of its cursor in the hot store: how far Postgres was with what is in this store.
pub const NAME: &str = "archive";

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What an orderly stop gives it to take the last events to Postgres, and a moment to say that it could not.
pub const STOP_PATIENCE: Duration = Duration::from_millis(3500);
const DRAIN_PATIENCE: Duration = Duration::from_secs(3);
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);
const CURSOR_EVERY: Duration = Duration::from_secs(5);
const STATES_EVERY: Duration = Duration::from_secs(30);
const POSITIONS_EVERY: Duration = Duration::from_secs(1);
const TEND_EVERY: Duration = Duration::from_secs(3600);

/// Started before the writer, so that it ends after it: then there is nothing left to commit.
pub async fn run(task: TaskContext, core: Arc<Core>) -> Result<(), String> {
    let Some(config) = core.config().archive.clone() else { return Err("no [archive] section".to_owned()) };
    let meter = Arc::new(Meter::new(Arc::clone(&core)));
    let work = Outlet::new(task.clone(), Arc::clone(&core), config, Arc::clone(&meter)).run();
    tokio::pin!(work);
    loop {
        task.heartbeat();
        meter.report();
        tokio::select! {
            biased;
            () = &mut work => break,
            () = task.stopped() => {
                drain(work, &meter).await;
                break;
            }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    // A reload may have ended it for good: then the hot store keeps nothing for it any more.
    if core.config().archive.is_none() {
        core.forget_passed(NAME);
        meter.end();
    }
    Ok(())
}

async fn drain(work: impl Future<Output = ()>, meter: &Meter) {
    if tokio::time::timeout(DRAIN_PATIENCE, work).await.is_err() {
        let lag = meter.lag();
        log::info!(target: "dsmil-archive", "stopping with {lag} events that Postgres does not have; they wait in the hot store");
    }
}

struct Outlet {
    task: TaskContext,
    core: Arc<Core>,
    config: config::Archive,
    meter: Arc<Meter>,
    progress: Progress,
    /// The last one that is in Postgres.
    checkpoint: Option<Checkpoint>,
    cursor_at: Option<Instant>,
    states_at: Option<Instant>,
    positions_at: Option<Instant>,
    tended_at: Option<Instant>,
}

/// A stretch of the log made ready for one transaction.
struct Portion {
    /// From the front, `rows.events` of them are in `rows`.
    events: Vec<EventRef>,
    rows: Rows,
    entries: Vec<TakenEntry>,
    /// Postgres is so far when it is written.
    through: EventId,
    /// It ends where the checkpoint does.
    is_last: bool,
    ends_round: bool,
}

impl Portion {
    /// Gives how many events were left out, because another daemon has archived their entries.
    async fn write(&self, batch: &mut Batch<'_>, window: Window) -> Result<u64, Trouble> {
        batch.claim(&self.entries).await?;
        let taken = self.events.iter().take(usize::try_from(self.rows.events).unwrap_or(usize::MAX));
        let left_out = taken.clone().filter(|event| batch.is_duplicate(event.root)).count();
        if left_out == 0 {
            batch.rows(&self.rows).await?;
        } else {
            let kept: Vec<_> = taken.filter(|event| !batch.is_duplicate(event.root)).collect();
            batch.rows(&Rows::of(kept.into_iter().map(|event| &**event), window)).await?;
        }
        Ok(left_out as u64)
    }
}

impl Outlet {
    fn new(task: TaskContext, core: Arc<Core>, config: config::Archive, meter: Arc<Meter>) -> Self {
        Self {
            task,
            core,
            config,
            meter,
            progress: Progress::default(),
            checkpoint: None,
            cursor_at: None,
            states_at: None,
            positions_at: None,
            tended_at: None,
        }
    }

    fn over(&self) -> bool {
        self.task.is_stopping() || self.task.is_superseded()
    }

    /// Until it is told to stop.
    async fn run(mut self) {
        let mut retry = RETRY_MIN;
        loop {
            let Err(trouble) = self.session().await else { return };
            if self.meter.down(&trouble) {
                retry = RETRY_MIN;
            }
            tokio::select! {
                () = self.task.stopped() => return,
                () = tokio::time::sleep(retry) => {}
            }
            retry = (retry * 2).min(RETRY_MAX);
        }
    }

    /// One connection: until it fails or everything is done at the stop.
    async fn session(&mut self) -> Result<(), Trouble> {
        let core = Arc::clone(&self.core);
        // Counts what waits even while Postgres cannot be reached.
        self.meter.recount(core.passed(NAME)).await?;
        let mut link = Link::open(&self.config, &core.config().daemon.instance).await?;
        self.progress = self.place(&mut link).await?;
        if !core.is_power_durable() {
            link.forget_checkpoint().await?;
        }
        (self.checkpoint, self.states_at, self.tended_at) = (None, None, None);
        self.meter.recount(self.progress.rows).await?;
        loop {
            self.tend_if_due(&mut link).await?;
            let last = self.over();
            self.round(&mut link).await?;
            if last || self.task.is_superseded() {
                link.close().await;
                return Ok(());
            }
            self.wait_for_more().await;
        }
    }

    /// Where to go on. A hot store without this outlet's cursor is not the one that Postgres speaks of: everything in
    /// it is offered again, and what is there already is left as it is.
    async fn place(&self, link: &mut Link) -> Result<Progress, Trouble> {
        let known = self.core.store.checkpoint(false).await?.cursors.contains_key(NAME);
        let progress = link.progress().await?;
        Ok(progress.filter(|_| known).unwrap_or_default())
    }

    /// Takes everything up to one commit of the hot store to Postgres, and how far everybody was at that commit.
    async fn round(&mut self, link: &mut Link) -> Result<(), Trouble> {
        let core = Arc::clone(&self.core);
        let power = core.is_power_durable();
        let with_states = power && self.states_at.is_none_or(|at| at.elapsed() >= STATES_EVERY);
        let checkpoint = core.store.checkpoint(with_states).await?;
        let nothing_new = checkpoint.id <= self.progress.rows && checkpoint.letters <= self.progress.letters;
        if nothing_new && (!power || self.checkpoint.as_ref() == Some(&checkpoint)) {
            self.meter.up(self.progress.rows);
            return Ok(());
        }
        self.let_the_bus_know(checkpoint.id).await;
        let mut portion = self.portion(self.progress.rows, &checkpoint).await?;
        while !self.task.is_superseded() {
            let Some(following) = self.batch(link, &checkpoint, &portion).await? else { break };
            portion = following;
        }
        self.meter.caught_up();
        if with_states {
            self.states_at = Some(Instant::now());
        }
        if power {
            core.set_archived(checkpoint.id);
            self.save_positions(&checkpoint);
        }
        self.keep_cursor().await?;
        self.checkpoint = Some(Checkpoint { snapshots: Vec::new(), ..checkpoint });
        Ok(())
    }

    /// The hot store knows of a commit a moment before the bus does.
    async fn let_the_bus_know(&self, id: EventId) {
        let mut committed = self.core.bus.committed();
        let known = committed.wait_for(|committed| *committed >= id);
        // Without an answer the batches below end where the bus is, and the next round goes on.
        let _ = tokio::time::timeout(LOOK_EVERY, known).await;
    }

    /// What comes after `after`, as far as one transaction takes it.
    async fn portion(&self, after: EventId, checkpoint: &Checkpoint) -> Result<Portion, Trouble> {
        let core = &self.core;
        let (events, scanned) = if after < checkpoint.id {
            core.committed_after(after, Interest::ALL, self.config.batch).await?
        } else {
            (Vec::new(), checkpoint.id)
        };
        let known = events.partition_point(|event| event.id <= checkpoint.id);
        let rows = Rows::of(events.iter().take(known).map(|event| &**event), self.window());
        let all_taken = rows.events == known as u64;
        let is_last = all_taken && (known < events.len() || scanned >= checkpoint.id);
        let through = if is_last { checkpoint.id } else { rows.through.unwrap_or(scanned) };
        let entries = core.store.taken_entries(after, through).await?;
        // Without events and without an end the bus is behind the store: the next round goes on.
        let ends_round = is_last || (rows.events == 0 && scanned < checkpoint.id);
        Ok(Portion { events, rows, entries, through: through.max(after), is_last, ends_round })
    }

    fn window(&self) -> Window {
        Window::at(Timestamp::now(), self.config.retention.get())
    }

    /// One transaction. Gives the portion for the next, made ready while Postgres works; none when the round is over.
    async fn batch(
        &mut self,
        link: &mut Link,
        checkpoint: &Checkpoint,
        portion: &Portion,
    ) -> Result<Option<Portion>, Trouble> {
        let core = Arc::clone(&self.core);
        let mut progress = Progress { rows: portion.through, ..self.progress };
        link.prepare_for(&portion.rows).await?;
        let mut batch = link.batch().await?;
        let following = async {
            if portion.ends_round { Ok(None) } else { self.portion(portion.through, checkpoint).await.map(Some) }
        };
        let (left_out, following) = join(portion.write(&mut batch, self.window()), following).await;
        let left_out = left_out?;
        if portion.is_last {
            while progress.letters < checkpoint.letters {
                let page = core.store.letter_rows(progress.letters, checkpoint.letters, limits::ARCHIVE_LETTERS_MAX);
                let letters = page.await?;
                batch.letters(&letters).await?;
                progress.letters = letters.last().map_or(checkpoint.letters, |letter| letter.number);
            }
        }
        let power = core.is_power_durable();
        batch.commit(progress, (portion.is_last && power).then_some(checkpoint)).await?;
        self.progress = progress;
        self.meter.left_out(left_out);
        self.meter.sent(portion.rows.events);
        self.meter.up(progress.rows);
        core.set_passed(NAME, progress.rows);
        if !power {
            core.set_archived(progress.rows);
        }
        following
    }

    /// For a restart during which Postgres cannot be asked.
    async fn keep_cursor(&mut self) -> Result<(), Trouble> {
        if self.cursor_at.is_some_and(|at| at.elapsed() < CURSOR_EVERY) {
            return Ok(());
        }
        self.cursor_at = Some(Instant::now());
        let transaction =
            Transaction { consumer: NAME.to_owned(), cursor: Some(self.progress.rows), ..Transaction::default() };
        match self.core.store.commit(&[Arc::new(transaction)]).await {
            // A full store takes it later.
            Ok(_) | Err(StoreError::Full { .. } | StoreError::Busy { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// With `durability = "power"` the file follows Postgres: no line is behind it that a loss of power could take.
    fn save_positions(&mut self, checkpoint: &Checkpoint) {
        if self.positions_at.is_some_and(|at| at.elapsed() < POSITIONS_EVERY) {
            return;
        }
        self.positions_at = Some(Instant::now());
        let positions = Positions { last_id: checkpoint.id, positions: checkpoint.positions.clone() };
        if let Err(error) = positions.save(&self.core.config().daemon.state_dir) {
            log::warn!(target: "dsmil-archive", "positions could not be saved: {error}");
        }
    }

    async fn tend_if_due(&mut self, link: &mut Link) -> Result<(), Trouble> {
        if self.tended_at.is_none_or(|at| at.elapsed() >= TEND_EVERY) {
            let dropped = link.tend(Timestamp::now(), self.window()).await?;
            if !dropped.is_empty() {
                log::info!(target: "dsmil-archive", "past archive.retention and dropped: {}", dropped.join(", "));
            }
            self.tended_at = Some(Instant::now());
        }
        Ok(())
    }

    /// Waits for the first new event, and then until there is a batch of them or `archive.every` is over.
    async fn wait_for_more(&self) {
        let every = self.config.every.get();
        let mut committed = self.core.bus.committed();
        tokio::select! {
            _ = committed.wait_for(|id| *id > self.progress.rows) => {}
            () = tokio::time::sleep(every) => return,
            () = self.task.stopped() => return,
        }
        let deadline = tokio::time::sleep(every);
        tokio::pin!(deadline);
        while self.meter.lag() < self.config.batch as u64 {
            tokio::select! {
                _ = committed.changed() => {}
                () = &mut deadline => return,
                () = self.task.stopped() => return,
            }
        }
    }
}
