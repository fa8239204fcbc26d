//! Which addresses one client has. Who counts, groups or blocks by address goes by this: with less a client is many, with more
//! the innocent are blocked along.
//!
//! A customer gets a /64 of IPv6 at least (RFC 6177), but some parts of IPv6 stand for IPv4, and there a /64 can be all of it:
//! what tells clients apart is the address within.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// How an IPv4 address stands within an IPv6 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Another way to write it; what comes over the wire is IPv4. Mapped (RFC 4291, 2.5.5.2), compatible (2.5.5.1) and
    /// translated (RFC 2765, 2.1).
    Written,
    /// A translator puts it there for each IPv4 client: NAT64 (RFC 6052, 2.1). Over the wire comes this one address.
    Translated,
    /// 6to4 (RFC 3056, 2): who has the IPv4 address has the /48 that is named after it.
    Site,
    /// Teredo (RFC 4380, 4): all clients of a server share the /64 that is named after the server. Other bits of the address are
    /// the client's to choose.
    Tunnel,
}

/// The IPv4 address that an IPv6 address stands for.
fn within(address: Ipv6Addr) -> Option<(Ipv4Addr, Within)> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0, 0, 0, 0, 0xffff, 0] => Some((v4(g, h), Within::Written)),
        // No machine has an address in 0.0.0.0/8; what looks like one is `::`, `::1` and their like.
        [0, 0, 0, 0, 0, 0] if g >= 0x100 => Some((v4(g, h), Within::Written)),
        [0x64, 0xff9b, 0, 0, 0, 0] => Some((v4(g, h), Within::Translated)),
        [0x2002, high, low, ..] => Some((v4(high, low), Within::Site)),
        [0x2001, 0, ..] => Some((v4(!g, !h), Within::Tunnel)),
        _ => None,
    }
}

/// Put there by a translator of the site (RFC 8215). Where in it the IPv4 address stands is the site's choice, so that only the whole
/// address is surely one client.
fn is_local_translation(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0x64, 0xff9b, 1, ..])
}

/// The address of who is behind it: the IPv4 address where it stands for one, else itself.
pub fn behind(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => within(v6).map_or(address, |(v4, _)| v4.into()),
        v4 => v4,
    }
}

/// All addresses that are the same client as this one, for counting. All of loopback is this machine: whoever is on it has each
/// address of it.
pub fn client(address: IpAddr) -> IpNet {
    match behind(address) {
        address if address.is_loopback() => whole(Ipv4Addr::LOCALHOST.into(), 8),
        IpAddr::V6(v6) if !is_local_translation(v6) => whole(v6.into(), 64),
        address => IpNet::from(address),
    }
}

/// What counts as one peer: the first of all addresses that are the same client as this one.
pub fn peer(address: IpAddr) -> IpAddr {
    client(address).network()
}

/// The addresses that a filter of packets has to name to keep this client out, and nobody else.
pub fn target(address: IpAddr) -> IpNet {
    let IpAddr::V6(v6) = address else { return IpNet::from(address) };
    match within(v6) {
        Some((v4, Within::Written)) => IpNet::from(IpAddr::V4(v4)),
        Some((_, Within::Translated | Within::Tunnel)) => IpNet::from(address),
        Some((_, Within::Site)) => whole(address, 48),
        None if v6.is_loopback() || is_local_translation(v6) => IpNet::from(address),
        None => whole(address, 64),
    }
}

/// The network of this length; of an address that has no such network, itself.
pub fn whole(address: IpAddr, length: u8) -> IpNet {
    IpNet::new(address, length).map_or_else(|_| IpNet::from(address), |net| net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(text: &str) -> (String, String) {
        let address = text.parse().unwrap();
        (client(address).to_string(), target(address).to_string())
    }

    #[test]
    fn a_network_of_one_client_is_never_that_of_all_who_come_through_a_translator() {
        for (address, client, target) in [
            ("203.0.113.5", "203.0.113.5/32", "203.0.113.5/32"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::/64", "2001:db8:1:2::/64"),
            ("::ffff:203.0.113.5", "203.0.113.5/32", "203.0.113.5/32"),
            ("::203.0.113.5", "203.0.113.5/32", "203.0.113.5/32"),
            ("::ffff:0:203.0.113.5", "203.0.113.5/32", "203.0.113.5/32"),
            ("64:ff9b::203.0.113.5", "203.0.113.5/32", "64:ff9b::cb00:7105/128"),
            ("64:ff9b:1::203.0.113.5", "64:ff9b:1::cb00:7105/128", "64:ff9b:1::cb00:7105/128"),
            // With a prefix of 48 bits, as RFC 6052 has it: 203.0.113.5 and 203.0.113.6.
            ("64:ff9b:1:cb00:71:500::", "64:ff9b:1:cb00:71:500::/128", "64:ff9b:1:cb00:71:500::/128"),
            ("64:ff9b:1:cb00:71:600::", "64:ff9b:1:cb00:71:600::/128", "64:ff9b:1:cb00:71:600::/128"),
            ("2002:cb00:7105:7::1", "203.0.113.5/32", "2002:cb00:7105::/48"),
            ("2001:0:4136:e378:8000:63bf:34ff:8efa", "203.0.113.5/32", "2001:0:4136:e378:8000:63bf:34ff:8efa/128"),
            // Neither of these is one of them.
            ("2001:0db8::1", "2001:db8::/64", "2001:db8::/64"),
            ("64:ff9c::1", "64:ff9c::/64", "64:ff9c::/64"),
            ("64:ff9b:0:1::1", "64:ff9b:0:1::/64", "64:ff9b:0:1::/64"),
            ("127.8.9.1", "127.0.0.0/8", "127.8.9.1/32"),
            ("::1", "127.0.0.0/8", "::1/128"),
        ] {
            assert_eq!(both(address), (client.to_owned(), target.to_owned()), "{address}");
        }
    }
}
