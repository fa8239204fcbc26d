//! Who asked, behind a proxy: the header that it passes on has been written by every hop before it, and by the client.

use std::net::IpAddr;

use ipnet::IpNet;

use super::scan::Address;
use crate::event::Record;
use crate::limits;

/// The field with what a proxy was told, as `X-Forwarded-For` writes it.
pub(super) const FORWARDED_FOR: &str = "forwarded_for";
/// The field with the address of the proxy, where the client's has taken its place.
const PROXY: &str = "proxy_ip";

/// The proxies whose word counts.
#[derive(Debug, Clone, Default)]
pub struct Trusted {
    networks: Vec<IpNet>,
}

impl Trusted {
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self { networks }
    }

    fn has(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&ip))
    }

    /// Puts the client in the place of a trusted proxy. Read from the right, each address was written by the one right of it, so
    /// the first that is not trusted is the last that somebody trusted has seen.
    pub(super) fn apply(&self, record: &mut Record) {
        if self.networks.is_empty() {
            return;
        }
        let peer = record.entity.src_ip.as_deref().and_then(|ip| ip.parse().ok());
        let Some(peer) = peer.filter(|peer| self.has(*peer)) else { return };
        let Some(header) = record.field(FORWARDED_FOR) else { return };
        let mut client = peer;
        for hop in header.rsplit(',').take(limits::PROXY_HOPS_MAX) {
            let Some(address) = Address::whole(hop.trim()) else { break };
            client = address.ip;
            if !self.has(client) {
                break;
            }
        }
        if client != peer {
            record.entity.src_ip = Some(client.to_string());
            record.src_port = None;
            record.push(PROXY, peer.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Entity;

    fn client(peer: &str, header: &str) -> String {
        let trusted = Trusted::new(vec!["10.0.0.0/8".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()]);
        let mut record = Record {
            entity: Entity { src_ip: Some(peer.into()), ..Entity::default() },
            fields: vec![(FORWARDED_FOR.into(), header.into())],
            ..Record::default()
        };
        trusted.apply(&mut record);
        record.entity.src_ip.unwrap()
    }

    #[test]
    fn behind_trusted_proxies_the_client_is_the_first_from_the_right_that_is_none_of_them() {
        assert_eq!(client("10.0.0.1", "203.0.113.6, 192.0.2.7"), "192.0.2.7");
        assert_eq!(client("10.0.0.1", "203.0.113.6, 192.0.2.7, 10.9.9.9"), "192.0.2.7");
        assert_eq!(client("2001:db8:1::5", "2001:db8:7::9, 10.1.1.1"), "2001:db8:7::9");
        assert_eq!(client("10.0.0.1", "10.0.0.2, 10.0.0.3"), "10.0.0.2");
    }

    #[test]
    fn what_an_untrusted_peer_or_a_client_writes_into_the_header_counts_for_nothing() {
        assert_eq!(client("192.0.2.7", "203.0.113.6"), "192.0.2.7");
        assert_eq!(client("10.0.0.1", "203.0.113.6, evil\" 198.51.100.1"), "10.0.0.1");
        assert_eq!(client("10.0.0.1", "203.0.113.6, nobody, 10.0.0.2"), "10.0.0.2");
        assert_eq!(client("10.0.0.1", ""), "10.0.0.1");
    }
}
