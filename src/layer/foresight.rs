//! What stages without memory say of events before these have their place in the order: on any thread, the same as in the order.

use super::stage::{Ahead, Outbox, Stage, StageSpec};
use crate::event::{Draft, Event, EventId};

/// The stages that have no memory.
#[derive(Clone)]
pub struct Foresight {
    /// With their places among all stages.
    stages: Vec<(usize, StageSpec)>,
}

/// An event, and what some stages say of it.
pub struct Foreseen {
    pub(super) draft: Draft,
    /// By the stage's place among all stages.
    pub(super) said: Vec<(usize, Ahead)>,
}

impl Foreseen {
    /// Of which nothing has been said yet.
    pub fn nothing(draft: Draft) -> Self {
        Self { draft, said: Vec::new() }
    }
}

impl Foresight {
    /// Takes all stages, in the order in which the pipeline has them.
    pub fn new(stages: &[StageSpec]) -> Self {
        let has_none = |(_, spec): &(usize, &StageSpec)| !(spec.make)().has_memory();
        let stages = stages.iter().enumerate().filter(has_none).map(|(place, spec)| (place, spec.clone())).collect();
        Self { stages }
    }

    /// A function of each event alone.
    pub fn of(&self, drafts: Vec<Draft>) -> Vec<Foreseen> {
        let mut stages: Vec<(usize, &StageSpec, Box<dyn Stage>)> =
            self.stages.iter().map(|(place, spec)| (*place, spec, (spec.make)())).collect();
        let mut out = Outbox::default();
        let mut foreseen = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let Draft { stream, times, root, body } = draft;
            let event = Event { id: EventId::ZERO, stream, times, root: EventId::ZERO, body };
            let mut said = Vec::with_capacity(stages.len());
            for (place, spec, stage) in &mut stages {
                if spec.reads.overlaps(event.kind()) {
                    out.begin_ahead(times);
                    stage.step(&event, &mut out);
                    said.push((*place, out.take_ahead()));
                }
            }
            foreseen.push(Foreseen { draft: Draft { stream, times, root, body: event.body }, said });
        }
        foreseen
    }
}
