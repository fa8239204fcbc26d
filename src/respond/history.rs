//! How far each approved proposal is, as the events on the log tell it.

use std::collections::BTreeMap;

use super::executor::Executor;
use super::step::{Step, Told};
use crate::event::{EventId, Soc, Timestamp};
use crate::limits::{BAN_ENDED_TOLD, PROPOSALS_MAX, RESPONSES_IN_FORCE_MAX};

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
    /// Who was asked for it.
    pub executor: Executor,
    /// It was carried out.
    pub was_executed: bool,
}

impl Progress {
    /// It may be carried out now.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        let is_over = matches!(self.last.step, Step::Ended | Step::Undone);
        // What a runner has, nobody here can take back.
        let is_ours = self.executor != Executor::Runner;
        is_ours
            && self.ends.is_some_and(|ends| now < ends)
            && !is_over
            && (self.was_executed || self.last.step == Step::Requested)
    }

    /// Nobody has it in force any more. A firewall of another machine that counts no time by itself learns of the end for so long.
    pub fn is_past(&self, now: Timestamp) -> bool {
        self.ends.is_none_or(|ends| ends.plus(BAN_ENDED_TOLD) <= now)
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
        let asked = before.as_ref().and_then(|before| Some((before.requested?, before.ends, before.executor)));
        let executor = last.executor.unwrap_or_default();
        let (requested, ends, executor) = match asked {
            Some((requested, ends, executor)) => (Some(requested), ends, executor),
            None if is_request => (Some(at), last.ends, executor),
            None => (None, None, executor),
        };
        let was_executed = last.step == Step::Executed || before.is_some_and(|before| before.was_executed);
        self.0.insert(last.proposal, Progress { last, at, requested, ends, executor, was_executed });
        if self.0.len() > PROPOSALS_MAX {
            let past = self.0.iter().find(|(_, progress)| progress.is_past(at)).map(|(id, _)| *id);
            let least =
                past.or_else(|| self.0.keys().next().copied().filter(|_| self.0.len() > RESPONSES_IN_FORCE_MAX));
            least.map(|id| self.0.remove(&id));
        }
    }

    pub fn of(&self, proposal: EventId) -> Option<&Progress> {
        self.0.get(&proposal)
    }
}
