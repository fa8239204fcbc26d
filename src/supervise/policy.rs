//! When a failed actor is started again, and when it is given up. Pure: time comes in as durations since a fixed moment.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::Supervisor;

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    RestartAfter(Duration),
    /// More restarts than the intensity allows.
    GiveUp,
}

/// Exponential backoff with jitter, and the restart intensity of OTP: more than N restarts within T give the actor up.
#[derive(Debug, Clone)]
pub struct RestartPolicy {
    config: Supervisor,
    /// Spreads the delays of actors that failed together; any number.
    seed: u64,
    doublings: u32,
    failures: VecDeque<Duration>,
}

impl RestartPolicy {
    pub fn new(config: Supervisor, seed: u64) -> Self {
        Self { config, seed, doublings: 0, failures: VecDeque::new() }
    }

    /// After a failure at `now`.
    pub fn failed(&mut self, now: Duration) -> Decision {
        if let Some(&last) = self.failures.back()
            && now.saturating_sub(last) >= self.config.backoff.reset_after.get()
        {
            self.doublings = 0;
        }
        let within = self.config.intensity.within.get();
        while self.failures.front().is_some_and(|&first| now.saturating_sub(first) > within) {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        if self.failures.len() > self.config.intensity.restarts as usize {
            return Decision::GiveUp;
        }
        let delay = self.delay();
        self.doublings = self.doublings.saturating_add(1);
        Decision::RestartAfter(delay)
    }

    /// `min · 2^doublings`, at most `max`, of which the last quarter is jitter.
    fn delay(&self) -> Duration {
        let backoff = &self.config.backoff;
        let full =
            backoff.min.get().saturating_mul(2_u32.saturating_pow(self.doublings.min(31))).min(backoff.max.get());
        let spread = splitmix64(self.seed.wrapping_add(u64::from(self.doublings))) % 256;
        full - full / 4 * u32::try_from(spread).unwrap_or(0) / 256
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

    fn after(decision: Decision) -> Duration {
        match decision {
            Decision::RestartAfter(delay) => delay,
            Decision::GiveUp => panic!("given up"),
        }
    }

    #[test]
    fn delays_grow_to_the_maximum_and_start_over_after_a_quiet_time() {
        let mut policy = RestartPolicy::new(Supervisor::default(), 7);
        let first = after(policy.failed(Duration::from_secs(0)));
        let second = after(policy.failed(Duration::from_secs(1)));
        assert!(first <= Duration::from_millis(100) && first >= Duration::from_millis(75), "{first:?}");
        assert!(second > first, "{second:?}");
        assert!(after(policy.failed(Duration::from_secs(120))) <= Duration::from_millis(100));
    }

    #[test]
    fn more_restarts_than_the_intensity_allows_give_the_actor_up() {
        let mut policy = RestartPolicy::new(Supervisor::default(), 7);
        for second in 0..5 {
            after(policy.failed(Duration::from_secs(second)));
        }
        assert_eq!(policy.failed(Duration::from_secs(5)), Decision::GiveUp);
    }

    #[test]
    fn failures_spread_over_a_long_time_never_give_it_up() {
        let mut policy = RestartPolicy::new(Supervisor::default(), 7);
        for minute in 0..1000 {
            assert!(after(policy.failed(Duration::from_secs(minute * 30))) <= Duration::from_secs(30));
        }
    }
}
