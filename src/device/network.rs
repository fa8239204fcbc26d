//! Device 57, network: scans, beacons, names made by an algorithm and data carried in names.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::common::{Finding, quote};
use super::{DeviceSpec, settings};
use crate::config::Span;
use crate::detect::beacon::{Beacon, Beacons, Contact};
use crate::detect::dga;
use crate::detect::dns_names::{DnsNames, Oddity, Question};
use crate::detect::flow::Flow;
use crate::detect::recent::Recent;
use crate::detect::scan::{Scan, ScanSettings, Scans, Shape};
use crate::event::{Body, Category, Entity, Event, Interest, Stream};
use crate::layer::stage::{Outbox, Stage, StateError, decode, encode};

const NUMBER: u16 = 57;
/// Servers whose clients are counted.
const SERVERS_MAX: usize = 8192;
/// A server that so many clients keep contact with is a service, not somebody's controller.
const CLIENTS_OF_A_SERVICE: usize = 4;

pub const SPEC: DeviceSpec = DeviceSpec {
    number: NUMBER,
    stage: "device-57",
    identifier: "dsmil-soc-network",
    title: "Network",
    reads: Interest::NONE.stream(Stream::L3In),
    prepare: |table| {
        let settings: Settings = settings::read(table)?;
        Ok(Arc::new(move || Box::new(Network::new(settings.clone()))))
    },
};

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Contacts of a scan count for so long.
    scan_window: Span,
    /// Failed first contacts of one source, less the answered ones, that are a scan.
    scan_targets: usize,
    /// Sources failing on one machine that are a distributed scan.
    scan_sources: usize,
    /// Contacts of a pair before its regularity is judged, 5 to 33.
    beacon_contacts: usize,
    /// Names asked for count for so long.
    names_window: Span,
    /// Algorithmic names of one client that are a finding.
    algorithmic_names: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            scan_window: Span::from_millis(3600 * 1000),
            scan_targets: 10,
            scan_sources: 30,
            beacon_contacts: 12,
            names_window: Span::from_millis(600 * 1000),
            algorithmic_names: 4,
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    scans: Scans,
    beacons: Beacons,
    names: DnsNames,
    /// The first clients of each server.
    clients: Clients,
}

#[derive(Serialize, Deserialize)]
struct Clients(Recent<Vec<IpAddr>>);

impl Default for Clients {
    fn default() -> Self {
        Self(Recent::new(SERVERS_MAX))
    }
}

impl Clients {
    /// How many clients this server has had, counted up to [`CLIENTS_OF_A_SERVICE`].
    fn count(&mut self, server: &str, client: IpAddr) -> usize {
        let clients = self.0.touch(server, Vec::new);
        if clients.len() < CLIENTS_OF_A_SERVICE && !clients.contains(&client) {
            clients.push(client);
        }
        clients.len()
    }
}

struct Network {
    settings: Settings,
    state: State,
}

impl Network {
    fn new(settings: Settings) -> Self {
        Self { settings, state: State::default() }
    }

    fn contact(&mut self, flow: &Flow<'_>, event: &Event) -> impl Iterator<Item = Finding> + use<> {
        let settings = &self.settings;
        let bounds = ScanSettings {
            targets: settings.scan_targets,
            sources: settings.scan_sources,
            window: settings.scan_window.get(),
        };
        let scans = self.state.scans.contact(flow, event.ts, &bounds).map(|scan| Some(scan_finding(flow, &scan?)));
        let beacon = self.beacon(flow, event).map(|beacon| beacon_finding(flow, &beacon));
        scans.into_iter().flatten().chain(beacon)
    }

    fn beacon(&mut self, flow: &Flow<'_>, event: &Event) -> Option<Beacon> {
        let peer = flow.domain.unwrap_or(flow.server);
        let registrable = flow.domain.and_then(psl::domain_str).unwrap_or(peer);
        if self.state.clients.count(registrable, flow.client) >= CLIENTS_OF_A_SERVICE {
            return None;
        }
        let contact = Contact {
            answered: flow.answered,
            port: flow.port,
            algorithmic: flow.domain.map_or(0.0, dga::score),
            is_internal: is_private(flow.client) && flow.server.parse().is_ok_and(is_private),
        };
        let key = format!("{}>{peer}:{}", flow.client, flow.port);
        self.state.beacons.contact(&key, contact, event.ts, self.settings.beacon_contacts)
    }

    fn question(&mut self, question: Question<'_>, event: &Event) -> Option<Finding> {
        let settings = &self.settings;
        let oddity =
            self.state.names.ask(question, event.ts, settings.names_window.get(), settings.algorithmic_names)?;
        Some(name_finding(question, oddity))
    }
}

impl Stage for Network {
    fn step(&mut self, event: &Event, out: &mut Outbox) {
        let Body::Raw(raw) = &event.body else { return };
        let record = raw.record();
        let mut findings = Vec::new();
        if let Some(flow) = Flow::of(record).filter(|flow| !flow.is_upkeep()) {
            findings.extend(self.contact(&flow, event));
        }
        if let Some(question) = Question::of(record) {
            findings.extend(self.question(question, event));
        }
        for mut finding in findings {
            finding.entity.host = record.entity.host.clone();
            out.emit_soc(finding.into_soc(NUMBER, Category::Network, &raw.compartment));
        }
    }

    fn save(&self) -> Vec<u8> {
        encode(&self.state)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.state = decode(bytes)?;
        Ok(())
    }
}

/// Addresses that only their owner routes.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

fn scan_finding(flow: &Flow<'_>, scan: &Scan) -> Finding {
    let (client, server) = (flow.client, quote(flow.server));
    let from_inside = is_private(flow.client);
    let size = (scan.count as f64 / 10.0).max(1.0).log10();
    let (flag, summary) = match scan.shape {
        Shape::Ports => ("PORT_SCAN", format!("{client} tried {} ports of {server} in vain", scan.count)),
        Shape::Hosts => ("HOST_SWEEP", format!("{client} tried port {} of {} machines in vain", flow.port, scan.count)),
        Shape::Both => ("PORT_SCAN", format!("{client} tried {} ports of {} machines in vain", scan.ports, scan.hosts)),
        Shape::Distributed => (
            "DISTRIBUTED_SCAN",
            format!("{server} was tried in vain by {} sources on {} ports", scan.count, scan.ports),
        ),
    };
    let distributed = scan.shape == Shape::Distributed;
    let score = if distributed { 0.45 } else { 0.6 + 0.08 * size + if from_inside { 0.16 } else { 0.0 } };
    let attack: &[&str] = if from_inside { &["T1046"] } else { &["T1595.001"] };
    let one_server = matches!(scan.shape, Shape::Ports | Shape::Distributed);
    Finding {
        flag,
        score: score.min(0.9),
        summary,
        entity: Entity {
            src_ip: (!distributed).then(|| client.to_string()),
            dst_ip: one_server.then(|| flow.server.to_owned()),
            dst_port: (scan.ports == 1).then_some(flow.port),
            ..Entity::default()
        },
        attack,
        reasons: vec![format!("{} failed first contacts: {} hosts, {} ports", scan.count, scan.hosts, scan.ports)],
    }
}

fn beacon_finding(flow: &Flow<'_>, beacon: &Beacon) -> Finding {
    let peer = quote(flow.domain.unwrap_or(flow.server));
    let interval_s = beacon.interval.as_secs_f64();
    let summary = format!(
        "{} contacts {peer} port {} every {interval_s:.0} s, {:.0} % of the time on time ({})",
        flow.client,
        flow.port,
        beacon.regularity * 100.0,
        beacon.evidence.join(", ")
    );
    Finding {
        flag: "BEACON",
        score: beacon.score,
        summary,
        entity: Entity {
            src_ip: Some(flow.client.to_string()),
            dst_ip: flow.server.parse::<IpAddr>().ok().map(|address| address.to_string()),
            dst_port: Some(flow.port),
            domain: flow.domain.map(str::to_owned),
            ..Entity::default()
        },
        attack: &["T1071"],
        reasons: beacon.evidence.iter().map(|evidence| format!("beacon:{evidence}")).collect(),
    }
}

fn name_finding(question: Question<'_>, oddity: Oddity) -> Finding {
    let client = quote(question.client);
    let entity = Entity {
        src_ip: question.client.parse::<IpAddr>().ok().map(|address| address.to_string()),
        domain: Some(question.name.to_owned()),
        ..Entity::default()
    };
    match oddity {
        Oddity::Algorithmic { names, examples, score } => Finding {
            flag: "DGA_NAME",
            score: (0.55 + 0.3 * score).min(0.9),
            summary: format!(
                "{client} asked for {names} names made by an algorithm, like {}",
                quote(&examples.join(", "))
            ),
            entity,
            attack: &["T1568.002"],
            reasons: vec![format!("{names} algorithmic names, mean score {score:.2}")],
        },
        Oddity::Tunnel { domain, names } => Finding {
            flag: "DNS_TUNNEL",
            score: 0.8,
            summary: format!("{client} asked for {names} long names of high entropy below {}", quote(&domain)),
            entity,
            attack: &["T1071.004", "T1572"],
            reasons: vec![format!("{names} long names below one domain")],
        },
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::{EventId, Raw, Severity, Soc, Timestamp};
    use crate::parse::{Action, Format, Record};

    fn event(second: f64, record: Record) -> Event {
        let ts = Timestamp::from_seconds(1e9 + second).unwrap();
        let id = EventId::new(ts.millis(), 0);
        let raw = Raw::new("test".into(), "net".into(), Format::Text, Bytes::new(), Vec::new()).with_record(record);
        Event { id, stream: Stream::L3In, ts, root: id, body: Body::Raw(raw) }
    }

    fn blocked(client: &str, server: &str, port: u16) -> Record {
        let entity = Entity {
            src_ip: Some(client.into()),
            dst_ip: Some(server.into()),
            dst_port: Some(port),
            ..Entity::default()
        };
        Record { action: Action::Connection, outcome: Some(false), entity, ..Record::default() }
    }

    fn run(stage: &mut dyn Stage, events: &[Event]) -> Vec<Soc> {
        let mut out = Outbox::default();
        for event in events {
            out.begin(event);
            stage.step(event, &mut out);
        }
        out.take()
            .into_iter()
            .map(|draft| match draft.body {
                Body::Soc(soc) => *soc,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn make() -> Box<dyn Stage> {
        (SPEC.prepare)(&toml::Table::new()).unwrap()()
    }

    #[test]
    fn a_port_scan_is_one_event_with_source_target_and_technique() {
        let events: Vec<Event> =
            (1..60).map(|port| event(f64::from(port), blocked("203.0.113.5", "192.0.2.1", port))).collect();
        let said = run(make().as_mut(), &events);
        assert_eq!(said.len(), 1, "{said:#?}");
        let soc = &said[0];
        assert_eq!((soc.src_device, soc.flags.as_slice()), (57, &["PORT_SCAN".to_owned()][..]));
        assert_eq!(soc.entity.src_ip.as_deref(), Some("203.0.113.5"));
        assert_eq!((soc.severity, soc.attack.as_slice()), (Severity::Medium, &["T1595.001".to_owned()][..]));
        assert_eq!(soc.compartment, "net");
    }

    #[test]
    fn a_server_that_many_clients_keep_contact_with_is_no_controller() {
        let mut stage = make();
        let mut said = Vec::new();
        for round in 0..50 {
            for client in 0..6 {
                let record =
                    Record { outcome: Some(true), ..blocked(&format!("192.0.2.{client}"), "203.0.113.80", 443) };
                said.extend(run(stage.as_mut(), &[event(f64::from(round) * 30.0 + f64::from(client), record)]));
            }
        }
        assert_eq!(said, []);
    }

    #[test]
    fn a_saved_state_goes_on_where_it_was() {
        let events: Vec<Event> = (0..40)
            .map(|step| {
                let record = Record { outcome: Some(true), ..blocked("192.0.2.9", "203.0.113.66", 4444) };
                event(f64::from(step) * 60.0, record)
            })
            .collect();
        let whole = run(make().as_mut(), &events);
        assert_eq!(whole.len(), 1);
        let mut first = make();
        let mut said = run(first.as_mut(), &events[..8]);
        let mut second = make();
        second.load(&first.save()).unwrap();
        said.extend(run(second.as_mut(), &events[8..]));
        assert_eq!(said, whole);
        assert!(make().load(b"not a state").is_err());
    }

    #[test]
    fn hostile_text_in_a_name_is_shown_escaped() {
        let record = |step: u32| Record {
            action: Action::Connection,
            outcome: Some(false),
            entity: Entity {
                src_ip: Some("192.0.2.9".into()),
                domain: Some("a\u{1b}[2Jb".into()),
                dst_port: Some(4444),
                ..Entity::default()
            },
            pid: Some(step),
            ..Record::default()
        };
        let events: Vec<Event> = (0..40).map(|step| event(f64::from(step) * 60.0, record(step))).collect();
        let said = run(make().as_mut(), &events);
        assert!(!said.is_empty() && said.iter().all(|soc| !soc.summary.contains('\u{1b}')), "{said:#?}");
    }
}
