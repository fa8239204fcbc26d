//! A received line or message, and the record that a parser reads from it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Format, Record};

/// Reads the named fields of a payload. An event is made with the parser of its time and keeps it, so that formats which
/// are loaded later never change what an older event says.
pub trait RecordParser: Send + Sync {
    /// A pure function of its arguments.
    fn record(&self, payload: &[u8], format: Format, attributes: &[(String, String)]) -> Record;
}

/// One received line or message, unchanged.
#[derive(Clone)]
pub struct Raw {
    /// Where it came from: `journal`, `file:/var/log/auth.log`, `http`, or what the sender named.
    pub source: Arc<str>,
    pub compartment: Arc<str>,
    pub format: Format,
    pub payload: Bytes,
    /// What came beside the payload: journal fields, fields of a stream entry. Sorted by name.
    pub attributes: Vec<(String, String)>,
    parser: Arc<dyn RecordParser>,
    record: OnceLock<Box<Record>>,
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
        Self { source, compartment, format, payload, attributes, parser, record: OnceLock::new() }
    }

    /// The same, with the record that the source has already parsed, so that no stage parses it again.
    #[must_use]
    pub fn with_record(self, record: Record) -> Self {
        Self { record: OnceLock::from(Box::new(record)), ..self }
    }

    /// The record, if it has been read already.
    pub fn parsed(&self) -> Option<&Record> {
        self.record.get().map(|record| &**record)
    }

    /// The named fields of the payload: a pure function of payload, format and attributes, computed once however
    /// many stages ask.
    pub fn record(&self) -> &Record {
        self.record.get_or_init(|| Box::new(self.parser.record(&self.payload, self.format, &self.attributes)))
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Raw")
            .field("source", &self.source)
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
