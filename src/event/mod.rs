//! Events: what travels on the one ordered log.

pub(crate) mod base64;
mod body;
mod entity;
pub(crate) mod evidence;
mod fields;
mod format;
pub(crate) mod hex;
mod id;
mod judgement;
mod measured;
mod measured_error;
mod measured_flows;
mod outcome;
mod provenance;
mod quote;
mod raw;
mod record;
pub(crate) mod stream;
mod time;
mod times;
pub mod wire;

pub use body::{Alarm, Body, Decision, Happened, ShrinkSample, ShrinkState, ShrinkView, Soc};
pub use entity::{Entity, cut_name};
pub use evidence::{Evidence, Rule};
pub use fields::Fields;
pub use format::Format;
pub use id::{EventId, EventIdError};
pub use judgement::{Category, Severity, Verdict};
pub use measured::{Keystrokes, Measured, MeasuredError, Metrics, Syscalls};
pub use measured_flows::MeasuredFlow;
pub use provenance::{InFile, Provenance};
pub use quote::Quote;
pub use raw::{Raw, RecordParser, named_source, source_name};
pub(crate) use record::named;
pub use record::{Action, LogSource, Record};
pub use stream::{Interest, Stream};
pub use time::Timestamp;
pub use times::{Claimed, Times};

/// One entry of the log.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: EventId,
    pub stream: Stream,
    pub times: Times,
    /// The event from outside (line, sample, tick) that all of this follows from; its own id for such an event.
    /// Stages with several inputs handle them in order of this, which makes their results independent of which
    /// core was faster.
    pub root: EventId,
    pub body: Body,
}

impl Event {
    /// The time that windows follow: what is believed of it.
    pub fn time(&self) -> Timestamp {
        self.times.believed
    }

    /// The time that the line tells, to be shown.
    pub fn ts(&self) -> Claimed {
        self.times.ts
    }

    /// Who wrote it, in the sense of [`Interest::of`].
    pub fn kind(&self) -> Interest {
        match &self.body {
            Body::Soc(soc) => Interest::of(self.stream, soc.producer()),
            _ => Interest::of(self.stream, 0),
        }
    }
}

/// An event before the log has given it an id.
#[derive(Debug, Clone)]
pub struct Draft {
    pub stream: Stream,
    pub times: Times,
    /// `None` for an event from outside: it is its own root.
    pub root: Option<EventId>,
    pub body: Body,
}
