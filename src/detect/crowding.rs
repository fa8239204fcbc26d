//! How many different names and addresses a log brings in an hour: more than detectors remember push each other out, and with them whoever
//! was being counted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fingerprint::fingerprint;
use crate::event::Timestamp;

/// What is counted, and after what time anew.
const HOUR: Duration = Duration::from_secs(3600);
/// Bits of the table of those that were seen, each set by one in so many; in words of 64.
const WORDS: usize = 4096;

/// Linear counting (Whang, Vander-Zanden and Taylor, 1990): each name sets a bit by its hash, and how many bits are left tells how many
/// names there were, to about one in a hundred.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Crowding {
    since: Timestamp,
    bits: Vec<u64>,
    set: usize,
    is_told: bool,
}

impl Crowding {
    pub fn new(now: Timestamp) -> Self {
        Self { since: now, bits: vec![0; WORDS], set: 0, is_told: false }
    }

    /// Counts a name. Returns how many different ones came within the hour, once, when there are more than `max`; where that goes on hour
    /// after hour, it is what is usual there.
    pub fn see(&mut self, name: &str, now: Timestamp, max: usize) -> Option<usize> {
        if now.apart(self.since) >= HOUR {
            let is_usual = self.count() > max;
            *self = Self { is_told: is_usual, ..Self::new(now) };
        }
        let bit = usize::try_from(fingerprint(name) % (WORDS as u64 * 64)).unwrap_or_default();
        let word = self.bits.get_mut(bit / 64)?;
        // What has been seen makes them no more.
        if *word >> (bit % 64) & 1 == 1 {
            return None;
        }
        *word |= 1 << (bit % 64);
        self.set += 1;
        let count = if self.is_told { 0 } else { self.count() };
        if count <= max {
            return None;
        }
        self.is_told = true;
        Some(count)
    }

    fn count(&self) -> usize {
        let bits = (WORDS * 64) as f64;
        let left = (bits - self.set as f64).max(1.0);
        (bits * (bits / left).ln()).round() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + second * 1000)
    }

    #[test]
    fn as_many_different_names_as_are_remembered_are_told_once_an_hour_and_the_same_ones_never() {
        let mut crowding = Crowding::new(at(0));
        let mut told = |names: u64, second: u64| -> Vec<usize> {
            (0..names).filter_map(|name| crowding.see(&format!("2001:db8::{name:x}"), at(second), 20_000)).collect()
        };
        assert_eq!(told(15_000, 0), [0; 0]);
        assert_eq!(told(15_000, 1), [0; 0], "the same");
        let first = told(60_000, 2);
        assert!(matches!(first[..], [count] if (19_500..20_500).contains(&count)), "{first:?}");
        assert_eq!(told(60_000, 3), [0; 0]);
        assert_eq!(told(60_000, 4000), [0; 0], "the next hour");
        assert_eq!(told(15_000, 8000), [0; 0]);
        assert_eq!(told(60_000, 12_000).len(), 1, "after an hour without");
    }
}
