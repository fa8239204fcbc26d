//! The commit point: takes transactions off the bus in order and writes them to the hot store, many in one transaction
//! of SQLite.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::retention_clock::RetentionClock;
use super::{Announcer, Progress};
use crate::bus::{Bus, Transaction, keep_position};
use crate::config::Config;
use crate::event::{Event, EventId, Stream, Timestamp};
use crate::intake::IntakeLog;
use crate::intake::clock::arrival::{boot_id, uptime};
use crate::limits;
use crate::observe::audit::Kept;
use crate::observe::metrics;
use crate::outlet::CommittedLog;
use crate::retry::{Notice, Notices, OutsideError};
use crate::server::Board;
use crate::store::handled::Handled;
use crate::store::positions::{Place, Positions};
use crate::store::{HotStore, StoreError};
use crate::supervise::TaskContext;

/// Between two attempts while the store is full or fails.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// From the beginning of a commit to that of the next: what comes meanwhile goes with that. Each costs as much as some events. After
/// a longer rest a commit is made at once.
const COMMIT_EVERY: Duration = Duration::from_millis(1);
/// How long cursors alone wait for events to go with: devices move theirs all the time, each by itself.
const CURSORS_WAIT: Duration = Duration::from_millis(4);
/// How long what follows from an event is waited for, so that both go in one commit.
const SETTLED_AFTER: Duration = Duration::from_millis(1);
/// How long a tick waits for what follows from it, and for others that come meanwhile: nobody outside waits for it.
const TICK_WAITS: Duration = Duration::from_millis(100);
/// No heartbeat is given while a commit goes on: one that took longer than this is followed by a smaller one, so that the writer is
/// not taken for frozen where it gets next to nothing of a busy machine.
const SLOW: Duration = Duration::from_secs(1);
/// With so many events nothing is waited for.
const WAITS_BELOW: usize = limits::COMMIT_EVENTS_MAX / 16;
const PRUNE_EVERY: Duration = Duration::from_secs(1);
/// Where next to nothing came meanwhile: what little is too old may stay for a moment.
const PRUNE_AT_REST_EVERY: Duration = Duration::from_secs(5);
const NEXT_TO_NOTHING: u64 = 16 * 1024;
const POSITIONS_EVERY: Duration = Duration::from_secs(1);
const RETENTION_CLOCK_EVERY: Duration = Duration::from_secs(60);

/// What the daemon has for the writer.
#[derive(Clone)]
pub struct Resources {
    pub bus: Arc<Bus>,
    pub store: HotStore,
    pub intake: Arc<IntakeLog>,
    pub outlets: Arc<CommittedLog>,
    pub progress: Arc<Progress>,
    pub announcer: Arc<Announcer>,
    pub board: Arc<Board>,
    /// As it is now; a reload changes it.
    pub config: Arc<dyn Fn() -> Arc<Config> + Send + Sync>,
    /// Whether the archive saves the positions of the sources, since a commit alone is not durable.
    pub is_power_durable: bool,
    /// What deletes many rows runs on these threads: a run that is abandoned in the middle of that would otherwise hold the store's
    /// writer, which its successor needs, for ever. A commit does not wait in its middle.
    pub io: Handle,
}

/// The task of the writer's actor. When it is asked to stop, everybody else has stopped: it commits what is left.
pub async fn run(task: TaskContext, resources: Resources) -> Result<(), String> {
    let mut writer = Writer::new(resources);
    while task.run_until_stopped(writer.due()).await.is_some() {
        writer.commit(&task).await?;
        writer.upkeep(false).await;
    }
    while !task.is_superseded() && writer.has.bus.uncommitted_transactions() > 0 {
        if !writer.commit(&task).await? {
            return Err("the hot store did not take the last transactions".to_owned());
        }
    }
    writer.upkeep(true).await;
    Ok(())
}

/// How many events the commit after one of so many may have that took so long.
fn next_batch(events: usize, took: Duration) -> usize {
    if took > SLOW {
        (events / 2).clamp(1, limits::COMMIT_EVENTS_MAX)
    } else {
        (events * 2).min(limits::COMMIT_EVENTS_MAX)
    }
}

struct Writer {
    has: Resources,
    positions: Positions,
    /// What was committed, as far as it is to be judged and handed on.
    handled: Handled,
    positions_changed: bool,
    positions_saved: Instant,
    pruned: Instant,
    /// Until when events are old.
    retention: RetentionClock,
    retention_saved: Option<Instant>,
    boot: String,
    /// Bytes committed since.
    unpruned: u64,
    /// Events of one transaction: few at first, for the writer before may have been too slow with many; fewer after it did not fit, so that
    /// little space is enough to go on.
    batch: usize,
    /// The last commit.
    begun: Instant,
    /// Of the commit itself.
    notice: Notice,
    /// Of what else is done now and then.
    notices: Notices,
}

impl Writer {
    fn new(has: Resources) -> Self {
        let now = Instant::now();
        let boot = boot_id();
        let hot_store = Place::new(boot.clone(), &(has.config)().store.path);
        let (last_id, saved_id) = (has.bus.last(), EventId::ZERO);
        let positions = Positions { last_id, saved_id, positions: has.intake.positions(), handled: None, hot_store };
        let kept = positions.positions.get(RetentionClock::NAME);
        let retention = kept.and_then(|kept| RetentionClock::kept(kept, &boot));
        let retention =
            retention.unwrap_or_else(|| RetentionClock::new(Timestamp::now(), uptime(), has.store.committed()));
        if let Some(kept) = positions.positions.get(Kept::NAME) {
            has.outlets.set_audit_head(kept);
        }
        Self {
            retention,
            retention_saved: None,
            boot,
            handled: Handled::new(last_id),
            has,
            positions,
            positions_changed: false,
            positions_saved: now,
            pruned: now,
            unpruned: 0,
            batch: limits::TRANSACTION_EVENTS_MAX,
            begun: now,
            notice: Notice::default(),
            notices: Notices::default(),
        }
    }

    /// Waits until there is something to commit, and until it is time to.
    async fn due(&self) {
        self.has.bus.wait_pending().await;
        let _ = tokio::time::timeout(CURSORS_WAIT, self.has.bus.wait_pending_events()).await;
        let _ = tokio::time::timeout(TICK_WAITS, self.has.bus.wait_news()).await;
        let rest = COMMIT_EVERY.saturating_sub(self.begun.elapsed());
        // Timers of the runtime are rounded up to whole milliseconds. The writer has this thread to itself.
        std::thread::sleep(rest);
        // Whoever does not come to an end is not waited for.
        let _ = tokio::time::timeout(SETTLED_AFTER, self.has.bus.wait_settled(WAITS_BELOW)).await;
    }

    /// Commits what waits; whether it could.
    async fn commit(&mut self, task: &TaskContext) -> Result<bool, String> {
        let transactions = self.has.bus.pending(self.batch);
        if transactions.is_empty() {
            return Ok(true);
        }
        let started = Instant::now();
        self.begun = started;
        task.heartbeat();
        match self.has.store.commit(&transactions).await {
            Ok(_) => {
                if task.is_superseded() {
                    return Ok(false);
                }
                metrics::commit_seconds().record(started.elapsed());
                // Whoever sees an event finds it counted.
                self.announce(&transactions);
                self.has.bus.confirm(&transactions);
                self.batch = next_batch(self.batch, started.elapsed());
                self.after_commit(&transactions);
                Ok(true)
            }
            Err(error) => {
                self.failed(&error).await;
                tokio::time::sleep(RETRY_AFTER).await;
                Ok(false)
            }
        }
    }

    fn announce(&self, transactions: &[Arc<Transaction>]) {
        let on_terminal = (self.has.config)().daemon.print_events;
        transactions.iter().for_each(|transaction| self.has.announcer.announce(&transaction.events, on_terminal));
    }

    fn after_commit(&mut self, transactions: &[Arc<Transaction>]) {
        if self.notice.error().is_some() {
            self.has.board.set_store_error(None);
        }
        if self.notice.recovers() {
            log::info!(target: "dsmild", "the hot store takes events again");
        }
        self.has.progress.note(transactions);
        for transaction in transactions {
            self.unpruned += transaction.weight() as u64;
            self.handled.commit(transaction);
            // What comes over HTTP has no position, and is to be missed as well.
            let is_input = |event: &Event| matches!(event.stream, Stream::L3In | Stream::L4In);
            self.positions_changed |= transaction.events.first().is_some_and(is_input);
            self.positions.saved_id = transaction.events.last().map_or(self.positions.saved_id, |event| event.id);
            for (source, position) in &transaction.positions {
                if source == Kept::NAME {
                    self.has.outlets.set_audit_head(position);
                }
                keep_position(&mut self.positions.positions, source, position);
                self.positions_changed = true;
            }
        }
    }

    /// Sources wait meanwhile, for the bus has no room until this is over.
    async fn failed(&mut self, error: &StoreError) {
        let text = error.to_string();
        self.has.board.set_store_error(Some(text.clone()));
        if self.notice.fails(OutsideError::unexpected("commit", text.clone()), Instant::now()) {
            log::error!(target: "dsmild", "commit to the hot store failed, sources wait: {text}");
        }
        if matches!(error, StoreError::Full { .. }) {
            self.batch = (self.batch / 2).max(1);
            self.prune(true).await;
        }
    }

    async fn upkeep(&mut self, last: bool) {
        let is_time = last || self.positions_saved.elapsed() >= POSITIONS_EVERY;
        let due = is_time && (self.positions_changed || self.is_handled_since());
        // What Postgres does not have yet may be lost with the power: then the archive saves them.
        if due && !self.has.is_power_durable {
            self.save_positions();
        }
        let much = self.unpruned >= self.has.store.max_bytes() / limits::PRUNE_PART_OF_STORE;
        let every = if self.unpruned < NEXT_TO_NOTHING { PRUNE_AT_REST_EVERY } else { PRUNE_EVERY };
        if much || self.pruned.elapsed() >= every {
            self.prune(false).await;
        }
    }

    /// As it is now.
    fn handled(&self) -> Handled {
        self.handled.with(self.has.progress.floor(&self.has.bus, true), self.has.outlets.kept_while_room())
    }

    /// Everything has been handled, and positions were saved when it had not.
    fn is_handled_since(&self) -> bool {
        self.positions.handled.is_some_and(|saved| !saved.is_all()) && self.handled().is_all()
    }

    fn save_positions(&mut self) {
        self.positions.handled = Some(self.handled());
        self.positions.last_id = *self.has.bus.committed().borrow();
        self.positions_saved = Instant::now();
        match self.positions.save(&(self.has.config)().daemon.state_dir) {
            Ok(()) => self.positions_changed = false,
            Err(error) => self.warn("positions", &format!("positions for after a reboot could not be saved: {error}")),
        }
    }

    /// Each is tried again each second.
    fn warn(&mut self, kind: &'static str, text: &str) {
        if self.notices.fails(kind, kind, text, Instant::now()) {
            log::warn!(target: "dsmild", "{text}");
        }
    }

    async fn prune(&mut self, in_need: bool) {
        (self.pruned, self.unpruned) = (Instant::now(), 0);
        // As it is now, so that what only waits for an outlet goes as soon as its place is needed.
        let has_room = !in_need && self.has.store.size().await.is_ok_and(|size| !size.is_near_max());
        let (progress, outlets) = (&self.has.progress, &self.has.outlets);
        let floor = if has_room {
            progress.floor(&self.has.bus, false).min(outlets.kept_while_room())
        } else {
            progress.floor(&self.has.bus, in_need).min(outlets.kept())
        };
        let store = self.has.store.clone();
        let now = self.retention.now(Timestamp::now(), uptime());
        if self.retention_saved.is_none_or(|at| at.elapsed() >= RETENTION_CLOCK_EVERY) {
            self.retention_saved = Some(Instant::now());
            let name = RetentionClock::NAME;
            self.has.bus.enqueue_positions(name, vec![(name.to_owned(), self.retention.to_value(&self.boot))]);
        }
        let pruned = self.has.io.spawn(async move { store.prune(now, floor).await }).await;
        let failure = match pruned {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(failure) = failure {
            self.warn("prune", &format!("old events could not be removed from the hot store: {failure}"));
        }
        match self.has.store.size().await {
            Ok(size) => {
                metrics::store_bytes().set(size.used_bytes as f64);
                self.has.board.set_store_size(size);
            }
            Err(error) => self.warn("size", &format!("the size of the hot store could not be read: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_commit_is_followed_by_smaller_ones_and_a_fast_one_by_larger_ones() {
        let slow = std::iter::successors(Some(limits::COMMIT_EVENTS_MAX), |events| Some(next_batch(*events, 2 * SLOW)));
        let sizes: Vec<usize> = slow.take(20).collect();
        assert!(sizes.is_sorted_by(|earlier, later| earlier >= later), "{sizes:?}");
        assert_eq!(sizes.last(), Some(&1), "and never nothing");
        let fast = std::iter::successors(Some(1), |events| Some(next_batch(*events, SLOW)));
        let sizes: Vec<usize> = fast.take(20).collect();
        assert!(sizes.is_sorted() && sizes.last() == Some(&limits::COMMIT_EVENTS_MAX), "{sizes:?}");
    }
}
