//! The same proposed again while it still waits: the newer one stands for the older. By the log alone, so that it is the same after a restart.

use std::collections::BTreeMap;

use crate::event::{EventId, Soc};

/// What is proposed, against what, and on which machine where that matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Same {
    action: String,
    target: String,
    host: Option<String>,
}

impl Same {
    fn of(proposed: &Soc) -> Option<Self> {
        let text = |key: &str| proposed.proposal.as_ref()?.get(key)?.as_str().map(str::to_owned);
        let (action, target) = (text("action")?, text("target")?);
        // A network is blocked for all machines; an account of the same name elsewhere is somebody else's.
        let is_everywhere = action.starts_with("block_");
        let host = proposed.entity.host.clone().filter(|_| !is_everywhere);
        Some(Self { action, target, host })
    }
}

/// Which proposals are the same again.
#[derive(Debug, Clone, Default)]
pub struct Repeats {
    newest: BTreeMap<Same, EventId>,
    /// By the newer one, and by the older one.
    older: BTreeMap<EventId, EventId>,
    newer: BTreeMap<EventId, EventId>,
}

impl Repeats {
    /// Takes note of a proposal, later than all before it. `waits`: whether an earlier one could still be approved when this one came.
    pub fn add(&mut self, id: EventId, proposed: &Soc, waits: impl Fn(EventId) -> bool) {
        let Some(same) = Same::of(proposed) else { return };
        let before = self.newest.insert(same, id);
        if let Some(before) = before.filter(|before| waits(*before)) {
            self.older.insert(id, before);
            self.newer.insert(before, id);
        }
    }

    /// One that is no longer known.
    pub fn forget(&mut self, id: EventId, proposed: &Soc) {
        if let Some(same) = Same::of(proposed).filter(|same| self.newest.get(same) == Some(&id)) {
            self.newest.remove(&same);
        }
        if let Some(older) = self.older.remove(&id) {
            self.newer.remove(&older);
        }
        if let Some(newer) = self.newer.remove(&id) {
            self.older.remove(&newer);
        }
    }

    /// What stands for this one, unless it was decided before.
    pub fn newer(&self, id: EventId) -> Option<EventId> {
        self.newer.get(&id).copied()
    }

    /// The ones that this one stands for, the newest first, as long as nothing was decided on them.
    pub fn older(&self, id: EventId, is_undecided: impl Fn(EventId) -> bool) -> Vec<EventId> {
        let next = |id: &EventId| self.older.get(id).copied().filter(|older| is_undecided(*older));
        std::iter::successors(next(&id), next).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::Entity;

    fn id(number: u64) -> EventId {
        EventId::new(number, 0)
    }

    fn proposed(action: &str, target: &str, host: &str) -> Soc {
        let entity = Entity { host: Some(host.to_owned()), ..Entity::default() };
        Soc { entity, proposal: Some(json!({"action": action, "target": target})), ..Soc::default() }
    }

    #[test]
    fn the_newest_stands_for_those_before_it_that_nobody_has_decided_on() {
        let mut repeats = Repeats::default();
        for number in 1..=4 {
            // The third came when the second could no longer be approved.
            repeats.add(id(number), &proposed("block_address", "203.0.113.7", "atlas"), |before| before != id(2));
        }
        assert_eq!((repeats.newer(id(1)), repeats.newer(id(2)), repeats.newer(id(4))), (Some(id(2)), None, None));
        assert_eq!(repeats.older(id(4), |_| true), [id(3)]);
        repeats.add(id(5), &proposed("block_address", "203.0.113.7", "web"), |_| true);
        assert_eq!(repeats.older(id(5), |_| true), [id(4), id(3)]);
        assert_eq!(repeats.older(id(5), |older| older != id(4)), [], "on that one somebody has decided");
        repeats.forget(id(4), &proposed("block_address", "203.0.113.7", "atlas"));
        assert_eq!((repeats.older(id(5), |_| true), repeats.newer(id(3))), (vec![], None));
        for number in [1, 5] {
            repeats.forget(id(number), &proposed("block_address", "203.0.113.7", "web"));
        }
        assert_eq!(
            (repeats.newest.len(), repeats.older.len(), repeats.newer.len()),
            (0, 0, 0),
            "nothing is left of them"
        );
    }

    #[test]
    fn another_target_action_or_machine_of_an_account_is_another_proposal() {
        let mut repeats = Repeats::default();
        let all = [
            proposed("block_address", "203.0.113.7", "atlas"),
            proposed("block_address", "203.0.113.8", "atlas"),
            proposed("lock_user", "alice", "atlas"),
            proposed("lock_user", "alice", "web"),
            proposed("end_sessions", "alice", "web"),
        ];
        for (number, proposed) in (1..).zip(&all) {
            repeats.add(id(number), proposed, |_| true);
        }
        assert!((1..=5).all(|number| repeats.newer(id(number)).is_none()));
        repeats.add(id(9), &proposed("lock_user", "alice", "web"), |_| true);
        assert_eq!((repeats.newer(id(4)), repeats.newer(id(3))), (Some(id(9)), None));
    }
}
