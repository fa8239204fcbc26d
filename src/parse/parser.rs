//! One line through its format, its attributes and its program.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use ipnet::IpNet;

use super::proxy::Trusted;
use super::{attributes, envelope::open, joined, meaning, sender, time::Parsed};
use crate::event::{Format, Record, RecordParser, named};
use crate::formats::{Library, builtin};
use crate::limits;

/// What lines are parsed with.
#[derive(Debug, Default)]
pub struct Parser {
    library: Arc<Library>,
    trusted: Trusted,
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
        Self { library: Arc::new(library), trusted: Trusted::default() }
    }

    pub fn library(&self) -> &Library {
        &self.library
    }

    /// The same formats; what these proxies were told is believed.
    pub fn behind(&self, proxies: &[IpNet]) -> Self {
        Self { library: Arc::clone(&self.library), trusted: Trusted::new(proxies.to_vec()) }
    }

    /// Reads one line. Never fails: what has no structure is a message. `attributes` came beside the payload
    /// (journal fields, fields of a stream entry) and win over what the text says.
    ///
    /// Of a payload longer than [`limits::LINE_BYTES_MAX`] the rest is ignored; bytes that are not UTF-8, and NUL, become
    /// U+FFFD; fields past [`limits::FIELDS_PER_RECORD_MAX`] are left out.
    pub fn parse(&self, payload: &[u8], format: Format, attributes: &[(String, String)]) -> Parsed {
        let Some(first) = joined::first_line(payload, attributes) else {
            return self.read(payload, format, attributes);
        };
        let mut parsed = self.read(first, format, attributes);
        joined::go_on(&mut parsed.record, self.read(payload, format, attributes).record);
        parsed
    }

    fn read(&self, payload: &[u8], format: Format, attributes: &[(String, String)]) -> Parsed {
        let mut parsed = envelope(payload, format, attributes);
        meaning::describe(&mut parsed.record, &self.library, &self.trusted);
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
    // Journald has taken the header off already.
    let context = |name| named(attributes, name);
    let mut parsed = open(&line, format, context(joined::COLUMNS), attributes::sender(attributes));
    joined::number(&mut parsed.record, attributes);
    if let Some(before) = context(joined::BEFORE) {
        joined::join(&mut parsed, &line, before, format);
    }
    attributes::apply(&mut parsed.record, attributes);
    parsed
}

/// The fields alone, for whoever already has the time.
pub fn record(payload: &[u8], format: Format, attributes: &[(String, String)]) -> Record {
    parse(payload, format, attributes).record
}

/// As [`String::from_utf8_lossy`], which looks at character after character, does; what is UTF-8, as nearly all is, is only checked.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

fn line(payload: &[u8]) -> Cow<'_, str> {
    let payload = payload.get(..limits::LINE_BYTES_MAX).unwrap_or(payload);
    let text = lossy(payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload));
    if memchr::memchr(b'\0', text.as_bytes()).is_some() {
        return Cow::Owned(text.replace('\0', "\u{fffd}").trim_end_matches(['\n', '\r']).to_owned());
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches(['\n', '\r'])),
        Cow::Owned(text) => Cow::Owned(text.trim_end_matches(['\n', '\r']).to_owned()),
    }
}
