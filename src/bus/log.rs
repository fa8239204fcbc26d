//! The log in memory: chunks of events in id order, from the start of a window to the newest.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

use crate::event::{Body, Decision, Draft, Entity, Event, EventId, Evidence, Provenance, Record, Soc};
use crate::limits;

/// One event of a chunk, shared: cheap to keep and to pass on.
#[derive(Debug, Clone)]
pub struct EventRef {
    chunk: Arc<[Event]>,
    index: usize,
}

impl EventRef {
    /// Every event of a chunk.
    pub fn all(chunk: &Arc<[Event]>) -> impl Iterator<Item = Self> + '_ {
        (0..chunk.len()).map(|index| Self::of(chunk, index))
    }

    /// The event at this place of a chunk, where there is one.
    pub(super) fn of(chunk: &Arc<[Event]>, index: usize) -> Self {
        Self { chunk: Arc::clone(chunk), index }
    }
}

impl EventRef {
    /// The id of the event before this one in its chunk, or the largest that is certainly before it: where a reader
    /// stands that has not taken this one yet.
    pub fn id_before(&self) -> EventId {
        EventId::from_packed(self.id.packed() - 1)
    }
}

impl Deref for EventRef {
    type Target = Event;

    fn deref(&self) -> &Event {
        // Whoever calls `of` has seen the event there.
        #[allow(clippy::indexing_slicing)]
        &self.chunk[self.index]
    }
}

/// The newest part of the log. What is older is in the hot store alone.
#[derive(Debug)]
pub struct Log {
    chunks: VecDeque<Arc<[Event]>>,
    /// What each of them holds on to.
    sizes: VecDeque<usize>,
    bytes: usize,
    /// Everything after this id is in `chunks`.
    start: EventId,
    last: EventId,
    last_root: EventId,
    events: usize,
}

impl Log {
    /// Empty, going on after `last`.
    pub fn after(last: EventId) -> Self {
        Self {
            chunks: VecDeque::new(),
            sizes: VecDeque::new(),
            bytes: 0,
            start: last,
            last,
            last_root: last,
            events: 0,
        }
    }

    /// Bytes of memory that the window holds on to, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Events up to here are no longer in memory.
    pub fn start(&self) -> EventId {
        self.start
    }

    /// The id of the newest event, or the one that the log goes on after.
    pub fn last(&self) -> EventId {
        self.last
    }

    /// The newest event from outside.
    pub fn last_root(&self) -> EventId {
        self.last_root
    }

    /// Assigns ids to the drafts and appends them as one chunk.
    pub fn append(&mut self, drafts: Vec<Draft>, now_ms: u64) -> Arc<[Event]> {
        let chunk: Arc<[Event]> = drafts
            .into_iter()
            .map(|draft| {
                self.last = self.last.next(now_ms);
                if draft.root.is_none() {
                    self.last_root = self.last;
                }
                with_id(draft, self.last)
            })
            .collect();
        if !chunk.is_empty() {
            let size = chunk.iter().map(memory).sum();
            self.events += chunk.len();
            self.bytes += size;
            self.chunks.push_back(Arc::clone(&chunk));
            self.sizes.push_back(size);
        }
        chunk
    }

    /// Takes an id that no event will have: for a dead letter.
    pub fn reserve(&mut self, now_ms: u64) -> EventId {
        self.last = self.last.next(now_ms);
        self.last
    }

    /// Chunks that hold events after `id`, oldest first; the first may begin before it. `None` when that reaches back
    /// behind the window.
    pub fn chunks_after(&self, id: EventId) -> Option<impl Iterator<Item = &Arc<[Event]>>> {
        if id < self.start {
            return None;
        }
        let first = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|event| event.id <= id));
        Some(self.chunks.range(first..))
    }

    /// Drops the oldest chunks while there are too many events, or too large ones, but nothing after `committed`.
    pub fn trim(&mut self, committed: EventId) {
        while self.events > limits::BUS_EVENTS_MAX || self.bytes > limits::BUS_BYTES_MAX {
            let Some(last) = self.chunks.front().and_then(|chunk| chunk.last()).map(|event| event.id) else { return };
            if last > committed {
                return;
            }
            if let Some(chunk) = self.chunks.pop_front() {
                self.events -= chunk.len();
                self.bytes -= self.sizes.pop_front().unwrap_or_default();
                self.start = last;
            }
        }
    }
}

fn with_id(draft: Draft, id: EventId) -> Event {
    Event { id, stream: draft.stream, times: draft.times, root: draft.root.unwrap_or(id), body: draft.body }
}

/// Bytes of memory that an event holds on to, with what was read from its line before it was appended.
fn memory(event: &Event) -> usize {
    const PAIR: usize = 2 * size_of::<String>();
    let pairs =
        |pairs: &[(String, String)]| pairs.iter().map(|(key, value)| PAIR + key.len() + value.len()).sum::<usize>();
    let own = match &event.body {
        Body::Raw(raw) => {
            let read =
                raw.parsed().map_or(0, |record| size_of::<Record>() + record.message.len() + pairs(&record.fields));
            let place = raw.provenance.as_ref().map_or(0, |_| size_of::<Provenance>());
            place + raw.source.len() + raw.compartment.len() + raw.payload.len() + pairs(&raw.attributes) + read
        }
        body => weight(body),
    };
    size_of::<Event>() + own
}

/// Of an event without any text.
const FIXED: usize = 256;

/// Bytes of an event in the hot store, roughly: what admission counts.
pub fn weight(body: &Body) -> usize {
    match body {
        Body::Raw(raw) => {
            FIXED
                + raw.source.len()
                + raw.compartment.len()
                + 2 * raw.payload.len()
                + raw.attributes.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
        }
        Body::Decision(decision) => {
            let Decision { model, compartment, input_ref, entity, reasons, attack, summary, evidence, .. } =
                &**decision;
            let named = evidence.as_deref().map_or(0, Evidence::bytes);
            named + model.len() + judged([compartment, input_ref, summary], entity, [reasons, attack])
        }
        Body::Soc(soc) => {
            let Soc { compartment, input_ref, entity, reasons, attack, summary, evidence, .. } = &**soc;
            evidence.as_deref().map_or(0, Evidence::bytes)
                + judged([compartment, input_ref, summary], entity, [reasons, attack])
        }
        Body::Shrink(_) | Body::Tick => FIXED,
    }
}

/// Of what decisions and SOC events have in common.
fn judged(texts: [&str; 3], entity: &Entity, lists: [&[String]; 2]) -> usize {
    let texts = texts.into_iter().chain(lists.into_iter().flatten().map(String::as_str));
    4 * FIXED + entity.text_bytes() + texts.map(str::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::{Format, Raw, Stream, Times};
    use crate::parse::built_in;

    fn ticks(count: usize) -> Vec<Draft> {
        vec![Draft { stream: Stream::Tick, times: Times::default(), root: None, body: Body::Tick }; count]
    }

    #[test]
    fn ids_grow_over_appends_even_when_the_clock_jumps_back() {
        let mut log = Log::after(EventId::new(100, 0));
        log.append(ticks(3), 200);
        log.append(ticks(3), 50);
        let ids: Vec<_> =
            log.chunks_after(EventId::new(100, 0)).unwrap().flat_map(|chunk| chunk.iter().map(|e| e.id)).collect();
        assert_eq!(ids.len(), 6);
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    }

    #[test]
    fn a_line_weighs_its_bytes_twice_and_its_attributes_once() {
        let raw = |line: &'static str, attributes| {
            let line = Bytes::from_static(line.as_bytes());
            weight(&Body::Raw(Raw::new("s".into(), "c".into(), Format::Text, line, attributes, built_in())))
        };
        let empty = raw("", Vec::new());
        assert_eq!(raw("0123456789", Vec::new()), empty + 20);
        assert_eq!(raw("", vec![("key".to_owned(), "value".to_owned()); 2]), empty + 16);
        assert!(weight(&Body::Tick) > 0 && empty >= weight(&Body::Tick));
    }

    #[test]
    fn whatever_text_of_a_sender_an_event_holds_has_its_weight() {
        let long = || "x".repeat(10_000);
        let line = |source: String, compartment: String| {
            Body::Raw(Raw::new(source.into(), compartment.into(), Format::Text, Bytes::new(), Vec::new(), built_in()))
        };
        let judged = Decision::benign("m".into(), 15, "c".into(), EventId::ZERO);
        let entity = Entity { user: Some(long()), ..Entity::default() };
        let bodies = [
            line(long(), String::new()),
            line(String::new(), long()),
            Body::Decision(Box::new(Decision { model: long().into(), ..judged.clone() })),
            Body::Decision(Box::new(Decision { entity: entity.clone(), ..judged.clone() })),
            Body::Decision(Box::new(Decision { summary: long(), ..judged.clone() })),
            Body::Decision(Box::new(Decision { reasons: vec![long()], ..judged })),
            Body::Soc(Box::new(Soc { entity, ..Soc::default() })),
            Body::Soc(Box::new(Soc { attack: vec![long()], ..Soc::default() })),
        ];
        for body in bodies {
            assert!((10_000..12_000).contains(&weight(&body)), "{body:?}");
        }
    }

    #[test]
    fn the_window_holds_as_many_committed_events_as_it_may_and_not_one_more() {
        let mut log = Log::after(EventId::ZERO);
        log.append(ticks(1), 1);
        log.append(ticks(limits::BUS_EVENTS_MAX - 1), 2);
        log.trim(log.last());
        assert_eq!(log.start(), EventId::ZERO);
        log.append(ticks(1), 3);
        log.trim(log.last());
        assert!(log.start() > EventId::ZERO && log.chunks_after(log.start()).unwrap().count() == 2);
    }

    #[test]
    fn what_is_not_committed_stays_in_the_window() {
        let mut log = Log::after(EventId::ZERO);
        let first = log.append(ticks(limits::BUS_EVENTS_MAX), 1);
        log.append(ticks(10), 2);
        log.trim(EventId::ZERO);
        assert!(log.chunks_after(EventId::ZERO).is_some());
        log.trim(first.last().unwrap().id);
        assert!(log.chunks_after(EventId::ZERO).is_none());
        assert_eq!(log.chunks_after(log.start()).unwrap().map(|chunk| chunk.len()).sum::<usize>(), 10);
    }

    #[test]
    fn few_events_that_hold_much_are_dropped_as_well_when_they_are_committed() {
        let record = Record { fields: vec![("k".to_owned(), "v".repeat(1 << 20)); 8], ..Record::default() };
        let raw = Raw::new("s".into(), "c".into(), Format::Text, Bytes::new(), Vec::new(), built_in());
        let draft = || Draft { body: Body::Raw(raw.clone().with_record(record.clone())), ..ticks(1).remove(0) };
        let mut log = Log::after(EventId::ZERO);
        while log.bytes() <= limits::BUS_BYTES_MAX {
            log.append(vec![draft()], 1);
        }
        let start = log.start();
        log.trim(start);
        assert_eq!(log.start(), start, "not before they are committed");
        log.trim(log.last());
        assert!(log.start() > start && log.bytes() <= limits::BUS_BYTES_MAX);
        log.append(ticks(limits::BUS_EVENTS_MAX + 1), 2);
        log.trim(log.last());
        assert!(log.chunks_after(log.start()).is_some() && log.bytes() < 1 << 20, "{}", log.bytes());
    }

    #[test]
    fn reading_after_an_id_begins_in_the_chunk_that_holds_the_next() {
        let mut log = Log::after(EventId::ZERO);
        let chunk = log.append(ticks(3), 1);
        let after: Vec<_> = log.chunks_after(chunk[0].id).unwrap().collect();
        assert_eq!(after.len(), 1);
        assert_eq!(log.chunks_after(chunk[2].id).unwrap().count(), 0);
    }
}
