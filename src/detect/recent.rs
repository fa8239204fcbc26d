//! A map that never grows past its capacity: what was seen least recently goes first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bytes kept of a key. Keys come out of log lines, so an attacker chooses their length.
const KEY_BYTES_MAX: usize = 192;

/// By name, in a saved form that is the same for the same history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recent<Value> {
    capacity: usize,
    /// How often any entry was touched.
    #[serde(rename = "turn")]
    touches: u64,
    entries: BTreeMap<String, (u64, Value)>,
    /// Keys by the touch that was their last; one for each entry.
    order: BTreeMap<u64, String>,
}

impl<Value> Recent<Value> {
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), touches: 0, entries: BTreeMap::new(), order: BTreeMap::new() }
    }

    /// The value under this key, made by `fresh` where there is none; it becomes the most recently seen.
    pub fn touch(&mut self, key: &str, fresh: impl FnOnce() -> Value) -> &mut Value {
        let key = clip(key);
        self.touches += 1;
        let name = match self.entries.get(key) {
            Some((touch, _)) => self.order.remove(touch),
            None => {
                if self.entries.len() >= self.capacity
                    && let Some((_, oldest)) = self.order.pop_first()
                {
                    self.entries.remove(&oldest);
                }
                None
            }
        };
        self.order.insert(self.touches, name.unwrap_or_else(|| key.to_owned()));
        let entry = self.entries.entry(key.to_owned()).or_insert_with(|| (0, fresh()));
        entry.0 = self.touches;
        &mut entry.1
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(clip(key)).map(|(_, value)| value)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes out what was seen least recently.
    pub fn pop_least_recent(&mut self) -> Option<Value> {
        let (_, key) = self.order.pop_first()?;
        self.entries.remove(&key).map(|(_, value)| value)
    }

    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let (touch, value) = self.entries.remove(clip(key))?;
        self.order.remove(&touch);
        Some(value)
    }

    /// In the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, (_, value))| (key.as_str(), value))
    }

    /// In the order of the names; does not count as seeing them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Value)> {
        self.entries.iter_mut().map(|(key, (_, value))| (key.as_str(), value))
    }
}

/// As much of a key as is kept.
pub(super) fn clip(key: &str) -> &str {
    key.get(..key.floor_char_boundary(KEY_BYTES_MAX)).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_seen_makes_room() {
        let mut recent = Recent::new(2);
        *recent.touch("a", || 0) += 1;
        *recent.touch("b", || 0) += 1;
        *recent.touch("a", || 0) += 1;
        recent.touch("c", || 9);
        assert_eq!(recent.iter().collect::<Vec<_>>(), [("a", &2), ("c", &9)]);
    }

    #[test]
    fn a_long_key_is_kept_in_part_and_found_again() {
        let key = "é".repeat(10_000);
        let mut recent = Recent::new(2);
        recent.touch(&key, || 5);
        assert_eq!(recent.get(&key), Some(&5));
        assert!(recent.iter().all(|(key, _)| key.len() <= KEY_BYTES_MAX));
        assert_eq!(recent.remove(&key), Some(5));
        assert!(recent.entries.is_empty() && recent.order.is_empty());
    }
}
