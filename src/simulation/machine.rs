//! The machine's clocks: time that passes, and a wall clock that is set.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::event::Timestamp;
use crate::intake::clock::arrival::ArrivalClock;
use crate::locked::locked;

/// 2026-11-27 00:00:00 UTC.
const BEGIN_MS: u64 = 1_795_737_600_000;

/// By no wall clock: when the story is.
pub fn at(since_begin: Duration) -> Timestamp {
    Timestamp::from_millis(BEGIN_MS).plus(since_begin)
}

pub struct Machine {
    up: Cell<Duration>,
    /// How much the wall clock is ahead, in milliseconds; it may be behind.
    ahead_ms: Cell<i64>,
    /// As the log's own clock reads it.
    wall_ms: Arc<AtomicU64>,
    arrival: Mutex<ArrivalClock>,
}

impl Machine {
    pub fn new() -> Self {
        let arrival = Mutex::new(ArrivalClock::new(at(Duration::ZERO), Duration::ZERO));
        let wall_ms = Arc::new(AtomicU64::new(BEGIN_MS));
        Self { up: Cell::default(), ahead_ms: Cell::default(), wall_ms, arrival }
    }

    pub fn up(&self) -> Duration {
        self.up.get()
    }

    pub fn pass(&self, time: Duration) {
        self.up.set(self.up.get() + time);
        self.show();
    }

    pub fn set_ahead(&self, millis: i64) {
        self.ahead_ms.set(millis);
        self.show();
    }

    fn show(&self) {
        let true_ms = at(self.up.get()).millis();
        self.wall_ms.store(true_ms.saturating_add_signed(self.ahead_ms.get()), Ordering::Relaxed);
    }

    /// For the log.
    pub fn clock(&self) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let wall = Arc::clone(&self.wall_ms);
        Arc::new(move || Timestamp::from_millis(wall.load(Ordering::Relaxed)))
    }

    /// When what is taken in now arrives.
    pub fn arrival(&self) -> Timestamp {
        locked(&self.arrival).at((self.clock())(), self.up.get()).0
    }

    /// The process is started anew, and knows no clock from before.
    pub fn restart(&self) {
        *locked(&self.arrival) = ArrivalClock::new((self.clock())(), self.up.get());
    }
}
