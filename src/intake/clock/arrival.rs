//! When events are taken in, by a clock that follows the machine's and tells when that was set.

use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::event::Timestamp;
use crate::locked::locked;

/// A machine's clock that is kept in step by others moves by less than this at once.
const STEP_MIN: Duration = Duration::from_secs(10);

static CLOCK: LazyLock<Mutex<ArrivalClock>> =
    LazyLock::new(|| Mutex::new(ArrivalClock::new(Timestamp::now(), uptime())));

/// The time of what arrives now.
pub fn now() -> Timestamp {
    let (arrival, step) = locked(&CLOCK).at(Timestamp::now(), uptime());
    if let Some(step) = step {
        log::warn!(target: "dsmild", "{}", step.text());
    }
    arrival
}

/// Since the machine was started, the time that it slept included.
pub fn uptime() -> Duration {
    // It is never negative.
    clock_gettime(ClockId::Boottime).try_into().unwrap_or_default()
}

/// Differs from start to start of the machine; empty where the kernel does not say.
pub fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// Goes on with the time that passes, and follows the wall clock: small corrections never take it back, a clock that was
/// set takes effect at once, in both directions. Windows of the sources end within their bounds in either case (see
/// `source.rs`), and silence is counted in time that passed while the daemon watched.
#[derive(Debug)]
pub(crate) struct ArrivalClock {
    last: Timestamp,
    uptime: Duration,
}

/// The machine's clock was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Forward(Duration),
    Back(Duration),
}

impl ArrivalClock {
    pub fn new(wall: Timestamp, uptime: Duration) -> Self {
        Self { last: wall, uptime }
    }

    pub fn at(&mut self, wall: Timestamp, uptime: Duration) -> (Timestamp, Option<Step>) {
        let expected = self.last.plus(uptime.saturating_sub(self.uptime));
        self.uptime = uptime;
        let (ahead, behind) = (wall.since(expected), expected.since(wall));
        let step = if ahead >= STEP_MIN {
            Some(Step::Forward(ahead))
        } else if behind >= STEP_MIN {
            Some(Step::Back(behind))
        } else {
            None
        };
        self.last = if step.is_some() { wall } else { self.last.max(wall) };
        (self.last, step)
    }
}

impl Step {
    fn text(self) -> String {
        let (by, way) = match self {
            Self::Forward(by) => (by, "forward"),
            Self::Back(by) => (by, "back"),
        };
        let by = humantime::format_duration(Duration::from_secs(by.as_secs()));
        format!("the machine's clock was set {way} by {by}: what arrives is dated by it from now on")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis((1_700_000_000 + second) * 1000)
    }

    fn up(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn a_small_correction_never_takes_it_back() {
        let mut clock = ArrivalClock::new(at(0), up(0));
        assert_eq!(clock.at(at(100), up(100)), (at(100), None));
        assert_eq!(clock.at(at(97), up(101)), (at(100), None));
        assert_eq!(clock.at(at(105), up(109)), (at(105), None));
    }

    #[test]
    fn a_clock_that_is_set_a_day_ahead_and_back_is_wrong_no_longer_than_that() {
        let mut clock = ArrivalClock::new(at(0), up(0));
        assert_eq!(clock.at(at(86_460), up(60)), (at(86_460), Some(Step::Forward(up(86_400)))));
        assert_eq!(clock.at(at(86_461), up(61)), (at(86_461), None));
        assert_eq!(clock.at(at(62), up(62)), (at(62), Some(Step::Back(up(86_400)))));
        assert_eq!(clock.at(at(63), up(63)), (at(63), None));
    }

    #[test]
    fn a_machine_that_slept_was_not_set() {
        let mut clock = ArrivalClock::new(at(0), up(0));
        assert_eq!(clock.at(at(9000), up(9000)), (at(9000), None));
    }
}
