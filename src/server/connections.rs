//! Which connections may stay. Every peer has a share, and whoever asks nothing makes room for who comes; when all are
//! busy, those that come are told how the daemon is and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::peer::Origin;

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub all: usize,
    pub per_peer: usize,
    /// Beside those, for health, readiness and metrics.
    pub reserve: usize,
}

pub struct Connections {
    bounds: Bounds,
    book: Mutex<Book>,
    /// One has ended.
    ended: Notify,
}

#[derive(Default)]
struct Book {
    open: BTreeMap<u64, Open>,
    /// Counts what happens; the order is all that matters of time here.
    now: u64,
}

struct Open {
    peer: Origin,
    is_reserve: bool,
    /// Since when it asks nothing; `None` while a request is under way.
    idle_since: Option<u64>,
    close: Arc<Notify>,
}

/// A connection's place, until it is dropped.
pub struct Ticket {
    number: u64,
    connections: Arc<Connections>,
    is_reserve: bool,
    close: Arc<Notify>,
}

impl Connections {
    pub fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, book: Mutex::default(), ended: Notify::new() })
    }

    /// Finds a place for a new connection; another one may have to go for it.
    pub fn admit(self: &Arc<Self>, origin: Origin) -> Ticket {
        let peer = origin.network();
        let mut book = self.lock();
        let is_reserve = !book.has_room(self.bounds, peer);
        if is_reserve && book.open.values().filter(|open| open.is_reserve).count() >= self.bounds.reserve {
            book.end_oldest_of_reserve();
        }
        book.now += 1;
        let (number, close) = (book.now, Arc::new(Notify::new()));
        book.open.insert(number, Open { peer, is_reserve, idle_since: Some(number), close: Arc::clone(&close) });
        drop(book);
        Ticket { number, connections: Arc::clone(self), is_reserve, close }
    }

    /// Waits until no connection is open.
    pub async fn emptied(&self) {
        loop {
            let ended = self.ended.notified();
            if self.lock().open.is_empty() {
                return;
            }
            ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Whether one more of this peer has an ordinary place, if need be that of one that asks nothing.
    fn has_room(&mut self, bounds: Bounds, peer: Origin) -> bool {
        let mut counts: BTreeMap<Origin, usize> = BTreeMap::new();
        for open in self.open.values().filter(|open| !open.is_reserve) {
            *counts.entry(open.peer).or_default() += 1;
        }
        let has_share = counts.get(&peer).is_none_or(|count| *count < bounds.per_peer);
        if has_share && counts.values().sum::<usize>() < bounds.all {
            return true;
        }
        // Of the peer itself where it has its share, otherwise of the one with the most; the longest idle of those.
        let idle = self.open.iter().filter(|(_, open)| !open.is_reserve && (has_share || open.peer == peer));
        let idle = idle.filter_map(|(number, open)| Some((counts.get(&open.peer)?, open.idle_since?, *number)));
        let longest = idle.max_by_key(|(count, since, _)| (**count, std::cmp::Reverse(*since)));
        longest.is_some_and(|(_, _, number)| self.end(number))
    }

    fn end_oldest_of_reserve(&mut self) {
        let oldest = self.open.iter().filter(|(_, open)| open.is_reserve).map(|(number, _)| *number).min();
        oldest.map(|number| self.end(number));
    }

    fn end(&mut self, number: u64) -> bool {
        self.open.remove(&number).map(|open| open.close.notify_one()).is_some()
    }
}

impl Ticket {
    /// Whether it may only ask how the daemon is.
    pub fn is_reserve(&self) -> bool {
        self.is_reserve
    }

    /// A request is under way until what is returned is dropped.
    pub fn ask(self: &Arc<Self>) -> UnderWay {
        self.set_idle(false);
        UnderWay(Arc::clone(self))
    }

    /// Resolves when the place is needed for another.
    pub async fn to_be_closed(&self) {
        self.close.notified().await;
    }

    fn set_idle(&self, is_idle: bool) {
        let mut book = self.connections.lock();
        book.now += 1;
        let now = book.now;
        if let Some(open) = book.open.get_mut(&self.number) {
            open.idle_since = is_idle.then_some(now);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.connections.lock().open.remove(&self.number);
        self.connections.ended.notify_waiters();
    }
}

pub struct UnderWay(Arc<Ticket>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.set_idle(true);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn connections() -> Arc<Connections> {
        Connections::new(Bounds { all: 4, per_peer: 3, reserve: 2 })
    }

    fn peer(text: &str) -> Origin {
        Origin::Network(text.parse().unwrap())
    }

    fn is_ended(ticket: &Ticket) -> bool {
        ticket.to_be_closed().now_or_never().is_some()
    }

    #[test]
    fn a_peer_beyond_its_share_loses_its_own_longest_idle_connection() {
        let connections = connections();
        let other = connections.admit(peer("192.0.2.9"));
        let mine: Vec<_> = (0..3).map(|_| Arc::new(connections.admit(peer("192.0.2.1")))).collect();
        drop(mine[0].ask()); // has just asked
        let next = connections.admit(peer("192.0.2.1"));
        assert!(!next.is_reserve());
        assert_eq!([&*mine[0], &mine[1], &mine[2], &other].map(is_ended), [false, true, false, false]);
    }

    #[test]
    fn when_all_places_are_taken_the_peer_with_the_most_makes_room() {
        let connections = connections();
        let other = connections.admit(peer("192.0.2.9"));
        let mine: Vec<_> = (0..3).map(|_| connections.admit(peer("192.0.2.1"))).collect();
        let next = connections.admit(peer("192.0.2.5"));
        assert!(!next.is_reserve());
        assert_eq!([&mine[0], &mine[1], &mine[2], &other].map(is_ended), [true, false, false, false]);
    }

    #[test]
    fn when_all_are_busy_there_is_a_reserve_in_which_the_newest_has_a_place() {
        let connections = connections();
        let busy: Vec<_> = (0..4).map(|n| Arc::new(connections.admit(peer(&format!("192.0.2.{n}"))))).collect();
        let under_way: Vec<_> = busy.iter().map(Ticket::ask).collect();
        let reserve: Vec<_> = (0..3).map(|_| connections.admit(peer("192.0.2.7"))).collect();
        assert!(reserve.iter().all(Ticket::is_reserve));
        assert_eq!([&reserve[0], &reserve[1], &reserve[2]].map(is_ended), [true, false, false]);
        assert!(busy.iter().all(|ticket| !is_ended(ticket)), "what is under way goes on");
        drop(under_way);
        assert!(!connections.admit(peer("192.0.2.7")).is_reserve(), "one that has its answer makes room");
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_peer() {
        let connections = connections();
        let mine: Vec<_> = (0..3).map(|n| connections.admit(peer(&format!("2001:db8::{n}")))).collect();
        let next = connections.admit(peer("2001:db8::9"));
        assert!(!next.is_reserve() && is_ended(&mine[0]));
    }

    #[tokio::test]
    async fn the_end_of_the_last_connection_is_noticed() {
        let connections = connections();
        let ticket = connections.admit(peer("192.0.2.1"));
        let emptied = connections.emptied();
        tokio::pin!(emptied);
        assert!(emptied.as_mut().now_or_never().is_none());
        drop(ticket);
        emptied.await;
    }
}
