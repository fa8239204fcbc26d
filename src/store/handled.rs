//! How far everybody was with what the hot store had: for the next start, which may find that the store is a new one. Pure.

use serde::{Deserialize, Serialize};

use crate::bus::Transaction;
use crate::event::{EventId, Stream};

/// Of what was committed, how much had been judged and handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Handled {
    /// The newest event that came from outside.
    input: EventId,
    /// The newest event that outlets have to take: what came from outside, or what was said of it.
    newest: EventId,
    /// Every stage had handled all that follows from events up to here.
    stages: EventId,
    /// Every outlet had taken all up to here.
    outlets: EventId,
}

impl Handled {
    /// What was there at the start counts as if all of it had come then.
    pub fn new(last: EventId) -> Self {
        Self { input: last, newest: last, ..Self::default() }
    }

    /// One more transaction was committed.
    pub fn commit(&mut self, transaction: &Transaction) {
        for event in transaction.events.iter() {
            match event.stream {
                // What only time and the operator's state say is no loss.
                Stream::Tick | Stream::Shrink => continue,
                Stream::L3In | Stream::L4In => self.input = self.input.max(event.id),
                Stream::L3Out | Stream::L4Out | Stream::SocEvents => {}
            }
            self.newest = self.newest.max(event.id);
        }
    }

    #[must_use]
    pub fn with(self, stages: EventId, outlets: EventId) -> Self {
        Self { stages, outlets, ..self }
    }

    /// Nothing is lost with the store but what was learned.
    pub fn is_all(&self) -> bool {
        self.stages >= self.input && self.outlets >= self.newest
    }

    /// Why something is lost with the store; `None` where nothing is.
    pub fn loss(&self) -> Option<String> {
        let until = |name, id: EventId| match id {
            EventId::ZERO => format!("no {name} had any of it"),
            id => format!("{name} had it up to {id}"),
        };
        (!self.is_all()).then(|| {
            let stages = until("stages", self.stages.min(self.newest));
            let outlets = until("outlets", self.outlets.min(self.newest));
            format!("it reached to {}, {stages}, {outlets}", self.newest)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Body, Event, Times};

    fn id(ms: u64) -> EventId {
        EventId::new(ms, 0)
    }

    fn handled(events: &[(u64, Stream)]) -> Handled {
        let event = |(ms, stream): &(u64, Stream)| Event {
            id: id(*ms),
            stream: *stream,
            times: Times::default(),
            root: id(*ms),
            body: Body::Tick,
        };
        let events: Arc<[Event]> = events.iter().map(event).collect();
        let mut handled = Handled::default();
        handled.commit(&Transaction { events, ..Transaction::default() });
        handled
    }

    #[test]
    fn all_is_handled_when_stages_have_judged_what_came_and_outlets_have_what_was_said_of_it() {
        let handled = handled(&[(3, Stream::L3In), (5, Stream::SocEvents), (9, Stream::Tick), (9, Stream::Shrink)]);
        for (stages, outlets, is_all) in [(3, 5, true), (2, 5, false), (3, 4, false), (9, 9, true)] {
            assert_eq!(handled.with(id(stages), id(outlets)).is_all(), is_all, "{stages} {outlets}");
        }
        assert!(handled.with(EventId::MAX, EventId::MAX).is_all(), "there is no stage and no outlet");
    }

    #[test]
    fn what_is_lost_is_said_with_who_had_how_much_of_it() {
        let handled = handled(&[(3, Stream::L4In), (5, Stream::L4Out)]);
        assert_eq!(handled.with(id(3), id(9)).loss(), None);
        let loss = handled.with(EventId::MAX, EventId::ZERO).loss().unwrap();
        assert_eq!(loss, "it reached to 5-0, stages had it up to 5-0, no outlets had any of it");
        let loss = handled.with(id(2), id(4)).loss().unwrap();
        assert_eq!(loss, "it reached to 5-0, stages had it up to 2-0, outlets had it up to 4-0");
    }
}
