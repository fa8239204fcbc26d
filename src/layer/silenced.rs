//! A stage whose SOC events are marked where a silence covers them. What somebody does about silences is on the log: it holds for all
//! that follows from later events, in the daemon, after a restart and in `replay`.

use std::sync::Arc;

use super::row::{PreparedStage, StageRow};
use super::stage::{Outbox, Stage, StateError};
use crate::event::stream::OPERATORS;
use crate::event::{Body, Draft, Event, EventId, Interest, Stream};
use crate::layer::message_pack;
use crate::silence::change::Change;
use crate::silence::config::matchers;
use crate::silence::in_force::{Made, covering};
use crate::silence::matcher::Matcher;

/// The flag of what a silence covers.
const SILENCED: &str = "SILENCED";
/// How a state begins that says which silences there are. No MessagePack begins with the first byte of it, nor does the length of a
/// part of a state.
const MARK: &[u8] = b"\xc1silences";

/// The stage of this row in this way.
pub fn silenced(row: StageRow) -> StageRow {
    let (own, inner) = (row.reads, row.prepare);
    let prepare = Arc::new(move |config: &crate::config::Config| {
        let configured: Arc<[Matcher]> = matchers(&config.silence).into();
        Ok(inner(config)?.map(|prepared| {
            let PreparedStage { make, warnings } = prepared;
            let make = move || -> Box<dyn Stage> {
                let configured = Arc::clone(&configured);
                Box::new(Silenced { stage: make(), own, configured, made: Made::default(), matchers: Vec::new() })
            };
            PreparedStage { make: Arc::new(make), warnings }
        }))
    });
    StageRow { reads: own.soc(OPERATORS), prepare, ..row }
}

/// Of a saved state what the stage itself has saved.
pub fn own_state(bytes: &[u8]) -> &[u8] {
    let Some(rest) = bytes.strip_prefix(MARK) else { return bytes };
    split(rest).map_or(rest, |(_, stage)| stage)
}

/// The silences, and the state of the stage.
fn split(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = rest.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

struct Silenced {
    stage: Box<dyn Stage>,
    /// What the stage reads itself.
    own: Interest,
    configured: Arc<[Matcher]>,
    made: Made,
    /// Of those that people have made.
    matchers: Vec<Matcher>,
}

impl Silenced {
    fn mark(&self, draft: &mut Draft, cause: EventId) {
        // As an event, for as long as it is looked at.
        let body = std::mem::replace(&mut draft.body, Body::Tick);
        let event =
            Event { id: cause, stream: draft.stream, times: draft.times, root: draft.root.unwrap_or(cause), body };
        let by = covering(self.configured.iter().chain(&self.matchers), &event).map(|silence| silence.id.clone());
        draft.body = event.body;
        if let (Body::Soc(soc), Some(id)) = (&mut draft.body, by) {
            soc.flags.push(SILENCED.to_owned());
            soc.silence_id = Some(id);
        }
    }
}

impl Stage for Silenced {
    fn step(&mut self, event: &Event, out: &mut Outbox) {
        if let Body::Soc(soc) = &event.body
            && let Some(change) = Change::read(soc)
        {
            self.made.step(change, event.times.taken_in());
            self.matchers = self.made.matchers();
        }
        if !self.own.overlaps(event.kind()) {
            return;
        }
        let before = out.written();
        self.stage.step(event, out);
        if self.configured.is_empty() && self.matchers.is_empty() {
            return;
        }
        for draft in out.since(before).iter_mut().filter(|draft| draft.stream == Stream::SocEvents) {
            self.mark(draft, event.id);
        }
    }

    /// The number of bytes of the silences, these, and those of the stage.
    fn save(&self) -> Result<Vec<u8>, StateError> {
        let made = serde_json::to_vec(&self.made).unwrap_or_default(); // texts and nothing else
        let length = u32::try_from(made.len()).unwrap_or_default().to_be_bytes();
        Ok([MARK, &length, &made, &self.stage.save()?].concat())
    }

    /// A state without the mark is one that a version before this saved.
    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let Some(rest) = bytes.strip_prefix(MARK) else {
            self.stage.load(bytes)?;
            self.made = Made::default();
            self.matchers = Vec::new();
            return Ok(());
        };
        let broken = <message_pack::Error as serde::de::Error>::custom::<String>;
        let (made, stage) = split(rest).ok_or_else(|| broken("it is shorter than it says".to_owned()))?;
        let made: Made = serde_json::from_slice(made).map_err(|error| broken(error.to_string()))?;
        self.stage.load(stage)?;
        self.matchers = made.matchers();
        self.made = made;
        Ok(())
    }

    fn has_memory(&self) -> bool {
        true
    }
}
