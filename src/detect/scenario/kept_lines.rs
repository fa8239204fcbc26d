//! The events that a group has counted, so that an alarm can name them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::EventId;
use crate::limits::EVIDENCE_EVENTS_MAX;

/// The newest of them, each with its value. No count goes by it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeptLines(VecDeque<(i64, u64)>);

impl KeptLines {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more. Where there is no room, an earlier one of the same value goes first: each value keeps a line as long as it can.
    pub fn add(&mut self, id: EventId, item: u64) {
        if self.0.len() >= EVIDENCE_EVENTS_MAX {
            let same = self.0.iter().position(|(_, known)| *known == item);
            self.0.remove(same.unwrap_or(0));
        }
        self.0.push_back((id.packed(), item));
    }

    /// The newest of this value, so many, do not count.
    pub fn take_back(&mut self, item: u64, count: usize) {
        let mut left = count;
        while left > 0
            && let Some(place) = self.0.iter().rposition(|(_, known)| *known == item)
        {
            self.0.remove(place);
            left -= 1;
        }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn events(&self) -> Vec<EventId> {
        self.0.iter().map(|(id, _)| EventId::from_packed(*id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64) -> EventId {
        EventId::new(ms, 0)
    }

    #[test]
    fn a_flood_of_one_value_leaves_the_others_their_lines() {
        let mut lines = KeptLines::default();
        (1..=4).for_each(|value| lines.add(id(value), value));
        (5..500).for_each(|ms| lines.add(id(ms), 9));
        let kept = lines.events();
        assert_eq!(kept.len(), EVIDENCE_EVENTS_MAX);
        assert!((1..=4).all(|value| kept.contains(&id(value))) && kept.contains(&id(499)));
    }

    #[test]
    fn what_is_taken_back_is_not_named() {
        let mut lines = KeptLines::default();
        [(1, 7), (2, 8), (3, 7), (4, 7)].into_iter().for_each(|(ms, value)| lines.add(id(ms), value));
        lines.take_back(7, 2);
        assert_eq!(lines.events(), [id(1), id(2)]);
        lines.take_back(8, 9);
        assert_eq!(lines.events(), [id(1)]);
    }
}
