//! The addresses a machine cannot do without, out of what Linux says of its network: its own, its gateways, its resolvers.
//!
//! Texts as in `/proc/self/net` and `/etc/resolv.conf`. What cannot be read in them is passed over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The machine's own IPv4 addresses, from `fib_trie`: each stands on a line before its `/32 host LOCAL`.
pub fn local_v4(fib_trie: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(last.map(IpAddr::V4));
        }
    }
    tidy(found)
}

/// The machine's own IPv6 addresses, from `if_inet6`.
pub fn local_v6(if_inet6: &str) -> Vec<IpAddr> {
    tidy(if_inet6.lines().filter_map(|line| hex_v6(line.split_whitespace().next()?)).collect())
}

/// The gateways of IPv4, from `route`: the third column, little-endian.
pub fn gateways_v4(route: &str) -> Vec<IpAddr> {
    let gateway = |line: &str| {
        let number = u32::from_str_radix(line.split_whitespace().nth(2)?, 16).ok()?;
        (number != 0).then(|| IpAddr::V4(Ipv4Addr::from(number.to_le_bytes())))
    };
    tidy(route.lines().skip(1).filter_map(gateway).collect())
}

/// The gateways of IPv6, from `ipv6_route`: the fifth column.
pub fn gateways_v6(ipv6_route: &str) -> Vec<IpAddr> {
    let gateway = |line: &str| hex_v6(line.split_whitespace().nth(4)?).filter(|address| !address.is_unspecified());
    tidy(ipv6_route.lines().filter_map(gateway).collect())
}

/// The name servers of a `resolv.conf`.
pub fn resolvers(resolv_conf: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let address = line.trim().strip_prefix("nameserver")?.split_whitespace().next()?;
        address.split('%').next()?.parse().ok()
    };
    tidy(resolv_conf.lines().filter_map(server).collect())
}

fn hex_v6(text: &str) -> Option<IpAddr> {
    (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok())?.map(|number| IpAddr::V6(Ipv6Addr::from(number)))
}

fn tidy(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    addresses.sort();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(addresses: &[IpAddr]) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn own_addresses_are_those_that_the_kernel_calls_local() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n        |-- 198.51.100.2\n           \
                    /32 host LOCAL\n     |-- 198.51.100.255\n        /32 link BROADCAST\n";
        assert_eq!(texts(&local_v4(trie)), ["198.51.100.2"]);
        let v6 = "20010db8000000000000000000000002 04 40 00 82     eth0\nnonsense\n";
        assert_eq!(texts(&local_v6(v6)), ["2001:db8::2"]);
    }

    #[test]
    fn gateways_are_read_in_the_byte_order_of_each_table() {
        let route =
            "Iface\tDestination\tGateway\tFlags\neth0\t00000000\t010200C0\t0003\neth0\t000200C0\t00000000\t0001\n";
        assert_eq!(texts(&gateways_v4(route)), ["192.0.2.1"]);
        let zero = "0".repeat(32);
        let route = format!(
            "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 eth0\n{zero} 40 {zero} 00 {zero} 0 lo\n"
        );
        assert_eq!(texts(&gateways_v6(&route)), ["fe80::1"]);
    }

    #[test]
    fn resolvers_are_the_nameserver_lines_alone() {
        let text =
            "# nameserver 192.0.2.9\nsearch example\nnameserver 192.0.2.53\n nameserver fe80::53%eth0\nnameserver x\n";
        assert_eq!(texts(&resolvers(text)), ["192.0.2.53", "fe80::53"]);
    }
}
