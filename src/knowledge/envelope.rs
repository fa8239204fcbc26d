//! What stands round a program's message.

use crate::event::Format;
use crate::formats::Envelope;
use crate::parse;

/// What the daemon's envelope readers make of a line of an unknown format.
pub fn envelope(line: &str) -> Envelope {
    let record = parse::envelope(line.as_bytes(), Format::Auto, &[]).record;
    let message = parse::meaning::said(&record.message).to_owned();
    Envelope { program: record.program, message, fields: record.fields }
}
