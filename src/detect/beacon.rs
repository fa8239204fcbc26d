//! Beacons: contacts at intervals too regular for a person.
//!
//! Regularity alone accuses every updater and every mail client, so it takes evidence beside it: there is no answer and
//! the client asks on at the same pace, it asks more often than software does that could as well keep its connection
//! open, the port belongs to no known service, or the name was made by an algorithm.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fingerprint::{alarm_id, fingerprint};
use super::recent::Recent;
use crate::event::{Alarm, Timestamp};

/// Contacts remembered of one pair.
const CONTACTS_MAX: usize = 33;
const PAIRS_MAX: usize = 8192;
/// Contacts closer than this are one: browsers and agents open several connections at once.
const SAME_CONTACT: Duration = Duration::from_secs(1);
/// An interval within this share of the median is on time. Sleep with up to 50 % jitter stays within it.
const ON_TIME_WITHIN: f64 = 0.3;
/// Missed contacts in a row after which an interval no longer counts as on time.
const MISSED_MAX: f64 = 2.0;
/// An interval longer than this many medians is a pause: the machine slept or the network was away.
const PAUSE_FROM: f64 = 8.0;
/// Share of the intervals that are on time, from which the pair is regular; for random arrivals it is 0.21.
const REGULAR_FROM: f64 = 0.8;
const REGULAR_PAIRS_FROM: f64 = 0.9;
/// Below this interval software that keeps in touch keeps its connection open.
const FAST: Duration = Duration::from_secs(120);
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
    20, 21, 22, 25, 80, 88, 110, 143, 179, 389, 443, 445, 465, 587, 631, 636, 873, 990, 993, 995, 1194, 1883, 3128,
    3306, 3389, 3478, 4500, 5060, 5061, 5222, 5223, 5228, 5432, 6379, 8000, 8080, 8086, 8443, 8883, 9090, 9092, 9100,
    9200, 27017, 51820,
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

/// Beacons that score less are not reported.
const REPORTED_FROM: f64 = 0.5;

impl Beacons {
    /// Takes in one contact of the pair named `key`. Returns the beacon when it is to be reported now: when it is one for the first
    /// time, when it has grown tenfold, when it is worse, and when it begins again after days. `contacts_min`: contacts
    /// before anything is judged.
    pub fn contact(&mut self, key: &str, contact: Contact, now: Timestamp, contacts_min: usize) -> Option<Beacon> {
        let pairs = if contact.is_own { &mut self.pairs } else { &mut self.of_strangers };
        let pair = pairs.touch(key, Pair::default);
        if !pair.take(now, contact.answered) || pair.contacts.len() < contacts_min {
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
    fn take(&mut self, now: Timestamp, answered: Option<bool>) -> bool {
        self.unanswered += u64::from(answered == Some(false));
        if let Some(last) = self.contacts.back() {
            if now < *last {
                // Late lines tell nothing about intervals. Far too late: the clock was set back, or the last one was
                // forged.
                if last.since(now) > LATE_MAX {
                    self.contacts.clear();
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
        if self.total == 0 || self.first == Timestamp::default() {
            self.first = now;
        }
        self.contacts.push_back(now);
        self.total += 1;
        true
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

/// The interval in seconds, and the share of intervals that are on time (0 to 1): of single ones, or of pairs of them,
/// as of a client that closes a connection after one time and tries again after another. `None` when there are too few.
fn regularity(contacts: &[Timestamp]) -> Option<(f64, f64)> {
    let single = on_time(contacts, 1, MISSED_MAX);
    if single.is_some_and(|(_, share)| share >= REGULAR_FROM) {
        return single;
    }
    // Sums of random intervals are more even than they, so pairs have to be nearly all on time.
    let pairs = on_time(contacts, 2, 0.0).filter(|(_, share)| *share >= REGULAR_PAIRS_FROM);
    pairs.map(|(interval_s, share)| (interval_s / 2.0, share))
}

/// The median time in seconds from each contact to the one `lag` later, and the share of these times that are near it,
/// or near up to `1 + missed_max` times of it where contacts were missed. `None` when there are few, or many pauses.
fn on_time(contacts: &[Timestamp], lag: usize, missed_max: f64) -> Option<(f64, f64)> {
    let mut gaps: Vec<f64> = contacts
        .iter()
        .zip(contacts.iter().skip(lag))
        .map(|(earlier, later)| later.since(*earlier).as_secs_f64())
        .collect();
    gaps.sort_by(f64::total_cmp);
    let median = *gaps.get(gaps.len() / 2)?;
    let all = gaps.len();
    gaps.retain(|gap| *gap < median * PAUSE_FROM);
    if gaps.len() < 4 || gaps.len() * 4 < all * 3 {
        return None;
    }
    let is_on_time = |gap: &&f64| {
        let periods = (**gap / median).round().clamp(1.0, 1.0 + missed_max);
        (**gap - periods * median).abs() <= ON_TIME_WITHIN * median
    };
    let share = gaps.iter().filter(is_on_time).count() as f64 / gaps.len() as f64;
    Some((median, share))
}

fn judge(pair: &Pair, key: &str, contact: Contact, interval_s: f64, regularity: f64) -> Option<Beacon> {
    let interval = Duration::from_secs_f64(interval_s);
    let mut evidence = Vec::new();
    let mut score = 0.35;
    let mut add = |is_there: bool, weight: f64, name: &'static str| {
        if is_there {
            score += weight;
            evidence.push(name);
        }
    };
    add(pair.unanswered * 2 > pair.total, 0.25, "unanswered");
    add(contact.algorithmic > 0.5, 0.3, "algorithmic-name");
    add(!SERVICE_PORTS.contains(&contact.port), 0.15, "uncommon-port");
    add(interval <= FAST && !contact.is_internal, 0.2, "frequent");
    let score = (score * (0.5 + 0.5 * regularity)).min(0.95);
    (score >= REPORTED_FROM).then(|| Beacon { score, interval, regularity, evidence, alarm: pair.alarm(key) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Contact =
        Contact { answered: Some(true), port: 443, algorithmic: 0.0, is_internal: false, is_own: true };

    /// Small and deterministic; uniform in 0 to 1.
    fn noise(step: u64) -> f64 {
        let bits = (step + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bits = (bits ^ bits >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn run(contact: Contact, gaps: impl Iterator<Item = f64>) -> Vec<Beacon> {
        let mut beacons = Beacons::default();
        let mut now = 1e9;
        gaps.filter_map(|gap| {
            now += gap;
            beacons.contact("a>b:443", contact, Timestamp::from_seconds(now).unwrap(), 12)
        })
        .collect()
    }

    #[test]
    fn a_minute_with_half_of_it_jitter_and_gaps_is_a_beacon_and_one_alarm_that_grows() {
        let gaps = (0..600).map(|step| 60.0 * (1.0 - 0.5 * noise(step)) * if step % 9 == 0 { 2.0 } else { 1.0 });
        let reported = run(PLAIN, gaps);
        assert!((2..=6).contains(&reported.len()), "{reported:?}");
        assert_eq!(reported[0].evidence, ["frequent"]);
        assert!(reported.iter().all(|beacon| beacon.alarm.id == reported[0].alarm.id));
        assert!(reported[0].alarm.first_ts < reported[0].alarm.last_ts);
        let steady = run(PLAIN, (0..600).map(|_| 60.0));
        let counts: Vec<u64> = steady.iter().map(|beacon| beacon.alarm.count).collect();
        assert_eq!(counts, [12, 120]);
    }

    #[test]
    fn a_flood_of_made_up_clients_makes_no_own_machine_be_forgotten() {
        let mut beacons = Beacons::default();
        let mut reported = 0;
        for step in 0..13_u64 {
            let now = Timestamp::from_millis(1_000_000_000 + step * 60_000);
            reported += usize::from(beacons.contact("a>b:443", PLAIN, now, 12).is_some());
            for stranger in 0..1000 {
                let key = format!("{step}.{stranger}>c:7777");
                beacons.contact(&key, Contact { is_own: false, ..PLAIN }, now, 12);
            }
        }
        assert_eq!(reported, 1);
    }

    #[test]
    fn a_beacon_is_reported_again_when_it_is_worse_and_when_it_begins_again_after_days() {
        let mut beacons = Beacons::default();
        let mut now = 1_000_000;
        let mut contacts = |count: u64, every: u64, answered| -> Vec<u64> {
            let contact = Contact { answered: Some(answered), ..PLAIN };
            let reported = (0..count).filter_map(|_| {
                now += every;
                Some(beacons.contact("a>b:443", contact, Timestamp::from_millis(now * 1000), 12)?.alarm.count)
            });
            reported.collect()
        };
        assert_eq!(contacts(14, 60, true), [12]);
        assert_eq!(contacts(16, 60, false), [29], "most are without an answer by now");
        assert_eq!(contacts(1, 3 * 24 * 3600, false), [31]);
        assert_eq!(contacts(10, 60, false), [0; 0]);
    }

    #[test]
    fn the_less_regular_the_less_certain() {
        let odd = Contact { port: 1177, ..PLAIN };
        let reported = run(odd, (0..40).map(|step| if step % 6 == 5 { 90.0 } else { 60.0 }));
        let Beacon { score, regularity, .. } = reported[0];
        assert!((REGULAR_FROM..1.0).contains(&regularity), "{reported:?}");
        assert!((score - 0.7 * (0.5 + 0.5 * regularity)).abs() < 1e-9, "{reported:?}");
    }

    #[test]
    fn a_pair_is_on_time_by_its_median_with_missed_contacts_and_without_pauses() {
        let judged = |gaps: &[u64], missed_max| {
            let mut at = 1_000_000;
            let times = std::iter::once(&0).chain(gaps).map(|gap| {
                at += gap;
                Timestamp::from_millis(at * 1000)
            });
            on_time(&times.collect::<Vec<_>>(), 1, missed_max)
        };
        let with = |regular: usize, others: &[u64]| [&vec![60; regular], others].concat();
        assert_eq!(judged(&with(4, &[]), 0.0), Some((60.0, 1.0)));
        assert_eq!(judged(&with(3, &[]), 0.0), None, "too few");
        assert_eq!(judged(&with(9, &[480, 481, 9000]), 0.0), Some((60.0, 1.0)), "pauses are left out");
        assert_eq!(judged(&with(9, &[480, 481, 9000, 9000]), 0.0), None, "more than a quarter are pauses");
        assert_eq!(judged(&with(4, &[180]), 2.0), Some((60.0, 1.0)), "two were missed");
        assert_eq!(judged(&with(4, &[180]), 0.0), Some((60.0, 0.8)));
        assert_eq!(judged(&with(4, &[78]), 0.0), Some((60.0, 1.0)));
        assert_eq!(judged(&with(4, &[79]), 0.0), Some((60.0, 0.8)));
        assert_eq!(judged(&with(4, &[41]), 0.0), Some((60.0, 0.8)));
    }

    #[test]
    fn pauses_do_not_hide_a_beacon_unless_there_are_too_many() {
        let with_every = |nth: u64| run(PLAIN, (0..60).map(|step| if step % nth == 0 { 3600.0 } else { 60.0 }));
        assert!(!with_every(4).is_empty());
        assert_eq!(with_every(3), []);
    }

    #[test]
    fn it_is_evidence_when_more_than_half_were_not_answered() {
        let evidence = |unanswered: u64| {
            let mut beacons = Beacons::default();
            let found = (0..60).find_map(|step| {
                let contact = Contact { answered: Some(step % 5 >= unanswered), ..PLAIN };
                beacons.contact("a>b:443", contact, Timestamp::from_millis((1_000_000 + step * 30) * 1000), 30)
            });
            found.unwrap().evidence
        };
        assert_eq!(evidence(2), ["frequent"]);
        assert_eq!(evidence(3), ["unanswered", "frequent"]);
    }

    #[test]
    fn a_person_is_not_regular() {
        let gaps = (0..500).map(|step| -40.0 * noise(step).ln() + 1.0);
        assert_eq!(run(PLAIN, gaps), []);
    }

    #[test]
    fn an_updater_on_its_quarter_of_an_hour_is_none() {
        assert_eq!(run(PLAIN, (0..500).map(|_| 900.0)), []);
    }

    #[test]
    fn asking_on_at_the_same_pace_without_an_answer_is_evidence() {
        let dead = Contact { answered: Some(false), port: 1177, ..PLAIN };
        let reported = run(dead, (0..100).map(|step| 600.0 + 60.0 * noise(step)));
        assert_eq!(reported[0].evidence, ["unanswered", "uncommon-port"]);
        assert!(reported[0].score > 0.7, "{reported:?}");
    }

    #[test]
    fn giving_up_after_one_time_and_trying_again_after_another_is_regular() {
        let dead = Contact { answered: Some(false), ..PLAIN };
        let reported = run(dead, (0..30).map(|step| if step % 2 == 0 { 21.0 } else { 60.0 }));
        assert_eq!(reported.len(), 1);
        assert!((39.0..42.0).contains(&reported[0].interval.as_secs_f64()), "{reported:?}");
    }

    #[test]
    fn a_service_of_the_own_network_asked_every_minute_is_none() {
        assert_eq!(run(Contact { is_internal: true, ..PLAIN }, (0..500).map(|_| 15.0)), []);
    }

    #[test]
    fn a_clock_set_back_does_not_silence_the_pair_for_good() {
        let mut beacons = Beacons::default();
        let mut tell = |seconds: u64| beacons.contact("p", PLAIN, Timestamp::from_millis(seconds * 1000), 12);
        assert_eq!(tell(4_000_000_000), None);
        let reported = (0..30).filter_map(|step| tell(1_000_000_000 + step * 30)).count();
        assert_eq!(reported, 1);
    }
}
