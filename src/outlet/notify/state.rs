//! What a notifier knows, and how that is saved. Pure.

use serde::{Deserialize, Serialize};

use super::queue::{Put, Queue};
use super::rules::Rules;
use super::teller::Teller;
use crate::bus::Snapshot;
use crate::event::{Event, EventId};

/// Everything up to `at` was looked at; what of it is to be told and was not, waits.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    pub at: EventId,
    pub teller: Teller,
    pub queue: Queue,
}

/// What looking at some events came to.
#[derive(Debug, PartialEq, Default)]
pub struct Looked {
    pub put: Put,
    pub over: u64,
    pub queued: usize,
}

impl State {
    /// Before anything was looked at.
    pub fn begin(at: EventId) -> Self {
        Self { at, ..Self::default() }
    }

    /// `None` where the bytes are of something else.
    pub fn load(snapshot: &Snapshot) -> Option<Self> {
        serde_json::from_slice(&snapshot.state).ok()
    }

    /// `None` cannot be: everything in it can be written as JSON.
    pub fn saved(&self) -> Option<Snapshot> {
        Some(Snapshot { cursor: self.at, state: serde_json::to_vec(self).ok()?.into() })
    }

    /// Looks at the next events of the log.
    pub fn look<'a>(&mut self, rules: &Rules, events: impl Iterator<Item = &'a Event>, through: EventId) -> Looked {
        let mut looked = Looked::default();
        for event in events.filter(|event| event.id > self.at) {
            let step = self.teller.step(rules, event);
            looked.over += step.over;
            looked.queued += step.messages.len();
            let put = self.queue.put(step.messages);
            looked.put.replaced += put.replaced;
            looked.put.dropped.extend(put.dropped);
        }
        self.at = self.at.max(through);
        looked
    }
}
