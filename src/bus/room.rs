//! The bus's end at the sources: who wants to append waits while too much is in flight.

use std::sync::atomic::Ordering;

use super::Bus;
use crate::limits;

impl Bus {
    /// Whether a source may append now.
    pub fn has_room(&self) -> bool {
        if self.is_full.load(Ordering::Relaxed) {
            return false;
        }
        let inner = self.lock();
        inner.pending_events < limits::IN_FLIGHT_EVENTS_MAX
            && inner.pending_bytes < inner.pending_bytes_max
            && inner.ledger.in_flight_max() < limits::IN_FLIGHT_EVENTS_MAX as u64
    }

    /// What waits for the hot store is to be small beside it.
    pub fn fit_to_store(&self, max_bytes: u64) {
        let part = usize::try_from(max_bytes / limits::IN_FLIGHT_PART_OF_STORE).unwrap_or(usize::MAX);
        self.lock().pending_bytes_max = part.min(limits::IN_FLIGHT_BYTES_MAX);
        self.room.send_replace(());
    }

    /// Whether the process holds as much memory as it may: then sources wait.
    pub fn set_full(&self, is_full: bool) {
        if self.is_full.swap(is_full, Ordering::Relaxed) && !is_full {
            self.room.send_replace(());
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

#[cfg(test)]
mod tests {
    use super::super::shared::tests::{bus, tick};
    use super::*;

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
        bus.confirm(&bus.pending(usize::MAX));
        assert!(bus.has_room());
    }

    #[test]
    fn a_source_waits_while_a_consumer_is_behind_and_goes_on_when_it_failed() {
        let (bus, id) = bus();
        for _ in 0..limits::IN_FLIGHT_EVENTS_MAX / limits::TURN_EVENTS_MAX {
            bus.append("source", vec![tick(); limits::TURN_EVENTS_MAX], Vec::new(), Vec::new());
            let turns = bus.pending(usize::MAX);
            bus.confirm(&turns);
        }
        assert!(!bus.has_room());
        bus.detach(id);
        assert!(bus.has_room());
    }
}
