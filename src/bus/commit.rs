//! The bus's two ends at the commit: transactions on their way to the hot store, and what the outside may see after it.

use std::sync::Arc;

use super::shared::Inner;
use super::{Bus, EventRef, Transaction};
use crate::event::{Event, EventId, Interest};

impl Bus {
    /// The oldest transactions that are not committed, about `count` events of them; they stay until
    /// [`confirm`](Self::confirm).
    pub fn pending(&self, count: usize) -> Vec<Arc<Transaction>> {
        let inner = self.lock();
        let mut events = 0;
        inner
            .pending
            .iter()
            .take_while(|transaction| {
                let fits = events == 0 || events + transaction.events.len() <= count;
                events += transaction.events.len();
                fits
            })
            .take(count)
            .cloned()
            .collect()
    }

    /// Waits until there is something to commit.
    pub async fn wait_pending(&self) {
        while self.lock().pending.is_empty() {
            self.to_commit.notified().await;
        }
    }

    /// The same for events: cursors alone are no reason to hurry.
    pub async fn wait_pending_events(&self) {
        while self.lock().pending_events == 0 {
            self.to_commit.notified().await;
        }
    }

    /// Waits as long as all that there is to commit is a tick, and that stages have handled it.
    pub async fn wait_news(&self) {
        while self.lock().has_ticks_alone() {
            self.news.notified().await;
        }
    }

    /// Waits until the stages have handled what is on the log: what follows from an event is then committed with it. Not when there is as
    /// much as `events` to commit already.
    pub async fn wait_settled(&self, events: usize) {
        while {
            let inner = self.lock();
            inner.pending_events < events && inner.can_move()
        } {
            self.settled.notified().await;
        }
    }

    /// Waits until this transaction is committed.
    pub async fn wait_committed(&self, transaction: &Arc<Transaction>) {
        let mut confirmed = self.room.subscribe();
        while self.lock().pending.iter().any(|pending| Arc::ptr_eq(pending, transaction)) {
            if confirmed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Notes that the oldest transactions are committed: the outside may see them, and memory need not keep them.
    pub fn confirm(&self, transactions: &[Arc<Transaction>]) {
        let mut inner = self.lock();
        for transaction in transactions {
            if inner.pending.front().is_some_and(|front| Arc::ptr_eq(front, transaction)) {
                inner.pending.pop_front();
                inner.pending_events -= transaction.events.len();
                inner.pending_bytes -= transaction.weight();
                // A transaction may bring dead letters alone: whoever waits for its end waits for theirs.
                let ends = [
                    transaction.events.last().map(|event| event.id),
                    transaction.dead_letters.last().map(|letter| letter.id),
                ];
                inner.committed = ends.into_iter().flatten().fold(inner.committed, EventId::max);
                inner.note_cursor(transaction);
            }
        }
        inner.let_go();
        let committed = inner.committed;
        inner.log.trim(committed);
        drop(inner);
        self.committed.send_if_modified(|seen| std::mem::replace(seen, committed) != committed);
        self.room.send_replace(());
    }

    /// Committed events after `after` that memory still has, at most `count`; `None`: ask the hot store. Also returns
    /// the id up to which the log has been looked through.
    pub fn committed_after(&self, after: EventId, reads: Interest, count: usize) -> Option<(Vec<EventRef>, EventId)> {
        let inner = self.lock();
        let committed = inner.committed;
        let mut found = Vec::new();
        for chunk in inner.log.chunks_after(after)? {
            for (index, event) in chunk.iter().enumerate().take_while(|(_, event)| event.id <= committed) {
                if event.id > after && reads.overlaps(event.kind()) {
                    let event = EventRef::of(chunk, index);
                    if found.len() == count {
                        return Some((found, event.id_before()));
                    }
                    found.push(event);
                }
            }
        }
        Some((found, committed.max(after)))
    }

    /// How many committed events there are with `after < id <= upto`; `None`: memory reaches not so far back.
    pub fn count_committed(&self, after: EventId, upto: EventId, reads: Interest) -> Option<u64> {
        let inner = self.lock();
        let upto = upto.min(inner.committed);
        let chunks = inner.log.chunks_after(after)?;
        let of_chunk = |chunk: &Arc<[Event]>| {
            chunk.iter().filter(|event| event.id > after && event.id <= upto && reads.overlaps(event.kind())).count()
        };
        let is_within = |chunk: &&Arc<[Event]>| chunk.first().is_some_and(|first| first.id <= upto);
        Some(chunks.take_while(is_within).map(of_chunk).sum::<usize>() as u64)
    }
}

impl Inner {
    /// What follows from an event but says nothing is none: it is committed as soon as it can be.
    fn has_ticks_alone(&self) -> bool {
        let mut pending = self.pending.iter();
        pending.clone().any(|transaction| !transaction.events.is_empty())
            && pending.all(|transaction| transaction.is_of_the_clock())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::super::shared::tests::{bus, tick};
    use crate::event::{Draft, Stream};

    #[test]
    fn a_commit_takes_as_many_whole_transactions_as_have_so_many_events_and_at_least_one() {
        let (bus, _) = bus();
        for events in [3, 3, 4, 2] {
            bus.append("source", vec![tick(); events], Vec::new(), Vec::new());
        }
        let taken = [1, 3, 5, 6, 9, 10, 12].map(|count| bus.pending(count).len());
        assert_eq!(taken, [1, 1, 1, 2, 2, 3, 4]);
    }

    #[test]
    fn a_tick_alone_may_wait_for_what_follows_and_nothing_else_does() {
        let (bus, _) = bus();
        let waits = || bus.wait_news().now_or_never().is_none();
        assert!(!waits(), "for nothing");
        bus.append("tick", vec![tick()], Vec::new(), Vec::new());
        assert!(waits());
        bus.enqueue_positions("file", vec![("in.log".to_owned(), serde_json::json!(7))]);
        assert!(!waits(), "a source has moved");
        bus.confirm(&bus.pending(usize::MAX));
        bus.append("tick", vec![tick()], Vec::new(), Vec::new());
        assert!(waits());
        let line = Draft { stream: Stream::L3In, ..tick() };
        bus.append("file", vec![line], Vec::new(), Vec::new());
        assert!(!waits(), "a line has come");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_beside_a_tick_is_told_of_a_line() {
        let (bus, _) = bus();
        bus.append("tick", vec![tick()], Vec::new(), Vec::new());
        let comes = async {
            tokio::time::sleep(Duration::from_secs(1)).await; // of the clock that jumps
            bus.append("file", vec![Draft { stream: Stream::L3In, ..tick() }], Vec::new(), Vec::new());
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = bus.wait_news() => {}
            () = comes => {}
        }
    }
}
