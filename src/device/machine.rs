//! Reads which addresses this machine cannot do without. The daemon hands them to device 58; `replay` does not, because a log
//! may be from another machine and its outcome must not depend on where it is read.

use std::fs;
use std::net::IpAddr;

use crate::detect::own_addresses::{gateways_v4, gateways_v6, local_v4, local_v6, resolvers};
use crate::limits::MACHINE_ADDRESSES_MAX;

/// Own addresses, gateways and resolvers as they are now; empty where the system does not say.
pub fn addresses() -> Vec<IpAddr> {
    // Not /proc/net: a sandbox with ProcSubset=pid hides that link, and not what it leads to.
    let net = |file: &str| fs::read_to_string(format!("/proc/self/net/{file}")).unwrap_or_default();
    let mut addresses = local_v4(&net("fib_trie"));
    addresses.extend(local_v6(&net("if_inet6")));
    addresses.extend(gateways_v4(&net("route")));
    addresses.extend(gateways_v6(&net("ipv6_route")));
    // Behind the stub of systemd-resolved, the second file has the servers that it asks.
    for file in ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"] {
        addresses.extend(resolvers(&fs::read_to_string(file).unwrap_or_default()));
    }
    addresses.sort();
    addresses.dedup();
    addresses.truncate(MACHINE_ADDRESSES_MAX);
    addresses
}
