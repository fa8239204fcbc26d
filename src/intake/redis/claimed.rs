//! Entries taken over from consumers that are gone.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::EntryId;
use crate::limits::REDIS_CLAIMED_MAX;

/// The ids that were taken last, committed with the events that came of them.
#[derive(Debug, Clone, Default)]
pub struct Claimed {
    known: BTreeSet<EntryId>,
    order: VecDeque<EntryId>,
}

impl Claimed {
    pub fn load(committed: Option<&Value>) -> Self {
        let mut claimed = Self::default();
        for id in committed.and_then(Value::as_array).into_iter().flatten() {
            if let Some(Ok(id)) = id.as_str().map(str::parse) {
                claimed.take(id);
            }
        }
        claimed
    }

    pub fn save(&self) -> Value {
        json!(self.order.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    /// Whether this entry is to be taken; if so it counts as taken from now on.
    pub fn take(&mut self, id: EntryId) -> bool {
        let new = self.known.insert(id);
        if new {
            self.order.push_back(id);
            if self.order.len() > REDIS_CLAIMED_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_entry_is_taken_once_also_after_a_restart() {
        let mut before = Claimed::default();
        assert!(before.take(EntryId::new(5, 0)) && !before.take(EntryId::new(5, 0)));
        let mut after = Claimed::load(Some(&before.save()));
        assert!(!after.take(EntryId::new(5, 0)) && after.take(EntryId::new(4, 0)));
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut claimed = Claimed::default();
        (0..=REDIS_CLAIMED_MAX as u64).for_each(|n| assert!(claimed.take(EntryId::new(n, 0))));
        assert_eq!(claimed.order.len(), REDIS_CLAIMED_MAX);
        assert!(claimed.take(EntryId::new(0, 0)), "the oldest is forgotten");
    }
}
