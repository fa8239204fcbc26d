//! How device 57 words what its detectors found.

use std::net::IpAddr;

use super::common::{Finding, quote};
use crate::detect::beacon::Beacon;
use crate::detect::dns_names::{ALGORITHMIC_FROM, Oddity, Question};
use crate::detect::dns_tunnel::{PAYLOAD_BYTES_MIN, PAYLOAD_ENTROPY_MIN};
use crate::detect::flow::{Flow, Side};
use crate::detect::nets::is_private;
use crate::detect::scan::{Scan, Shape};
use crate::detect::scenario::customer;
use crate::detect::uploads::Upload;
use crate::event::{Alarm, Entity, Soc};
use crate::layer::SOURCE_NOT_PROVEN;

/// A finding, and the alarm that it is a report of where it goes on.
pub struct Found {
    pub finding: Finding,
    pub alarm: Option<Alarm>,
}

impl From<Finding> for Found {
    fn from(finding: Finding) -> Self {
        Self { finding, alarm: None }
    }
}

impl Found {
    pub fn of_beacon(link: &Link<'_>, beacon: Beacon) -> Self {
        Self { finding: beacon_finding(link, &beacon), alarm: Some(beacon.alarm) }
    }
}

/// Whom a finding is about, among many of whom the same is found: who did it, and with whom where one can do it with many.
pub fn member(soc: &Soc) -> String {
    let entity = &soc.entity;
    let client = entity.src_ip.as_deref().map(customer);
    let peer = entity.domain.as_deref().or(entity.dst_ip.as_deref()).map(quote).unwrap_or_default();
    let is_of_both = soc.flags.iter().any(|flag| matches!(flag.as_str(), "BEACON" | "DNS_TUNNEL" | "LARGE_UPLOAD"));
    match client {
        Some(client) if is_of_both => format!("{client} {peer}"),
        Some(client) => client.into_owned(),
        None => peer,
    }
}

/// The two ends of a regular contact.
pub struct Link<'a> {
    pub client: &'a str,
    pub address: Option<IpAddr>,
    pub domain: Option<&'a str>,
    pub port: Option<u16>,
    /// It is the client, or an own machine at least, who reaches out: nobody in its name.
    pub is_proven: bool,
}

impl<'a> Link<'a> {
    pub fn of(flow: &Flow<'a>, client: &'a str) -> Self {
        let is_proven = flow.proves_client || flow.begun == Side::Inside;
        Self { client, address: flow.server.parse().ok(), domain: flow.domain, port: Some(flow.port), is_proven }
    }
}

/// The score of a scan, 0.5 to 0.9: by its size, and higher from inside, because the internet scans every machine and a
/// machine of the own network should not.
fn scan_score(count: u64, from_inside: bool) -> f64 {
    let size = (count as f64 / 10.0).max(1.0).log10();
    let start = if count < 10 { 0.5 } else { 0.6 };
    (start + 0.08 * size + if from_inside { 0.16 } else { 0.0 }).min(0.9)
}

pub fn scan_finding(flow: &Flow<'_>, scan: &Scan) -> Finding {
    let (client, server) = (flow.client, quote(flow.server));
    let from_inside = is_private(flow.client);
    let (flag, summary) = match scan.shape {
        Shape::Ports => ("PORT_SCAN", format!("{client} tried {} ports of {server} in vain", scan.count)),
        Shape::Hosts => ("HOST_SWEEP", format!("{client} tried port {} of {} machines in vain", flow.port, scan.count)),
        Shape::Both => ("PORT_SCAN", format!("{client} tried {} ports of {} machines in vain", scan.ports, scan.hosts)),
        Shape::Persistent => (
            "UNANSWERED_CONTACTS",
            format!("{client} tried {} ports of {server} {} times in vain", scan.ports, scan.count),
        ),
        Shape::Distributed => (
            "DISTRIBUTED_SCAN",
            format!("{server} was tried in vain by {} sources on {} ports", scan.count, scan.ports),
        ),
    };
    let distributed = scan.shape == Shape::Distributed;
    let score = match scan.shape {
        // A service that is down makes its clients look so, and the background of the internet is no incident.
        Shape::Persistent | Shape::Distributed => 0.45,
        _ => scan_score(scan.count, from_inside),
    };
    let attack: &[&str] = if from_inside { &["T1046"] } else { &["T1595.001"] };
    let one_server = scan.hosts == 1;
    let mut reasons = vec![format!("{} failed first contacts: {} hosts, {} ports", scan.count, scan.hosts, scan.ports)];
    reasons.extend((!scan.is_proven).then(|| SOURCE_NOT_PROVEN.to_owned()));
    Finding {
        flag,
        score,
        summary,
        entity: Entity {
            src_ip: (!distributed).then(|| client.to_string()),
            dst_ip: one_server.then(|| flow.server.to_owned()),
            dst_port: (scan.ports == 1).then_some(flow.port),
            ..Entity::default()
        },
        attack,
        reasons,
    }
}

pub fn page_finding(client: &str, pages: u64) -> Finding {
    Finding {
        flag: "WEB_SCAN",
        score: scan_score(pages, client.parse().is_ok_and(is_private)),
        summary: format!("{} asked for {pages} pages that are not there", quote(client)),
        entity: Entity { src_ip: Some(client.to_owned()), ..Entity::default() },
        attack: &["T1595.003"],
        reasons: vec![format!("{pages} pages not there")],
    }
}

fn beacon_finding(link: &Link<'_>, beacon: &Beacon) -> Finding {
    let client = quote(link.client);
    let peer = link.domain.map(quote).or(link.address.map(|address| address.to_string())).unwrap_or_default();
    let port = link.port.map(|port| format!(" port {port}")).unwrap_or_default();
    let verb = if link.port.is_some() { "contacts" } else { "asks for" };
    let interval_s = beacon.interval.as_secs_f64();
    let regularity = beacon.regularity * 100.0;
    let evidence = beacon.evidence.join(", ");
    let not_proven = (!link.is_proven).then(|| SOURCE_NOT_PROVEN.to_owned());
    Finding {
        flag: "BEACON",
        score: beacon.score,
        summary: format!(
            "{client} {verb} {peer}{port} every {interval_s:.0} s, {regularity:.0} % on time ({evidence})"
        ),
        entity: Entity {
            src_ip: link.client.parse::<IpAddr>().ok().map(|address| address.to_string()),
            dst_ip: link.address.map(|address| address.to_string()),
            dst_port: link.port,
            domain: link.domain.map(str::to_owned),
            ..Entity::default()
        },
        attack: if link.port.is_some() { &["T1071"] } else { &["T1071.004"] },
        reasons: beacon.evidence.iter().map(|evidence| format!("beacon:{evidence}")).chain(not_proven).collect(),
    }
}

pub fn upload_finding(flow: &Flow<'_>, upload: Upload) -> Finding {
    let mib = |bytes: u64| bytes / (1024 * 1024);
    let (client, server) =
        (flow.client, if upload.is_to_one { quote(flow.server) } else { "servers outside".to_owned() });
    let (sent, usual) = (mib(upload.bytes), mib(upload.usual));
    Finding {
        flag: "LARGE_UPLOAD",
        score: 0.6,
        summary: format!(
            "{client} has sent {sent} MiB to {server} today; the most on a day of the week before was {usual} MiB"
        ),
        entity: Entity {
            src_ip: Some(client.to_string()),
            dst_ip: upload.is_to_one.then(|| flow.server.to_owned()),
            dst_port: upload.is_to_one.then_some(flow.port),
            ..Entity::default()
        },
        attack: &["T1048"],
        reasons: vec![format!("{sent} MiB sent in a day, {usual} MiB usual")],
    }
}

pub fn name_finding(question: Question<'_>, oddity: Oddity) -> Finding {
    let client = quote(question.client);
    let entity = Entity {
        src_ip: question.client.parse::<IpAddr>().ok().map(|address| address.to_string()),
        domain: Some(question.name.to_owned()),
        ..Entity::default()
    };
    match oddity {
        Oddity::Algorithmic { names, examples, score, kind } => Finding {
            flag: "DGA_NAME",
            score: (0.55 + 0.3 * score).min(0.9),
            summary: format!(
                "{client} asked for {names} names made by an algorithm, like {}: they score {score:.2} (most like {kind}), and of popular names \
                 one in a hundred comes to {ALGORITHMIC_FROM}",
                quote(&examples.join(", "))
            ),
            entity,
            attack: &["T1568.002"],
            reasons: vec![format!("{names} algorithmic names, mean score {score:.2}, most like {kind}")],
        },
        Oddity::Tunnel { domain, names } => Finding {
            flag: "DNS_TUNNEL",
            score: 0.8,
            summary: format!(
                "{client} asked for {names} different names below {} that carry data: {PAYLOAD_BYTES_MIN} characters and more of \
                 {PAYLOAD_ENTROPY_MIN} bits and more each, where words have about 3",
                quote(&domain)
            ),
            entity,
            attack: &["T1071.004", "T1572"],
            reasons: vec![format!("{names} long names below one domain")],
        },
        Oddity::KeptAlive { domain, names, every_s } => Finding {
            flag: "DNS_TUNNEL",
            score: 0.7,
            summary: format!(
                "{client} asked for {names} encoded names below {}, another one every {every_s:.0} s and none again: so a tunnel is kept alive",
                quote(&domain)
            ),
            entity,
            attack: &["T1071.004", "T1572"],
            reasons: vec![format!("{names} encoded names at a steady pace")],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_can_do_it_with_many_is_named_with_whom() {
        let of = |src_ip: Option<&str>, flag: &str| {
            let entity = Entity {
                src_ip: src_ip.map(str::to_owned),
                domain: Some("evil.example".to_owned()),
                ..Entity::default()
            };
            member(&Soc { entity, flags: vec![flag.to_owned()], ..Soc::default() })
        };
        let named = [of(Some("192.0.2.7"), "BEACON"), of(Some("192.0.2.7"), "PORT_SCAN"), of(None, "PORT_SCAN")];
        assert_eq!(named, ["192.0.2.7 evil.example", "192.0.2.7", "evil.example"]);
    }
}
