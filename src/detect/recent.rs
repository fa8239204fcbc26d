//! A map that never grows past its capacity: what was seen least recently goes first.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::least::Least;
use crate::hash_map::HashMap;

/// Bytes kept of a key. Keys come out of log lines, so an attacker chooses their length.
const KEY_BYTES_MAX: usize = 192;

/// By name or by number, in a saved form that is the same for the same history.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Saved<Value, Key>", bound(deserialize = "Value: Deserialize<'de>, Key: Deserialize<'de> + Kept"))]
pub struct Recent<Value, Key = Arc<str>> {
    capacity: usize,
    /// How often any entry was touched.
    touches: u64,
    /// By key. Its own order is another in each process: whoever goes through it sorts what is found.
    entries: HashMap<Key, (u64, Value)>,
    /// Keys by the touch that was their last.
    order: Least<u64, Key>,
}

/// What entries are kept by.
pub trait Kept: Clone + Ord + Hash {}

impl<Key: Clone + Ord + Hash> Kept for Key {}

impl<Value> Recent<Value> {
    pub fn new(capacity: usize) -> Self {
        Self::empty(capacity)
    }

    /// The value under this key, made by `fresh` where there is none; it becomes the most recently seen.
    pub fn touch(&mut self, key: &str, fresh: impl FnOnce() -> Value) -> &mut Value {
        let key = clip(key);
        self.touch_by(key, || key.into(), fresh)
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(clip(key)).map(|(_, value)| value)
    }

    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.entries.remove(clip(key)).map(|(_, value)| value)
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

impl<Value> Recent<Value, u64> {
    pub fn by_number(capacity: usize) -> Self {
        Self::empty(capacity)
    }

    /// As for names.
    pub fn touch(&mut self, key: u64, fresh: impl FnOnce() -> Value) -> &mut Value {
        self.touch_by(&key, || key, fresh)
    }

    pub fn has(&self, key: u64) -> bool {
        self.entries.contains_key(&key)
    }
}

impl<Value, Key: Kept> Recent<Value, Key> {
    fn empty(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), touches: 0, entries: HashMap::default(), order: Least::default() }
    }

    fn touch_by<Name: Hash + Eq + ?Sized>(
        &mut self,
        key: &Name,
        own: impl FnOnce() -> Key,
        fresh: impl FnOnce() -> Value,
    ) -> &mut Value
    where
        Key: Borrow<Name>,
    {
        self.touches += 1;
        let touch = self.touches;
        let name = match self.entries.get_key_value(key) {
            Some((name, _)) => name.clone(),
            None => {
                if self.entries.len() >= self.capacity {
                    self.pop_least_recent();
                }
                self.bound();
                let name = own();
                self.order.list(touch, name.clone());
                name
            }
        };
        let entry = self.entries.entry(name).or_insert_with(|| (touch, fresh()));
        entry.0 = touch;
        &mut entry.1
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes out what was seen least recently.
    pub fn pop_least_recent(&mut self) -> Option<Value> {
        let entries = &self.entries;
        let (_, key) = self.order.first(|key| entries.get(key).map(|(touch, _)| *touch))?;
        self.entries.remove(key).map(|(_, value)| value)
    }

    fn bound(&mut self) {
        let entries = &self.entries;
        self.order.bound(entries.len(), || entries.iter().map(|(key, (touch, _))| (*touch, key.clone())));
    }
}

/// How something is listed is no part of what is remembered.
impl<Value: PartialEq, Key: Kept> PartialEq for Recent<Value, Key> {
    fn eq(&self, other: &Self) -> bool {
        (self.capacity, self.touches) == (other.capacity, other.touches) && self.entries == other.entries
    }
}

/// As it is saved.
#[derive(Deserialize)]
#[serde(bound(deserialize = "Value: Deserialize<'de>, Key: Deserialize<'de> + Kept"))]
struct Saved<Value, Key> {
    capacity: usize,
    turn: u64,
    entries: HashMap<Key, (u64, Value)>,
}

impl<Value, Key: Kept> From<Saved<Value, Key>> for Recent<Value, Key> {
    fn from(saved: Saved<Value, Key>) -> Self {
        let order = saved.entries.iter().map(|(key, (touch, _))| (*touch, key.clone())).collect();
        Self { capacity: saved.capacity, touches: saved.turn, entries: saved.entries, order }
    }
}

impl<Value: Serialize, Key: Serialize> Serialize for Recent<Value, Key> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut saved = serializer.serialize_struct("Recent", 3)?;
        saved.serialize_field("capacity", &self.capacity)?;
        saved.serialize_field("turn", &self.touches)?;
        saved.serialize_field("entries", &InOrder(self))?;
        saved.end()
    }
}

/// The entries, the least recently seen first.
struct InOrder<'a, Value, Key>(&'a Recent<Value, Key>);

impl<Value: Serialize, Key: Serialize> Serialize for InOrder<'_, Value, Key> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries: Vec<_> = self.0.entries.iter().collect();
        entries.sort_unstable_by_key(|(_, (touch, _))| *touch);
        serializer.collect_map(entries)
    }
}

/// As much of a key as is kept.
pub(super) fn clip(key: &str) -> &str {
    key.get(..key.floor_char_boundary(KEY_BYTES_MAX)).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        /// Against a list that is gone through: whatever is touched, the same keys stay, and they go in the same order, also after
        /// the state was saved and loaded half-way.
        #[test]
        fn what_goes_is_what_was_seen_least_recently(steps in prop::collection::vec((0..4u8, 0..9u8), 0..200), half in 0..200usize) {
            let mut recent: Recent<u8> = Recent::new(4);
            let mut plain: Vec<u8> = Vec::new();
            for (at, (what, key)) in steps.into_iter().enumerate() {
                let name = key.to_string();
                match what {
                    0 => {
                        let known = plain.iter().position(|other| *other == key).map(|place| plain.remove(place));
                        prop_assert_eq!(recent.remove(&name), known);
                    }
                    1 if at % 3 == 0 => {
                        let oldest = (!plain.is_empty()).then(|| plain.remove(0));
                        prop_assert_eq!(recent.pop_least_recent(), oldest);
                    }
                    _ => {
                        plain.retain(|other| *other != key);
                        if plain.len() >= 4 {
                            plain.remove(0);
                        }
                        plain.push(key);
                        prop_assert_eq!(*recent.touch(&name, || key), key);
                    }
                }
                if at == half {
                    let loaded = rmp_serde::from_slice(&rmp_serde::to_vec_named(&recent).unwrap()).unwrap();
                    prop_assert_eq!(&recent, &loaded);
                    recent = loaded;
                }
                let mut sorted = plain.clone();
                sorted.sort_unstable();
                prop_assert_eq!(recent.iter().map(|(_, value)| *value).collect::<Vec<_>>(), sorted);
            }
        }
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
    fn what_an_earlier_version_has_saved_goes_on() {
        let saved = serde_json::json!({
            "capacity": 2, "turn": 7, "entries": {"a": [7, 1], "b": [6, 2]}, "order": {"6": "b", "7": "a"},
        });
        let mut loaded: Recent<u8> = rmp_serde::from_slice(&rmp_serde::to_vec_named(&saved).unwrap()).unwrap();
        assert_eq!((*loaded.touch("c", || 3), loaded.pop_least_recent()), (3, Some(1)), "b has made room");
    }

    #[test]
    fn a_long_key_is_kept_in_part_and_found_again() {
        let key = "é".repeat(10_000);
        let mut recent = Recent::new(2);
        recent.touch(&key, || 5);
        assert_eq!(recent.get(&key), Some(&5));
        assert!(recent.iter().all(|(key, _)| key.len() <= KEY_BYTES_MAX));
        assert_eq!(recent.remove(&key), Some(5));
        assert_eq!((recent.len(), recent.pop_least_recent()), (0, None));
    }
}
