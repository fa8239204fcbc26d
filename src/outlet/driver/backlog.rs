//! How many committed events an outlet has not taken outside: counted, not asked for at every look, and compared with the
//! hot store to see what the retention has removed meanwhile.

use std::cell::Cell;

use super::log::Log;
use crate::event::{EventId, Interest};
use crate::store::StoreError;

/// The count of one lane.
#[derive(Debug)]
pub struct Backlog {
    reads: Interest,
    /// Events up to `counted` that wait; below zero while more was taken outside than counted.
    waiting: Cell<i64>,
    counted: Cell<EventId>,
}

impl Backlog {
    /// Nothing waits of what is committed up to here.
    pub fn empty(reads: Interest, committed: EventId) -> Self {
        Self { reads, waiting: Cell::new(0), counted: Cell::new(committed) }
    }

    /// How many committed events its outside does not have.
    pub fn events(&self) -> u64 {
        u64::try_from(self.waiting.get()).unwrap_or(0)
    }

    /// Counts anew what waits after `position`.
    ///
    /// # Errors
    /// The hot store cannot be read.
    pub async fn recount(&self, log: &impl Log, position: EventId) -> Result<(), StoreError> {
        let committed = *log.committed().borrow();
        let waiting = log.count_stored(position, committed, self.reads).await?;
        self.waiting.set(signed(waiting));
        self.counted.set(committed);
        Ok(())
    }

    /// So many have been taken outside.
    pub fn took(&self, events: u64) {
        self.waiting.set(self.waiting.get() - signed(events));
    }

    /// Counts what was committed since the last time.
    ///
    /// # Errors
    /// The hot store cannot be read.
    pub async fn grow(&self, log: &impl Log) -> Result<(), StoreError> {
        let (counted, committed) = (self.counted.get(), *log.committed().borrow());
        if committed <= counted {
            return Ok(());
        }
        let more = log.count(counted, committed, self.reads).await?;
        // Another count may have gone ahead while the store was asked.
        if self.counted.get() == counted {
            self.counted.set(committed);
            self.waiting.set(self.waiting.get().saturating_add(signed(more)));
        }
        Ok(())
    }

    /// Everything up to `position` is outside or gone. Returns how many were counted and never came; they are not waited
    /// for any more.
    pub fn settle(&self, position: EventId) -> u64 {
        let waiting = self.events();
        if self.counted.get() > position || waiting == 0 {
            return 0;
        }
        self.waiting.set(0);
        waiting
    }

    /// Returns how many of the events after `position` are no longer in the store; they are not waited for any more.
    ///
    /// # Errors
    /// The hot store cannot be read.
    pub async fn lost(&self, log: &impl Log, position: EventId) -> Result<u64, StoreError> {
        self.grow(log).await?;
        let (counted, waiting) = (self.counted.get(), self.waiting.get());
        if waiting <= 0 {
            return Ok(0);
        }
        let found = if position < counted { log.count_stored(position, counted, self.reads).await? } else { 0 };
        let lost = (waiting - signed(found)).max(0);
        // What was committed while the store was asked has been added meanwhile, and stays.
        self.waiting.set(self.waiting.get() - lost);
        Ok(lost.unsigned_abs())
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
