//! How long to wait before the next attempt.

use std::time::Duration;

/// Exponential backoff with jitter: each delay is twice the one before until an attempt has succeeded.
#[derive(Debug, Clone)]
pub struct Backoff {
    /// Spreads the delays of those that failed together; any number.
    seed: u64,
    doublings: u32,
}

impl Backoff {
    pub fn new(seed: u64) -> Self {
        Self { seed, doublings: 0 }
    }

    /// The same name has the same delays, another name has others.
    pub fn of(name: &str) -> Self {
        Self::new(name.bytes().fold(0, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte))))
    }

    /// The delay before the next attempt: `min · 2^n`, at most `max`, of which the last quarter is jitter.
    pub fn delay(&mut self, min: Duration, max: Duration) -> Duration {
        let full = min.saturating_mul(2_u32.saturating_pow(self.doublings.min(31))).min(max);
        let spread = splitmix64(self.seed.wrapping_add(u64::from(self.doublings))) % 256;
        self.doublings = self.doublings.saturating_add(1);
        full - full / 4 * u32::try_from(spread).unwrap_or(0) / 256
    }

    /// An attempt has succeeded.
    pub fn reset(&mut self) {
        self.doublings = 0;
    }
}

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014.
fn splitmix64(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_maximum_and_are_short_again_after_a_success() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(3));
        let mut backoff = Backoff::of("mirror");
        let delays: Vec<_> = (0..40).map(|_| backoff.delay(min, max)).collect();
        assert!(delays[0] <= min && delays[0] >= min * 3 / 4, "{delays:?}");
        assert!(delays[1] >= min * 3 / 2 && delays[39] >= max * 3 / 4, "{delays:?}");
        assert!(delays.iter().all(|delay| *delay <= max), "{delays:?}");
        backoff.reset();
        assert!(backoff.delay(min, max) <= min);
    }

    #[test]
    fn those_that_failed_together_do_not_come_back_together() {
        let delay = |name| Backoff::of(name).delay(Duration::from_secs(1), Duration::from_secs(1));
        assert_ne!(delay("mirror"), delay("archive"));
        assert_eq!(delay("mirror"), delay("mirror"));
    }
}
