//! A bounded map that forgets what was seen least recently.

use std::collections::BTreeMap;

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// Keys with a value each, at most `max` of them. Which key goes when it is full depends on the order of the calls
/// alone, so two runs over the same input forget the same.
#[derive(Debug, Clone)]
pub struct Recent<Value> {
    entries: BTreeMap<String, (u64, Value)>,
    by_use: BTreeMap<u64, String>,
    uses: u64,
    max: usize,
}

impl<Value: Default> Recent<Value> {
    pub fn new(max: usize) -> Self {
        Self { entries: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0, max: max.max(1) }
    }

    /// The value of a key, made if it is new; the key is now the most recently seen one.
    pub fn touch(&mut self, key: &str) -> &mut Value {
        self.uses += 1;
        if let Some((used, _)) = self.entries.get(key) {
            self.by_use.remove(used);
        } else if self.entries.len() >= self.max
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.by_use.insert(self.uses, key.to_owned());
        let entry = self.entries.entry(key.to_owned()).or_default();
        entry.0 = self.uses;
        &mut entry.1
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key).map(|(_, value)| value)
    }

    pub fn forget(&mut self, key: &str) {
        if let Some((used, _)) = self.entries.remove(key) {
            self.by_use.remove(&used);
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Least recently seen first.
    fn in_order(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.by_use.values().filter_map(|key| self.entries.get(key).map(|(_, value)| (key, value)))
    }
}

/// Saved as its limit and the pairs in order of use, which is all that later behaviour depends on.
impl<Value: Serialize + Default> Serialize for Recent<Value> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.max, self.in_order().collect::<Vec<_>>()).serialize(serializer)
    }
}

impl<'de, Value: Deserialize<'de> + Default> Deserialize<'de> for Recent<Value> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (max, pairs) = <(usize, Vec<(String, Value)>)>::deserialize(deserializer)?;
        let mut recent = Self::new(max);
        for (key, value) in pairs {
            *recent.touch(&key) = value;
        }
        Ok(recent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::stage::{decode, encode};

    #[test]
    fn the_least_recently_seen_key_is_forgotten_first() {
        let mut recent = Recent::<u32>::new(2);
        *recent.touch("a") = 1;
        *recent.touch("b") = 2;
        recent.touch("a");
        recent.touch("c");
        assert_eq!((recent.get("a"), recent.get("b"), recent.len()), (Some(&1), None, 2));
    }

    #[test]
    fn a_restored_map_forgets_in_the_same_order() {
        let mut recent = Recent::<u32>::new(3);
        for key in ["c", "a", "b", "c"] {
            *recent.touch(key) += 1;
        }
        let mut restored: Recent<u32> = decode(&encode(&recent)).unwrap();
        assert_eq!(encode(&restored), encode(&recent));
        for map in [&mut recent, &mut restored] {
            map.touch("d");
            assert!(map.get("a").is_none() && map.get("b").is_some() && map.get("c") == Some(&2));
        }
    }
}
