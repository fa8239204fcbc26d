//! Back-pressure: sources wait while too much is in flight.

use std::sync::atomic::Ordering;

use super::shared::Inner;
use super::{Bus, Transaction};
use crate::limits;

impl Bus {
    /// Whether a source may append now.
    pub fn has_room(&self) -> bool {
        if self.is_full.load(Ordering::Relaxed) {
            return false;
        }
        let inner = self.lock();
        inner.pending_events < limits::IN_FLIGHT_EVENTS_MAX
            && inner.pending_bytes.max(inner.held_bytes) < inner.bytes_max
            && inner.has_memory()
            && inner.ledger.in_flight_max() < limits::IN_FLIGHT_EVENTS_MAX as u64
    }

    /// Sets how many bytes may wait for the hot store, and how many it may have to keep until all consumers have
    /// handled them: a part of its size.
    pub fn fit_to_store(&self, max_bytes: u64) {
        let part = usize::try_from(max_bytes / limits::IN_FLIGHT_PART_OF_STORE).unwrap_or(usize::MAX);
        self.lock().bytes_max = part.min(limits::IN_FLIGHT_BYTES_MAX);
        self.room.send_replace(());
    }

    /// Sets whether the process holds as much memory as it may: then sources wait.
    pub fn set_full(&self, is_full: bool) {
        if self.is_full.swap(is_full, Ordering::Relaxed) && !is_full {
            self.room.send_replace(());
        }
    }

    /// Waits until the log may hold more memory: for the rest of what was admitted as a whole and comes in portions.
    pub async fn admission_of_rest(&self) {
        let mut room = self.room.subscribe();
        while self.is_full.load(Ordering::Relaxed) || !self.lock().has_memory() {
            // The sender lives as long as the bus.
            let _ = room.changed().await;
        }
    }

    /// Waits until a source may append.
    pub async fn admission(&self) {
        let mut room = self.room.subscribe();
        while !self.has_room() {
            // The sender lives as long as the bus.
            let _ = room.changed().await;
        }
    }
}

impl Inner {
    fn has_memory(&self) -> bool {
        self.log.bytes() < 2 * limits::BUS_BYTES_MAX
    }

    /// Counts the bytes of a committed transaction of a source as held until every consumer has handled its events.
    pub(super) fn hold(&mut self, transaction: &Transaction) {
        if let Some(last) = transaction.events.last() {
            let bytes = transaction.weight();
            self.held.push_back((last.id, bytes));
            self.held_bytes += bytes;
        }
    }

    /// Notes the cursor of a committed transaction for its consumer.
    pub(super) fn note_cursor(&mut self, transaction: &Transaction) {
        let Some(cursor) = transaction.cursor else { return };
        if let Some(consumer) = self.ledger.find(&transaction.consumer).and_then(|id| self.ledger.get_mut(id)) {
            consumer.committed = consumer.committed.max(cursor);
        }
    }

    /// Stops counting what every consumer has handled.
    pub(super) fn let_go(&mut self) {
        let handled = self.ledger.committed();
        while let Some(&(last, bytes)) = self.held.front()
            && last <= handled
        {
            self.held.pop_front();
            self.held_bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::shared::tests::{bus, tick};
    use super::super::{Ready, Step};
    use super::*;
    use crate::event::{Body, Draft, EventId, Format, Raw};
    use crate::parse::built_in;

    #[tokio::test]
    async fn a_source_waits_while_the_process_holds_too_much_memory() {
        let (bus, _) = bus();
        bus.set_full(true);
        let waiting = bus.admission();
        tokio::pin!(waiting);
        assert!(futures_util::FutureExt::now_or_never(&mut waiting).is_none());
        bus.set_full(false);
        waiting.await;
    }

    #[test]
    fn a_source_waits_when_much_waits_for_a_small_store() {
        let (bus, _) = bus();
        bus.append("source", vec![tick(); 100], Vec::new(), Vec::new());
        assert!(bus.has_room());
        bus.fit_to_store(100 * limits::IN_FLIGHT_PART_OF_STORE);
        assert!(!bus.has_room());
    }

    #[tokio::test]
    async fn the_rest_of_what_was_admitted_waits_for_memory_alone() {
        let (bus, _) = bus();
        bus.append("source", vec![tick(); limits::IN_FLIGHT_EVENTS_MAX], Vec::new(), Vec::new());
        assert!(!bus.has_room());
        bus.admission_of_rest().await;
        let attribute = ("k".to_owned(), "v".repeat(2 * limits::BUS_BYTES_MAX));
        let raw = Raw::new("s".into(), "c".into(), Format::Text, "x".into(), vec![attribute], built_in());
        let draft = Draft { body: Body::Raw(raw), ..tick() };
        bus.append("source", vec![draft], Vec::new(), Vec::new());
        let waiting = bus.admission_of_rest();
        tokio::pin!(waiting);
        assert!(futures_util::FutureExt::now_or_never(&mut waiting).is_none());
        while bus.uncommitted_transactions() > 0 {
            bus.confirm(&bus.pending(usize::MAX));
        }
        waiting.await;
    }

    #[test]
    fn a_source_waits_until_it_is_committed_that_what_it_brought_was_handled() {
        let (bus, id) = bus();
        bus.fit_to_store(100 * limits::IN_FLIGHT_PART_OF_STORE);
        let (generation, _, mut reader) = bus.begin(id, EventId::ZERO, Arc::new(|| ())).unwrap();
        bus.append("source", vec![tick(); 100], Vec::new(), Vec::new());
        bus.confirm(&bus.pending(usize::MAX));
        assert!(!bus.has_room(), "the store may not remove it yet");
        let Ready::Batch { upto, .. } = bus.next(&mut reader, 1000) else { panic!("nothing to read") };
        bus.step(id, generation, Step { cursor: upto, handled: 100, ..Step::default() }).unwrap();
        assert!(!bus.has_room(), "a restart would need it again");
        bus.confirm(&bus.pending(usize::MAX));
        assert!(bus.has_room());
    }

    #[test]
    fn what_was_handled_gives_back_exactly_what_it_took_of_the_room_in_the_store() {
        let (bus, id) = bus();
        let (generation, _, mut reader) = bus.begin(id, EventId::ZERO, Arc::new(|| ())).unwrap();
        let held = |bus: &crate::bus::Bus| bus.lock().held_bytes;
        let taken = [3, 100, 7].map(|events| {
            let before = held(&bus);
            bus.append("source", vec![tick(); events], Vec::new(), Vec::new());
            bus.confirm(&bus.pending(usize::MAX));
            held(&bus) - before
        });
        for (count, bytes) in [3, 100, 7].into_iter().zip(taken) {
            let before = held(&bus);
            let Ready::Batch { upto, .. } = bus.next(&mut reader, count) else { panic!("nothing to read") };
            bus.step(id, generation, Step { cursor: upto, handled: count as u64, ..Step::default() }).unwrap();
            bus.confirm(&bus.pending(usize::MAX));
            assert!(bytes > 0);
            assert_eq!(held(&bus), before - bytes);
        }
    }

    #[test]
    fn a_source_waits_while_a_consumer_is_behind_and_goes_on_when_it_failed() {
        let (bus, id) = bus();
        for _ in 0..limits::IN_FLIGHT_EVENTS_MAX / limits::TRANSACTION_EVENTS_MAX {
            bus.append("source", vec![tick(); limits::TRANSACTION_EVENTS_MAX], Vec::new(), Vec::new());
            let transactions = bus.pending(usize::MAX);
            bus.confirm(&transactions);
        }
        assert!(!bus.has_room());
        bus.detach(id);
        assert!(bus.has_room());
    }

    #[test]
    fn what_only_a_given_up_consumer_has_not_handled_holds_no_source_up() {
        let (bus, id) = bus();
        bus.fit_to_store(100 * limits::IN_FLIGHT_PART_OF_STORE);
        bus.append("source", vec![tick(); 100], Vec::new(), Vec::new());
        bus.confirm(&bus.pending(usize::MAX));
        assert!(!bus.has_room());
        bus.detach(id);
        assert!(bus.has_room());
    }
}
