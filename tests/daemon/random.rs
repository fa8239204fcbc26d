//! Chance that can be repeated.

use std::time::{Duration, Instant};

pub struct Random(u64);

impl Random {
    /// Seeded from `DSMILD_TEST_SEED`, or as always.
    pub fn new() -> Self {
        let seed = std::env::var("DSMILD_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_123);
        eprintln!("seed {seed}; repeat with DSMILD_TEST_SEED={seed}");
        Self(seed)
    }

    /// As this seed has it each time.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for place in (1..list.len()).rev() {
            list.swap(place, self.below(place as u64 + 1) as usize);
        }
    }

    /// Lets some time pass, so that what follows comes at a random moment.
    pub fn pause(&mut self, millis_max: u64) {
        std::thread::sleep(Duration::from_millis(self.below(millis_max)));
    }

    /// A random moment within so many milliseconds.
    pub fn later(&mut self, millis_max: u64) -> Instant {
        Instant::now() + Duration::from_millis(self.below(millis_max))
    }
}
