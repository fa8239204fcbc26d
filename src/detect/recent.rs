//! A map that never grows past its capacity: what was seen least recently goes first.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Deserialize, Serialize, Serializer};

use crate::hash_map::HashMap;

/// Bytes kept of a key. Keys come out of log lines, so an attacker chooses their length.
const KEY_BYTES_MAX: usize = 192;

/// By name, in a saved form that is the same for the same history.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Recent<Value> {
    capacity: usize,
    /// How often any entry was touched.
    #[serde(rename = "turn")]
    touches: u64,
    /// By key. Its own order is another in each process: whoever goes through it sorts what is found.
    entries: HashMap<Arc<str>, (u64, Value)>,
    /// Keys by the touch that was their last; one for each entry.
    order: BTreeMap<u64, Arc<str>>,
}

impl<Value> Recent<Value> {
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), touches: 0, entries: HashMap::default(), order: BTreeMap::new() }
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
        let name = name.unwrap_or_else(|| key.into());
        self.order.insert(self.touches, Arc::clone(&name));
        let entry = self.entries.entry(name).or_insert_with(|| (0, fresh()));
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
        let mut entries: Vec<_> = self.entries.iter().map(|(key, (_, value))| (&**key, value)).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries.into_iter()
    }

    /// Those that are wanted, in the order of the names; does not count as seeing them.
    pub fn select_mut(&mut self, wanted: impl Fn(&Value) -> bool) -> impl Iterator<Item = (&str, &mut Value)> {
        let found = self.entries.iter_mut().filter(|(_, (_, value))| wanted(value));
        let mut entries: Vec<_> = found.map(|(key, (_, value))| (&**key, value)).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries.into_iter()
    }
}

impl<Value: Serialize> Serialize for Recent<Value> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut saved = serializer.serialize_struct("Recent", 4)?;
        saved.serialize_field("capacity", &self.capacity)?;
        saved.serialize_field("turn", &self.touches)?;
        saved.serialize_field("entries", &InOrder(self))?;
        saved.serialize_field("order", &self.order)?;
        saved.end()
    }
}

/// The entries, the least recently seen first.
struct InOrder<'a, Value>(&'a Recent<Value>);

impl<Value: Serialize> Serialize for InOrder<'_, Value> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Recent { entries, order, .. } = self.0;
        let mut saved = serializer.serialize_map(Some(entries.len()))?;
        for key in order.values() {
            if let Some(entry) = entries.get(key) {
                saved.serialize_entry(key, entry)?;
            }
        }
        saved.end()
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
    fn the_same_history_is_saved_as_the_same_bytes_and_goes_on_where_it_was() {
        let filled = || {
            let mut recent = Recent::new(50);
            (0..99).for_each(|number| *recent.touch(&(number % 60).to_string(), || 0) += number);
            recent
        };
        let saved = rmp_serde::to_vec_named(&filled()).unwrap();
        assert_eq!(saved, rmp_serde::to_vec_named(&filled()).unwrap());
        let mut loaded: Recent<u64> = rmp_serde::from_slice(&saved).unwrap();
        assert_eq!(loaded, filled());
        assert_eq!(loaded.pop_least_recent(), filled().pop_least_recent());
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
