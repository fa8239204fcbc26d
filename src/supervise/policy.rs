//! When a failed actor is started again, and when it is given up. Pure: time comes in as durations since a fixed moment.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::Supervisor;
use crate::retry::Backoff;

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    RestartAfter(Duration),
    /// More restarts than the intensity allows.
    GiveUp,
}

/// Backoff, and the restart intensity of OTP: more than N restarts within T give the actor up.
#[derive(Debug, Clone)]
pub struct RestartPolicy {
    config: Supervisor,
    backoff: Backoff,
    failures: VecDeque<Duration>,
}

impl RestartPolicy {
    /// `backoff` has the jitter of this actor.
    pub fn new(config: Supervisor, backoff: Backoff) -> Self {
        Self { config, backoff, failures: VecDeque::new() }
    }

    /// After a failure at `now`.
    pub fn failed(&mut self, now: Duration) -> Decision {
        if let Some(&last) = self.failures.back()
            && now.saturating_sub(last) >= self.config.backoff.reset_after.get()
        {
            self.backoff.reset();
        }
        let within = self.config.intensity.within.get();
        while self.failures.front().is_some_and(|&first| now.saturating_sub(first) > within) {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        if self.failures.len() > self.config.intensity.restarts as usize {
            return Decision::GiveUp;
        }
        let bounds = self.config.backoff;
        Decision::RestartAfter(self.backoff.delay(bounds.min.get(), bounds.max.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Span;

    fn after(decision: Decision) -> Duration {
        match decision {
            Decision::RestartAfter(delay) => delay,
            Decision::GiveUp => panic!("given up"),
        }
    }

    #[test]
    fn delays_grow_to_the_maximum_and_start_over_after_a_quiet_time() {
        let mut policy = RestartPolicy::new(Supervisor::default(), Backoff::new(7));
        let first = after(policy.failed(Duration::from_secs(0)));
        let second = after(policy.failed(Duration::from_secs(1)));
        assert!(first <= Duration::from_millis(100) && first >= Duration::from_millis(75), "{first:?}");
        assert!(second > first, "{second:?}");
        assert!(after(policy.failed(Duration::from_secs(120))) <= Duration::from_millis(100));
    }

    #[test]
    fn more_restarts_than_the_intensity_allows_give_the_actor_up() {
        let mut policy = RestartPolicy::new(Supervisor::default(), Backoff::new(7));
        for second in 0..5 {
            after(policy.failed(Duration::from_secs(second)));
        }
        assert_eq!(policy.failed(Duration::from_secs(5)), Decision::GiveUp);
    }

    #[test]
    fn failures_count_for_as_long_as_the_intensity_says_and_no_longer() {
        for (second, gives_up) in [(10, true), (11, false)] {
            let mut config = Supervisor::default();
            (config.intensity.restarts, config.intensity.within) = (1, Span::from_millis(10_000));
            let mut policy = RestartPolicy::new(config, Backoff::new(7));
            after(policy.failed(Duration::ZERO));
            let decision = policy.failed(Duration::from_secs(second));
            assert_eq!(decision == Decision::GiveUp, gives_up, "after {second} seconds");
        }
    }

    #[test]
    fn delays_begin_anew_after_the_quiet_time_and_not_before() {
        for (second, begins_anew) in [(59, false), (60, true)] {
            let mut policy = RestartPolicy::new(Supervisor::default(), Backoff::new(7));
            for _ in 0..3 {
                after(policy.failed(Duration::ZERO));
            }
            let delay = after(policy.failed(Duration::from_secs(second)));
            assert_eq!(delay <= Duration::from_millis(100), begins_anew, "after {second} seconds: {delay:?}");
        }
    }

    #[test]
    fn failures_spread_over_a_long_time_never_give_it_up() {
        let mut policy = RestartPolicy::new(Supervisor::default(), Backoff::new(7));
        for minute in 0..1000 {
            assert!(after(policy.failed(Duration::from_secs(minute * 30))) <= Duration::from_secs(30));
        }
    }

    #[test]
    fn a_quiet_time_starts_delays_over_also_where_the_intensity_has_forgotten_the_failures() {
        let mut config = Supervisor::default();
        config.intensity.within = Span::from_millis(1000);
        let mut policy = RestartPolicy::new(config, Backoff::new(7));
        for second in 0..4 {
            after(policy.failed(Duration::from_secs(second * 2)));
        }
        assert!(after(policy.failed(Duration::from_secs(200))) <= Duration::from_millis(100));
    }
}
