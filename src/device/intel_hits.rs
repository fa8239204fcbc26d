//! What a line names and the lists of device 54 know.

use std::net::IpAddr;

use crate::detect::indicators::{Indicators, Origin};
use crate::detect::observable::{Observable, find_in, find_in_record, url_host};
use crate::event::{Event, Raw, Record};
use crate::limits::INDICATOR_HITS_PER_LINE_MAX;

/// What the line names and a list knows, each once, in the order of the line.
pub fn hits<'a>(indicators: &'a Indicators, event: &Event, raw: &Raw) -> Vec<(Observable, &'a Origin)> {
    let record = raw.record();
    let mut hits: Vec<(Observable, &'a Origin)> = Vec::new();
    let mut look_up = |value: Observable| {
        // A fingerprint may look like a hash.
        let is_seen = |hit: &Observable| *hit == value || hit.to_string() == value.to_string();
        let seen = hits.len() >= INDICATOR_HITS_PER_LINE_MAX || hits.iter().any(|(hit, _)| is_seen(hit));
        if let Some(origin) = indicators.look_up(&value, event.time()).filter(|_| !seen) {
            hits.push((value, origin));
        }
    };
    endpoints(record).for_each(&mut look_up);
    let fingerprints = record.fields.iter().filter(|(name, _)| holds_fingerprint(name));
    fingerprints.filter_map(|(_, value)| Observable::fingerprint(value)).for_each(&mut look_up);
    let entity = &record.entity;
    for text in [&entity.src_ip, &entity.dst_ip, &entity.domain].into_iter().flatten() {
        find_in(text, &mut look_up);
    }
    find_in_record(record, &mut look_up);
    // The page says more than its host, and the port more than its address.
    let narrow: Vec<Observable> = hits
        .iter()
        .map(|(hit, _)| hit)
        .filter(|hit| matches!(hit, Observable::Url(_) | Observable::Endpoint(_)))
        .cloned()
        .collect();
    hits.retain(|(hit, _)| !narrow.iter().any(|narrow| is_part_of(hit, narrow)));
    hits
}

/// Whether the host or the address is that of what is listed more narrowly.
fn is_part_of(hit: &Observable, narrow: &Observable) -> bool {
    match (hit, narrow) {
        (Observable::Ip(address), Observable::Endpoint(endpoint)) => endpoint.ip() == *address,
        (_, Observable::Url(url)) if hit != narrow => url_host(url) == Some(hit.to_string().as_str()),
        _ => false,
    }
}

/// Addresses with the ports that stand in fields of their own.
fn endpoints(record: &Record) -> impl Iterator<Item = Observable> {
    let entity = &record.entity;
    let pairs = [(&entity.dst_ip, entity.dst_port), (&entity.src_ip, record.src_port)];
    pairs.into_iter().filter_map(|(address, port)| {
        let address: IpAddr = address.as_ref()?.parse().ok()?;
        Some(Observable::endpoint(address, port?))
    })
}

/// Whether a field of this name holds a JA3, JA4, HASSH or JARM.
fn holds_fingerprint(name: &str) -> bool {
    let contains = |kind: &&[u8]| name.as_bytes().windows(kind.len()).any(|part| part.eq_ignore_ascii_case(kind));
    [b"ja3".as_slice(), b"ja4", b"hassh", b"jarm"].iter().any(contains)
}
