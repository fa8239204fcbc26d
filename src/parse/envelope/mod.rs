//! What stands round a program's words: headers of syslog, of the journal, of container runtimes and of shippers.
//!
//! Each form has a file of its own, which takes one layer off and tells what may stand inside (`layer`). A header names
//! time, host, program, pid and level; what is left is the message, with its fields where it is made of keys and values. Layers
//! may stand in each other to a bounded depth. A header that stands in a program's message is somebody's text: only what
//! passes on whole lines (a container runtime, a shipper, a relay) is believed to hold another header.

mod appliance;
mod application;
pub(crate) mod auditd;
mod cef;
mod clock;
pub(super) mod columns;
pub(super) mod container;
mod csvlog;
mod escapes;
mod event_xml;
mod export;
mod json;
mod layer;
mod logfmt;
mod month;
mod object;
mod priority;
pub(super) mod repeated;
mod rfc5424;
pub(crate) mod stamp;
mod syslog;
mod tag;
mod zone;

use std::borrow::Cow;

use self::layer::{Inside, Layer};
use super::time::{LogTime, Parsed};
use crate::event::{Format, Record};
use crate::limits;

/// Opens a line. `naming`: the line of its file that names the columns. `sender`: the program that wrote it is known already,
/// so what looks like a header was written by it.
pub(super) fn open(line: &str, format: Format, naming: Option<&str>, sender: Option<&str>) -> Parsed {
    let line = escapes::without_colours(Cow::Borrowed(line));
    let named = naming.and_then(|naming| columns::read(&line, naming));
    let mut layer = named.unwrap_or_else(|| outermost(&line, format, sender.is_some()));
    for _ in 1..limits::ENVELOPES_MAX {
        let record = &layer.record;
        let inner = match layer.inside {
            Inside::Line => Some(inside_line(&record.message)),
            Inside::Payload => payload(sender.or(record.program.as_deref()), &record.message),
            Inside::Text => None,
        };
        let Some(inner) = inner else { break };
        layer.take_inside(inner);
    }
    let Layer { mut time, mut record, .. } = layer;
    escapes::decode_controls(&mut record.message);
    repeated::unfold(&mut record);
    take_own_time(&mut record, &mut time);
    Parsed { time, record }
}

fn outermost(line: &str, format: Format, is_bare: bool) -> Layer {
    match format {
        Format::Auto => auto(line, is_bare),
        Format::Syslog | Format::ShortIso => syslog::read(line),
        Format::Rfc5424 => rfc5424::read(line),
        Format::Json => json::line(line),
        Format::Logfmt => logfmt::read(line),
        Format::Auditd => auditd::read(line),
        Format::Text => None,
    }
    .unwrap_or_else(|| application::read(line))
}

/// The first bytes decide; when a reader finds its format broken, the next one is tried.
fn auto(line: &str, is_bare: bool) -> Option<Layer> {
    match line.chars().next()? {
        '{' => json::line(line),
        // Programs that write a header line of their own put their objects below it, indented.
        ' ' | '\t' if line.trim_start().starts_with('{') => json::line(line.trim_start()),
        't' | 'n' if auditd::begins(line) => auditd::read(line),
        _ if is_bare => logfmt::detect(line),
        '<' => rfc5424::read(line).or_else(|| syslog::read(line)).or_else(|| event_xml::read(line)),
        // As most syslog daemons write: their time is not read twice.
        '0'..='9' if stamp::behind_rfc3339(line.as_bytes()).is_some_and(|rest| !rest.starts_with(b"std")) => {
            syslog::read(line).or_else(|| logfmt::detect(line))
        }
        '0'..='9' => match stamp::iso(line) {
            Some((_, after)) if after.starts_with(" std") => container::cri(line).or_else(|| syslog::read(line)),
            Some((_, after)) if after.starts_with(',') => csvlog::read(line),
            Some(_) => syslog::read(line),
            None => rfc5424::read(line).or_else(|| syslog::read(line)),
        }
        .or_else(|| logfmt::detect(line)),
        '_' if export::begins(line) => export::read(line),
        'A'..='Z' | '[' | '*' | '.' => {
            let named = syslog::read(line).or_else(|| logfmt::detect(line)).or_else(|| container::compose(line));
            named.or_else(|| syslog::without_time(line))
        }
        c if c.is_ascii_alphabetic() || c == '@' => {
            let named = logfmt::detect(line).or_else(|| syslog::read(line)).or_else(|| container::compose(line));
            named.or_else(|| syslog::without_time(line))
        }
        // The names of months in other scripts.
        c if c.is_alphabetic() => syslog::read(line),
        _ => None,
    }
}

/// A line within a layer that passes on whole lines.
fn inside_line(message: &str) -> Layer {
    let found = match message.chars().next() {
        Some('{') => json::line(message),
        Some('<') => rfc5424::read(message).or_else(|| syslog::read(message)).or_else(|| event_xml::read(message)),
        Some('0'..='9') => csvlog::read(message).or_else(|| syslog::read(message)),
        Some('t' | 'n') if auditd::begins(message) => auditd::read(message),
        Some(_) => syslog::read(message).or_else(|| logfmt::detect(message)),
        None => None,
    };
    found.unwrap_or_else(|| application::read(message))
}

fn payload(program: Option<&str>, message: &str) -> Option<Layer> {
    match message.bytes().next()? {
        b'{' | b'@' => json::payload(message),
        b'<' => event_xml::read(message),
        b'A' | b'C' | b'L' if message.contains('|') => cef::payload(message),
        _ => auditd::payload(program, message).or_else(|| logfmt::payload(message)),
    }
}

/// Programs with a log of their own put a time into what they send to syslog as well. It counts where no header has one.
fn take_own_time(record: &mut Record, time: &mut LogTime) {
    let first = record.message.bytes().next();
    let may_be_time = match first {
        Some(b'0'..=b'9' | b'[') => true,
        // The name of a month or a day of the week: only what names its program is known to have no level there.
        Some(b'A'..=b'Z') => record.program.is_some() && matches!(record.message.as_bytes().get(3), Some(b' ' | b',')),
        _ => false,
    };
    if !may_be_time {
        return;
    }
    let Some((own, rest)) = stamp::any(&record.message) else { return };
    let rest = rest.trim_start();
    if rest.is_empty() {
        return;
    }
    if *time == LogTime::Absent {
        *time = own;
    }
    record.message = rest.to_owned();
}
