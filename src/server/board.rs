//! What status shows of the daemon as a whole: its actors, its configuration, and what holds it up.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::gateway::ConfigStatus;
use crate::locked::locked;
use crate::store::Size;
use crate::supervise::Child;

pub struct Board {
    pub started: Instant,
    children: Mutex<Vec<Arc<Child>>>,
    config: Mutex<ConfigStatus>,
    store_size: Mutex<Option<Size>>,
    store_error: Mutex<Option<String>>,
    memory_error: Mutex<Option<String>>,
}

impl Board {
    pub fn new(config: ConfigStatus) -> Self {
        Self {
            started: Instant::now(),
            children: Mutex::default(),
            config: Mutex::new(config),
            store_size: Mutex::default(),
            store_error: Mutex::default(),
            memory_error: Mutex::default(),
        }
    }

    /// In start order; none before the start is over.
    pub fn children(&self) -> Vec<Arc<Child>> {
        locked(&self.children).clone()
    }

    pub fn set_children(&self, children: Vec<Arc<Child>>) {
        *locked(&self.children) = children;
    }

    pub fn config(&self) -> ConfigStatus {
        locked(&self.config).clone()
    }

    pub fn change_config(&self, change: impl FnOnce(&mut ConfigStatus)) {
        change(&mut locked(&self.config));
    }

    /// `None` before it was looked at.
    pub fn store_size(&self) -> Option<Size> {
        *locked(&self.store_size)
    }

    pub fn set_store_size(&self, size: Size) {
        *locked(&self.store_size) = Some(size);
    }

    /// Why the hot store takes nothing.
    pub fn store_error(&self) -> Option<String> {
        locked(&self.store_error).clone()
    }

    pub fn set_store_error(&self, error: Option<String>) {
        *locked(&self.store_error) = error;
    }

    /// Why sources wait, when it is for the process's memory.
    pub fn memory_error(&self) -> Option<String> {
        locked(&self.memory_error).clone()
    }

    pub fn set_memory_error(&self, error: Option<String>) {
        *locked(&self.memory_error) = error;
    }
}
