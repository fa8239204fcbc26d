//! How many committed events an outlet has not passed on: counted, not asked for at every look, and compared with the
//! hot store to see what the retention has removed meanwhile.

use std::cell::Cell;
use std::sync::Arc;

use super::core::Core;
use crate::event::{EventId, Interest};
use crate::store::StoreError;

pub struct Backlog {
    core: Arc<Core>,
    reads: Interest,
    /// Events up to `counted` that wait; below zero while more was passed on than counted.
    waiting: Cell<i64>,
    counted: Cell<EventId>,
}

impl Backlog {
    /// What waits after `passed`.
    ///
    /// # Errors
    /// The hot store cannot be read.
    pub async fn count(core: Arc<Core>, reads: Interest, passed: EventId) -> Result<Self, StoreError> {
        let committed = *core.bus.committed().borrow();
        let waiting = core.store.count(passed, committed, reads).await?;
        Ok(Self { core, reads, waiting: Cell::new(signed(waiting)), counted: Cell::new(committed) })
    }

    pub fn events(&self) -> u64 {
        u64::try_from(self.waiting.get()).unwrap_or(0)
    }

    pub fn passed(&self, events: usize) {
        self.waiting.set(self.waiting.get() - events as i64);
    }

    /// Counts what was committed since the last time.
    ///
    /// # Errors
    /// The hot store cannot be read.
    pub async fn grow(&self) -> Result<(), StoreError> {
        let (counted, committed) = (self.counted.get(), *self.core.bus.committed().borrow());
        if committed <= counted {
            return Ok(());
        }
        let (more, upto) = match self.core.bus.committed_after(counted, self.reads, usize::MAX) {
            Some((events, scanned)) => (events.len() as u64, scanned),
            None => (self.core.store.count(counted, committed, self.reads).await?, committed),
        };
        // Another count may have gone ahead while the store was asked.
        if self.counted.get() == counted {
            self.counted.set(upto);
            self.waiting.set(self.waiting.get().saturating_add(signed(more)));
        }
        Ok(())
    }

    /// How many of the events after `passed` are no longer in the store; they are not waited for any more.
    ///
    /// # Errors
    /// The hot store cannot be read.
    pub async fn lost(&self, passed: EventId) -> Result<u64, StoreError> {
        self.grow().await?;
        let (counted, waiting) = (self.counted.get(), self.waiting.get());
        let found = if passed < counted { self.core.store.count(passed, counted, self.reads).await? } else { 0 };
        let lost = (waiting - signed(found)).max(0);
        // What was committed while the store was asked has been added meanwhile, and stays.
        self.waiting.set(self.waiting.get() - lost);
        Ok(lost.unsigned_abs())
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
