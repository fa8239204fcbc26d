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
}

impl Top {
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), counts: BTreeMap::new() }
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
                inherited = count;
            }
        }
        self.counts.insert(name.to_owned(), inherited + 1);
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
    fn equal_counts_come_in_the_order_of_their_names() {
        let mut top = Top::new(4);
        ["b", "a", "c", "c"].into_iter().for_each(|name| top.count(name));
        assert_eq!(top.largest(3), [("c", 2), ("a", 1), ("b", 1)]);
    }
}
