//! From received bytes to an event.

use std::sync::Arc;

use bytes::Bytes;

use super::context::Context;
use super::parser;
use crate::event::{Body, Draft, Format, Raw, Record, Stream, Times, Timestamp};
use crate::parse::joined::LINES;
use crate::parse::{Calendar, Parsed, Parser};

/// What a line says of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTime {
    /// If it tells a time that can be.
    pub claim: Option<Timestamp>,
    /// If it tells one at all, be it far ahead.
    pub stated: Option<Timestamp>,
}

/// What all events of one source have in common.
#[derive(Debug, Clone)]
pub struct Origin {
    pub stream: Stream,
    /// As in [`Raw::source`].
    pub source: Arc<str>,
    pub compartment: Arc<str>,
    pub format: Format,
}

/// A line that was parsed before it was known what those before it say.
pub struct ParsedAhead {
    parser: Arc<Parser>,
    attributes: Vec<(String, String)>,
    parsed: Parsed,
}

impl ParsedAhead {
    /// What was parsed, if it would be the same now.
    fn like(self, parser: &Arc<Parser>, attributes: &[(String, String)]) -> Option<Parsed> {
        (Arc::ptr_eq(&self.parser, parser) && self.attributes == attributes).then_some(self.parsed)
    }
}

impl Origin {
    /// Parses a line with what is likely to come beside it.
    pub fn parse_ahead(&self, payload: &[u8], attributes: Vec<(String, String)>) -> ParsedAhead {
        let parser = parser::current();
        let parsed = parser.parse(payload, self.format, &attributes);
        ParsedAhead { parser, attributes, parsed }
    }

    /// The event of one line of a file, and the time that the line tells, completed by the calendar; its record is what the
    /// line says after those before it.
    pub fn line(&self, payload: Bytes, context: &mut Context, calendar: &Calendar) -> (Draft, LineTime) {
        self.line_parsed(payload, None, context, calendar)
    }

    /// The same of a line that may have been parsed ahead.
    pub fn line_parsed(
        &self,
        payload: Bytes,
        ahead: Option<ParsedAhead>,
        context: &mut Context,
        calendar: &Calendar,
    ) -> (Draft, LineTime) {
        let attributes = context.columns(&payload);
        self.follow(payload, attributes, ahead, context, calendar)
    }

    /// The same with what came beside the line.
    pub fn line_with(
        &self,
        payload: Bytes,
        beside: Vec<(String, String)>,
        context: &mut Context,
        calendar: &Calendar,
    ) -> (Draft, LineTime) {
        let mut attributes = context.columns(&payload);
        attributes.extend(beside);
        attributes.sort();
        self.follow(payload, attributes, None, context, calendar)
    }

    fn follow(
        &self,
        payload: Bytes,
        mut attributes: Vec<(String, String)>,
        ahead: Option<ParsedAhead>,
        context: &mut Context,
        calendar: &Calendar,
    ) -> (Draft, LineTime) {
        let parser = parser::current();
        let ahead = ahead.and_then(|ahead| ahead.like(&parser, &attributes));
        let mut parsed = ahead.unwrap_or_else(|| parser.parse(&payload, self.format, &attributes));
        if let Some(before) = context.follow(&payload, &parsed.record) {
            attributes.push(before);
            attributes.sort();
            parsed = parser.parse(&payload, self.format, &attributes);
        }
        let claim = calendar.claim(parsed.time);
        let times = Times::at(claim.unwrap_or(calendar.reference));
        let stated = claim.or_else(|| calendar.ahead(parsed.time));
        (self.draft(parser, payload, attributes, times, parsed.record), LineTime { claim, stated })
    }

    /// Makes one event of the line of a file and those that follow it.
    pub fn go_on(first: &mut Draft, text: &[u8], lines: usize) {
        let Body::Raw(raw) = &mut first.body else { return };
        let parser = parser::current();
        let payload = Bytes::from([&raw.payload, text].concat());
        let mut attributes = std::mem::take(&mut raw.attributes);
        attributes.push((LINES.to_owned(), lines.to_string()));
        attributes.sort();
        let record = parser.parse(&payload, raw.format, &attributes).record;
        let (source, compartment) = (Arc::clone(&raw.source), Arc::clone(&raw.compartment));
        *raw = Raw::new(source, compartment, raw.format, payload, attributes, parser).with_record(record);
    }

    /// The event of a message that came with a time and attributes of its own.
    pub fn message(&self, payload: Bytes, mut attributes: Vec<(String, String)>, times: Times) -> Draft {
        // Sorted first: the record must be the one that is computed again when the event comes back from the store.
        attributes.sort();
        let parser = parser::current();
        let record = parser.parse(&payload, self.format, &attributes).record;
        self.draft(parser, payload, attributes, times, record)
    }

    /// The same for one of several messages that may be pieces of one record. What only claims to be from its program goes on
    /// from nothing, and nothing from it.
    pub fn message_after(
        &self,
        payload: Bytes,
        mut attributes: Vec<(String, String)>,
        times: Times,
        context: &mut Context,
    ) -> Draft {
        attributes.sort();
        let parser = parser::current();
        let mut record = parser.parse(&payload, self.format, &attributes).record;
        if record.impostor.is_none()
            && let Some(before) = context.follow_message(&record)
        {
            attributes.push(before);
            attributes.sort();
            record = parser.parse(&payload, self.format, &attributes).record;
        }
        self.draft(parser, payload, attributes, times, record)
    }

    fn draft(
        &self,
        parser: Arc<Parser>,
        payload: Bytes,
        attributes: Vec<(String, String)>,
        times: Times,
        record: Record,
    ) -> Draft {
        let Self { source, compartment, format, .. } = self;
        let (source, compartment) = (Arc::clone(source), Arc::clone(compartment));
        let raw = Raw::new(source, compartment, *format, payload, attributes, parser).with_record(record);
        Draft { stream: self.stream, times, root: None, body: Body::Raw(raw) }
    }
}
