//! Networks: whose an address is, and networks with a value each, looked up by the addresses in them.

use std::collections::hash_map::Entry;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::hash_map::HashMap;

/// Addresses that only their owner routes.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// Networks by prefix length: a look-up is one hash look-up for each length that occurs.
#[derive(Debug)]
pub struct Nets<Value> {
    /// Longest prefix first.
    by_length: Vec<(u8, HashMap<IpNet, Value>)>,
    len: usize,
}

impl<Value> Default for Nets<Value> {
    fn default() -> Self {
        Self { by_length: Vec::new(), len: 0 }
    }
}

impl<Value> Nets<Value> {
    /// How many networks it has.
    pub fn count(&self) -> usize {
        self.len
    }

    /// The first value for a network stays.
    pub fn insert(&mut self, net: IpNet, value: Value) {
        self.insert_or(net, value, |_, _| {});
    }

    /// Where there is a value for this network already, `join` says what becomes of it.
    pub fn insert_or(&mut self, net: IpNet, value: Value, join: impl FnOnce(&mut Value, Value)) {
        let net = net.trunc();
        let length = net.prefix_len();
        let at = match self.by_length.binary_search_by(|(other, _)| length.cmp(other)) {
            Ok(at) => at,
            Err(at) => {
                self.by_length.insert(at, (length, HashMap::default()));
                at
            }
        };
        if let Some((_, nets)) = self.by_length.get_mut(at) {
            match nets.entry(net) {
                Entry::Occupied(mut known) => join(known.get_mut(), value),
                Entry::Vacant(place) => {
                    place.insert(value);
                    self.len += 1;
                }
            }
        }
    }

    /// The value of the longest network that holds the address.
    pub fn longest(&self, address: IpAddr) -> Option<&Value> {
        self.by_length.iter().find_map(|(length, nets)| nets.get(&IpNet::new(address, *length).ok()?.trunc()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_network_that_holds_the_address_answers() {
        let mut nets = Nets::default();
        for (number, net) in ["192.0.2.0/24", "192.0.2.128/25", "2001:db8::/32", "192.0.2.7/24"].iter().enumerate() {
            nets.insert(net.parse().unwrap(), number);
        }
        let longest = |address: &str| nets.longest(address.parse().unwrap()).copied();
        assert_eq!(nets.count(), 3, "a host's bits are not the network's");
        assert_eq!((longest("192.0.2.1"), longest("192.0.2.200")), (Some(0), Some(1)));
        assert_eq!((longest("2001:db8::1"), longest("198.51.100.1")), (Some(2), None));
    }
}
