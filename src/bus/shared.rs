//! The bus that all parts share: one lock round the log and the ledger, and which actors are to be woken.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::{Consumer, ConsumerId, DeadLetter, Ledger, Log, Reader, Ready, Snapshot, TakenEntries, Transaction};
use crate::event::{Draft, Event, EventId, Interest, Stream, Timestamp, stream};
use crate::limits;

/// Wakes a consumer's actor; must not block.
pub type Wake = Arc<dyn Fn() + Send + Sync>;
/// Tells the time that the ids of new events are taken from.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The ordered log in memory, with everything that happens on it: sources append, stages read and step, the writer takes
/// transactions off it. All methods may be called from any thread; none blocks for longer than another takes.
pub struct Bus {
    inner: Mutex<Inner>,
    /// Transactions wait for the hot store.
    pub(super) to_commit: Notify,
    /// Among them is something that is not of the clock.
    pub(super) news: Notify,
    /// No stage can go on: all have handled what is on the log.
    pub(super) settled: Notify,
    pub(super) committed: watch::Sender<EventId>,
    /// Moves whenever there may be room again.
    pub(super) room: watch::Sender<()>,
    /// The process holds as much memory as it may.
    pub(super) is_full: AtomicBool,
}

/// What the lock guards.
pub(super) struct Inner {
    clock: Clock,
    pub(super) log: Log,
    pub(super) ledger: Ledger,
    wakes: Vec<Option<Wake>>,
    pub(super) committed: EventId,
    pub(super) pending: VecDeque<Arc<Transaction>>,
    pub(super) pending_events: usize,
    pub(super) pending_bytes: usize,
    /// By the last id of a source's transaction, what the hot store must hold of it: some consumer has not handled it,
    /// by what is committed.
    pub(super) held: VecDeque<(EventId, usize)>,
    pub(super) held_bytes: usize,
    /// Of what is pending, and of what is held.
    pub(super) bytes_max: usize,
}

/// What a stage did with a batch.
#[derive(Debug, Default)]
pub struct Step {
    /// It has now handled everything that follows from events up to here.
    pub cursor: EventId,
    /// What it emitted, in order.
    pub outputs: Vec<Draft>,
    /// How many of its events it dealt with, quarantined ones not included.
    pub handled: u64,
    /// Outputs that were refused because one event asked for too many.
    pub refused: u64,
    /// Events that it failed on twice, with the reason.
    pub dead_letters: Vec<DeadLetter>,
    /// Its state, when it is time to save it.
    pub snapshot: Option<Snapshot>,
}

/// The actor has been replaced; what it did is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this actor has been replaced by a newer one")]
pub struct Stale;

impl Bus {
    /// Goes on after `last`, everything up to which is committed.
    pub fn new(ledger: Ledger, last: EventId) -> Self {
        Self::with_clock(ledger, last, Arc::new(Timestamp::now))
    }

    /// The same by another clock than that of the machine.
    pub fn with_clock(ledger: Ledger, last: EventId, clock: Clock) -> Self {
        let wakes = vec![None; ledger.all().len()];
        Self {
            inner: Mutex::new(Inner {
                clock,
                log: Log::after(last),
                ledger,
                wakes,
                committed: last,
                pending: VecDeque::new(),
                pending_events: 0,
                pending_bytes: 0,
                held: VecDeque::new(),
                held_bytes: 0,
                bytes_max: limits::IN_FLIGHT_BYTES_MAX,
            }),
            to_commit: Notify::new(),
            news: Notify::new(),
            settled: Notify::new(),
            committed: watch::Sender::new(last),
            room: watch::Sender::new(()),
            is_full: AtomicBool::new(false),
        }
    }

    /// A panic while the lock was held cannot leave it half changed in a way that matters more than going on: every
    /// change is complete before anything that could panic.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The consumer of this name; `None` when no stage has it.
    pub fn consumer(&self, name: &str) -> Option<ConsumerId> {
        self.lock().ledger.find(name)
    }

    /// The ledger as it is now.
    pub fn consumers(&self) -> Vec<Consumer> {
        self.lock().ledger.all().to_vec()
    }

    /// The id of the newest event on the log, committed or not.
    pub fn last(&self) -> EventId {
        self.lock().log.last()
    }

    /// How many transactions wait for the hot store.
    pub fn uncommitted_transactions(&self) -> usize {
        self.lock().pending.len()
    }

    /// How many events wait for the hot store.
    pub fn uncommitted_events(&self) -> u64 {
        self.lock().pending_events as u64
    }

    /// The id up to which everything is committed: what the outside may see.
    pub fn committed(&self) -> watch::Receiver<EventId> {
        self.committed.subscribe()
    }

    /// Appends what a source has read, with the positions after it, as one transaction. Ask for admission first.
    /// Returns the last id.
    pub fn append(
        &self,
        source: &str,
        drafts: Vec<Draft>,
        positions: Vec<(String, Value)>,
        dead_letters: Vec<DeadLetter>,
    ) -> EventId {
        self.append_taken(source, drafts, positions, dead_letters, None)
    }

    /// As [`append`](Self::append), for entries that other daemons could take as well: one for each draft.
    pub fn append_taken(
        &self,
        source: &str,
        drafts: Vec<Draft>,
        positions: Vec<(String, Value)>,
        mut dead_letters: Vec<DeadLetter>,
        entries: Option<TakenEntries>,
    ) -> EventId {
        let mut inner = self.lock();
        let events = inner.append(drafts);
        for letter in &mut dead_letters {
            let now = (inner.clock)().millis();
            letter.id = inner.log.reserve(now);
        }
        let last = inner.log.last();
        let consumer = source.to_owned();
        let transaction = Transaction { consumer, events, positions, dead_letters, entries, ..Transaction::default() };
        inner.hold(&transaction);
        inner.enqueue(transaction);
        self.wake(inner);
        last
    }

    /// Commits positions alone.
    pub fn enqueue_positions(&self, name: &str, positions: Vec<(String, Value)>) -> Arc<Transaction> {
        let transaction = Transaction { consumer: name.to_owned(), positions, ..Transaction::default() };
        let transaction = self.lock().enqueue(transaction);
        self.to_commit.notify_one();
        self.news.notify_one();
        transaction
    }

    /// Counts events as received that a consumer had before it when the last process ended.
    pub fn recover<'a>(&self, consumer: ConsumerId, events: impl IntoIterator<Item = &'a Event>) {
        let mut inner = self.lock();
        let Some(consumer) = inner.ledger.get_mut(consumer) else { return };
        let (reads, cursor) = (consumer.reads, consumer.cursor);
        consumer.received +=
            events.into_iter().filter(|event| event.root > cursor && reads.overlaps(event.kind())).count() as u64;
    }

    /// Commits the cursors of these consumers, which the store does not know yet, as they are.
    pub fn begin_at<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        let mut inner = self.lock();
        for name in names {
            let cursor = inner.ledger.find(name).and_then(|id| inner.ledger.get(id)).map(|consumer| consumer.cursor);
            inner.enqueue(Transaction { consumer: name.to_owned(), cursor, ..Transaction::default() });
        }
    }

    /// Begins a new run of a consumer's actor: from now on only steps of this generation are taken. `at` is where its
    /// state stands. Returns the generation, the cursor up to which its outputs are already in the log, and the reader.
    pub fn begin(&self, id: ConsumerId, at: EventId, wake: Wake) -> Option<(u64, EventId, Reader)> {
        let mut inner = self.lock();
        if let Some(slot) = inner.wakes.get_mut(id.0) {
            *slot = Some(wake);
        }
        let consumer = inner.ledger.get_mut(id)?;
        consumer.generation += 1;
        let was_attached = std::mem::replace(&mut consumer.attached, true);
        let mut reader = Reader::new(id, consumer.reads, at);
        reader.may_have_lost = !was_attached;
        Some((consumer.generation, consumer.cursor, reader))
    }

    /// Moves a consumer that was not wanted until now to the newest event: it reads nothing from before.
    pub fn skip_to_end(&self, id: ConsumerId) {
        let mut inner = self.lock();
        let end = inner.log.last_root();
        if let Some(consumer) = inner.ledger.get_mut(id) {
            consumer.cursor = consumer.cursor.max(end);
            consumer.received = consumer.handled + consumer.quarantined + consumer.lost;
            consumer.attached = true;
        }
    }

    /// Notes that a consumer failed for good: nothing waits for it any more.
    pub fn detach(&self, id: ConsumerId) {
        let mut inner = self.lock();
        if let Some(consumer) = inner.ledger.get_mut(id) {
            consumer.attached = false;
            consumer.generation += 1;
        }
        inner.let_go();
        self.wake(inner);
    }

    /// What this reader may handle next.
    pub fn next(&self, reader: &mut Reader, count: usize) -> Ready {
        let mut inner = self.lock();
        let last = inner.log.last();
        let Some(chunks) = inner.log.chunks_after(reader.scanned) else {
            return Ready::Behind { after: reader.scanned, window: inner.log.start() };
        };
        for chunk in chunks {
            reader.look_through(chunk, |kind| inner.ledger.rank(kind));
        }
        reader.scanned = last;
        // Whoever is drained has been given everything there is.
        if reader.is_drained()
            && std::mem::take(&mut reader.may_have_lost)
            && let Some(lost) = inner.ledger.write_off(reader.consumer)
        {
            drop(inner);
            self.room.send_replace(());
            return Ready::Lost(lost);
        }
        let frontier = inner.ledger.frontier(reader.consumer, inner.log.last_root());
        drop(inner);
        reader.take(frontier, count)
    }

    /// Hands a reader what the hot store had.
    pub fn feed(&self, reader: &mut Reader, events: Vec<Event>, scanned: EventId) {
        let inner = self.lock();
        reader.feed(events, scanned, |kind| inner.ledger.rank(kind));
    }

    /// Takes what a stage did: its outputs and its cursor together.
    ///
    /// # Errors
    /// The actor has been replaced meanwhile.
    pub fn step(&self, id: ConsumerId, generation: u64, step: Step) -> Result<(), Stale> {
        let mut inner = self.lock();
        let consumer = inner.ledger.get_mut(id).filter(|consumer| consumer.generation == generation).ok_or(Stale)?;
        consumer.cursor = consumer.cursor.max(step.cursor);
        consumer.handled += step.handled;
        consumer.refused += step.refused;
        consumer.quarantined += step.dead_letters.len() as u64;
        let (name, cursor) = (consumer.name.clone(), consumer.cursor);
        let events = inner.append(step.outputs);
        inner.enqueue(Transaction {
            consumer: name,
            cursor: Some(cursor),
            events,
            snapshot: step.snapshot,
            dead_letters: step.dead_letters,
            ..Transaction::default()
        });
        self.wake(inner);
        Ok(())
    }

    /// Lets go of the lock, and wakes whoever may go on by what was done under it.
    fn wake(&self, inner: MutexGuard<'_, Inner>) {
        let wakes = inner.movable();
        let is_settled = wakes.is_empty() || !inner.can_move();
        let is_news = inner.pending.back().is_some_and(|transaction| !transaction.is_of_the_clock());
        drop(inner);
        wakes.iter().for_each(|wake| wake());
        if is_settled {
            self.settled.notify_one();
        }
        self.to_commit.notify_one();
        if is_news {
            self.news.notify_one();
        }
        self.room.send_replace(());
    }
}

impl Inner {
    /// Of all who have not handled everything that they may: nobody else would find anything.
    fn movable(&self) -> Vec<Wake> {
        self.moving().map(|(_, wake)| Arc::clone(wake)).collect()
    }

    /// Whether a judgement may still follow. Of those that were given up, nothing does; and what devices add to it has time, for they
    /// let events gather.
    pub(super) fn can_move(&self) -> bool {
        const JUDGEMENTS: Interest = Interest::NONE.stream(Stream::L3Out).stream(Stream::L4Out).soc(stream::FUSION);
        self.moving().any(|(consumer, _)| consumer.attached && consumer.writes.overlaps(JUDGEMENTS))
    }

    fn moving(&self) -> impl Iterator<Item = (&Consumer, &Wake)> {
        let last_root = self.log.last_root();
        let consumers = self.ledger.all().iter().zip(&self.wakes).enumerate();
        let can_move =
            move |place, consumer: &Consumer| self.ledger.frontier(ConsumerId(place), last_root) > consumer.cursor;
        consumers
            .filter(move |(place, (consumer, _))| can_move(*place, consumer))
            .filter_map(|(_, (consumer, wake))| Some((consumer, wake.as_ref()?)))
    }

    fn append(&mut self, drafts: Vec<Draft>) -> Arc<[Event]> {
        let chunk = self.log.append(drafts, (self.clock)().millis());
        self.ledger.receive(chunk.iter());
        chunk
    }

    fn enqueue(&mut self, transaction: Transaction) -> Arc<Transaction> {
        self.pending_events += transaction.events.len();
        self.pending_bytes += transaction.weight();
        let transaction = Arc::new(transaction);
        self.pending.push_back(Arc::clone(&transaction));
        transaction
    }
}

#[cfg(test)]
pub(super) mod tests;
