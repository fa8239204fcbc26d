//! Device 57, network: scans, beacons, names made by an algorithm and data carried in names.

#[cfg(test)]
mod periodic_tests;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::common::Finding;
use super::gathered::Gathered;
use super::network_findings::{Found, Link, member, name_finding, page_finding, scan_finding, upload_finding};
use super::{DeviceSpec, settings};
use crate::config::{Bytes, Span};
use crate::detect::beacon::{Beacon, Beacons, Contact};
use crate::detect::conversation::Conversation;
use crate::detect::dga;
use crate::detect::dns_names::{DnsNames, Question};
use crate::detect::doer::doer;
use crate::detect::flow::{Flow, Side};
use crate::detect::known_sources::KnownSources;
use crate::detect::nets::is_private;
use crate::detect::public_suffix::registrable;
use crate::detect::recent::Recent;
use crate::detect::scan::{ScanSettings, Scans};
use crate::detect::uploads::Uploads;
use crate::detect::zeek;
use crate::event::{Action, Body, Category, Event, Interest, Raw, Record, Soc, Stream, Timestamp, Verdict, stream};
use crate::layer::severity::grade;
use crate::layer::stage::{Outbox, Stateful};
use crate::layer::{SOURCE_NOT_PROVEN, says};

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
    reads: Interest::NONE.stream(Stream::L3In).stream(Stream::Tick).soc(stream::FUSION),
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
    /// Bytes that an own machine sends to one server outside within a day, below which that is no finding.
    upload: Bytes,
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
            upload: Bytes::from_mib(1024),
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    scans: Scans,
    beacons: Beacons,
    names: DnsNames,
    #[serde(default)]
    uploads: Uploads,
    /// The first own machines that are clients of each server, and the first others.
    clients: Clients,
    #[serde(default)]
    strangers: Clients,
    /// Column names of Zeek's logs, by source.
    zeek: ZeekLogs,
    /// Many of whom the same is found.
    #[serde(default)]
    gathered: Gathered,
    /// Those of whom Layer 3 or 4 has told.
    #[serde(default)]
    known: KnownSources,
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

impl State {
    fn told(&mut self, soc: &Soc, now: Timestamp) {
        if soc.decision != Verdict::Benign && !says(&soc.reasons, SOURCE_NOT_PROVEN) {
            self.known.reported(&doer(&soc.entity), grade(soc.decision, soc.score), now);
        }
    }

    /// What somebody from outside tries in vain is no news after what Layer 3 and 4 have told of it as bad.
    fn has_been_told(&self, soc: &Soc, now: Timestamp) -> bool {
        let is_scan = soc.flags.iter().any(|flag| matches!(flag.as_str(), "WEB_SCAN" | "PORT_SCAN" | "HOST_SWEEP"));
        let source = soc.entity.src_ip.as_deref().and_then(|address| address.parse().ok());
        let is_from_outside = source.is_some_and(|address| !is_private(address));
        is_scan && is_from_outside && self.known.knows(&doer(&soc.entity), grade(soc.decision, soc.score), now)
    }

    /// Those whose names anybody can write are counted for themselves: they make no server a service for the own machines, and no
    /// service be forgotten.
    fn clients(&mut self, are_own: bool) -> &mut Clients {
        if are_own { &mut self.clients } else { &mut self.strangers }
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
    fn judge(&mut self, record: &Record, now: Timestamp) -> Vec<Found> {
        let mut findings = Vec::new();
        if let Some(flow) = Flow::of(record).filter(|flow| !flow.is_upkeep()) {
            let client = flow.client.to_string();
            findings.extend(self.upload(&flow, &client, now).map(Found::from));
            let scans = self.state.scans.contact(&flow, now, &self.scan_settings());
            findings.extend(scans.into_iter().flatten().map(|scan| Found::from(scan_finding(&flow, &scan))));
            let beacon = self.flow_beacon(&flow, now);
            findings.extend(beacon.map(|beacon| Found::of_beacon(&Link::of(&flow, &client), beacon)));
        }
        if let Some(question) = Question::of(record) {
            findings.extend(self.question(question, now));
        }
        findings.extend(self.page(record, now).map(Found::from));
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
        if self.state.clients(flow.begun == Side::Inside).count(owner, flow.client) >= CLIENTS_OF_A_SERVICE {
            return None;
        }
        let contact = Contact {
            answered: flow.answered,
            port: flow.port,
            algorithmic: flow.domain.map_or(0.0, dga::score),
            is_internal: is_private(flow.client) && flow.server.parse().is_ok_and(is_private),
            is_own: flow.begun == Side::Inside,
            is_question: false,
            conversation: flow.conversation,
        };
        let key = format!("{}>{peer}:{}", flow.client, flow.port);
        self.state.beacons.contact(&key, contact, now, self.settings.beacon_contacts)
    }

    fn upload(&mut self, flow: &Flow<'_>, client: &str, now: Timestamp) -> Option<Finding> {
        let is_out = flow.begun == Side::Inside && !flow.server.parse().is_ok_and(is_private);
        let bytes = (flow.conversation.sent?, flow.conversation.received.unwrap_or(0));
        let bytes_min = self.settings.upload.get();
        let upload = is_out.then(|| self.state.uploads.sent(client, flow.server, bytes, now, bytes_min))??;
        Some(upload_finding(flow, upload))
    }

    fn question(&mut self, question: Question<'_>, now: Timestamp) -> Vec<Found> {
        let settings = &self.settings;
        let (window, names_min) = (settings.names_window.get(), settings.algorithmic_names);
        let oddity = self.state.names.ask(question, now, window, names_min);
        let beacon = self.name_beacon(question, now);
        let (client, domain) = (question.client, Some(question.name));
        let link = Link { client, address: None, domain, port: None, is_proven: true };
        let mut findings: Vec<Found> = oddity.map(|oddity| name_finding(question, oddity).into()).into_iter().collect();
        findings.extend(beacon.map(|beacon| Found::of_beacon(&link, beacon)));
        findings
    }

    fn name_beacon(&mut self, question: Question<'_>, now: Timestamp) -> Option<Beacon> {
        let owner = registrable(question.name)?;
        let client = question.client.parse().ok()?;
        let is_own = is_private(client);
        let is_upkeep = owner.ends_with(".arpa") || owner.ends_with(".local");
        if is_upkeep || self.state.clients(is_own).count(owner, client) >= CLIENTS_OF_A_SERVICE {
            return None;
        }
        let contact = Contact {
            answered: None,
            port: ANY_SERVICE_PORT,
            algorithmic: dga::score(question.name),
            is_internal: false,
            is_own,
            is_question: true,
            conversation: Conversation::default(),
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
        let head = raw.payload.get(..64).unwrap_or(&raw.payload);
        let is_tabbed = raw.payload.first() == Some(&b'#') || memchr::memchr(b'\t', head).is_some();
        let line = if is_tabbed { std::str::from_utf8(&raw.payload).ok()? } else { return None };
        if let Some(columns) = zeek::columns(line) {
            *self.state.zeek.0.touch(&raw.source_key(), Vec::new) = columns;
            return None;
        }
        zeek::record(line, self.state.zeek.0.get(&raw.source_key())?)
    }
}

impl Stateful for Network {
    type State = State;

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        if let Body::Tick = event.body {
            self.state.gathered.tick(event, out);
        }
        if let Body::Soc(soc) = &event.body {
            self.state.told(soc, event.time());
        }
        let Body::Raw(raw) = &event.body else { return };
        let findings = match self.zeek(raw) {
            // Zeek writes a connection at its end, with the time of its beginning. Later than is believed it cannot be.
            Some((began, record)) => self.judge(&record, began.min(event.time())),
            None => self.judge(raw.record(), event.time()),
        };
        for Found { mut finding, alarm } in findings {
            finding.entity.host = raw.record().entity.host.clone();
            let soc = Soc { alarm, ..finding.into_soc(NUMBER, Category::Network, &raw.compartment) };
            if self.state.has_been_told(&soc, event.time()) {
                continue;
            }
            let who = member(&soc);
            self.state.gathered.report(soc, &who, event, out);
        }
    }

    fn state(&self) -> &Self::State {
        &self.state
    }

    fn state_mut(&mut self) -> &mut Self::State {
        &mut self.state
    }
}
