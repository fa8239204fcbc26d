//! One line through its format, its attributes and its program.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use super::{attributes, auditd, json, logfmt, program, rfc5424, sender, syslog, text, time::Parsed};
use crate::event::{Format, Record, RecordParser};
use crate::formats::{Library, builtin};
use crate::limits;

/// What lines are parsed with.
#[derive(Debug, Default)]
pub struct Parser {
    library: Library,
}

/// The parser of the formats that are compiled in.
pub fn built_in() -> Arc<Parser> {
    static BUILT_IN: LazyLock<Arc<Parser>> = LazyLock::new(|| Arc::new(Parser::new(Library::new(&builtin::texts()).0)));
    Arc::clone(&BUILT_IN)
}

impl RecordParser for Parser {
    fn record(&self, payload: &[u8], format: Format, attributes: &[(String, String)]) -> Record {
        self.parse(payload, format, attributes).record
    }
}

impl Parser {
    pub fn new(library: Library) -> Self {
        Self { library }
    }

    /// Reads one line. Never fails: what has no structure is a message. `attributes` came beside the payload
    /// (journal fields, fields of a stream entry) and win over what the text says.
    ///
    /// Of a payload longer than [`limits::LINE_BYTES_MAX`] the rest is ignored; bytes that are not UTF-8, and NUL, become
    /// U+FFFD; fields past [`limits::FIELDS_PER_RECORD_MAX`] are left out.
    pub fn parse(&self, payload: &[u8], format: Format, attributes: &[(String, String)]) -> Parsed {
        let mut parsed = envelope(payload, format, attributes);
        program::describe(&mut parsed.record, &self.library);
        sender::check(&mut parsed.record, attributes);
        parsed
    }
}

/// As [`Parser::parse`], with the formats that are compiled in.
pub fn parse(payload: &[u8], format: Format, attributes: &[(String, String)]) -> Parsed {
    built_in().parse(payload, format, attributes)
}

/// The same without what the program's message means.
pub fn envelope(payload: &[u8], format: Format, attributes: &[(String, String)]) -> Parsed {
    let line = line(payload);
    let mut parsed = match format {
        Format::Auto => auto(&line, attributes),
        Format::Syslog | Format::ShortIso => syslog::read(&line),
        Format::Rfc5424 => rfc5424::read(&line),
        Format::Json => json::read(&line),
        Format::Logfmt => logfmt::read(&line),
        Format::Auditd => auditd::read(&line),
        Format::Text => None,
    }
    .unwrap_or_else(|| text::read(&line));
    json::unwrap(&mut parsed);
    attributes::apply(&mut parsed.record, attributes);
    parsed
}

/// The fields alone, for whoever already has the time.
pub fn record(payload: &[u8], format: Format, attributes: &[(String, String)]) -> Record {
    parse(payload, format, attributes).record
}

fn line(payload: &[u8]) -> Cow<'_, str> {
    let payload = payload.get(..limits::LINE_BYTES_MAX).unwrap_or(payload);
    let text = String::from_utf8_lossy(payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload));
    if text.contains('\0') {
        return Cow::Owned(text.replace('\0', "\u{fffd}").trim_end_matches(['\n', '\r']).to_owned());
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches(['\n', '\r'])),
        Cow::Owned(text) => Cow::Owned(text.trim_end_matches(['\n', '\r']).to_owned()),
    }
}

/// The first bytes decide; when a reader finds its format broken, the next one is tried.
fn auto(line: &str, attributes: &[(String, String)]) -> Option<Parsed> {
    // Journald has taken the header off already: what looks like one was written by the sender.
    let bare = attributes::names_program(attributes);
    match line.bytes().next()? {
        b'{' => json::read(line),
        b'<' if !bare => rfc5424::read(line).or_else(|| syslog::read(line)),
        b't' | b'n' if auditd::begins(line) => auditd::read(line),
        b'0'..=b'9' | b'A'..=b'Z' | b'[' if !bare => syslog::read(line).or_else(|| logfmt::detect(line)),
        byte if byte.is_ascii_alphabetic() || byte == b'@' => {
            logfmt::detect(line).or_else(|| if bare { None } else { syslog::without_time(line) })
        }
        _ => None,
    }
}
