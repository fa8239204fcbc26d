//! What the daemon's parts share: bus, store, configuration, and the little that status tells.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::watch;

use crate::bus::{Bus, Transaction};
use crate::config::{Config, Durability};
use crate::detect::freshness::freshness;
use crate::event::{EventId, ShrinkSample};
use crate::outlet::CommittedLog;
use crate::server::Server;
use crate::server::gateway::{ConfigStatus, ShrinkStatus, SourceStatus};
use crate::store::{HotStore, Size};
use crate::supervise::Child;

pub struct Core {
    pub bus: Arc<Bus>,
    pub store: HotStore,
    pub started: Instant,
    pub board: Board,
    /// The HTTP server that runs.
    pub server: Mutex<Option<Server>>,
    config: RwLock<Arc<Config>>,
    /// By consumer: how far its committed transactions go.
    committed: Mutex<BTreeMap<String, ConsumerProgress>>,
    /// Of every source, as appended to the bus; what a source's next run goes on from.
    positions: Mutex<BTreeMap<String, Value>>,
    /// The committed log as outlets see it.
    pub outlets: Arc<CommittedLog>,
}

/// How far the committed transactions of a consumer go.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConsumerProgress {
    pub cursor: EventId,
    /// Cursor of its saved state.
    pub snapshot: EventId,
}

/// What the parts tell of themselves for status.
#[derive(Default)]
pub struct Board {
    pub sources: Mutex<BTreeMap<String, SourceStatus>>,
    pub children: Mutex<Vec<Arc<Child>>>,
    pub config: Mutex<ConfigStatus>,
    store_size: Mutex<Option<Size>>,
    store_trouble: Mutex<Option<String>>,
    memory_trouble: Mutex<Option<String>>,
    shrink: Mutex<ShrinkMemory>,
}

/// The newest good sample and what came after it.
#[derive(Default)]
struct ShrinkMemory {
    good: Option<(Instant, ShrinkSample)>,
    failed_since: bool,
}

/// These locks guard values that are whole after every statement.
pub fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    pub fn new(
        bus: Arc<Bus>,
        store: HotStore,
        config: Config,
        positions: BTreeMap<String, Value>,
        committed: BTreeMap<String, ConsumerProgress>,
        outlets: CommittedLog,
    ) -> Arc<Self> {
        Arc::new(Self {
            bus,
            store,
            started: Instant::now(),
            board: Board::default(),
            server: Mutex::default(),
            config: RwLock::new(Arc::new(config)),
            committed: Mutex::new(committed),
            positions: Mutex::new(positions),
            outlets: Arc::new(outlets),
        })
    }

    pub fn is_power_durable(&self) -> bool {
        self.config().store.durability == Durability::Power
    }

    /// The id up to which nothing is lost by what `store.durability` speaks of: who sent an event up to here may be
    /// told that it is safe, and a source's outside position may move.
    pub fn durable(&self) -> watch::Receiver<EventId> {
        if self.is_power_durable() { self.outlets.archived() } else { self.bus.committed() }
    }

    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set_config(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    pub fn positions(&self) -> BTreeMap<String, Value> {
        locked(&self.positions).clone()
    }

    /// Runs `append` and notes the positions that it gives, as one: the next run of a source finds them, and an
    /// abandoned run that wakes up late finds `is_superseded` and appends nothing.
    pub fn advance(&self, is_superseded: impl Fn() -> bool, append: impl FnOnce() -> Vec<(String, Value)>) {
        let mut positions = locked(&self.positions);
        if is_superseded() {
            return;
        }
        for (source, position) in append() {
            if position.is_null() {
                positions.remove(&source);
            } else {
                positions.insert(source, position);
            }
        }
    }

    /// Keeps a value beside the positions of the sources; what is returned resolves after it is committed.
    pub fn remember(&self, name: &str, value: Value) -> impl Future<Output = ()> + use<> {
        let mut positions = locked(&self.positions);
        positions.insert(name.to_owned(), value.clone());
        let bus = Arc::clone(&self.bus);
        let transaction = bus.enqueue_positions(name, vec![(name.to_owned(), value)]);
        async move { bus.wait_committed(&transaction).await }
    }

    /// Notes how far committed transactions have brought their consumers.
    pub fn note_committed(&self, transactions: &[Arc<Transaction>]) {
        let mut committed = locked(&self.committed);
        for transaction in transactions {
            let progress = committed.entry(transaction.consumer.clone()).or_default();
            progress.cursor = progress.cursor.max(transaction.cursor.unwrap_or_default());
            if let Some(snapshot) = &transaction.snapshot {
                progress.snapshot = progress.snapshot.max(snapshot.cursor);
            }
        }
    }

    /// What may be deleted while there is room: at most what [`floor`](Self::floor) says, and nothing that any outlet
    /// has not taken outside.
    pub fn floor_if_room(&self) -> EventId {
        self.floor(false).min(self.outlets.kept_while_room())
    }

    /// The oldest event that a stage's next run needs from the store: the first that it has not handled, by what is
    /// committed, and normally also the first after its saved state. In `need`, when the store is full, the state may
    /// miss what it has learnt since it was saved; what was not handled is never given up.
    pub fn floor(&self, in_need: bool) -> EventId {
        let committed = locked(&self.committed);
        let consumers = self.bus.consumers();
        let needs = consumers.iter().filter(|consumer| consumer.attached).map(|consumer| {
            let progress = committed.get(&consumer.name).copied().unwrap_or_default();
            if in_need { progress.cursor } else { progress.cursor.min(progress.snapshot) }
        });
        needs.chain([self.outlets.kept()]).min().unwrap_or(EventId::MAX)
    }

    pub fn note_shrink(&self, sample: &ShrinkSample) {
        let mut memory = locked(&self.board.shrink);
        memory.failed_since = sample.failure.is_some();
        if !memory.failed_since {
            memory.good = Some((Instant::now(), sample.clone()));
        }
    }

    pub fn shrink_status(&self) -> ShrinkStatus {
        let stale_after = self.config().shrink.clone().unwrap_or_default().stale_after.get();
        let memory = locked(&self.board.shrink);
        let Some((at, sample)) = &memory.good else { return ShrinkStatus::default() };
        let age = at.elapsed();
        let state = freshness(Some(age), memory.failed_since, stale_after);
        ShrinkStatus { state, age_s: Some(age.as_secs_f64()), values: sample.values.clone() }
    }

    pub fn store_size(&self) -> Option<Size> {
        *locked(&self.board.store_size)
    }

    pub fn set_store_size(&self, size: Size) {
        *locked(&self.board.store_size) = Some(size);
    }

    pub fn store_trouble(&self) -> Option<String> {
        locked(&self.board.store_trouble).clone()
    }

    /// Why sources wait, when it is for the process's memory.
    pub fn memory_trouble(&self) -> Option<String> {
        locked(&self.board.memory_trouble).clone()
    }

    pub fn set_memory_trouble(&self, trouble: Option<String>) {
        *locked(&self.board.memory_trouble) = trouble;
    }

    pub fn set_store_trouble(&self, trouble: Option<String>) {
        *locked(&self.board.store_trouble) = trouble;
    }
}
