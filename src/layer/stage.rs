//! The one trait of everything that judges: Layer 3, Layer 4, fusion and the devices.

use std::borrow::Cow;

use serde::{Serialize, de::DeserializeOwned};

use crate::detect::deceptive::escaped;
use crate::event::{Body, Draft, Event, EventId, Interest, Soc, Stream, Times, Timestamp};
use crate::layer::message_pack;
use crate::limits;

/// What judges events, as actors, `replay` and tests drive it. Who writes one implements [`Stateful`].
pub trait Stage: Send {
    /// As [`Stateful::step`].
    fn step(&mut self, event: &Event, out: &mut Outbox);

    /// The whole state as bytes.
    ///
    /// # Errors
    /// It has no form as bytes.
    fn save(&self) -> Result<Vec<u8>, StateError>;

    /// Replaces the state by one that [`save`](Self::save) of the same version returned.
    ///
    /// # Errors
    /// The bytes are not such a state; the stage is as before.
    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError>;

    /// Whether it remembers anything. What does not is a function of the event alone, whichever came before it.
    fn has_memory(&self) -> bool {
        true
    }
}

/// A pure function over the log, with state. No IO, no clock, no randomness, no iteration over unordered maps: time is
/// what is believed of the event's, and the same input leads to the same bytes in the daemon, in `replay` and in tests.
pub trait Stateful: Send {
    /// All that it remembers, bounded. What it is configured with is not part of it.
    type State: Serialize + DeserializeOwned;

    /// Handles one event and writes what follows from it to `out`.
    fn step(&mut self, event: &Event, out: &mut Outbox);

    fn state(&self) -> &Self::State;

    fn state_mut(&mut self) -> &mut Self::State;
}

/// A state is saved as MessagePack with the names of its fields.
impl<S: Stateful> Stage for S {
    fn step(&mut self, event: &Event, out: &mut Outbox) {
        Stateful::step(self, event, out);
    }

    fn save(&self) -> Result<Vec<u8>, StateError> {
        Ok(message_pack::write(self.state())?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        *self.state_mut() = message_pack::read(bytes)?;
        Ok(())
    }

    fn has_memory(&self) -> bool {
        size_of::<S::State>() > 0
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the state cannot be saved ({0}): the one that was saved before stays, report this")]
    Encode(#[from] rmp_serde::encode::Error),
    #[error("the saved state cannot be read ({0}): it is rebuilt from the events that the hot store still has")]
    Decode(#[from] message_pack::Error),
}

/// Makes a stage in its first state; called again at every restart, so it does no IO and cannot fail.
pub type StageFactory = std::sync::Arc<dyn Fn() -> Box<dyn Stage> + Send + Sync>;

/// A stage as the daemon runs it.
#[derive(Clone)]
pub struct StageSpec {
    /// Name in status, metrics and cursors: `l3`, `l4`, `fusion`, `device-51`.
    pub name: &'static str,
    /// SYSLOG_IDENTIFIER of its log lines.
    pub identifier: &'static str,
    pub reads: Interest,
    /// Taken down with it: the whole process.
    pub critical: bool,
    pub make: StageFactory,
}

/// A summary is for people: whatever a stage took over from a log line, no character in it deceives them.
fn complete(input_ref: &mut String, summary: &mut String, cause: EventId) {
    if input_ref.is_empty() {
        *input_ref = cause.text();
    }
    if let Cow::Owned(text) = escaped(summary) {
        *summary = text;
    }
}

/// Collects what follows from one event.
#[derive(Debug, Default)]
pub struct Outbox {
    drafts: Vec<Draft>,
    cause: EventId,
    root: EventId,
    times: Times,
    emitted_for_event: usize,
    refused: u64,
    /// The event has no id yet, see [`begin_ahead`](Self::begin_ahead).
    is_ahead: bool,
}

/// What follows from an event that has no id yet.
#[derive(Debug, Default)]
pub struct Ahead {
    drafts: Vec<Draft>,
    refused: u64,
}

impl Outbox {
    /// From now on, outputs follow from an event that has no id yet. They are complete when they are [adopted](Self::adopt).
    pub fn begin_ahead(&mut self, times: Times) {
        self.begin(&Event { id: EventId::ZERO, stream: Stream::Tick, times, root: EventId::ZERO, body: Body::Tick });
        self.is_ahead = true;
    }

    /// Takes what was collected since [`begin_ahead`](Self::begin_ahead).
    pub fn take_ahead(&mut self) -> Ahead {
        Ahead { drafts: self.take(), refused: self.take_refused() }
    }

    /// Writes what was collected ahead of the event that is being handled.
    pub fn adopt(&mut self, ahead: Ahead) {
        self.refused += ahead.refused;
        for draft in ahead.drafts {
            self.write(draft.stream, draft.times, draft.body);
        }
    }

    /// For the shell and for tests: from now on, outputs follow from this event.
    pub fn begin(&mut self, event: &Event) {
        self.cause = event.id;
        self.root = event.root;
        self.times = event.times;
        self.emitted_for_event = 0;
        self.is_ahead = false;
    }

    /// A decision or SOC event with the times of the event being handled. An empty `input_ref` is filled with its id.
    pub fn emit(&mut self, stream: Stream, body: Body) {
        self.write(stream, self.times, body);
    }

    /// A SOC event of a device.
    pub fn emit_soc(&mut self, soc: Soc) {
        self.emit(Stream::SocEvents, Body::Soc(Box::new(soc)));
    }

    /// With a time of its own, such as the end of a window that a `TICK` closed: what is written must not depend on
    /// when the tick came.
    pub fn emit_at(&mut self, stream: Stream, time: Timestamp, body: Body) {
        let times = Times { arrival: self.times.arrival, ..Times::at(time) };
        self.write(stream, times, body);
    }

    fn write(&mut self, stream: Stream, times: Times, mut body: Body) {
        if self.emitted_for_event == limits::OUTPUTS_PER_EVENT_MAX {
            self.refused += 1;
            return;
        }
        self.emitted_for_event += 1;
        if self.is_ahead {
            self.drafts.push(Draft { stream, times, root: None, body });
            return;
        }
        match &mut body {
            Body::Decision(decision) => complete(&mut decision.input_ref, &mut decision.summary, self.cause),
            Body::Soc(soc) => complete(&mut soc.input_ref, &mut soc.summary, self.cause),
            _ => {}
        }
        self.drafts.push(Draft { stream, times, root: Some(self.root), body });
    }

    /// How many outputs were collected.
    pub fn written(&self) -> usize {
        self.drafts.len()
    }

    /// Those collected after the first `count`.
    pub fn since(&mut self, count: usize) -> &mut [Draft] {
        self.drafts.get_mut(count..).unwrap_or_default()
    }

    /// Puts what was collected behind what others hold.
    pub fn append_to(&mut self, outputs: &mut Vec<Draft>) {
        outputs.append(&mut self.drafts);
    }

    /// Forgets what was collected.
    pub fn clear(&mut self) {
        self.drafts.clear();
    }

    /// Takes what was collected.
    pub fn take(&mut self) -> Vec<Draft> {
        std::mem::take(&mut self.drafts)
    }

    /// How many outputs have been refused since the last [`take_refused`](Self::take_refused).
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes how many outputs were refused because one event asked for more than [`limits::OUTPUTS_PER_EVENT_MAX`].
    pub fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_with_a_name_that_deceives_is_shown_escaped() {
        let mut out = Outbox::default();
        out.emit_soc(Soc { summary: "login of a\u{202e}b\u{1b}[2J".into(), ..Soc::default() });
        let Some(Draft { body: Body::Soc(soc), .. }) = out.take().pop() else { panic!("nothing was written") };
        assert_eq!(soc.summary, "login of a\\u{202e}b\\u{1b}[2J");
    }
}
