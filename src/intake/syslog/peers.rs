//! What one peer may take of a listener: connections, and messages a second. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::detect::client_network;
use crate::limits::{SYSLOG_CONNECTIONS_MAX, SYSLOG_PEERS_MAX};

#[derive(Debug)]
pub struct Peers {
    connections_max: usize,
    /// Messages a second.
    rate: f64,
    peers: BTreeMap<IpAddr, Peer>,
    open: usize,
}

#[derive(Debug)]
struct Peer {
    connections: usize,
    /// Messages that it may send now; below zero, more were taken than it may.
    allowance: f64,
    at: Instant,
}

impl Peers {
    pub fn new(connections_max: usize, rate: u32) -> Self {
        Self { connections_max, rate: f64::from(rate), peers: BTreeMap::new(), open: 0 }
    }

    /// Takes up a connection; it has to be [left](Self::leave) again. False if there are too many.
    pub fn admit(&mut self, peer: IpAddr, now: Instant) -> bool {
        let (connections_max, is_full) = (self.connections_max, self.open >= SYSLOG_CONNECTIONS_MAX);
        let peer = self.peer(peer, now);
        if is_full || peer.connections >= connections_max {
            return false;
        }
        peer.connections += 1;
        self.open += 1;
        true
    }

    pub fn leave(&mut self, peer: IpAddr) {
        if let Some(peer) = self.peers.get_mut(&client_network::peer(peer)) {
            peer.connections = peer.connections.saturating_sub(1);
            self.open = self.open.saturating_sub(1);
        }
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
            let unused = self.peers.iter().filter(|(_, known)| known.connections == 0);
            if let Some(oldest) = unused.min_by_key(|(_, known)| known.at).map(|(address, _)| *address) {
                self.peers.remove(&oldest);
            }
        }
        let peer = self.peers.entry(peer).or_insert(Peer { connections: 0, allowance: rate, at: now });
        let passed = now.saturating_duration_since(peer.at).as_secs_f64();
        peer.allowance = (peer.allowance + passed * rate).min(rate);
        peer.at = now;
        peer
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(taken, [true, true, false, true, true, true, false]);
        peers.leave(address("192.0.2.1"));
        assert!(peers.admit(address("192.0.2.1"), now));
        let many = (0..=255).filter(|last| peers.admit(IpAddr::from([198, 51, 100, *last]), now)).count();
        assert_eq!(many, SYSLOG_CONNECTIONS_MAX - 5, "all together");
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
        assert!(peers.admit(address("192.0.2.1"), now));
        for number in 0..3 * SYSLOG_PEERS_MAX as u32 {
            peers.may_send(IpAddr::from(number.to_be_bytes()), now);
        }
        assert!(peers.peers.len() <= SYSLOG_PEERS_MAX && peers.peers.contains_key(&address("192.0.2.1")));
    }
}
