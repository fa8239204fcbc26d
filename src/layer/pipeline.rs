//! All stages in memory, in one order: what `replay` runs. One root after the other goes through the whole graph, so
//! it returns the same events as the actors do, in one fixed order.

use crate::event::{Draft, Event, EventId};

use super::foresight::Foreseen;
use super::stage::{Ahead, Outbox, Stage, StageSpec};

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

    /// One event from outside and all that follows from it, in order of id. Ids are taken from the arrivals,
    /// which in a replay do not depend on when this runs.
    pub fn push(&mut self, draft: Draft) -> Vec<Event> {
        self.push_foreseen(Foreseen::nothing(draft))
    }

    /// The same of an event of which stages without memory have said already what they have to say.
    pub fn push_foreseen(&mut self, foreseen: Foreseen) -> Vec<Event> {
        let Foreseen { draft, mut said } = foreseen;
        self.last = self.last.next(draft.times.taken_in().millis());
        let mut events = Vec::with_capacity(4); // a line, its decision, and a little more
        events.push(with_id(draft, self.last));
        for (place, (spec, stage)) in self.stages.iter_mut().enumerate() {
            let before = events.len();
            for index in 0..before {
                let Some(event) = events.get(index).filter(|event| spec.reads.overlaps(event.kind())) else { continue };
                self.out.begin(event);
                let said = if index == 0 { said_of(&mut said, place) } else { None };
                match said {
                    Some(ahead) => self.out.adopt(ahead),
                    None => stage.step(event, &mut self.out),
                }
                for draft in self.out.take() {
                    self.last = self.last.next(self.last.ms());
                    events.push(with_id(draft, self.last));
                }
            }
        }
        events
    }

    /// How many outputs were refused so far because one event asked for more than
    /// [`OUTPUTS_PER_EVENT_MAX`](crate::limits::OUTPUTS_PER_EVENT_MAX).
    pub fn refused(&self) -> u64 {
        self.out.refused()
    }
}

/// What was said of the event itself by the stage at this place.
fn said_of(said: &mut Vec<(usize, Ahead)>, place: usize) -> Option<Ahead> {
    let at = said.iter().position(|(of, _)| *of == place)?;
    Some(said.swap_remove(at).1)
}

fn with_id(draft: Draft, id: EventId) -> Event {
    Event { id, stream: draft.stream, times: draft.times, root: draft.root.unwrap_or(id), body: draft.body }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Body, Interest, Soc, Stream, Times};
    use crate::layer::stage::Stateful;
    use crate::limits::OUTPUTS_PER_EVENT_MAX;

    impl Pipeline {
        /// Puts new stages, which know only what the old ones saved, in the place of the old ones.
        pub fn restart(&mut self) {
            for (spec, stage) in &mut self.stages {
                let state = stage.save().unwrap();
                *stage = (spec.make)();
                stage.load(&state).unwrap();
            }
        }

        /// How much each stage remembers.
        pub fn remembered_bytes(&self) -> Vec<(&'static str, usize)> {
            self.stages.iter().map(|(spec, stage)| (spec.name, stage.save().unwrap().len())).collect()
        }
    }

    /// Says two things too many about every tick.
    struct Talkative(());

    impl Stateful for Talkative {
        type State = ();

        fn step(&mut self, _: &Event, out: &mut Outbox) {
            for _ in 0..OUTPUTS_PER_EVENT_MAX + 2 {
                out.emit_soc(Soc::default());
            }
        }

        fn state(&self) -> &Self::State {
            &self.0
        }

        fn state_mut(&mut self) -> &mut Self::State {
            &mut self.0
        }
    }

    #[test]
    fn what_one_event_may_not_lead_to_any_more_is_counted() {
        let spec = StageSpec {
            name: "device-53",
            identifier: "dsmil-soc-crypto",
            reads: Interest::NONE.stream(Stream::Tick),
            critical: false,
            make: Arc::new(|| Box::new(Talkative(()))),
        };
        let mut pipeline = Pipeline::new(vec![spec]);
        let tick = || Draft { stream: Stream::Tick, times: Times::default(), root: None, body: Body::Tick };
        assert_eq!(pipeline.push(tick()).len(), 1 + OUTPUTS_PER_EVENT_MAX);
        pipeline.push(tick());
        assert_eq!(pipeline.refused(), 4);
    }
}
