//! What is to be proposed and has found no room yet.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::budget::{Budget, Rank};
use crate::event::{EventId, Soc, Timestamp};
use crate::limits::PROPOSALS_WAITING_MAX;

/// Bytes kept of each name in an event that waits: log lines choose their length.
const NAME_BYTES: usize = 1024;

/// Why something is to be proposed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cause {
    pub id: EventId,
    pub since: Timestamp,
    pub soc: Soc,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Place {
    rank: Rank,
    /// Of equal ranks, the first come is served first.
    number: u64,
    cause: Cause,
}

/// By what is to be proposed, at most [`PROPOSALS_WAITING_MAX`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Waiting {
    places: BTreeMap<String, Place>,
    numbers: u64,
    /// How many had to go without having been proposed.
    left_out: u64,
}

impl Waiting {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    pub fn forget_left_out(&mut self) {
        self.left_out = 0;
    }

    /// What waits already keeps its place, unless it has become worse.
    pub fn add(&mut self, key: String, rank: Rank, cause: Cause) {
        if self.places.get(&key).is_some_and(|place| place.rank >= rank) {
            return;
        }
        self.numbers += 1;
        self.places.insert(key, Place { rank, number: self.numbers, cause });
        if self.places.len() > PROPOSALS_WAITING_MAX {
            let least = self.places.iter().min_by_key(|(_, place)| (place.rank, Reverse(place.number)));
            if let Some(least) = least.map(|(key, _)| key.clone()) {
                self.places.remove(&least);
                self.left_out += 1;
            }
        }
    }

    /// What has waited since before this time is out of date.
    pub fn forget_before(&mut self, time: Timestamp) {
        let before = self.places.len();
        self.places.retain(|_, place| place.cause.since >= time);
        self.left_out += (before - self.places.len()) as u64;
    }

    /// Takes what there is room for, at most `count`, the worst first.
    pub fn take(&mut self, count: usize, mut budget: Budget, now: Timestamp, per_hour: usize) -> Vec<(String, Cause)> {
        let mut order: Vec<(Reverse<Rank>, u64, String)> =
            self.places.iter().map(|(key, place)| (Reverse(place.rank), place.number, key.clone())).collect();
        order.sort();
        let mut taken = Vec::new();
        for (Reverse(rank), _, key) in order {
            if taken.len() == count {
                break;
            }
            if budget.has_room(&key, rank, per_hour)
                && let Some(place) = self.places.remove(&key)
            {
                budget.spend(&key, now);
                taken.push((key, place.cause));
            }
        }
        taken
    }
}

/// The event as it is kept: with names of bounded length.
pub fn kept(soc: &Soc) -> Soc {
    let mut soc = soc.clone();
    let entity = &mut soc.entity;
    for name in [
        &mut entity.user,
        &mut entity.host,
        &mut entity.src_ip,
        &mut entity.dst_ip,
        &mut entity.process,
        &mut entity.domain,
        &mut entity.file,
    ]
    .into_iter()
    .flatten()
    {
        name.truncate(name.floor_char_boundary(NAME_BYTES));
    }
    soc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(second: u64) -> Cause {
        let since = Timestamp::from_millis(second * 1000);
        Cause { id: EventId::new(since.millis(), 0), since, soc: Soc::default() }
    }

    fn keys(taken: &[(String, Cause)]) -> Vec<&str> {
        taken.iter().map(|(key, _)| key.as_str()).collect()
    }

    #[test]
    fn the_worst_comes_first_and_of_equals_the_oldest() {
        let mut waiting = Waiting::default();
        for (key, rank) in [("b", Rank::HighOutside), ("a", Rank::HighOutside), ("c", Rank::HighInside)] {
            waiting.add(key.to_owned(), rank, cause(1));
        }
        waiting.add("c".to_owned(), Rank::HighOutside, cause(2));
        let now = Timestamp::from_millis(3000);
        assert_eq!(keys(&waiting.clone().take(2, Budget::default(), now, 100)), ["c", "b"]);
        waiting.add("a".to_owned(), Rank::CriticalInside, cause(2));
        assert_eq!(keys(&waiting.take(9, Budget::default(), now, 100)), ["a", "c", "b"]);
        assert_eq!((waiting.len(), waiting.left_out()), (0, 0));
    }

    #[test]
    fn what_is_taken_at_once_shares_the_room_of_the_hour() {
        let mut waiting = Waiting::default();
        for number in 0..9 {
            waiting.add(format!("lock_user user{number}"), Rank::CriticalInside, cause(1));
        }
        let now = Timestamp::from_millis(3000);
        let taken = waiting.take(9, Budget::default(), now, 4);
        assert_eq!((taken.len(), waiting.len(), waiting.left_out()), (4, 5, 0));
    }

    #[test]
    fn names_are_kept_up_to_a_bound_and_never_cut_within_a_letter() {
        let mut soc = Soc::default();
        let long = "é".repeat(NAME_BYTES);
        soc.entity.user = Some(format!("x{long}"));
        soc.entity.file = Some(long);
        soc.entity.host = Some("web".into());
        let entity = kept(&soc).entity;
        let length = |name: &Option<String>| name.as_ref().map(String::len);
        assert_eq!((length(&entity.user), length(&entity.file)), (Some(NAME_BYTES - 1), Some(NAME_BYTES)));
        assert_eq!((entity.host.as_deref(), entity.src_ip), (Some("web"), None));
    }

    #[test]
    fn the_least_that_waits_makes_room_and_is_counted_as_is_what_grew_too_old() {
        let mut waiting = Waiting::default();
        for number in 0..PROPOSALS_WAITING_MAX + 3 {
            waiting.add(format!("decoy {number}"), Rank::HighOutside, cause(5));
        }
        waiting.add("intruder".to_owned(), Rank::HighInside, cause(9));
        assert_eq!((waiting.len(), waiting.left_out()), (PROPOSALS_WAITING_MAX, 4));
        waiting.forget_before(Timestamp::from_millis(9000));
        assert_eq!((waiting.len(), waiting.left_out()), (1, PROPOSALS_WAITING_MAX as u64 + 3));
    }
}
