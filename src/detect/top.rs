//! The most frequent names of a stream in bounded memory.
//!
//! Space-Saving of Metwally, Agrawal and El Abbadi (2005): a newcomer takes over the smallest counter, so a count is too
//! high by at most that counter, and whatever makes up more than 1/capacity of the stream is in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Top {
    capacity: usize,
    counts: BTreeMap<String, u64>,
    /// What of a count may be that of others, where that is anything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    inherited: BTreeMap<String, u64>,
}

impl Top {
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), counts: BTreeMap::new(), inherited: BTreeMap::new() }
    }

    pub fn count(&mut self, name: &str) {
        if let Some(count) = self.counts.get_mut(name) {
            *count += 1;
            return;
        }
        let mut inherited = 0;
        if self.counts.len() >= self.capacity {
            let smallest = self.counts.iter().min_by_key(|(_, count)| **count);
            let smallest = smallest.map(|(name, count)| (name.clone(), *count));
            if let Some((name, count)) = smallest {
                self.counts.remove(&name);
                self.inherited.remove(&name);
                inherited = count;
            }
        }
        self.counts.insert(name.to_owned(), inherited + 1);
        if inherited > 0 {
            self.inherited.insert(name.to_owned(), inherited);
        }
    }

    /// Those that are known to have come, with how often at least, the most frequent first. One who has only just taken the
    /// place of another is none of them, so whoever comes last is not named for that.
    pub fn surest(&self) -> Vec<(&str, u64)> {
        let sure = |(name, count)| {
            let inherited = self.inherited.get(name).copied().unwrap_or(0);
            (name, count - inherited, inherited)
        };
        let is_sure = |(_, sure, inherited): &(&String, u64, u64)| *inherited == 0 || *sure > 1;
        let all = self.counts.iter().map(sure).filter(is_sure);
        let mut all: Vec<(&str, u64)> = all.map(|(name, sure, _)| (name.as_str(), sure)).collect();
        all.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(right.0)));
        all
    }

    /// The largest first; equal ones in the order of their names.
    pub fn largest(&self, count: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> = self.counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        all.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(right.0)));
        all.truncate(count);
        all
    }

    pub fn clear(&mut self) {
        self.counts.clear();
        self.inherited.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heavy_ones_survive_any_number_of_light_ones() {
        let mut top = Top::new(16);
        for step in 0..10_000 {
            top.count(&format!("light{step}"));
            if step % 4 == 0 {
                top.count("heavy");
            }
        }
        assert_eq!(top.largest(1).first().map(|(name, _)| *name), Some("heavy"));
        assert!(top.counts.len() <= 16);
    }

    #[test]
    fn the_last_of_many_is_not_among_those_that_are_sure_to_have_come() {
        let mut top = Top::new(4);
        (0..40).for_each(|n| top.count(&format!("a{}", n % 8)));
        (0..40).for_each(|_| top.count("heavy"));
        top.count("last");
        let surest = top.surest();
        assert_eq!(surest.first().map(|(name, _)| *name), Some("heavy"));
        assert!(surest[0].1 >= 40 - 10 && surest.iter().all(|(name, _)| *name != "last"), "{surest:?}");
        let mut few = Top::new(4);
        ["b", "a", "a"].into_iter().for_each(|name| few.count(name));
        assert_eq!(few.surest(), [("a", 2), ("b", 1)], "all of few are named");
    }

    #[test]
    fn equal_counts_come_in_the_order_of_their_names() {
        let mut top = Top::new(4);
        ["b", "a", "c", "c"].into_iter().for_each(|name| top.count(name));
        assert_eq!(top.largest(3), [("c", 2), ("a", 1), ("b", 1)]);
    }
}
