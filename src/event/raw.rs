//! A received line or message, and the record that a parser reads from it.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Format, Provenance, Record};

/// Reads the named fields of a payload. An event is made with the parser of its time and keeps it, so that formats which
/// are loaded later never change what an older event says.
pub trait RecordParser: Send + Sync {
    /// A pure function of its arguments.
    fn record(&self, payload: &[u8], format: Format, attributes: &[(String, String)]) -> Record;
}

/// What the keys of sources that senders have named begin with. No source of the configuration is called so.
const NAMED: &str = "named:";

/// One received line or message, unchanged.
#[derive(Clone)]
pub struct Raw {
    /// Where it came from: `journal`, `file:/var/log/auth.log`, `http`, or what the sender named.
    pub source: Arc<str>,
    /// The sender itself has named the source: it may have named it like one that is configured, see [`Raw::source_key`].
    pub is_named: bool,
    pub compartment: Arc<str>,
    pub format: Format,
    pub payload: Bytes,
    /// What came beside the payload: journal fields, fields of a stream entry. Sorted by name.
    pub attributes: Vec<(String, String)>,
    /// Where it was read. Beside what it says: no stage judges by it.
    pub provenance: Option<Box<Provenance>>,
    parser: Arc<dyn RecordParser>,
    record: OnceLock<Box<Record>>,
    /// What was seen of its message at a glance.
    glance: OnceLock<u8>,
}

impl Raw {
    /// The record is read by `parser` when the first stage asks for it.
    pub fn new(
        source: Arc<str>,
        compartment: Arc<str>,
        format: Format,
        payload: Bytes,
        mut attributes: Vec<(String, String)>,
        parser: Arc<dyn RecordParser>,
    ) -> Self {
        attributes.sort();
        let (is_named, provenance, record, glance) = Default::default();
        Self { source, is_named, compartment, format, payload, attributes, provenance, parser, record, glance }
    }

    /// The same, with the record that the source has already parsed, so that no stage parses it again.
    #[must_use]
    pub fn with_record(self, record: Record) -> Self {
        Self { record: OnceLock::from(Box::new(record.with_names_cut())), glance: OnceLock::new(), ..self }
    }

    /// The same, of a source that its sender has named, or not.
    #[must_use]
    pub fn named_by_sender(self, is_named: bool) -> Self {
        Self { is_named, ..self }
    }

    /// The same, read there.
    #[must_use]
    pub fn read_at(self, provenance: Option<Provenance>) -> Self {
        Self { provenance: provenance.map(Box::new), ..self }
    }

    /// What tells its source from all others: names that senders give are apart from those that the daemon gives, so that nobody
    /// keeps a file alive, fills its places or speaks for the machine by calling himself like them.
    pub fn source_key(&self) -> Cow<'_, str> {
        if self.is_named { Cow::Owned(named_source(&self.source)) } else { Cow::Borrowed(&self.source) }
    }

    /// The record, if it has been read already.
    pub fn parsed(&self) -> Option<&Record> {
        self.record.get().map(|record| &**record)
    }

    /// The named fields of the payload: a pure function of payload, format and attributes, computed once however
    /// many stages ask.
    pub fn record(&self) -> &Record {
        let read = || self.parser.record(&self.payload, self.format, &self.attributes).with_names_cut();
        self.record.get_or_init(|| Box::new(read()))
    }

    /// What `look` sees of its message: a function of that alone, computed once however many stages ask.
    pub fn glance(&self, look: impl FnOnce(&str) -> u8) -> u8 {
        *self.glance.get_or_init(|| look(&self.record().message))
    }
}

/// The key of a source that senders have named so.
pub fn named_source(name: &str) -> String {
    format!("{NAMED}{name}")
}

/// The name in a key of [`Raw::source_key`], as it is shown.
pub fn source_name(key: &str) -> &str {
    key.strip_prefix(NAMED).unwrap_or(key)
}

impl fmt::Debug for Raw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Raw")
            .field("source", &self.source)
            .field("is_named", &self.is_named)
            .field("compartment", &self.compartment)
            .field("format", &self.format)
            .field("payload", &self.payload)
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl RecordParser for Counting {
        fn record(&self, payload: &[u8], _: Format, _: &[(String, String)]) -> Record {
            self.0.fetch_add(1, Ordering::Relaxed);
            Record { message: String::from_utf8_lossy(payload).into_owned(), ..Record::default() }
        }
    }

    #[test]
    fn a_source_that_a_sender_has_named_like_another_is_not_that_one() {
        let raw = Raw::new("file:/a".into(), "".into(), Format::Auto, "".into(), Vec::new(), crate::parse::built_in());
        let own = raw.source_key().into_owned();
        let named = raw.named_by_sender(true);
        assert_ne!(named.source_key(), own);
        assert_eq!((source_name(&own), source_name(&named.source_key())), ("file:/a", "file:/a"));
    }

    #[test]
    fn an_event_is_parsed_by_its_own_parser_when_asked_and_only_once() {
        let parser = Arc::new(Counting::default());
        let raw = Raw::new("s".into(), "c".into(), Format::Auto, "line".into(), Vec::new(), parser.clone());
        assert_eq!(parser.0.load(Ordering::Relaxed), 0);
        assert_eq!((raw.record().message.as_str(), raw.record().message.as_str()), ("line", "line"));
        let copy = raw.clone();
        assert_eq!((raw.record(), copy.record()), (copy.record(), raw.record()));
        assert_eq!(parser.0.load(Ordering::Relaxed), 1);
        let parsed = raw.with_record(Record { message: "known".into(), ..Record::default() });
        assert_eq!((parsed.record().message.as_str(), parser.0.load(Ordering::Relaxed)), ("known", 1));
    }
}
