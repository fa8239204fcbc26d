//! Events made ready for one push, and the JSON that Loki takes.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use super::Labels;
use crate::event::{Body, Category, Event, EventId, Severity, wire};
use crate::limits::{LOKI_BATCH_BYTES_MAX, LOKI_BATCH_EVENTS_MAX};
use crate::outlet::driver;

/// In the order of ids, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    id: EventId,
    severity: Severity,
    category: Category,
    line: String,
}

impl Batch {
    /// As many of the events as fit, at least one; `None` when there are none. Events that are no SOC events are left out.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<Self> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for entry in events.into_iter().filter_map(Entry::of) {
            bytes += entry.line.len();
            let fits = entries.len() < LOKI_BATCH_EVENTS_MAX && bytes <= LOKI_BATCH_BYTES_MAX;
            if !fits && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        (!entries.is_empty()).then_some(Self(entries))
    }

    /// How many lines there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The body of a push.
    pub fn body(&self, labels: &Labels) -> Bytes {
        let mut streams: BTreeMap<(Severity, Category), Vec<(String, &str)>> = BTreeMap::new();
        for entry in &self.0 {
            let value = (nanoseconds(entry.id).to_string(), entry.line.as_str());
            streams.entry((entry.severity, entry.category)).or_default().push(value);
        }
        let streams = streams
            .into_iter()
            .map(|((severity, category), values)| StreamForm { stream: labels.of(severity, category), values });
        // Text with text keys always serialises.
        serde_json::to_vec(&Push { streams: streams.collect() }).unwrap_or_default().into()
    }
}

impl driver::Batch for Batch {
    fn events(&self) -> u64 {
        self.0.len() as u64
    }

    fn through(&self) -> EventId {
        self.0.last().map(|entry| entry.id).unwrap_or_default()
    }

    fn halves(mut self) -> Result<(Self, Self), Self> {
        if self.0.len() < 2 {
            return Err(self);
        }
        let second = self.0.split_off(self.0.len() / 2);
        Ok((self, Self(second)))
    }
}

/// What is asked of Loki when there is nothing to push: whether it is there and knows us.
pub(super) const NOTHING: &[u8] = br#"{"streams":[]}"#;

#[derive(Serialize)]
struct Push<'a> {
    streams: Vec<StreamForm<'a>>,
}

#[derive(Serialize)]
struct StreamForm<'a> {
    stream: BTreeMap<&'a str, &'a str>,
    /// The time as text, then the line.
    values: Vec<(String, &'a str)>,
}

impl Entry {
    fn of(event: &Event) -> Option<Self> {
        let Body::Soc(soc) = &event.body else { return None };
        let line = wire::to_text(event);
        Some(Self { id: event.id, severity: soc.severity, category: soc.category, line })
    }
}

/// Nanoseconds since the epoch. Never smaller than those of an earlier id; that there may be more ids in a millisecond than
/// nanoseconds does not matter, for the lines differ.
fn nanoseconds(id: EventId) -> u64 {
    id.ms() * 1_000_000 + u64::from(id.n().min(999_999))
}

#[cfg(test)]
mod tests {
    use driver::Batch as _;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::Config;
    use super::*;
    use crate::event::{Soc, Stream, Times, Timestamp};

    fn event(n: u32, severity: Severity, summary: &str) -> Event {
        let id = EventId::new(1_763_856_000_123, n);
        let soc = Soc { severity, summary: summary.into(), ..Soc::default() };
        let body = Body::Soc(Box::new(soc));
        Event { id, stream: Stream::SocEvents, times: Times::at(Timestamp::from_millis(1500)), root: id, body }
    }

    fn labels() -> Labels {
        Labels::new(&toml::from_str::<Config>("url = \"http://h\"").unwrap(), "atlas")
    }

    fn body(batch: &Batch) -> Value {
        serde_json::from_slice(&batch.body(&labels())).unwrap()
    }

    #[test]
    fn a_push_has_one_stream_for_each_severity_and_category_with_the_lines_in_order() {
        let events = [event(7, Severity::High, "a"), event(8, Severity::Low, "b"), event(9, Severity::High, "c")];
        let batch = Batch::of(&events).unwrap();
        assert_eq!((batch.count(), batch.through()), (3, events[2].id));
        let body = body(&batch);
        let streams = body["streams"].as_array().unwrap();
        assert_eq!(streams.len(), 2);
        let high = streams.iter().find(|stream| stream["stream"]["severity"] == "HIGH").unwrap();
        let values = high["values"].as_array().unwrap();
        assert_eq!(values[0][0], "1763856000123000007");
        assert_eq!(values[1][0], "1763856000123000009");
        let line: Value = serde_json::from_str(values[1][1].as_str().unwrap()).unwrap();
        assert_eq!(line, wire::to_json(&events[2]), "the line is the event as everybody else sees it");
    }

    #[test]
    fn what_is_asked_with_nothing_to_push_is_a_push() {
        assert_eq!(NOTHING, serde_json::to_vec(&Push { streams: Vec::new() }).unwrap());
    }

    #[test]
    fn a_push_is_bounded_in_events_and_in_bytes_but_never_empty() {
        let many: Vec<_> = (0..2 * LOKI_BATCH_EVENTS_MAX as u32).map(|n| event(n, Severity::Low, "")).collect();
        let batch = Batch::of(&many).unwrap();
        assert!(batch.count() <= LOKI_BATCH_EVENTS_MAX);
        assert_eq!(batch.through(), many[batch.count() - 1].id);
        assert!(batch.body(&labels()).len() <= 1024 * 1024);
        let long = "\"".repeat(LOKI_BATCH_BYTES_MAX);
        let large = [event(1, Severity::Low, &long), event(2, Severity::Low, &long)];
        assert_eq!(Batch::of(&large).unwrap().count(), 1);
        assert_eq!(Batch::of(&[]), None);
    }

    #[test]
    fn halves_have_all_events_in_order_and_one_event_has_no_halves() {
        let events: Vec<_> = (0..5).map(|n| event(n, Severity::Low, "")).collect();
        let batch = Batch::of(&events).unwrap();
        let (first, second) = batch.clone().halves().unwrap();
        assert_eq!([first.0, second.0].concat(), batch.0);
        let (first, second) = Batch::of(&events[..2]).unwrap().halves().unwrap();
        assert_eq!((first.count(), second.count()), (1, 1));
        let one = Batch::of(&events[..1]).unwrap();
        assert_eq!(one.clone().halves(), Err(one));
    }

    proptest! {
        #[test]
        fn the_time_of_an_entry_never_goes_back(ms in 0..1_u64 << 42, n in 0..1_u32 << 20, clock in 0..1_u64 << 42) {
            let id = EventId::new(ms, n);
            prop_assert!(nanoseconds(id.next(clock)) >= nanoseconds(id));
        }
    }
}
