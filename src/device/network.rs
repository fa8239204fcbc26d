//! Device 57, network: scans, beacons, names made by an algorithm and data carried in names.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::common::Finding;
use super::network_findings::{Link, beacon_finding, name_finding, page_finding, scan_finding};
use super::{DeviceSpec, settings};
use crate::config::Span;
use crate::detect::beacon::{Beacon, Beacons, Contact};
use crate::detect::dga;
use crate::detect::dns_names::{DnsNames, Question};
use crate::detect::flow::{Flow, Side};
use crate::detect::nets::is_private;
use crate::detect::public_suffix::registrable;
use crate::detect::recent::Recent;
use crate::detect::scan::{ScanSettings, Scans};
use crate::detect::zeek;
use crate::event::{Action, Body, Category, Event, Interest, Raw, Record, Stream, Timestamp};
use crate::layer::stage::{Outbox, Stateful};

const NUMBER: u16 = 57;
/// Servers whose clients are counted.
const SERVERS_MAX: usize = 8192;
/// Sources whose column names are remembered.
const ZEEK_LOGS_MAX: usize = 64;
/// Questions for one name before their regularity is judged: caches ask again on a timer of their own.
const QUESTIONS_OF_A_BEACON: usize = 20;
/// Where regular contact with a name is judged without its port being known.
const ANY_SERVICE_PORT: u16 = 443;
/// A server that so many clients keep contact with is a service, not the controller of a botnet.
const CLIENTS_OF_A_SERVICE: usize = 4;

pub const SPEC: DeviceSpec = DeviceSpec {
    number: NUMBER,
    stage: "device-57",
    identifier: "dsmil-soc-network",
    reads: Interest::NONE.stream(Stream::L3In),
    prepare: |table| settings::factory(table, Network::new),
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
            scan_window: Span::from_millis(6 * 3600 * 1000),
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
    /// Column names of Zeek's logs, by source.
    zeek: ZeekLogs,
}

#[derive(Serialize, Deserialize)]
struct ZeekLogs(Recent<Vec<String>>);

impl Default for ZeekLogs {
    fn default() -> Self {
        Self(Recent::new(ZEEK_LOGS_MAX))
    }
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

    /// Everything that the detectors find in one record.
    fn judge(&mut self, record: &Record, now: Timestamp) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(flow) = Flow::of(record).filter(|flow| !flow.is_upkeep()) {
            let client = flow.client.to_string();
            let scans = self.state.scans.contact(&flow, now, &self.scan_settings());
            findings.extend(scans.into_iter().flatten().map(|scan| scan_finding(&flow, &scan)));
            findings
                .extend(self.flow_beacon(&flow, now).map(|beacon| beacon_finding(&Link::of(&flow, &client), &beacon)));
        }
        if let Some(question) = Question::of(record) {
            findings.extend(self.question(question, now));
        }
        findings.extend(self.page(record, now));
        findings
    }

    fn scan_settings(&self) -> ScanSettings {
        let settings = &self.settings;
        ScanSettings {
            targets: settings.scan_targets,
            sources: settings.scan_sources,
            window: settings.scan_window.get(),
        }
    }

    fn flow_beacon(&mut self, flow: &Flow<'_>, now: Timestamp) -> Option<Beacon> {
        // Who knocks at an own machine at a regular pace has no own machine in its hands.
        if flow.begun == Side::Outside {
            return None;
        }
        let peer = flow.domain.unwrap_or(flow.server);
        let owner = flow.domain.and_then(registrable).unwrap_or(peer);
        if self.state.clients.count(owner, flow.client) >= CLIENTS_OF_A_SERVICE {
            return None;
        }
        let contact = Contact {
            answered: flow.answered,
            port: flow.port,
            algorithmic: flow.domain.map_or(0.0, dga::score),
            is_internal: is_private(flow.client) && flow.server.parse().is_ok_and(is_private),
        };
        let key = format!("{}>{peer}:{}", flow.client, flow.port);
        self.state.beacons.contact(&key, contact, now, self.settings.beacon_contacts)
    }

    fn question(&mut self, question: Question<'_>, now: Timestamp) -> Vec<Finding> {
        let settings = &self.settings;
        let (window, names_min) = (settings.names_window.get(), settings.algorithmic_names);
        let oddity = self.state.names.ask(question, now, window, names_min);
        let beacon = self.name_beacon(question, now);
        let (client, domain) = (question.client, Some(question.name));
        let link = Link { client, address: None, domain, port: None, is_proven: true };
        let mut findings: Vec<Finding> = oddity.map(|oddity| name_finding(question, oddity)).into_iter().collect();
        findings.extend(beacon.map(|beacon| beacon_finding(&link, &beacon)));
        findings
    }

    fn name_beacon(&mut self, question: Question<'_>, now: Timestamp) -> Option<Beacon> {
        let owner = registrable(question.name)?;
        let client = question.client.parse().ok()?;
        let is_upkeep = owner.ends_with(".arpa") || owner.ends_with(".local");
        if is_upkeep || self.state.clients.count(owner, client) >= CLIENTS_OF_A_SERVICE {
            return None;
        }
        let contact = Contact {
            answered: None,
            port: ANY_SERVICE_PORT,
            algorithmic: dga::score(question.name),
            is_internal: false,
        };
        let key = format!("{client}?{}", question.name);
        self.state.beacons.contact(&key, contact, now, QUESTIONS_OF_A_BEACON.max(self.settings.beacon_contacts))
    }

    fn page(&mut self, record: &Record, now: Timestamp) -> Option<Finding> {
        let client = record.entity.src_ip.as_deref().filter(|_| record.action == Action::HttpRequest)?;
        let is_there = match record.field("sc-status")?.parse::<u16>().ok()? {
            200..=399 => true,
            400 | 403 | 404 | 405 | 410 => false,
            _ => return None,
        };
        let page = record.field("cs-uri-stem").or_else(|| record.field("c-uri"))?;
        let pages = self.state.scans.page(client, page, is_there, now, &self.scan_settings())?;
        Some(page_finding(client, pages))
    }

    /// A line of a Zeek log in its own format, with its time; learns the names of its columns.
    fn zeek(&mut self, raw: &Raw) -> Option<(Timestamp, Record)> {
        let is_tabbed = raw.payload.first() == Some(&b'#') || raw.payload.iter().take(64).any(|byte| *byte == b'\t');
        let line = std::str::from_utf8(&raw.payload).ok().filter(|_| is_tabbed)?;
        if let Some(columns) = zeek::columns(line) {
            *self.state.zeek.0.touch(&raw.source, Vec::new) = columns;
            return None;
        }
        zeek::record(line, self.state.zeek.0.get(&raw.source)?)
    }
}

impl Stateful for Network {
    type State = State;

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        let Body::Raw(raw) = &event.body else { return };
        let findings = match self.zeek(raw) {
            // Zeek writes a connection at its end, with the time of its beginning. Later than is believed it cannot be.
            Some((began, record)) => self.judge(&record, began.min(event.time())),
            None => self.judge(raw.record(), event.time()),
        };
        for mut finding in findings {
            finding.entity.host = raw.record().entity.host.clone();
            out.emit_soc(finding.into_soc(NUMBER, Category::Network, &raw.compartment));
        }
    }

    fn state(&self) -> &Self::State {
        &self.state
    }

    fn state_mut(&mut self) -> &mut Self::State {
        &mut self.state
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::{Entity, EventId, Format, Severity, Times};
    use crate::layer::SOURCE_NOT_PROVEN;
    use crate::layer::stage::Stage;
    use crate::layer::testing::soc_events;
    use crate::parse::built_in;

    fn event(second: f64, record: Record) -> Event {
        let ts = Timestamp::from_seconds(1e9 + second).unwrap();
        let id = EventId::new(ts.millis(), 0);
        let raw = Raw::new("test".into(), "net".into(), Format::Text, Bytes::new(), Vec::new(), built_in())
            .with_record(record);
        Event { id, stream: Stream::L3In, times: Times::at(ts), root: id, body: Body::Raw(raw) }
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

    fn make() -> Box<dyn Stage> {
        (SPEC.prepare)(&toml::Table::new()).unwrap().stage()
    }

    #[test]
    fn a_port_scan_is_one_event_with_source_target_and_technique() {
        let events: Vec<Event> =
            (1..60).map(|port| event(f64::from(port), blocked("203.0.113.5", "192.0.2.1", port))).collect();
        let written = soc_events(make().as_mut(), &events);
        assert_eq!(written.len(), 2, "when it is one, and ten times as large: {written:#?}");
        let soc = &written[1];
        assert_eq!((soc.src_device, soc.flags.as_slice()), (57, &["PORT_SCAN".to_owned()][..]));
        assert_eq!(soc.entity.src_ip.as_deref(), Some("203.0.113.5"));
        assert_eq!((soc.severity, soc.attack.as_slice()), (Severity::Medium, &["T1595.001".to_owned()][..]));
        assert_eq!(soc.compartment, "net");
    }

    /// What a firewall logs of a packet.
    fn packet(interfaces: &str, ends: &str, rest: &str) -> Record {
        let line = format!(
            "Nov 10 10:00:00 gate kernel: [1.0] [UFW BLOCK] {interfaces} {ends} LEN=40 TOS=0x00 PREC=0x00 TTL=240 ID=1 {rest} URGP=0"
        );
        crate::parse::record(line.as_bytes(), Format::Auto, &[])
    }

    #[test]
    fn what_is_sent_to_an_own_machine_at_a_regular_pace_is_no_beacon_and_what_one_sends_is() {
        for (every, port) in [(60, 31_337), (60, 443), (3, 22), (720, 9100)] {
            let said = |interfaces: &str| {
                let syn = format!("PROTO=TCP SPT=40000 DPT={port} WINDOW=1024 RES=0x00 SYN");
                let syn = packet(interfaces, "SRC=203.0.113.9 DST=198.51.100.1", &syn);
                let events: Vec<Event> = (0..28).map(|step| event(f64::from(step * every), syn.clone())).collect();
                soc_events(make().as_mut(), &events)
            };
            assert_eq!(said("IN=eth0 OUT= MAC=00"), [], "port {port}");
            assert!(said("IN= OUT=eth0").iter().any(|soc| soc.flags == ["BEACON"]), "port {port}");
        }
    }

    #[test]
    fn a_scan_of_packets_alone_says_that_anybody_can_have_sent_them_and_late_packets_are_none() {
        let said = |rest: fn(u16) -> String| {
            let events: Vec<Event> = (0..60)
                .map(|step| {
                    let packet =
                        packet("IN=eth0 OUT= MAC=00", "SRC=9.9.9.9 DST=198.51.100.1", &rest(40_000 + step * 7));
                    event(f64::from(step), packet)
                })
                .collect();
            soc_events(make().as_mut(), &events)
        };
        let scan = said(|port| format!("PROTO=TCP SPT=40000 DPT={port} WINDOW=1024 RES=0x00 SYN"));
        assert!(!scan.is_empty());
        assert!(scan.iter().all(|soc| soc.reasons.iter().any(|reason| reason == SOURCE_NOT_PROVEN)), "{scan:#?}");
        assert_eq!(said(|port| format!("PROTO=TCP SPT=443 DPT={port} WINDOW=0 RES=0x00 ACK FIN")), []);
        assert_eq!(said(|port| format!("PROTO=UDP SPT=53 DPT={port} LEN=70")), []);
    }

    #[test]
    fn a_server_that_many_clients_keep_contact_with_is_no_controller() {
        let mut stage = make();
        let mut written = Vec::new();
        for round in 0..50 {
            for client in 0..6 {
                let record =
                    Record { outcome: Some(true), ..blocked(&format!("192.0.2.{client}"), "203.0.113.80", 443) };
                written
                    .extend(soc_events(stage.as_mut(), &[event(f64::from(round) * 30.0 + f64::from(client), record)]));
            }
        }
        assert_eq!(written, []);
    }

    #[test]
    fn a_saved_state_goes_on_where_it_was() {
        let events: Vec<Event> = (0..40)
            .map(|step| {
                let record = Record { outcome: Some(true), ..blocked("192.0.2.9", "203.0.113.66", 4444) };
                event(f64::from(step) * 60.0, record)
            })
            .collect();
        let whole = soc_events(make().as_mut(), &events);
        assert_eq!(whole.len(), 1);
        let mut first = make();
        let mut written = soc_events(first.as_mut(), &events[..8]);
        let mut second = make();
        second.load(&first.save().unwrap()).unwrap();
        written.extend(soc_events(second.as_mut(), &events[8..]));
        assert_eq!(written, whole);
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
        let written = soc_events(make().as_mut(), &events);
        assert!(!written.is_empty() && written.iter().all(|soc| !soc.summary.contains('\u{1b}')), "{written:#?}");
    }
}
