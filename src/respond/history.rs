//! How far each approved proposal is, as the events on the log tell it.

use std::collections::BTreeMap;

use super::step::{Step, Told};
use crate::event::{EventId, Soc, Timestamp};
use crate::limits::PROPOSALS_MAX;

/// How far one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The last step, and when.
    pub last: Told,
    pub at: Timestamp,
    /// When it was first asked for: the time that it has counts from then.
    pub requested: Option<Timestamp>,
    /// When it ends by itself; of one that was asked for.
    pub ends: Option<Timestamp>,
    /// The kernel has had it.
    pub was_executed: bool,
}

impl Progress {
    /// It may be in the kernel now.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        let is_over = matches!(self.last.step, Step::Ended | Step::Undone);
        self.ends.is_some_and(|ends| now < ends) && !is_over && (self.was_executed || self.last.step == Step::Requested)
    }
}

/// The newest, by proposal.
#[derive(Debug, Clone, Default)]
pub struct History(BTreeMap<EventId, Progress>);

impl History {
    /// Takes an event into account, if it says what became of a proposal.
    pub fn step(&mut self, at: Timestamp, soc: &Soc) {
        let Some(last) = Told::read(soc) else { return };
        let before = self.0.remove(&last.proposal);
        let is_request = last.step == Step::Requested;
        let asked = before.as_ref().and_then(|before| Some((before.requested?, before.ends)));
        let (requested, ends) = match asked {
            Some((requested, ends)) => (Some(requested), ends),
            None if is_request => (Some(at), last.ends),
            None => (None, None),
        };
        let was_executed = last.step == Step::Executed || before.is_some_and(|before| before.was_executed);
        self.0.insert(last.proposal, Progress { last, at, requested, ends, was_executed });
        if self.0.len() > PROPOSALS_MAX {
            self.0.pop_first();
        }
    }

    pub fn of(&self, proposal: EventId) -> Option<&Progress> {
        self.0.get(&proposal)
    }
}
