//! All stages on one thread, in memory: what `replay` runs. One root after the other goes through the whole graph, so
//! it gives the same events as the actors do, in one fixed order.

use crate::event::{Draft, Event, EventId};

use super::stage::{Outbox, Stage, StageSpec};

pub struct Pipeline {
    stages: Vec<(StageSpec, Box<dyn Stage>)>,
    last: EventId,
    out: Outbox,
}

impl Pipeline {
    /// Takes the stages in the order of [`ordered`](super::graph::ordered).
    pub fn new(stages: Vec<StageSpec>) -> Self {
        let stages = stages
            .into_iter()
            .map(|spec| {
                let stage = (spec.make)();
                (spec, stage)
            })
            .collect();
        Self { stages, last: EventId::ZERO, out: Outbox::default() }
    }

    /// One event from outside and all that follows from it, in order of id. Ids are taken from the events' own times,
    /// so that they do not depend on when this runs.
    pub fn push(&mut self, draft: Draft) -> Vec<Event> {
        self.last = self.last.next(draft.ts.millis());
        let mut events = vec![with_id(draft, self.last)];
        for (spec, stage) in &mut self.stages {
            let before = events.len();
            for index in 0..before {
                let Some(event) = events.get(index).filter(|event| spec.reads.overlaps(event.kind())) else { continue };
                self.out.begin(event);
                stage.step(event, &mut self.out);
                for draft in self.out.take() {
                    self.last = self.last.next(self.last.ms());
                    events.push(with_id(draft, self.last));
                }
            }
        }
        events
    }
}

fn with_id(draft: Draft, id: EventId) -> Event {
    Event { id, stream: draft.stream, ts: draft.ts, root: draft.root.unwrap_or(id), body: draft.body }
}
