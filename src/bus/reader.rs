//! A consumer's place in the log, and the order in which it gets its events.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{ConsumerId, EventRef};
use crate::event::{Event, EventId, Interest};

/// Hands one consumer its events in order of root, then of their writer's place in the graph, then of id. Written in
/// that order or not: an event is held back until everything with an earlier root has been written.
#[derive(Debug)]
pub struct Reader {
    pub(super) consumer: ConsumerId,
    reads: Interest,
    /// Everything that follows from events up to here has been handed out.
    at: EventId,
    /// The log has been looked through up to here.
    pub(super) scanned: EventId,
    held: Held,
    /// Nothing was kept for it for a time: what it finds may not be all that was counted for it.
    pub(super) may_have_lost: bool,
}

/// What a reader can hand out.
#[derive(Debug)]
pub enum Ready {
    /// All that is ready up to this root, whole groups of one root; perhaps none, when only the root moved.
    Batch { events: Vec<EventRef>, upto: EventId },
    /// Nothing until the log moves.
    Nothing,
    /// So many events that were counted for this consumer are in the log no more; they have been written off.
    Lost(u64),
    /// Memory no longer has the events after `after` up to `window`: ask the hot store for them and
    /// [`feed`](Reader::feed) them.
    Behind { after: EventId, window: EventId },
}

impl Reader {
    /// `at`: what follows from events up to here has been handled already.
    pub(super) fn new(consumer: ConsumerId, reads: Interest, at: EventId) -> Self {
        Self { consumer, reads, at, scanned: at, held: Held::default(), may_have_lost: false }
    }

    /// The kinds of events that it hands out.
    pub fn reads(&self) -> Interest {
        self.reads
    }

    /// Everything that follows from events up to here has been handed out.
    pub fn at(&self) -> EventId {
        self.at
    }

    /// Whether it holds no event back that has been written for it.
    pub(super) fn is_drained(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes events that were read from the hot store; everything up to `scanned` has then been seen.
    pub fn feed(&mut self, events: Vec<Event>, scanned: EventId, rank: impl Fn(Interest) -> u8) {
        let chunk: Arc<[Event]> = events.into();
        self.look_through(&chunk, rank);
        self.scanned = self.scanned.max(scanned);
    }

    /// Keeps those events of the chunk that it reads and has not handed out. `rank` is the place of the writer of a kind in
    /// the graph.
    pub(super) fn look_through(&mut self, chunk: &Arc<[Event]>, rank: impl Fn(Interest) -> u8) {
        for (index, event) in chunk.iter().enumerate() {
            let kind = event.kind();
            if event.id > self.scanned && event.root > self.at && self.reads.overlaps(kind) {
                self.held.insert(rank(kind), EventRef::of(chunk, index));
            }
        }
    }

    /// Everything up to the frontier, at most about `count` events but never half of a root's.
    pub(super) fn take(&mut self, frontier: EventId, count: usize) -> Ready {
        let mut events: Vec<EventRef> = Vec::new();
        let mut upto = frontier.max(self.at);
        while let Some((root, queue)) = self.held.first(frontier) {
            if events.len() >= count && events.last().is_some_and(|last| last.root != root) {
                upto = events.last().map_or(upto, |last| last.root);
                break;
            }
            events.extend(queue.pop_front());
        }
        if events.is_empty() && upto == self.at {
            return Ready::Nothing;
        }
        self.at = upto;
        Ready::Batch { events, upto }
    }
}

/// Events that wait for their turn: for each place in the graph a queue in order of root, then of id. What one writer writes mostly
/// comes in this order, so that an event is put at the end of its queue.
#[derive(Debug, Default)]
struct Held {
    queues: Vec<VecDeque<EventRef>>,
}

impl Held {
    fn insert(&mut self, rank: u8, event: EventRef) {
        let rank = usize::from(rank);
        if self.queues.len() <= rank {
            self.queues.resize_with(rank + 1, VecDeque::new);
        }
        let Some(queue) = self.queues.get_mut(rank) else { return };
        let key = |event: &EventRef| (event.root, event.id);
        if queue.back().is_none_or(|last| key(last) < key(&event)) {
            queue.push_back(event);
            return;
        }
        let place = queue.partition_point(|other| key(other) < key(&event));
        if queue.get(place).is_none_or(|other| other.id != event.id) {
            queue.insert(place, event);
        }
    }

    /// The queue whose first event is the next one, with the root of that; if it is within the frontier.
    fn first(&mut self, frontier: EventId) -> Option<(EventId, &mut VecDeque<EventRef>)> {
        let firsts = self.queues.iter_mut().filter_map(|queue| Some((queue.front()?.root, queue)));
        // Of equal ones the first, which is that of the first writer.
        firsts.min_by_key(|(root, _)| *root).filter(|(root, _)| *root <= frontier)
    }

    fn is_empty(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Body, Stream, Times};

    fn event(id: u64, root: u64, stream: Stream) -> Event {
        Event {
            id: EventId::new(id, 0),
            stream,
            times: Times::default(),
            root: EventId::new(root, 0),
            body: Body::Tick,
        }
    }

    fn reader() -> Reader {
        Reader::new(ConsumerId(0), Interest::NONE.stream(Stream::L3Out).stream(Stream::L4Out), EventId::ZERO)
    }

    fn rank(kind: Interest) -> u8 {
        if kind.overlaps(Interest::NONE.stream(Stream::L4Out)) { 2 } else { 1 }
    }

    fn given(ready: Ready) -> Vec<(u64, u64)> {
        match ready {
            Ready::Batch { events, .. } => events.iter().map(|event| (event.root.ms(), event.id.ms())).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn events_come_in_order_of_root_and_writer_whatever_order_they_were_written_in() {
        let mut reader = reader();
        let written = vec![event(10, 1, Stream::L3Out), event(11, 2, Stream::L3Out), event(12, 1, Stream::L4Out)];
        reader.feed(written, EventId::new(12, 0), rank);
        assert_eq!(given(reader.take(EventId::new(2, 0), 10)), [(1, 10), (1, 12), (2, 11)]);
    }

    #[test]
    fn an_event_waits_until_its_root_is_within_the_frontier() {
        let mut reader = reader();
        reader.feed(vec![event(10, 1, Stream::L3Out), event(11, 5, Stream::L3Out)], EventId::new(11, 0), rank);
        assert_eq!(given(reader.take(EventId::new(4, 0), 10)), [(1, 10)]);
        assert!(matches!(reader.take(EventId::new(4, 0), 10), Ready::Nothing));
        assert_eq!(given(reader.take(EventId::new(5, 0), 10)), [(5, 11)]);
    }

    #[test]
    fn what_was_handled_before_a_restart_does_not_come_again() {
        let reads = Interest::NONE.stream(Stream::L3Out);
        let mut reader = Reader::new(ConsumerId(0), reads, EventId::new(2, 0));
        reader.feed(vec![event(10, 2, Stream::L3Out), event(11, 3, Stream::L3Out)], EventId::new(11, 0), rank);
        assert_eq!(given(reader.take(EventId::new(3, 0), 10)), [(3, 11)]);
    }

    proptest! {
        #[test]
        fn batches_of_any_size_give_every_event_once_and_never_half_a_root(roots in prop::collection::vec(1..20_u64, 1..60), count in 1..7_usize) {
            let mut reader = reader();
            let written = roots.iter().zip(100..).map(|(&root, id)| event(id, root, Stream::L3Out)).collect();
            reader.feed(written, EventId::new(500, 0), rank);
            let mut seen = Vec::new();
            while let Ready::Batch { events, upto } = reader.take(EventId::new(30, 0), count) {
                prop_assert!(events.iter().all(|event| event.root <= upto));
                prop_assert_eq!(reader.at(), upto);
                prop_assert!(reader.held.queues.iter().flatten().all(|event| event.root > upto), "what is held is yet to come");
                prop_assert!(seen.last().is_none_or(|&(root, _)| events.iter().all(|event| event.root.ms() > root)));
                seen.extend(events.iter().map(|event| (event.root.ms(), event.id.ms())));
            }
            prop_assert_eq!(seen.len(), roots.len());
            prop_assert!(seen.is_sorted());
        }
    }
}
