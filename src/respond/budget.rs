//! How many actions there were in the last hour. The helper keeps this where the daemon cannot write, so that a daemon that was taken
//! over cannot block everybody.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::EventId;

const HOUR: Duration = Duration::from_secs(3600);

/// The actions of the last hour, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Spent<Target>(VecDeque<Action<Target>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
struct Action<Target> {
    /// Since the machine started, which no clock that is set changes.
    uptime_s: u64,
    id: EventId,
    target: Target,
}

impl<Target> Default for Spent<Target> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<Target: PartialEq> Spent<Target> {
    /// Spends one action, unless it is the same proposal against the same target again.
    ///
    /// # Errors
    /// There is no room in the hour: in so many seconds there is.
    pub fn spend(&mut self, id: EventId, target: Target, uptime: Duration, budget: u64) -> Result<(), u64> {
        let now = uptime.as_secs();
        // What is later than now was before the machine started again: then nothing is blocked any more.
        self.0.retain(|action| action.uptime_s <= now && now - action.uptime_s < HOUR.as_secs());
        if self.0.iter().any(|action| action.id == id && action.target == target) {
            return Ok(());
        }
        if self.0.len() as u64 >= budget {
            let first = self.0.front().map_or(now, |action| action.uptime_s);
            return Err((first + HOUR.as_secs()).saturating_sub(now));
        }
        self.0.push_back(Action { uptime_s: now, id, target });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::respond::target::Target;

    #[test]
    fn no_more_than_the_budget_is_done_in_any_hour_and_the_same_again_is_no_more() {
        let mut spent = Spent::default();
        let mut spend = |id: u64, uptime: u64| {
            let target: Target = format!("203.0.113.{id}").parse().unwrap();
            spent.spend(EventId::new(id, 0), target, Duration::from_secs(uptime), 2)
        };
        assert_eq!((spend(1, 100), spend(2, 200), spend(1, 300)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(spend(3, 1000), Err(2700), "until the first is an hour old");
        assert_eq!((spend(3, 3700), spend(4, 3701)), (Ok(()), Err(99)));
        assert_eq!(spend(5, 10), Ok(()), "the machine has started again");
    }

    #[test]
    fn one_proposal_is_one_action_against_one_target() {
        let mut spent = Spent::default();
        let mut spend = |target: &str| {
            spent.spend(EventId::new(1, 0), target.parse::<Target>().unwrap(), Duration::from_secs(1), 1).is_ok()
        };
        assert!(spend("203.0.113.7") && spend("203.0.113.7") && !spend("203.0.113.8"));
    }
}
