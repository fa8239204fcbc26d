//! What one peer may take of a listener: connections, and messages a second. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::detect::client_network;
use crate::limits::{SYSLOG_CONNECTIONS_MAX, SYSLOG_PEERS_MAX};

/// A connection over which nothing came for so long makes room for another: whoever opens many and sends nothing keeps nobody out.
const SILENT_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Peers {
    connections_max: usize,
    /// Messages a second.
    rate: f64,
    peers: BTreeMap<IpAddr, Peer>,
    open: BTreeMap<u64, Open>,
    /// Of the next connection.
    number: u64,
}

#[derive(Debug)]
struct Peer {
    /// Messages that it may send now; below zero, more were taken than it may.
    allowance: f64,
    at: Instant,
}

#[derive(Debug)]
struct Open {
    peer: IpAddr,
    /// Since when something is waited for; `None` while what came is taken in.
    silent_since: Option<Instant>,
    close: Rc<Notify>,
}

/// A connection that was taken up.
#[derive(Debug, Clone)]
pub struct Place {
    number: u64,
    /// Its place is needed.
    close: Rc<Notify>,
}

impl Place {
    /// Resolves when the place is needed for another.
    pub async fn to_be_closed(&self) {
        self.close.notified().await;
    }
}

impl Peers {
    pub fn new(connections_max: usize, rate: u32) -> Self {
        let (peers, open) = (BTreeMap::new(), BTreeMap::new());
        Self { connections_max, rate: f64::from(rate), peers, open, number: 0 }
    }

    /// Takes up a connection, if need be in the place of one that is silent; it has to be [left](Self::leave) again. `None` if there
    /// are too many.
    pub fn admit(&mut self, peer: IpAddr, now: Instant) -> Option<Place> {
        let peer = client_network::peer(peer);
        let has_share = self.open.values().filter(|open| open.peer == peer).count() < self.connections_max;
        if !has_share || self.open.len() >= SYSLOG_CONNECTIONS_MAX {
            let silent = self.open.iter().filter(|(_, open)| has_share || open.peer == peer);
            let silent = silent.filter_map(|(number, open)| Some((open.silent_since?, *number)));
            let (since, number) = silent.max_by_key(|(since, _)| Reverse(*since))?;
            if now.saturating_duration_since(since) < SILENT_AFTER {
                return None;
            }
            self.open.remove(&number)?.close.notify_one();
        }
        self.number += 1;
        let place = Place { number: self.number, close: Rc::default() };
        self.open.insert(place.number, Open { peer, silent_since: Some(now), close: Rc::clone(&place.close) });
        Some(place)
    }

    /// Something is waited for on a connection, since then; `None` when it has come.
    pub fn wait(&mut self, place: &Place, since: Option<Instant>) {
        if let Some(open) = self.open.get_mut(&place.number) {
            open.silent_since = since;
        }
    }

    pub fn leave(&mut self, place: &Place) {
        self.open.remove(&place.number);
    }

    /// So many messages were taken; how long nothing more is to be read of the peer.
    pub fn take(&mut self, peer: IpAddr, count: usize, now: Instant) -> Duration {
        let rate = self.rate;
        let peer = self.peer(peer, now);
        peer.allowance -= count as f64;
        Duration::from_secs_f64((-peer.allowance / rate).max(0.0))
    }

    /// Whether a message may be taken that cannot wait.
    pub fn may_send(&mut self, peer: IpAddr, now: Instant) -> bool {
        let peer = self.peer(peer, now);
        let may = peer.allowance >= 1.0;
        peer.allowance -= f64::from(u8::from(may));
        may
    }

    fn peer(&mut self, peer: IpAddr, now: Instant) -> &mut Peer {
        let (peer, rate) = (client_network::peer(peer), self.rate);
        if self.peers.len() >= SYSLOG_PEERS_MAX && !self.peers.contains_key(&peer) {
            // Found once: this is done for each datagram of a flood from made-up addresses.
            let in_use: BTreeSet<IpAddr> = self.open.values().map(|open| open.peer).collect();
            let unused = self.peers.iter().filter(|(address, _)| !in_use.contains(address));
            if let Some(oldest) = unused.min_by_key(|(_, known)| known.at).map(|(address, _)| *address) {
                self.peers.remove(&oldest);
            }
        }
        let peer = self.peers.entry(peer).or_insert(Peer { allowance: rate, at: now });
        let passed = now.saturating_duration_since(peer.at).as_secs_f64();
        peer.allowance = (peer.allowance + passed * rate).min(rate);
        peer.at = now;
        peer
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_peer_has_its_share_of_the_connections_and_no_more() {
        let (mut peers, now) = (Peers::new(2, 10), Instant::now());
        let taken =
            ["192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8::3"]
                .map(|peer| peers.admit(address(peer), now));
        assert_eq!(taken.each_ref().map(Option::is_some), [true, true, false, true, true, true, false]);
        peers.leave(taken[0].as_ref().unwrap());
        assert!(peers.admit(address("192.0.2.1"), now).is_some());
        let many = (0..=255).filter(|last| peers.admit(IpAddr::from([198, 51, 100, *last]), now).is_some()).count();
        assert_eq!(many, SYSLOG_CONNECTIONS_MAX - 5, "all together");
    }

    #[test]
    fn connections_that_are_silent_keep_nobody_out_and_those_that_are_not_stay() {
        let is_closed = |place: &Place| place.to_be_closed().now_or_never().is_some();
        let (mut peers, begun) = (Peers::new(3, 10), Instant::now());
        let (own, other) = (address("127.0.0.1"), address("192.0.2.9"));
        let others = peers.admit(other, begun).unwrap();
        let [silent, speaking, busy] = [(); 3].map(|()| peers.admit(own, begun).unwrap());
        assert!(peers.admit(own, begun + SILENT_AFTER / 2).is_none());
        peers.wait(&speaking, Some(begun + Duration::from_secs(1)));
        peers.wait(&busy, None);
        let later = begun + SILENT_AFTER;
        assert!(peers.admit(own, later).is_some() && is_closed(&silent));
        assert!(peers.admit(own, later).is_none(), "nobody is silent for so long");
        assert!(![&others, &speaking, &busy].into_iter().any(is_closed));
        // When all places are taken, whoever it is that is silent.
        for last in 0..=255 {
            let place = peers.admit(IpAddr::from([198, 51, 100, last]), later);
            place.iter().for_each(|place| peers.wait(place, None));
        }
        assert!(is_closed(&others) && !is_closed(&busy));
        peers.leave(&others);
        assert_eq!(peers.open.len(), SYSLOG_CONNECTIONS_MAX);
    }

    #[test]
    fn who_sends_too_much_waits_and_others_do_not() {
        let (mut peers, now) = (Peers::new(2, 10), Instant::now());
        let (loud, calm) = (address("192.0.2.1"), address("192.0.2.2"));
        assert_eq!(peers.take(loud, 10, now), Duration::ZERO);
        assert_eq!(peers.take(loud, 5, now), Duration::from_millis(500));
        assert!(!peers.may_send(loud, now) && peers.may_send(calm, now));
        assert!(peers.may_send(loud, now + Duration::from_millis(600)));
        assert!(!peers.may_send(loud, now + Duration::from_millis(600)));
    }

    #[test]
    fn addresses_without_end_take_bounded_memory() {
        let (mut peers, now) = (Peers::new(2, 10), Instant::now());
        assert!(peers.admit(address("192.0.2.1"), now).is_some());
        peers.take(address("192.0.2.1"), 1, now);
        for number in 0..3 * SYSLOG_PEERS_MAX as u32 {
            peers.may_send(IpAddr::from(number.to_be_bytes()), now);
        }
        assert!(peers.peers.len() <= SYSLOG_PEERS_MAX && peers.peers.contains_key(&address("192.0.2.1")));
    }
}
