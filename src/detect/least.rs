//! Who is the least, of many whose keys grow with nearly every line.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

/// A key may have grown since it was listed; it is listed anew when it would be the least, and not before. What is gone is found
/// out in the same way. So a line that only makes keys grow costs nothing here.
#[derive(Debug, Clone)]
pub struct Least<Key, Id>(BinaryHeap<Reverse<(Key, Id)>>);

/// So many entries may be of what is gone, or twice there, beside as many as there are others.
const SPARE: usize = 64;

impl<Key: Ord, Id: Ord> Default for Least<Key, Id> {
    fn default() -> Self {
        Self(BinaryHeap::default())
    }
}

impl<Key: Ord + Copy, Id: Ord> Least<Key, Id> {
    /// What is new, or has a smaller key than it had.
    pub fn list(&mut self, key: Key, id: Id) {
        self.0.push(Reverse((key, id)));
    }

    /// The least, by the keys as they are now; `None` of what is gone.
    pub fn first(&mut self, key_now: impl Fn(&Id) -> Option<Key>) -> Option<&(Key, Id)> {
        while let Some(mut first) = self.0.peek_mut() {
            let Reverse((listed, id)) = &*first;
            let (listed, now) = (*listed, key_now(id));
            match now {
                Some(key) if key == listed => break,
                Some(key) if key > listed => first.0.0 = key,
                // With a smaller key it is listed a second time, further to the front.
                _ => drop(PeekMut::pop(first)),
            }
        }
        self.0.peek().map(|Reverse(first)| first)
    }

    /// Keeps the list about as long as what it lists: there are so many, and these are they.
    pub fn bound<Those: Iterator<Item = (Key, Id)>>(&mut self, count: usize, those: impl FnOnce() -> Those) {
        if self.0.len() > count.saturating_mul(2).saturating_add(SPARE) {
            self.0 = those().map(Reverse).collect();
        }
    }
}

impl<Key: Ord, Id: Ord> FromIterator<(Key, Id)> for Least<Key, Id> {
    fn from_iter<Entries: IntoIterator<Item = (Key, Id)>>(entries: Entries) -> Self {
        Self(entries.into_iter().map(Reverse).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_least_is_the_least_whatever_grew_shrank_or_went(steps in prop::collection::vec((0..9u8, 0..40u16), 0..300)) {
            let mut least = Least::default();
            let mut keys: BTreeMap<u8, u16> = BTreeMap::new();
            for (id, key) in steps {
                match keys.get(&id) {
                    Some(_) if key == 0 => drop(keys.remove(&id)),
                    Some(known) if *known <= key => drop(keys.insert(id, key)),
                    _ => {
                        keys.insert(id, key);
                        least.list(key, id);
                    }
                }
                least.bound(keys.len(), || keys.iter().map(|(id, key)| (*key, *id)));
                let expected = keys.iter().map(|(id, key)| (*key, *id)).min();
                prop_assert_eq!(least.first(|id| keys.get(id).copied()).copied(), expected);
                prop_assert!(least.0.len() <= 2 * keys.len() + SPARE);
            }
        }
    }
}
