//! The keys of a line's pairs, each found at once however many there are.

use std::borrow::Cow;

use super::value::{Fields, says};
use crate::hash_map::{HashMap, RandomState};

/// Which pairs have the same key.
#[derive(Debug)]
pub struct Keys<'p> {
    /// The first pair of each key.
    by_name: HashMap<&'p str, usize>,
    /// For each pair, the first with its key.
    firsts: Vec<usize>,
    /// For the first pair of each key, whether another has a different value.
    disputed: Vec<bool>,
}

impl<'p> Keys<'p> {
    pub fn of(pairs: &'p Fields<'_>) -> Self {
        let mut keys = Self {
            by_name: HashMap::with_capacity_and_hasher(pairs.len(), RandomState::default()),
            firsts: Vec::with_capacity(pairs.len()),
            disputed: vec![false; pairs.len()],
        };
        for (index, (name, value)) in pairs.iter().enumerate() {
            let first = *keys.by_name.entry(name.as_ref()).or_insert(index);
            keys.firsts.push(first);
            let is_disputed = pairs.get(first).is_some_and(|(_, other)| other != value);
            if let Some(place) = keys.disputed.get_mut(first).filter(|_| is_disputed) {
                *place = true;
            }
        }
        keys
    }

    pub fn first(&self, key: &str) -> Option<usize> {
        self.by_name.get(key).copied()
    }

    /// The first value with this key that says something for a field of that name.
    pub fn value<'a>(&self, pairs: &Fields<'a>, key: &str, name: &str) -> Option<Cow<'a, str>> {
        let mut rest = pairs.get(self.first(key)?..)?.iter();
        rest.find(|(other, value)| other == key && says(name, value)).map(|(_, value)| value.clone())
    }

    /// Whether the key stands twice with different values.
    pub fn is_disputed(&self, key: &str) -> bool {
        self.first(key).and_then(|first| self.disputed.get(first)).is_some_and(|is_disputed| *is_disputed)
    }

    /// The keys that stand twice with different values.
    pub fn disputed(&self, pairs: &'p Fields<'_>) -> impl Iterator<Item = &'p str> {
        let all = self.disputed.iter().zip(pairs).filter(|(is_disputed, _)| **is_disputed);
        all.map(|(_, (name, _))| name.as_ref())
    }

    /// For each pair, the first with its key.
    pub fn into_firsts(self) -> Vec<usize> {
        self.firsts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_with_different_values_is_disputed() {
        let pairs = super::super::value::pairs("a=- b=1 a=2 b=1 c=x a=3");
        let keys = Keys::of(&pairs);
        assert_eq!(keys.disputed(&pairs).collect::<Vec<_>>(), ["a"]);
        assert!(keys.is_disputed("a") && !keys.is_disputed("b") && !keys.is_disputed("d"));
        assert_eq!(keys.value(&pairs, "a", "user").as_deref(), Some("2"), "the first that says something");
        assert_eq!(keys.value(&pairs, "d", "user"), None);
        assert_eq!(keys.into_firsts(), [0, 1, 0, 1, 4, 0]);
    }
}
