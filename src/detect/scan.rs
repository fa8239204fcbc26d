//! Scans: a source that tries many doors and finds most of them shut.
//!
//! After the sequential test of Jung, Paxson, Berger and Balakrishnan (Fast Portscan Detection Using Sequential
//! Hypothesis Testing, 2004): only first contacts count, a failed one counts for a scanner and an answered one against
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client_network::peer;
use super::flow::{Flow, Side};
use super::nets::is_private;
use super::recent::Recent;
use super::scenario::customer;
use crate::event::Timestamp;

/// Doors remembered of one source, and sources remembered of one machine.
const MEMORY_MAX: usize = 256;
/// Bytes of a page's path that tell it from others.
const PAGE_BYTES_MAX: usize = 96;
/// Sources and machines remembered.
const SOURCES_MAX: usize = 4096;
/// Failed contacts with doors already known that make a source persistent, when it was never answered.
const ATTEMPTS: u64 = 30;
/// A scan is reported again when it has grown by this factor.
const GROWTH: u64 = 10;
/// Sources of a distributed scan come within this time; over a day, all who probe the internet come by.
const DISTRIBUTED_WITHIN: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A service that is down fails its own clients on one port; scanners of a machine try several.
const PORTS_OF_A_DISTRIBUTED_SCAN: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScanSettings {
    /// Failed first contacts of a source, less the answered ones, that make it a scanner. Half as many do for a public
    /// address that was never answered.
    pub targets: usize,
    /// Sources that fail on one machine that make it the target of a distributed scan.
    pub sources: usize,
    pub window: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Many ports of one machine.
    Ports,
    /// One port of many machines.
    Hosts,
    /// Many ports of many machines.
    Both,
    /// The same few doors again and again.
    Persistent,
    /// One machine, from many sources.
    Distributed,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    pub shape: Shape,
    /// Failed first contacts in this scan so far; sources of a distributed one; attempts of a persistent source.
    pub count: u64,
    pub hosts: usize,
    pub ports: usize,
    /// The source has spoken with one of those that it contacted: what it was in vain nobody else has sent in its name.
    pub is_proven: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Contact {
    at: Timestamp,
    answered: bool,
    #[serde(default)]
    proves_source: bool,
}

/// When something was last reported, and how large it was then.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Report {
    count: u64,
    at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Source {
    /// By server and port.
    contacts: BTreeMap<(String, u16), Contact>,
    /// Failed first contacts since the scan began.
    failed: u64,
    /// Failed contacts with doors already known, since `attempts_since`.
    attempts: u64,
    attempts_since: Timestamp,
    #[serde(rename = "said")]
    reported: Report,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Machine {
    /// The port that each source failed on first, and when.
    sources: BTreeMap<String, (u16, Timestamp)>,
    failed: u64,
    #[serde(rename = "said")]
    reported: Report,
}

/// Everything remembered about who contacted whom; bounded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scans {
    /// Own machines, and those who have spoken with one.
    sources: Recent<Source>,
    /// In whose name anybody can have sent it: however many are made up, they push out nobody but each other.
    #[serde(default = "nobody")]
    strangers: Recent<Source>,
    machines: Recent<Machine>,
    /// Clients of web servers; their doors are pages.
    visitors: Recent<Source>,
}

impl Default for Scans {
    fn default() -> Self {
        Self { sources: nobody(), strangers: nobody(), machines: Recent::new(SOURCES_MAX), visitors: nobody() }
    }
}

fn nobody() -> Recent<Source> {
    Recent::new(SOURCES_MAX)
}

impl Scans {
    /// Takes in one contact. Returns the scans to be reported now: the one by its source, and the one of its server.
    pub fn contact(&mut self, flow: &Flow<'_>, now: Timestamp, settings: &ScanSettings) -> [Option<Scan>; 2] {
        let Some(answered) = flow.answered else { return [None, None] };
        let client = peer(flow.client).to_string();
        let source = self.source(&client, flow.begun == Side::Inside || flow.proves_client);
        let is_stranger = !is_private(flow.client);
        let targets = if is_stranger { settings.targets.div_ceil(2) } else { settings.targets };
        let door = (flow.server.to_owned(), flow.port);
        let contact = Contact { at: now, answered, proves_source: flow.proves_client };
        let by_source = source.contact(door, contact, &ScanSettings { targets, ..*settings });
        let is_scanner = source.reported.count > 0;
        if answered || is_scanner || is_same_network(flow) {
            return [by_source, None];
        }
        let machine = self.machines.touch(flow.server, Machine::default);
        [by_source, machine.contact(client, flow.port, now, settings)]
    }

    fn source(&mut self, client: &str, is_proven: bool) -> &mut Source {
        if is_proven || self.sources.get(client).is_some() {
            let known = self.strangers.remove(client);
            return self.sources.touch(client, || known.unwrap_or_default());
        }
        self.strangers.touch(client, Source::default)
    }

    /// The same for pages of a web server: for a client that asks for many that are not there, returns how many so far
    /// when that is to be reported now.
    pub fn page(
        &mut self,
        client: &str,
        page: &str,
        is_there: bool,
        now: Timestamp,
        settings: &ScanSettings,
    ) -> Option<u64> {
        let page = page.get(..page.floor_char_boundary(PAGE_BYTES_MAX)).unwrap_or(page).to_owned();
        let visitor = self.visitors.touch(&customer(client), Source::default);
        let contact = Contact { at: now, answered: is_there, proves_source: true };
        visitor.contact((page, 0), contact, settings).map(|scan| scan.count)
    }
}

/// A distributed scan comes from elsewhere; neighbours that find a machine silent have found it switched off.
fn is_same_network(flow: &Flow<'_>) -> bool {
    match (flow.client, flow.server.parse()) {
        (IpAddr::V4(client), Ok(IpAddr::V4(server))) => client.octets().get(..2) == server.octets().get(..2),
        (IpAddr::V6(client), Ok(IpAddr::V6(server))) => client.octets().get(..6) == server.octets().get(..6),
        _ => false,
    }
}

impl Source {
    /// `settings.targets` is enough while the source was never answered.
    fn contact(&mut self, door: (String, u16), contact: Contact, settings: &ScanSettings) -> Option<Scan> {
        let Contact { at: now, answered, .. } = contact;
        if let Some(known) = self.contacts.get_mut(&door) {
            known.at = now;
            known.answered |= answered;
            known.proves_source |= contact.proves_source;
            return if answered { None } else { self.attempt(now, settings) };
        }
        if self.contacts.len() >= MEMORY_MAX {
            drop_oldest(&mut self.contacts, |contact| contact.at);
        }
        self.contacts.insert(door, contact);
        if answered {
            return None;
        }
        self.failed += 1;
        let may_be_one = self.contacts.len() >= settings.targets;
        if may_be_one && self.is_scanning(now, settings) && self.reported.is_due(self.failed, now, settings.window) {
            return Some(self.describe());
        }
        None
    }

    fn attempt(&mut self, now: Timestamp, settings: &ScanSettings) -> Option<Scan> {
        let apart = now.apart(self.attempts_since);
        if apart > settings.window {
            self.attempts = 0;
            self.attempts_since = now;
        }
        self.attempts += 1;
        let unanswered = self.attempts >= ATTEMPTS && self.contacts.values().all(|contact| !contact.answered);
        // A client of a service that is gone asks on for weeks.
        let is_due = unanswered && self.reported.is_due(self.attempts, now, DAY.max(settings.window));
        is_due.then(|| Scan { shape: Shape::Persistent, count: self.attempts, ..self.describe() })
    }

    fn is_scanning(&mut self, now: Timestamp, settings: &ScanSettings) -> bool {
        self.contacts.retain(|_, contact| now.since(contact.at) <= settings.window);
        let answered = self.contacts.values().filter(|contact| contact.answered).count();
        let failed = self.contacts.len() - answered;
        if failed < settings.targets {
            self.failed = failed as u64;
        }
        let targets = if answered == 0 { settings.targets } else { settings.targets * 2 };
        failed >= answered + targets
    }

    fn describe(&self) -> Scan {
        let failed = || self.contacts.iter().filter(|(_, contact)| !contact.answered).map(|(door, _)| door);
        let hosts = failed().map(|(host, _)| host).collect::<BTreeSet<_>>().len();
        let ports = failed().map(|(_, port)| port).collect::<BTreeSet<_>>().len();
        let shape = match (hosts, ports) {
            (1, _) => Shape::Ports,
            (_, 1) => Shape::Hosts,
            _ => Shape::Both,
        };
        let is_proven = self.contacts.values().any(|contact| contact.proves_source);
        Scan { shape, count: self.failed, hosts, ports, is_proven }
    }
}

impl Machine {
    fn contact(&mut self, client: String, port: u16, now: Timestamp, settings: &ScanSettings) -> Option<Scan> {
        if let Some((_, at)) = self.sources.get_mut(&client) {
            *at = now;
            return None;
        }
        if self.sources.len() >= MEMORY_MAX {
            drop_oldest(&mut self.sources, |(_, at)| *at);
        }
        self.sources.insert(client, (port, now));
        self.failed += 1;
        if self.sources.len() < settings.sources {
            return None;
        }
        self.sources.retain(|_, (_, at)| now.since(*at) <= DISTRIBUTED_WITHIN);
        let ports = self.sources.values().map(|(port, _)| port).collect::<BTreeSet<_>>().len();
        if self.sources.len() < settings.sources {
            self.failed = self.sources.len() as u64;
            return None;
        }
        let is_scan = ports >= PORTS_OF_A_DISTRIBUTED_SCAN;
        // The background of the internet never ends; it is reported once a day, not once an hour.
        let is_due = is_scan && self.reported.is_due(self.failed, now, DAY);
        is_due.then_some(Scan { shape: Shape::Distributed, count: self.failed, hosts: 1, ports, is_proven: false })
    }
}

impl Report {
    /// Whether it is to be reported now that it is this large: at first, when it is ten times as large as at the last
    /// report, and `forget_after` that. Notes the report.
    fn is_due(&mut self, count: u64, now: Timestamp, forget_after: Duration) -> bool {
        let apart = now.apart(self.at);
        let due = self.count == 0 || apart >= forget_after || count >= self.count.saturating_mul(GROWTH);
        if due {
            *self = Self { count, at: now };
        }
        due
    }
}

fn drop_oldest<Key: Ord + Clone, Value>(map: &mut BTreeMap<Key, Value>, at: impl Fn(&Value) -> Timestamp) {
    let oldest = map.iter().min_by_key(|(_, value)| at(value)).map(|(key, _)| key.clone());
    if let Some(oldest) = oldest {
        map.remove(&oldest);
    }
}

#[cfg(test)]
mod tests;
