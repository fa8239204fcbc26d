//! Which group a line belongs to.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::model::{Masks, Scenario};
use crate::detect::client_network::{behind, whole};
use crate::detect::fingerprint::fingerprint;
use crate::detect::sigma::normal;
use crate::event::Record;

/// Room for what is grouped by, as it mostly is.
const KEY_BYTES: usize = 128;

/// The fingerprint of the values that the scenario groups by; none when one of them is missing. The same for all that group alike.
pub fn values(scenario: &Scenario, record: &Record) -> Option<u64> {
    let mut key = String::with_capacity(KEY_BYTES);
    for name in &scenario.group_by {
        let value = normal::field(record, name).filter(|value| !value.is_empty())?;
        key.push('\0');
        key.push_str(&masked(if name.starts_with("user.") { account(&value) } else { &value }, scenario.masks));
    }
    Some(fingerprint(&key))
}

/// The fingerprint of a value of the line, by which it differs from others.
pub fn item(record: &Record, field: &str) -> Option<u64> {
    normal::field(record, field).filter(|value| !value.is_empty()).map(|value| value_of(&value))
}

/// The fingerprint of the account that the line names.
pub fn account_of(record: &Record) -> Option<u64> {
    normal::field(record, "user.name").filter(|name| !name.is_empty()).map(|name| value_of(account(&name)))
}

/// The fingerprint of a value; the addresses of one /64 are one.
pub fn value_of(text: &str) -> u64 {
    fingerprint(&masked(text, Masks::CUSTOMER))
}

/// Who has an address: of IPv6 all of a /64.
pub fn customer(address: &str) -> Cow<'_, str> {
    masked(address, Masks::CUSTOMER)
}

/// The account that a name is of, as far as its spelling tells: `alice`, `alice@example.org` and `EXAMPLE\alice` are one. Who tries
/// all of them tries one account. Two people whose names differ in the domain alone are taken for one here, and so this is for
/// counting what is tried alone: what one of them makes good is that one's, as it is written.
fn account(name: &str) -> &str {
    let behind_domain = name.rsplit_once('\\').map(|(_, rest)| rest).filter(|rest| !rest.is_empty()).unwrap_or(name);
    behind_domain.split_once('@').map(|(rest, _)| rest).filter(|rest| !rest.is_empty()).unwrap_or(behind_domain)
}

/// The network of an address; what is no address, in lower case (names of hosts and users are given in both) and without the point
/// that names of hosts may end with.
pub fn masked(value: &str, masks: Masks) -> Cow<'_, str> {
    let Some(address) = address(value) else {
        let name = Some(value.trim_end_matches('.')).filter(|name| !name.is_empty()).unwrap_or(value);
        let is_lower = name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        return if is_lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_lowercase()) };
    };
    // IPv4 is read in one spelling alone.
    if address.is_ipv4() && masks.v4 >= 32 {
        return Cow::Borrowed(value);
    }
    let address = behind(address);
    let net = whole(address, if address.is_ipv4() { masks.v4 } else { masks.v6 });
    Cow::Owned(match net {
        net if net.prefix_len() == net.max_prefix_len() => address.to_string(),
        IpNet::V4(net) => shown(net),
        IpNet::V6(net) => net.to_string(),
    })
}

/// As `to_string`, for what nearly every line is counted by.
fn shown(net: Ipv4Net) -> String {
    let mut text = String::with_capacity("255.255.255.255/32".len());
    for (number, after) in net.network().octets().into_iter().chain([net.prefix_len()]).zip(['.', '.', '.', '/', ' ']) {
        let digits =
            [(number >= 100).then_some(number / 100), (number >= 10).then_some(number / 10 % 10), Some(number % 10)];
        text.extend(digits.into_iter().flatten().map(|digit| char::from(b'0' + digit)));
        text.push(after);
    }
    text.truncate(text.len() - 1);
    text
}

fn address(value: &str) -> Option<IpAddr> {
    // Most names begin like none.
    let begins = value.bytes().next().is_some_and(|byte| byte.is_ascii_hexdigit() || byte == b':');
    if begins { value.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_customer_are_one_and_those_of_two_are_two() {
        let masks = Masks::CUSTOMER;
        assert_eq!(masked("2001:db8:1:2:3::4", masks), masked("2001:db8:1:2::9", masks));
        assert_ne!(masked("2001:db8:1:2::9", masks), masked("2001:db8:1:3::9", masks));
        assert_ne!(masked("192.0.2.1", masks), masked("192.0.2.2", masks));
        assert_eq!(masked("::ffff:192.0.2.1", masks), masked("192.0.2.1", masks));
        assert_ne!(masked("64:ff9b::192.0.2.1", masks), masked("64:ff9b::192.0.2.2", masks));
        for (v4, net) in [(0, "0.0.0.0/0"), (9, "203.0.0.0/9"), (24, "203.0.113.0/24"), (31, "203.0.113.108/31")] {
            assert_eq!(masked("203.0.113.109", Masks { v4, v6: 48 }), net);
        }
        for name in ["Gate.Example.Org", "gate.example.org.", "gate.example.org.."] {
            assert_eq!(masked(name, masks), "gate.example.org", "{name}");
        }
        assert_eq!(masked("..", masks), "..");
    }

    #[test]
    fn one_account_is_one_however_its_domain_is_written() {
        for name in ["alice", "alice@example.org", "EXAMPLE\\alice", "example.org\\alice@example.org"] {
            assert_eq!(account(name), "alice", "{name}");
        }
        for name in ["@", "@x", "\\", "x\\"] {
            assert!(!account(name).is_empty(), "{name}");
        }
    }
}
