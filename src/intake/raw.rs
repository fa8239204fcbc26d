//! From received bytes to an event.

use std::sync::Arc;

use bytes::Bytes;

use super::context::Context;
use super::parser;
use crate::event::{Body, Draft, Format, Raw, Record, Stream, Times, Timestamp};
use crate::parse::joined::LINES;
use crate::parse::{self, Calendar, Parsed, Parser, stamp};

/// What a line says of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTime {
    /// If it tells a time that can be.
    pub claim: Option<Timestamp>,
    /// If it tells one at all, be it far ahead.
    pub stated: Option<Timestamp>,
    /// The line begins with it, and a host follows: so write the daemons of syslog.
    pub is_before_host: bool,
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
        let may_be_header = ahead.is_none() && !parser::is_asked();
        let header = may_be_header.then(|| self.header_alone(&payload, &attributes)).flatten();
        let mut is_whole = header.is_none();
        let parse = |attributes: &[_]| parser.parse(&payload, self.format, attributes);
        let mut parsed = ahead.or(header).unwrap_or_else(|| parse(&attributes));
        if let Some(before) = context.follow(&payload, &parsed.record) {
            attributes.push(before);
            attributes.sort();
            (parsed, is_whole) = (parse(&attributes), true);
        }
        let claim = calendar.claim(parsed.time);
        let times = Times::at(claim.unwrap_or(calendar.reference));
        let stated = claim.or_else(|| calendar.ahead(parsed.time));
        let host = parsed.record.entity.host.as_deref();
        let is_before_host = host.is_some_and(|host| is_before(&payload, host));
        let record = is_whole.then_some(parsed.record);
        let draft = self.draft(parser, payload, attributes, times, record);
        (draft, LineTime { claim, stated, is_before_host })
    }

    /// What a line says before its message: its time, and enough to tell which lines it goes on from. Not of one with fields, by which
    /// that is told as well.
    fn header_alone(&self, payload: &[u8], attributes: &[(String, String)]) -> Option<Parsed> {
        let header = parse::envelope(payload, self.format, attributes);
        header.record.fields.is_empty().then_some(header)
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
        let record = parser::is_asked().then(|| parser.parse(&payload, self.format, &attributes).record);
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
        self.draft(parser, payload, attributes, times, Some(record))
    }

    fn draft(
        &self,
        parser: Arc<Parser>,
        payload: Bytes,
        attributes: Vec<(String, String)>,
        times: Times,
        record: Option<Record>,
    ) -> Draft {
        let Self { source, compartment, format, .. } = self;
        let (source, compartment) = (Arc::clone(source), Arc::clone(compartment));
        let raw = Raw::new(source, compartment, *format, payload, attributes, parser);
        let raw = match record {
            Some(record) => raw.with_record(record),
            None => raw,
        };
        Draft { stream: self.stream, times, root: None, body: Body::Raw(raw) }
    }
}

fn is_before(line: &[u8], host: &str) -> bool {
    stamp::behind_rfc3339(line).is_some_and(|rest| rest.starts_with(host.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_lines_a_line_goes_on_from_is_told_by_its_header_as_by_the_whole_of_it() {
        let origin = Origin { stream: Stream::L3In, source: "s".into(), compartment: "".into(), format: Format::Auto };
        let sudo = "2026-02-09T21:21:02+00:00 web sudo[7]: bob : ";
        let lines = [
            format!("{sudo}TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh -c echo"),
            format!("{sudo}(command continued) one two"),
            "2026-02-09T21:21:03+00:00 gw sshd[8]: Failed password for root from 192.0.2.1 port 4242 ssh2".to_owned(),
            "Feb  9 21:21:04 web last message repeated 9 times".to_owned(),
            "Feb  9 21:21:04 gw last message repeated 3 times".to_owned(),
            "at no time and from nobody".to_owned(),
        ];
        let (mut by_header, mut by_whole, mut joined) = (Context::default(), Context::default(), 0);
        for line in lines.map(Bytes::from) {
            let (header, whole) = (origin.header_alone(&line, &[]).unwrap(), parse::parse(&line, Format::Auto, &[]));
            assert_eq!((header.time, &header.record.message), (whole.time, &whole.record.message));
            let before = by_header.follow(&line, &header.record);
            assert_eq!(before, by_whole.follow(&line, &whole.record), "{line:?}");
            joined += usize::from(before.is_some());
        }
        assert_eq!(joined, 3);
        let audit = br#"type=SYSCALL msg=audit(1.5:7): arch=c000003e syscall=59 success=yes"#;
        assert!(origin.header_alone(audit, &[]).is_none(), "fields tell which record it is part of");
    }
}
