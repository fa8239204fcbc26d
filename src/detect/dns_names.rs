//! What one client asks the name service for: names made by an algorithm, and names that carry data.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dga;
use super::dns_pace::SteadyNames;
use super::dns_tunnel::{LongNames, is_asked_by_hash};
use super::nets::is_private;
use super::public_suffix::registrable;
use super::recent::Recent;
use crate::event::{Action, Record, Timestamp};

const CLIENTS_MAX: usize = 2048;
/// Registrable names remembered of one client.
const NAMES_MAX: usize = 128;
/// From this score on a name is taken for an algorithm's: one in a hundred popular names scores as much.
pub const ALGORITHMIC_FROM: f64 = 0.92;
/// Share of the names asked for lately that must be algorithmic.
const SHARE_MIN: f64 = 0.2;

/// A question to the name service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Question<'a> {
    /// The address that asked, or the machine that logged it.
    pub client: &'a str,
    pub name: &'a str,
}

impl<'a> Question<'a> {
    /// The question that a record reports. Answers, and that it is passed on to another server, are about a question that has a
    /// line of its own.
    pub fn of(record: &'a Record) -> Option<Self> {
        let entity = &record.entity;
        let is_passed_on = entity.src_ip.is_none() && entity.dst_ip.is_some();
        if record.action == Action::DnsQuery && (is_passed_on || record.field("answer").is_some()) {
            return None;
        }
        let name = match record.field("qtype_name").or_else(|| record.field("qclass_name")) {
            Some(_) => record.field("query"),
            None => (record.action == Action::DnsQuery).then_some(entity.domain.as_deref()).flatten(),
        }?;
        let client = record.field("id.orig_h").or(entity.src_ip.as_deref()).or(entity.host.as_deref());
        Some(Self { client: client.unwrap_or("localhost"), name: name.trim_end_matches('.') })
    }

    fn is_of_stranger(&self) -> bool {
        self.client.parse().is_ok_and(|address| !is_private(address))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Oddity {
    /// Several names that an algorithm made, none of them asked for before in the window.
    /// `kind`: what the newest is like.
    Algorithmic { names: usize, examples: Vec<String>, score: f64, kind: &'static str },
    /// Many long names of high entropy below one registrable name.
    Tunnel { domain: String, names: usize },
    /// Short names that keep such a tunnel alive.
    KeptAlive { domain: String, names: usize, every_s: f64 },
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Client {
    /// Registrable names, when they were last asked for and how algorithmic they are.
    names: BTreeMap<String, (Timestamp, f64)>,
    /// Hashes of long names by registrable name.
    children: LongNames,
    #[serde(default)]
    steady: SteadyNames,
    #[serde(rename = "said_algorithmic")]
    reported_algorithmic: usize,
    #[serde(rename = "said_at")]
    reported_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DnsNames {
    /// Machines of the own networks, and those that are named.
    clients: Recent<Client>,
    /// Others: a question over UDP can be sent in the name of any address.
    #[serde(default = "nobody")]
    strangers: Recent<Client>,
}

impl Default for DnsNames {
    fn default() -> Self {
        Self { clients: nobody(), strangers: nobody() }
    }
}

fn nobody() -> Recent<Client> {
    Recent::new(CLIENTS_MAX)
}

impl DnsNames {
    /// Takes in one question. Returns what is odd about it, when that is to be reported now. `names_min`: algorithmic
    /// names that make a finding.
    pub fn ask(
        &mut self,
        question: Question<'_>,
        now: Timestamp,
        window: Duration,
        names_min: usize,
    ) -> Option<Oddity> {
        let lower = question.name.to_ascii_lowercase();
        let domain = registrable(&lower)?;
        let clients = if question.is_of_stranger() { &mut self.strangers } else { &mut self.clients };
        let client = clients.touch(question.client, Client::default);
        if let Some(names) = client.children.take(domain, &lower, now, window) {
            return Some(Oddity::Tunnel { domain: domain.to_owned(), names });
        }
        if !is_asked_by_hash(domain)
            && let Some(steady) = client.steady.take(domain, &lower, now)
        {
            let (names, every_s) = (steady.names, steady.every_s);
            return Some(Oddity::KeptAlive { domain: domain.to_owned(), names, every_s });
        }
        if let Some((at, _)) = client.names.get_mut(domain) {
            *at = now;
            return None;
        }
        client.new_name(domain, now, window, names_min)
    }
}

impl Client {
    fn new_name(&mut self, domain: &str, now: Timestamp, window: Duration, names_min: usize) -> Option<Oddity> {
        let score = dga::score(domain);
        if self.names.len() >= NAMES_MAX {
            let oldest = self.names.iter().min_by_key(|(_, (at, _))| *at).map(|(name, _)| name.clone());
            self.names.remove(&oldest?);
        }
        self.names.insert(domain.to_owned(), (now, score));
        if score < ALGORITHMIC_FROM {
            return None;
        }
        self.names.retain(|_, (at, _)| now.since(*at) <= window);
        let made: Vec<(&String, f64)> = self
            .names
            .iter()
            .filter(|(_, (_, score))| *score >= ALGORITHMIC_FROM)
            .map(|(name, (_, score))| (name, *score))
            .collect();
        let enough = made.len() >= names_min && made.len() as f64 >= SHARE_MIN * self.names.len() as f64;
        let apart = now.apart(self.reported_at);
        let is_due = self.reported_algorithmic == 0
            || apart >= window.max(Duration::from_secs(3600))
            || made.len() >= self.reported_algorithmic * 10;
        (enough && is_due).then_some(())?;
        self.reported_algorithmic = made.len();
        self.reported_at = now;
        Some(Oddity::Algorithmic {
            names: made.len(),
            examples: made.iter().take(3).map(|(name, _)| (*name).clone()).collect(),
            score: made.iter().map(|(_, score)| score).sum::<f64>() / made.len() as f64,
            kind: dga::likeness(domain).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Entity;

    const WINDOW: Duration = Duration::from_secs(600);

    fn ask(names: &mut DnsNames, name: &str, second: u64) -> Option<Oddity> {
        names.ask(
            Question { client: "192.0.2.7", name },
            Timestamp::from_millis(1_000_000_000 + second * 1000),
            WINDOW,
            4,
        )
    }

    #[test]
    fn an_answer_and_what_a_server_passes_on_are_no_questions_of_their_own() {
        let of = |src_ip: Option<&str>, dst_ip: Option<&str>, fields: &[(&str, &str)]| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            let domain = Some("example.org".to_owned());
            let entity = Entity {
                src_ip: own(src_ip),
                dst_ip: own(dst_ip),
                domain,
                host: Some("gate".into()),
                ..Entity::default()
            };
            let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let record = Record { action: Action::DnsQuery, entity, fields, ..Record::default() };
            Question::of(&record).map(|question| question.client.to_owned())
        };
        assert_eq!(of(Some("192.0.2.1"), None, &[]).as_deref(), Some("192.0.2.1"));
        assert_eq!(of(Some("192.0.2.1"), Some("192.0.2.254"), &[]).as_deref(), Some("192.0.2.1"));
        assert_eq!(of(None, None, &[]).as_deref(), Some("gate"));
        assert_eq!(of(None, Some("192.0.2.254"), &[]), None, "passed on");
        assert_eq!(of(Some("192.0.2.1"), None, &[("answer", "198.51.100.9")]), None, "an answer");
    }

    #[test]
    fn several_algorithmic_names_are_one_finding() {
        let made = [
            "xqzvkwpjrtbn.com",
            "qwjxkzvbptlm.net",
            "kq3v9zx7wj2p.org",
            "zzxqjvwkpbtr.info",
            "vbqxzjkwprtd.com",
            "pqxkzjvwbntr.biz",
        ];
        let mut names = DnsNames::default();
        let reported: Vec<_> =
            made.iter().zip(0..).filter_map(|(name, second)| ask(&mut names, name, second)).collect();
        assert!(matches!(reported.as_slice(), [Oddity::Algorithmic { names: 4, .. }]), "{reported:?}");
    }

    #[test]
    fn questions_in_the_name_of_strangers_make_no_own_client_be_forgotten() {
        let made = ["xqzvkwpjrtbn.com", "qwjxkzvbptlm.net", "kq3v9zx7wj2p.org", "zzxqjvwkpbtr.info"];
        let mut names = DnsNames::default();
        let mut asks = |client: &str, name: &str, second: u64| {
            let now = Timestamp::from_millis(1_000_000_000 + second * 1000);
            names.ask(Question { client, name }, now, WINDOW, 4).is_some()
        };
        let mut reported = 0;
        for (name, second) in made.iter().zip(0..) {
            reported += usize::from(asks("10.0.0.7", name, second));
            for stranger in 0..CLIENTS_MAX + 1 {
                asks(&format!("20.1.{}.{}", stranger / 250, stranger % 250), "example.org", second);
            }
        }
        assert_eq!(reported, 1);
    }

    #[test]
    fn ten_times_as_many_algorithmic_names_are_another_finding_and_one_less_is_none() {
        let name = |step: u64| {
            let hash = blake3::hash(&step.to_le_bytes());
            let letters =
                hash.as_bytes().iter().take(14).map(|byte| char::from(b"bcdfghjklmnpqrstvwxz"[*byte as usize % 20]));
            format!("{}.com", letters.collect::<String>())
        };
        let made = (0..).map(name).filter(|name| dga::score(name) >= ALGORITHMIC_FROM).take(40);
        let mut names = DnsNames::default();
        let reported: Vec<_> = made
            .zip(1..)
            .filter_map(|(name, count)| {
                let Oddity::Algorithmic { names, score, .. } = ask(&mut names, &name, count)? else { panic!("{name}") };
                assert!((ALGORITHMIC_FROM..=1.0).contains(&score), "the mean of all: {score}");
                Some((count, names))
            })
            .collect();
        assert_eq!(reported, [(4, 4), (40, 40)]);
    }

    #[test]
    fn everyday_names_are_none() {
        let mut names = DnsNames::default();
        for (second, name) in [
            "www.wikipedia.org",
            "github.com",
            "deb.debian.org",
            "security.ubuntu.com",
            "crates.io",
            "fonts.gstatic.com",
            "s3.eu-central-1.amazonaws.com",
            "d1a2b3c4d5e6f7.cloudfront.net",
            "pool.ntp.org",
            "bbc.co.uk",
            "t.co",
        ]
        .iter()
        .enumerate()
        {
            assert_eq!(ask(&mut names, name, second as u64), None, "{name}");
        }
    }

    #[test]
    fn data_in_names_is_a_tunnel_said_once() {
        let mut names = DnsNames::default();
        let reported: Vec<_> = (0..200_u64)
            .filter_map(|step| {
                let payload = blake3::hash(&step.to_le_bytes()).to_hex();
                ask(&mut names, &format!("{}.t.example.com", &payload[..48]), step / 10)
            })
            .collect();
        assert_eq!(reported, [Oddity::Tunnel { domain: "example.com".into(), names: 32 }]);
    }
}
