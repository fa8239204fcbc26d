//! The ledger: how far each consumer is, and that every event it was given is handled, quarantined, lost or in flight.

use crate::event::{Event, EventId, Interest};

/// Index of a consumer in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerId(pub(super) usize);

/// One reader of the log that sources must not outrun.
#[derive(Debug, Clone)]
pub struct Consumer {
    /// Of its actor: `l3`, `device-51`.
    pub name: String,
    /// The kinds of events that it is given.
    pub reads: Interest,
    /// The kind of events that it emits.
    pub writes: Interest,
    /// It has handled everything that follows from events up to here.
    pub cursor: EventId,
    /// The cursor that is in the hot store.
    pub committed: EventId,
    /// Raised when its actor is replaced: steps of an abandoned actor are refused.
    pub generation: u64,
    /// False for a consumer that failed for good: sources do not wait for it. It goes on from its cursor when it is
    /// started again.
    pub attached: bool,
    /// Events that were counted for it since the start of the process, those that it had not handled then included.
    pub received: u64,
    /// Of these, events whose outputs are on the log.
    pub handled: u64,
    /// Of these, events that it failed on twice; they are dead letters.
    pub quarantined: u64,
    /// Outputs that were refused because one event asked for more than
    /// [`OUTPUTS_PER_EVENT_MAX`](crate::limits::OUTPUTS_PER_EVENT_MAX).
    pub refused: u64,
    /// Came while it was given up, and were past their retention when it came back.
    pub lost: u64,
    /// Those whose output it reads.
    upstream: Vec<usize>,
}

impl Consumer {
    /// Events that it was counted for and has not dealt with yet: its lag.
    pub fn in_flight(&self) -> u64 {
        self.received.saturating_sub(self.handled + self.quarantined + self.lost)
    }
}

/// The state of all consumers. Pure: the bus keeps it behind its lock.
#[derive(Debug, Default)]
pub struct Ledger {
    consumers: Vec<Consumer>,
    /// By index of an event's kind: how late in the graph its writer comes. Events from outside come first.
    rank: Vec<u8>,
}

impl Ledger {
    /// Consumers in the order of the graph: who reads another's output comes after it.
    pub fn new(consumers: impl IntoIterator<Item = (String, Interest, Interest, EventId)>) -> Self {
        let mut ledger = Self { consumers: Vec::new(), rank: vec![0; 64] };
        for (name, reads, writes, cursor) in consumers {
            let upstream = (0..ledger.consumers.len())
                .filter(|&index| ledger.consumers.get(index).is_some_and(|other| other.writes.overlaps(reads)))
                .collect();
            let position = ledger.consumers.len() + 1;
            for kind in writes.indices() {
                if let Some(rank) = ledger.rank.get_mut(kind) {
                    *rank = u8::try_from(position).unwrap_or(u8::MAX);
                }
            }
            ledger.consumers.push(Consumer {
                name,
                reads,
                writes,
                cursor,
                committed: cursor,
                generation: 0,
                attached: true,
                received: 0,
                handled: 0,
                quarantined: 0,
                refused: 0,
                lost: 0,
                upstream,
            });
        }
        ledger
    }

    /// `None` for an id of another ledger.
    pub fn get(&self, id: ConsumerId) -> Option<&Consumer> {
        self.consumers.get(id.0)
    }

    /// Counts as lost what this consumer waits for and will not get; returns how many events that are, if any.
    pub fn write_off(&mut self, id: ConsumerId) -> Option<u64> {
        let consumer = self.get_mut(id)?;
        let lost = consumer.in_flight();
        consumer.lost += lost;
        (lost > 0).then_some(lost)
    }

    /// As [`get`](Self::get).
    pub fn get_mut(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.consumers.get_mut(id.0)
    }

    /// In the order of the graph.
    pub fn all(&self) -> &[Consumer] {
        &self.consumers
    }

    /// The consumer of this name; `None` when there is none.
    pub fn find(&self, name: &str) -> Option<ConsumerId> {
        self.consumers.iter().position(|consumer| consumer.name == name).map(ConsumerId)
    }

    /// Up to which root everything that this consumer reads has been written: the newest root for those who read only
    /// what comes from outside, else the least cursor of those it reads from.
    pub fn frontier(&self, id: ConsumerId, last_root: EventId) -> EventId {
        let upstream = self.consumers.get(id.0).map_or(&[][..], |consumer| &consumer.upstream);
        upstream
            .iter()
            .filter_map(|&index| self.consumers.get(index))
            .filter(|consumer| consumer.attached)
            .map(|consumer| consumer.cursor)
            .fold(last_root, EventId::min)
    }

    /// Every attached consumer has handled everything up to here, by what is committed.
    pub fn committed(&self) -> EventId {
        let attached = self.consumers.iter().filter(|consumer| consumer.attached);
        attached.map(|consumer| consumer.committed).min().unwrap_or(EventId::MAX)
    }

    /// The place of an event among those with the same root: that of its writer in the graph.
    pub fn rank(&self, kind: Interest) -> u8 {
        self.rank.get(kind.index()).copied().unwrap_or(0)
    }

    /// Counts appended events as received by all who read them.
    pub fn receive<'a>(&mut self, events: impl IntoIterator<Item = &'a Event>) {
        let mut counts = [0_u64; 64];
        for event in events {
            if let Some(count) = counts.get_mut(event.kind().index()) {
                *count += 1;
            }
        }
        for consumer in &mut self.consumers {
            consumer.received += consumer.reads.indices().filter_map(|kind| counts.get(kind)).sum::<u64>();
        }
    }

    /// The largest backlog, in events, of the consumers that sources must not outrun.
    pub fn in_flight_max(&self) -> u64 {
        self.consumers.iter().filter(|consumer| consumer.attached).map(Consumer::in_flight).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Stream;

    fn ledger() -> Ledger {
        let l3_in = Interest::NONE.stream(Stream::L3In);
        let l3_out = Interest::NONE.stream(Stream::L3Out);
        let l4_out = Interest::NONE.stream(Stream::L4Out);
        Ledger::new([
            ("l3".to_owned(), l3_in, l3_out, EventId::ZERO),
            ("l4".to_owned(), l3_out, l4_out, EventId::ZERO),
            ("fusion".to_owned(), l3_out.stream(Stream::L4Out), Interest::NONE.soc(50), EventId::ZERO),
        ])
    }

    #[test]
    fn the_frontier_is_the_slowest_of_those_that_are_read() {
        let mut ledger = ledger();
        let (l3, l4, fusion) = (ConsumerId(0), ConsumerId(1), ConsumerId(2));
        let last = EventId::new(9, 0);
        ledger.get_mut(l3).unwrap().cursor = EventId::new(5, 0);
        ledger.get_mut(l4).unwrap().cursor = EventId::new(3, 0);
        assert_eq!(ledger.frontier(l3, last), last);
        assert_eq!(ledger.frontier(l4, last), EventId::new(5, 0));
        assert_eq!(ledger.frontier(fusion, last), EventId::new(3, 0));
    }

    #[test]
    fn a_failed_consumer_holds_nobody_up() {
        let mut ledger = ledger();
        ledger.get_mut(ConsumerId(0)).unwrap().cursor = EventId::new(5, 0);
        ledger.get_mut(ConsumerId(1)).unwrap().attached = false;
        assert_eq!(ledger.frontier(ConsumerId(2), EventId::new(9, 0)), EventId::new(5, 0));
    }
}
