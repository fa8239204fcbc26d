//! Packets that the kernel's filter or an IDS logged, and the kernel's own messages.

use super::super::fill::fill;
use super::super::scan::{Address, between};
use super::{audit, generic};
use crate::event::{Action, Record};

pub(super) fn kernel(message: &str, record: &mut Record) -> bool {
    if packet(message, record) {
        return true;
    }
    if message.starts_with("audit: ") && record.field("type").is_some() {
        return audit::describe(record);
    }
    let changes =
        ["module verification failed", "loading out-of-tree module", "module license", "Kernel is locked down"];
    if changes.iter().any(|mark| message.contains(mark)) {
        record.says(Action::SystemChange, None);
    } else if let Some(name) = between(message, "Killed process ", ")").and_then(|rest| rest.split_once('(')) {
        record.entity.process = Some(name.1.to_owned());
    }
    true
}

/// `[UFW BLOCK] IN=eth0 OUT= MAC=… SRC=192.0.2.1 DST=198.51.100.1 … PROTO=TCP SPT=1 DPT=22 …`.
pub(super) fn packet(message: &str, record: &mut Record) -> bool {
    if !message.contains("SRC=") || !message.contains("DST=") {
        return false;
    }
    let Some((prefix, pairs)) = message.split_once("IN=") else { return false };
    let is_pair = |word: &str| word.contains('=') || word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !pairs.split([' ', '[', ']']).skip(1).all(is_pair) || !generic::is_free_of_addresses(prefix) {
        return false;
    }
    // In brackets: the packet that an ICMP error is about, which the sender made up.
    let own = pairs.split_once(" [SRC=").map_or(pairs, |(own, _)| own);
    record.push("prefix", prefix.trim().trim_end_matches(':'));
    for word in std::iter::once(("IN", own.split(' ').next().unwrap_or_default()))
        .chain(own.split(' ').skip(1).filter_map(|word| word.split_once('=')))
    {
        record.push(word.0, word.1);
    }
    let number = |name: &str| record.field(name).and_then(|value| value.parse::<u16>().ok());
    let (source_port, target_port) = (number("SPT"), number("DPT"));
    let source = record.field("SRC").and_then(Address::whole);
    let target = record.field("DST").and_then(Address::whole);
    if let Some(ip) = source {
        record.set_source(Address { port: source_port, ..ip });
    }
    if let Some(target) = target {
        fill(&mut record.entity.dst_ip, &target.ip.to_string());
    }
    record.entity.dst_port = record.entity.dst_port.or(target_port);
    record.says(Action::Connection, verdict(prefix));
    true
}

/// pf of pfSense and OPNsense: `rule,,,id,em0,match,block,in,4,…,tcp,60,192.0.2.1,198.51.100.1,4242,22,…`.
pub(super) fn filterlog(message: &str, record: &mut Record) -> bool {
    let parts: Vec<&str> = message.split(',').collect();
    let at = |index: usize| parts.get(index).copied().unwrap_or_default();
    let first = match at(8) {
        "4" => 18,
        "6" => 15,
        _ => return false,
    };
    let (Some(source), Some(target)) = (Address::whole(at(first)), Address::whole(at(first + 1))) else { return false };
    record.set_source(Address { port: at(first + 2).parse().ok(), ..source });
    fill(&mut record.entity.dst_ip, &target.ip.to_string());
    record.entity.dst_port = record.entity.dst_port.or(at(first + 3).parse().ok());
    record.says(Action::Connection, verdict(at(6)));
    true
}

/// The rule's author chose the prefix; these are the words of UFW, firewalld, Shorewall and pf.
fn verdict(prefix: &str) -> Option<bool> {
    let upper = prefix.to_ascii_uppercase();
    let says = |words: &[&str]| words.iter().any(|word| upper.contains(word));
    if says(&["DROP", "BLOCK", "DENY", "DENIED", "REJECT", "LIMIT", "INVALID"]) {
        return Some(false);
    }
    says(&["ALLOW", "ACCEPT", "PASS"]).then_some(true)
}

/// `[1:2008578:4] ET SCAN … {UDP} 192.0.2.1:5116 -> 198.51.100.1:5060` of Suricata and Snort.
pub(super) fn suricata(message: &str, record: &mut Record) -> bool {
    if !message.starts_with("[**] [") {
        return false;
    }
    let Some((before, target)) = message.rsplit_once(" -> ") else { return false };
    let Some((head, source)) = before.rsplit_once(' ') else { return false };
    let end = |text: &str| Address::whole(text).or_else(|| Address::with_port(text));
    let (Some(source), Some(target)) = (end(source), end(target)) else { return false };
    record.set_source(source);
    fill(&mut record.entity.dst_ip, &target.ip.to_string());
    record.entity.dst_port = record.entity.dst_port.or(target.port);
    if let Some((sid, signature)) = between(head, "[**] [", " [**]").and_then(|inside| inside.split_once("] ")) {
        record.push("signature_id", sid);
        record.push("signature", signature);
    }
    record.says(Action::Connection, head.contains("[Drop]").then_some(false));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: &str =
        "[UFW BLOCK] IN=eth0 OUT= MAC=00:00 SRC=192.0.2.1 DST=198.51.100.1 LEN=40 PROTO=TCP SPT=4242 DPT=22 SYN";

    #[test]
    fn a_blocked_packet_has_both_ends() {
        let mut record = Record::default();
        kernel(PACKET, &mut record);
        assert_eq!((record.action, record.outcome), (Action::Connection, Some(false)));
        assert_eq!((record.entity.src_ip.as_deref(), record.src_port), (Some("192.0.2.1"), Some(4242)));
        assert_eq!((record.entity.dst_ip.as_deref(), record.entity.dst_port), (Some("198.51.100.1"), Some(22)));
        assert_eq!(
            (record.field("IN"), record.field("OUT"), record.field("PROTO")),
            (Some("eth0"), Some(""), Some("TCP"))
        );
    }

    #[test]
    fn the_packet_inside_an_icmp_error_is_not_the_source() {
        let mut record = Record::default();
        let message = "IN=eth0 OUT= SRC=192.0.2.1 DST=198.51.100.1 PROTO=ICMP TYPE=3 [SRC=203.0.113.6 DST=198.51.100.1 SPT=9 DPT=53 ]";
        kernel(message, &mut record);
        assert_eq!((record.entity.src_ip.as_deref(), record.src_port), (Some("192.0.2.1"), None));
    }
}
