//! From received bytes to an event.

use std::sync::Arc;

use bytes::Bytes;

use crate::event::{Body, Draft, Raw, Stream, Timestamp};
use crate::parse::{self, Calendar, Format};

/// What all events of one source have in common.
#[derive(Debug, Clone)]
pub struct Origin {
    pub stream: Stream,
    /// As in [`Raw::source`].
    pub source: Arc<str>,
    pub compartment: Arc<str>,
    pub format: Format,
}

impl Origin {
    /// The event of one line; its time is what the line says, completed by the calendar.
    pub fn line(&self, payload: Bytes, calendar: &Calendar) -> Draft {
        let parsed = parse::parse(&payload, self.format, &[]);
        let raw = Raw::new(Arc::clone(&self.source), Arc::clone(&self.compartment), self.format, payload, Vec::new());
        let ts = calendar.resolve(parsed.time);
        Draft { stream: self.stream, ts, root: None, body: Body::Raw(raw.with_record(parsed.record)) }
    }

    /// The event of a message that came with a time and attributes of its own.
    pub fn message(&self, payload: Bytes, mut attributes: Vec<(String, String)>, ts: Timestamp) -> Draft {
        // Sorted first: the record must be the one that is computed again when the event comes back from the store.
        attributes.sort();
        let record = parse::record(&payload, self.format, &attributes);
        let raw = Raw::new(Arc::clone(&self.source), Arc::clone(&self.compartment), self.format, payload, attributes);
        Draft { stream: self.stream, ts, root: None, body: Body::Raw(raw.with_record(record)) }
    }
}
