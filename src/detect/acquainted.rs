//! A bounded map in which names that somebody invents push out nothing that has been learnt: newcomers have places of their own until
//! enough is known of them.

use serde::{Deserialize, Serialize};

use super::recent::Recent;

/// For each newcomer so many that are known.
const KNOWN_FOR_EACH_NEWCOMER: usize = 3;

/// What is kept of a name.
pub trait Learnt {
    /// Whether enough is known that it must not be forgotten for a newcomer.
    fn is_known(&self) -> bool;
}

/// By name; of the known and of the newcomers, whoever was seen least recently goes first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acquainted<Value> {
    known: Recent<Value>,
    newcomers: Recent<Value>,
}

impl<Value: Learnt> Acquainted<Value> {
    pub fn new(capacity: usize) -> Self {
        let newcomers = (capacity / (1 + KNOWN_FOR_EACH_NEWCOMER)).max(1);
        Self { known: Recent::new(capacity.saturating_sub(newcomers)), newcomers: Recent::new(newcomers) }
    }

    /// The value under this key, made by `fresh` where there is none; it becomes the most recently seen.
    pub fn touch(&mut self, key: &str, fresh: impl FnOnce() -> Value) -> &mut Value {
        if self.known.get(key).is_some() {
            return self.known.touch(key, fresh);
        }
        if self.newcomers.get(key).is_some_and(Learnt::is_known)
            && let Some(value) = self.newcomers.remove(key)
        {
            return self.known.touch(key, || value);
        }
        self.newcomers.touch(key, fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Learnt for u32 {
        fn is_known(&self) -> bool {
            *self >= 5
        }
    }

    #[test]
    fn invented_names_push_out_nobody_who_is_known() {
        let mut table = Acquainted::new(8);
        (0..6).for_each(|_| *table.touch("alice", || 0_u32) += 1);
        (0..1000).for_each(|number| *table.touch(&format!("invented {number}"), || 0) += 1);
        assert_eq!(*table.touch("alice", || 0), 6);
        assert!(table.known.len() + table.newcomers.len() <= 8);
    }

    #[test]
    fn of_the_known_the_least_recently_seen_makes_room() {
        let mut table = Acquainted::new(8);
        for number in 0..10 {
            (0..6).for_each(|_| *table.touch(&number.to_string(), || 0_u32) += 1);
        }
        assert_eq!((*table.touch("9", || 0), *table.touch("0", || 0)), (6, 0));
    }
}
