//! What the daemon's parts share: bus, store, configuration, and the little that status tells.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::Notify;

use super::writer;
use crate::bus::{Bus, EventRef};
use crate::config::Config;
use crate::event::{Event, EventId, Interest, ShrinkSample, ShrinkState};
use crate::layer::shell::Shell;
use crate::observe::gateway::{ConfigStatus, OutletStatus, ShrinkStatus, SourceStatus};
use crate::store::{HotStore, Size, StoreError};
use crate::supervise::Child;

pub struct Core {
    pub bus: Arc<Bus>,
    pub store: HotStore,
    pub started: Instant,
    pub board: Board,
    /// Notified at a reload: the flat log is opened again.
    pub reopen_logs: Notify,
    config: RwLock<Arc<Config>>,
    /// Of every source, as appended to the bus; what a source's next life goes on from.
    positions: Mutex<BTreeMap<String, Value>>,
}

/// What the parts tell of themselves for status.
#[derive(Default)]
pub struct Board {
    pub sources: Mutex<BTreeMap<String, SourceStatus>>,
    pub outlets: Mutex<BTreeMap<String, OutletStatus>>,
    pub children: Mutex<Vec<Arc<Child>>>,
    pub shells: Mutex<Vec<Arc<Shell>>>,
    pub config: Mutex<ConfigStatus>,
    store_size: Mutex<Option<Size>>,
    store_trouble: Mutex<Option<String>>,
    shrink: Mutex<ShrinkMemory>,
}

/// The newest good sample and what came after it.
#[derive(Default)]
struct ShrinkMemory {
    good: Option<(Instant, ShrinkSample)>,
}

/// These locks guard values that are whole after every statement.
pub fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    pub fn new(bus: Arc<Bus>, store: HotStore, config: Config, positions: BTreeMap<String, Value>) -> Arc<Self> {
        Arc::new(Self {
            bus,
            store,
            started: Instant::now(),
            board: Board::default(),
            reopen_logs: Notify::new(),
            config: RwLock::new(Arc::new(config)),
            positions: Mutex::new(positions),
        })
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

    /// Runs `append` and notes the positions that it gives, as one: the next life of a source finds them, and an
    /// abandoned life that wakes up late finds `superseded` and appends nothing.
    pub fn advance(&self, superseded: impl Fn() -> bool, append: impl FnOnce() -> Vec<(String, Value)>) {
        let mut positions = locked(&self.positions);
        if superseded() {
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

    /// Committed events after `after`, from memory or from the hot store, at most `count`; and the id up to which the
    /// log has been looked through. For outlets, which see only what is committed.
    ///
    /// # Errors
    /// The hot store cannot be read.
    pub async fn committed_after(
        &self,
        after: EventId,
        reads: Interest,
        count: usize,
    ) -> Result<(Vec<EventRef>, EventId), StoreError> {
        if let Some(found) = self.bus.committed_after(after, reads, count) {
            return Ok(found);
        }
        let committed = *self.bus.committed().borrow();
        let events: Arc<[Event]> = self.store.after(after, reads, count).await?.into();
        let scanned = events.last().map_or(committed, |event| event.id);
        Ok((EventRef::all(&events).collect(), scanned))
    }

    /// What an outlet tells of itself.
    pub fn set_outlet(&self, status: OutletStatus) {
        locked(&self.board.outlets).insert(status.name.clone(), status);
    }

    /// The oldest event that somebody still needs from the store: a stage for its next life, an outlet that is behind.
    pub fn floor(&self) -> EventId {
        let consumers = self.bus.consumers();
        let shells = locked(&self.board.shells).clone();
        let needs = shells.iter().filter_map(|shell| {
            let consumer = consumers.iter().find(|consumer| consumer.name == shell.spec.name)?;
            consumer.attached.then(|| shell.snapshot().map_or(consumer.cursor, |snapshot| snapshot.cursor))
        });
        writer::floor(needs)
    }

    pub fn note_shrink(&self, sample: &ShrinkSample) {
        if sample.failure.is_none() {
            locked(&self.board.shrink).good = Some((Instant::now(), sample.clone()));
        }
    }

    pub fn shrink_status(&self) -> ShrinkStatus {
        let stale_after = self.config().shrink.clone().unwrap_or_default().stale_after.get();
        let memory = locked(&self.board.shrink);
        let Some((at, sample)) = &memory.good else { return ShrinkStatus::default() };
        let age = at.elapsed();
        let state = if age <= stale_after { ShrinkState::Fresh } else { ShrinkState::Stale };
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

    pub fn set_store_trouble(&self, trouble: Option<String>) {
        *locked(&self.board.store_trouble) = trouble;
    }
}
