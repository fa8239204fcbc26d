//! Name servers: who asked for what.

use super::super::fill::fill;
use super::super::scan::{Address, between};
use crate::event::{Action, Record};

/// `client [@0x7f…] 192.0.2.1#53 (name): query: name IN A + (198.51.100.1)`, and what BIND refuses. Only digits and
/// hex stand before the address.
pub(super) fn named(message: &str, record: &mut Record) -> bool {
    let Some((head, rest)) = message.split_once("client ") else { return false };
    // `security: info: ` of a category and severity.
    if !head.split_ascii_whitespace().all(|word| word.ends_with(':')) {
        return false;
    }
    let rest = match rest.strip_prefix("@0x") {
        Some(pointer) => pointer.split_once(' ').map_or(rest, |(_, rest)| rest),
        None => rest,
    };
    let Some((address, rest)) = Address::read(rest).filter(|(address, _)| address.port.is_some()) else { return false };
    record.set_source(address);
    let denied = rest.contains("' denied") || rest.contains("bad zone transfer request") || rest.ends_with("REFUSED");
    record.says(Action::DnsQuery, Some(!denied));
    if let Some(name) = between(rest, "query: ", " ") {
        fill(&mut record.entity.domain, name);
        record
            .push("query_type", rest.split(" IN ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default());
    } else if let Some((name, kind)) = between(rest, "'", "'").and_then(|what| what.split_once('/')) {
        fill(&mut record.entity.domain, name);
        record.push("query_type", kind.split('/').next().unwrap_or_default());
    }
    true
}

/// `query[A] example.org from 192.0.2.1`, `reply example.org is 198.51.100.1`.
pub(super) fn dnsmasq(message: &str, record: &mut Record) -> bool {
    // With `log-queries=extra`: a serial number and the client before the text.
    let text = message.find("query[").and_then(|at| message.get(at..)).unwrap_or(message);
    if let Some((kind, rest)) = text.strip_prefix("query[").and_then(|inner| inner.split_once("] ")) {
        record.says(Action::DnsQuery, None);
        record.push("query_type", kind);
        // The name is the client's; the address is the end.
        if let Some((name, address)) = rest.rsplit_once(" from ") {
            fill(&mut record.entity.domain, name);
            if let Some(address) = Address::whole(address) {
                record.set_source(address);
            }
        }
        return true;
    }
    for mark in ["reply ", "cached ", "config "] {
        if let Some((name, answer)) = text.strip_prefix(mark).and_then(|rest| rest.rsplit_once(" is ")) {
            record.says(Action::DnsQuery, Some(answer != "NXDOMAIN"));
            fill(&mut record.entity.domain, name);
            record.push("answer", answer);
            return true;
        }
    }
    if let Some((ip, host)) = text.strip_prefix("DHCPACK(").and_then(|rest| rest.split_once(") ")?.1.split_once(' ')) {
        record.says(Action::Connection, Some(true));
        if let Some(address) = Address::whole(ip) {
            record.set_source(address);
        }
        record.push("mac", host.split(' ').next().unwrap_or_default());
        return true;
    }
    true
}

/// `[12:0] info: 192.0.2.1 example.org. A IN`.
pub(super) fn unbound(message: &str, record: &mut Record) -> bool {
    let Some((_, rest)) = message.split_once("info: ") else { return true };
    let Some((address, rest)) = Address::read(rest) else { return true };
    let mut words = rest.split_ascii_whitespace();
    let (Some(name), Some(kind), Some("IN")) = (words.next(), words.next(), words.next()) else { return true };
    record.says(Action::DnsQuery, None);
    record.set_source(address);
    fill(&mut record.entity.domain, name.trim_end_matches('.'));
    record.push("query_type", kind);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(of: fn(&str, &mut Record) -> bool, message: &str) -> (Option<String>, Option<String>, Option<bool>) {
        let mut record = Record::default();
        assert!(of(message, &mut record), "{message}");
        assert_eq!(record.action, Action::DnsQuery, "{message}");
        (record.entity.src_ip, record.entity.domain, record.outcome)
    }

    #[test]
    fn queries_name_client_and_domain() {
        let asked = |outcome| (Some("192.0.2.1".to_owned()), Some("example.org".to_owned()), outcome);
        let bind = "client @0x7f00 192.0.2.1#4242 (example.org): query: example.org IN A +E(0) (198.51.100.1)";
        assert_eq!(told(named, bind), asked(Some(true)));
        let refused = "security: info: client 192.0.2.1#53 (example.org): query (cache) 'example.org/A/IN' denied";
        assert_eq!(told(named, refused), asked(Some(false)));
        assert_eq!(told(dnsmasq, "query[AAAA] example.org from 192.0.2.1"), asked(None));
        assert_eq!(told(unbound, "[99:0] info: 192.0.2.1 example.org. A IN"), asked(None));
    }

    #[test]
    fn an_address_in_a_name_is_not_the_client() {
        let (source, ..) = told(dnsmasq, "query[A] x from 203.0.113.6 from 192.0.2.1");
        assert_eq!(source.as_deref(), Some("192.0.2.1"));
        let (source, ..) =
            told(named, "client 192.0.2.1#1 (client 203.0.113.6#2): query: client 203.0.113.6#2 IN A + (x)");
        assert_eq!(source.as_deref(), Some("192.0.2.1"));
    }
}
