//! How many proposals an hour has room for: part of it is kept for what is worse, and one network cannot use up the rest.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::detect::client_network::{behind, whole};
use crate::event::{Severity, Soc, Timestamp};

pub const HOUR: Duration = Duration::from_secs(3600);

/// Of the hour's proposals, the part that those at the door of one network share.
const PART_OF_NETWORK: usize = 8;

/// How much a proposal matters; the larger matters more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Rank {
    /// There is no safe command: it is only reported.
    Refused,
    HighOutside,
    CriticalOutside,
    HighInside,
    CriticalInside,
}

impl Rank {
    /// `is_inside`: the intruder has got in, and is no longer at the door.
    pub fn of(soc: &Soc, is_inside: bool, is_refused: bool) -> Self {
        match (is_refused, is_inside, soc.severity >= Severity::Critical) {
            (true, ..) => Self::Refused,
            (_, false, false) => Self::HighOutside,
            (_, false, true) => Self::CriticalOutside,
            (_, true, false) => Self::HighInside,
            (_, true, true) => Self::CriticalInside,
        }
    }

    /// The eighths of the hour's proposals after which this rank finds no more room; the rest is for higher ones.
    fn eighths(self) -> usize {
        match self {
            Self::Refused => 2,
            Self::HighOutside => 4,
            Self::CriticalOutside => 6,
            Self::HighInside => 7,
            Self::CriticalInside => 8,
        }
    }
}

/// The proposals of the last hour, oldest first: when, and against which network.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Budget {
    spent: VecDeque<(Timestamp, Option<String>)>,
}

impl Budget {
    /// Forgets what is more than an hour ago. The hour slides: one that ends at full hours could be passed twice at once.
    pub fn forget_before(&mut self, now: Timestamp) {
        while self.spent.front().is_some_and(|(at, _)| now.since(*at) >= HOUR) {
            self.spent.pop_front();
        }
    }

    /// Forgets what was spent at times that are still to come.
    pub fn forget_after(&mut self, now: Timestamp) {
        self.spent.retain(|(at, _)| *at <= now);
    }

    pub fn has_room(&self, key: &str, rank: Rank, per_hour: usize) -> bool {
        if self.spent.len() >= (per_hour * rank.eighths()).div_ceil(8) {
            return false;
        }
        let Some(network) = network(key).filter(|_| rank <= Rank::CriticalOutside) else { return true };
        let of_network = self.spent.iter().filter(|(_, other)| other.as_ref() == Some(&network)).count();
        of_network < per_hour.div_ceil(PART_OF_NETWORK)
    }

    pub fn spend(&mut self, key: &str, now: Timestamp) {
        self.spent.push_back((now, network(key)));
    }
}

/// The network around the address that a proposal is against: what one provider's customer, or one botnet's lodger, has.
fn network(key: &str) -> Option<String> {
    let target = key.strip_prefix("block_address ")?;
    let address = target.split_once('/').map_or(target, |(address, _)| address).parse::<IpAddr>().ok()?;
    let address = behind(address);
    Some(whole(address, if address.is_ipv4() { 24 } else { 48 }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_rank_leaves_room_for_each_higher_one() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let mut budget = Budget::default();
        let mut room = Vec::new();
        for rank in [Rank::Refused, Rank::HighOutside, Rank::CriticalOutside, Rank::HighInside, Rank::CriticalInside] {
            while budget.has_room("lock_user alice", rank, 16) {
                budget.spend("lock_user alice", now);
            }
            room.push(budget.spent.len());
        }
        assert_eq!(room, [4, 8, 12, 14, 16]);
        budget.forget_before(now.plus(HOUR));
        assert!(budget.has_room("lock_user alice", Rank::Refused, 16));
    }

    #[test]
    fn one_network_at_the_door_has_its_share_and_an_intruder_inside_none_too_few() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let mut budget = Budget::default();
        budget.spend("block_address 203.0.113.5", now);
        budget.spend("block_address 2001:db8:7:1::/64", now);
        let room = |key: &str, rank| budget.has_room(key, rank, 8);
        assert!(!room("block_address 203.0.113.77", Rank::CriticalOutside));
        assert!(!room("block_address 2001:db8:7:2::/64", Rank::HighOutside));
        assert!(room("block_address 203.0.114.77", Rank::HighOutside));
        assert!(room("block_address 203.0.113.77", Rank::HighInside));
    }
}
