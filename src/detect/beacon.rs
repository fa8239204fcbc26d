//! Beacons: contacts at intervals too regular for a person.
//!
//! Regularity alone accuses every updater and every mail client, so it takes evidence beside it: there is no answer and
//! the client asks on at the same pace, it asks more often than software does that could as well keep its connection
//! open, the port belongs to no known service, or the name was made by an algorithm. Software that does keep its connection
//! open is told by its connections: a flow that is cut by a timeout goes on from the same port, and a web socket or a long poll
//! begins again at the moment when the last one ended.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::conversation::Conversation;
use super::fingerprint::{alarm_id, fingerprint};
use super::pace::regularity;
use super::recent::Recent;
use crate::event::{Alarm, Timestamp};

/// Contacts remembered of one pair.
const CONTACTS_MAX: usize = 33;
const PAIRS_MAX: usize = 8192;
/// Contacts closer than this are one: browsers and agents open several connections at once.
const SAME_CONTACT: Duration = Duration::from_secs(1);
/// Below this interval software that keeps in touch keeps its connection open.
const FAST: Duration = Duration::from_secs(120);
/// Where that is all that is known of a pair, it has to go on for longer than a page that is open somewhere.
const FAST_LASTS: Duration = Duration::from_secs(1800);
/// A connection that begins so soon after the end of one that lasted longer carries it on.
const CARRIED_ON_WITHIN: Duration = Duration::from_secs(5);
/// Share of the connections that do so, from which the client keeps in touch all the time.
const CARRIED_ON_FROM: f64 = 0.5;
/// What a client says to report itself is of about the same size: within this share of the median, or so many bytes.
const EVEN_WITHIN: f64 = 0.25;
const EVEN_WITHIN_BYTES: f64 = 64.0;
/// Share of even sizes, from which a client says the same each time, and how many it takes to know.
const EVEN_FROM: f64 = 0.6;
const SIZES_MIN: usize = 8;
/// Lines that are later than this tell of a clock that was set.
const LATE_MAX: Duration = Duration::from_secs(3600);
/// A beacon that begins again after a longer rest is reported at once.
const RESTED_AFTER: Duration = Duration::from_secs(2 * 24 * 3600);
/// A beacon is reported again when it has grown by this factor.
const GROWTH: u64 = 10;
/// A score that is higher by so much is news.
const WORSE_BY: f64 = 0.1;

/// Ports on which regular contact is what the service is for.
const SERVICE_PORTS: &[u16] = &[
    20, 21, 22, 25, 80, 88, 110, 143, 179, 389, 443, 445, 465, 554, 587, 631, 636, 873, 990, 993, 995, 1194, 1514,
    1515, 1883, 1935, 2049, 2195, 2196, 2197, 3128, 3268, 3269, 3306, 3389, 3478, 3479, 3480, 3481, 3544, 4070, 4317,
    4318, 4460, 4500, 4505, 4506, 5044, 5060, 5061, 5222, 5223, 5228, 5229, 5230, 5432, 5666, 5671, 5672, 5938, 6379,
    6514, 6556, 6568, 6881, 8000, 8080, 8086, 8140, 8333, 8443, 8530, 8531, 8883, 9090, 9092, 9100, 9200, 9418, 9997,
    10050, 10051, 10250, 19302, 22000, 22067, 24224, 27015, 27017, 41641, 51820,
];

/// One contact of a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contact {
    pub answered: Option<bool>,
    pub port: u16,
    /// How much the name looked for seems made by an algorithm, 0 to 1.
    pub algorithmic: f64,
    /// Whether server and client belong to networks that only their owner routes.
    pub is_internal: bool,
    /// An own machine has begun it. Otherwise anybody can have sent it in the name of the client.
    pub is_own: bool,
    /// Only the name was asked for: what asks how often is the cache.
    pub is_question: bool,
    pub conversation: Conversation,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Beacon {
    /// 0 to 1.
    pub score: f64,
    pub interval: Duration,
    /// Share of intervals on time, 0 to 1.
    pub regularity: f64,
    pub evidence: Vec<&'static str>,
    /// The same from its first report to its last, but for the count of contacts and the last of them.
    pub alarm: Alarm,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Pair {
    /// The last ones, in order of time.
    contacts: VecDeque<Timestamp>,
    total: u64,
    unanswered: u64,
    #[serde(default)]
    first: Timestamp,
    /// At the last report.
    #[serde(rename = "said_total")]
    reported_total: u64,
    /// The highest that was reported.
    #[serde(default)]
    reported_score: f64,
    /// It has begun again after a rest, and that has not been reported.
    #[serde(default)]
    is_resumed: bool,
    /// Of the last connections.
    #[serde(default)]
    connections: VecDeque<Connection>,
    /// When the last one ended, where it lasted for a while, and the client's port.
    #[serde(default)]
    open_until: Option<Timestamp>,
    #[serde(default)]
    client_port: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Connection {
    /// It began when the one before it had just ended.
    carries_on: bool,
    /// Its duration is known.
    is_measured: bool,
    sent: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Beacons {
    /// Of own machines.
    pairs: Recent<Pair>,
    /// Of others: however many are made up, they push out none of an own machine.
    #[serde(default = "none")]
    of_strangers: Recent<Pair>,
}

impl Default for Beacons {
    fn default() -> Self {
        Self { pairs: none(), of_strangers: none() }
    }
}

fn none() -> Recent<Pair> {
    Recent::new(PAIRS_MAX)
}

/// From here on a name counts as made by an algorithm.
const ALGORITHMIC_FROM: f64 = 0.5;
/// Beacons that score less are not reported.
const REPORTED_FROM: f64 = 0.5;

impl Beacons {
    /// Takes in one contact of the pair named `key`. Returns the beacon when it is to be reported now: when it is one for the first
    /// time, when it has grown tenfold, when it is worse, and when it begins again after days. `contacts_min`: contacts
    /// before anything is judged.
    pub fn contact(&mut self, key: &str, contact: Contact, now: Timestamp, contacts_min: usize) -> Option<Beacon> {
        let pairs = if contact.is_own { &mut self.pairs } else { &mut self.of_strangers };
        let pair = pairs.touch(key, Pair::default);
        if !pair.take(now, &contact) || pair.contacts.len() < contacts_min {
            return None;
        }
        let (interval, regularity) = regularity(pair.contacts.make_contiguous())?;
        let beacon = judge(pair, key, contact, interval, regularity)?;
        pair.is_due(beacon.score).then(|| {
            pair.reported_total = pair.total;
            pair.reported_score = pair.reported_score.max(beacon.score);
            pair.is_resumed = false;
            beacon
        })
    }
}

impl Pair {
    /// Whether it was a contact of its own.
    fn take(&mut self, now: Timestamp, contact: &Contact) -> bool {
        let talk = &contact.conversation;
        let goes_on = talk.client_port.is_some() && talk.client_port == self.client_port;
        self.client_port = talk.client_port.or(self.client_port);
        let open_until = self.open_until;
        self.open_until =
            talk.duration.filter(|lasted| *lasted > CARRIED_ON_WITHIN).map(|lasted| now.plus(lasted)).max(open_until);
        if talk.is_part || goes_on && contact.answered != Some(false) {
            return false;
        }
        self.unanswered += u64::from(contact.answered == Some(false));
        if let Some(last) = self.contacts.back() {
            if now < *last {
                // Late lines tell nothing about intervals. Far too late: the clock was set back, or the last one was
                // forged.
                if last.since(now) > LATE_MAX {
                    self.contacts.clear();
                    self.connections.clear();
                    self.open_until = None;
                }
                return false;
            }
            if now.since(*last) < SAME_CONTACT {
                return false;
            }
            self.is_resumed |= self.reported_total > 0 && now.since(*last) > RESTED_AFTER;
        }
        if self.contacts.len() == CONTACTS_MAX {
            self.contacts.pop_front();
        }
        if self.connections.len() == CONTACTS_MAX {
            self.connections.pop_front();
        }
        if self.total == 0 || self.first == Timestamp::default() {
            self.first = now;
        }
        self.contacts.push_back(now);
        self.connections.push_back(Connection {
            carries_on: open_until.is_some_and(|until| now <= until.plus(CARRIED_ON_WITHIN)),
            is_measured: talk.duration.is_some(),
            sent: talk.sent,
        });
        self.total += 1;
        true
    }

    /// Share of the last connections that carried on the one before, 0 to 1.
    fn carried_on(&self) -> f64 {
        let carried_on = self.connections.iter().filter(|connection| connection.carries_on).count();
        carried_on as f64 / self.connections.len().max(1) as f64
    }

    /// Share of the last connections in which the client sent about as much as in most; `None` where that is not known.
    fn evenness(&self) -> Option<f64> {
        let mut sizes: Vec<f64> =
            self.connections.iter().filter_map(|connection| Some(connection.sent? as f64)).collect();
        if sizes.len() < SIZES_MIN {
            return None;
        }
        sizes.sort_by(f64::total_cmp);
        let median = *sizes.get(sizes.len() / 2)?;
        let within = EVEN_WITHIN_BYTES.max(EVEN_WITHIN * median);
        Some(sizes.iter().filter(|size| (**size - median).abs() <= within).count() as f64 / sizes.len() as f64)
    }

    /// Whether new connections at this pace tell of anything: nothing is known that speaks against it, and either it is known that they are
    /// short and alike, or they go on for long.
    fn is_fast(&self, interval: Duration, contact: &Contact, now: Timestamp) -> bool {
        let evenness = self.evenness();
        let is_uneven = evenness.is_some_and(|share| share < EVEN_FROM);
        let is_measured = evenness.is_some() && self.connections.iter().all(|connection| connection.is_measured);
        let is_marked =
            !SERVICE_PORTS.contains(&contact.port) || self.is_unanswered() || contact.algorithmic > ALGORITHMIC_FROM;
        let is_known = is_marked || is_measured || now.since(self.first) >= FAST_LASTS;
        interval <= FAST && !contact.is_internal && !contact.is_question && !is_uneven && is_known
    }

    fn is_unanswered(&self) -> bool {
        self.unanswered * 2 > self.total
    }

    fn is_due(&self, score: f64) -> bool {
        self.reported_total == 0
            || self.is_resumed
            || self.total >= self.reported_total.saturating_mul(GROWTH)
            || score >= self.reported_score + WORSE_BY
    }

    fn alarm(&self, key: &str) -> Alarm {
        let last = self.contacts.back().copied().unwrap_or_default();
        Alarm {
            id: alarm_id(fingerprint(key), self.first),
            count: self.total,
            first_ts: self.first.seconds(),
            last_ts: last.seconds(),
            members: Vec::new(),
            is_over: false,
        }
    }
}

fn judge(pair: &Pair, key: &str, contact: Contact, interval_s: f64, regularity: f64) -> Option<Beacon> {
    let is_unanswered = pair.is_unanswered();
    if !is_unanswered && pair.carried_on() >= CARRIED_ON_FROM {
        return None;
    }
    let interval = Duration::from_secs_f64(interval_s);
    let now = pair.contacts.back().copied().unwrap_or_default();
    let mut evidence = Vec::new();
    let mut score = 0.35;
    let mut add = |is_there: bool, weight: f64, name: &'static str| {
        if is_there {
            score += weight;
            evidence.push(name);
        }
    };
    // A service of the own network that is watched, or that is down, is no controller.
    add(is_unanswered && !contact.is_internal, 0.25, "unanswered");
    add(contact.algorithmic > ALGORITHMIC_FROM, 0.3, "algorithmic-name");
    add(!SERVICE_PORTS.contains(&contact.port) && !contact.is_internal, 0.15, "uncommon-port");
    add(pair.is_fast(interval, &contact, now), 0.2, "frequent");
    let score = (score * (0.5 + 0.5 * regularity)).min(0.95);
    (score >= REPORTED_FROM).then(|| Beacon { score, interval, regularity, evidence, alarm: pair.alarm(key) })
}
