//! One incident: what its alerts have in common, how bad they are together, and when that is to be reported.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::phase::Phase;
use super::tactic::Tactic;
use crate::event::{Entity, Timestamp};

/// Names kept of one incident: keys, addresses, techniques, kinds.
pub(super) const KEYS_MAX: usize = 32;
const KINDS_MAX: usize = 32;
const ALERTS_NAMED_MAX: usize = 32;
/// What an alert of another kind adds: this share of its own score, of what is missing to 1.
const SUPPORT: f64 = 0.3;
/// What each further tactic leaves of what is missing to 1.
const FURTHER_TACTIC: f64 = 0.75;
/// Every server is scanned every day: while all was refused, no number of attempts makes an incident CRITICAL, unless one of its
/// alerts is.
const AT_THE_DOOR_MAX: f64 = 0.9;
/// Alerts of one kind alone, or below this score together, are no incident.
const SCORE_MIN: f64 = 0.5;
/// From here on an alert leaves little doubt: it is MALICIOUS.
const SERIOUS: f64 = 0.75;

/// What an incident needs to know of a SOC event.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert<'a> {
    /// The event's id.
    pub id: String,
    /// The line it all follows from.
    pub root: String,
    /// What is new about it: its flag, technique or category.
    pub kind: String,
    /// 0 to 1.
    pub score: f64,
    pub entity: &'a Entity,
    pub attack: &'a [String],
    pub evidence: Evidence,
}

impl Alert<'_> {
    /// Whether it is more than that somebody looked for something or was refused.
    pub(super) fn is_success(&self) -> bool {
        let mut tactics = self.attack.iter().filter_map(|technique| Tactic::of(technique)).peekable();
        let has_looked = tactics.peek().is_some() && tactics.all(Tactic::is_preparation);
        matches!(self.evidence, Evidence::Done | Evidence::OfOthers) && !has_looked
    }
}

/// How much an alert shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// What it names was done, by those whom it names.
    Done,
    /// It was tried from outside and refused.
    Tried,
    /// The address has not been counted to be one of those who did it.
    OfOthers,
    /// Anybody can have sent it in the name of the address.
    OfNobody,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The first alert: names the incident for good.
    pub id: String,
    /// The line that it follows from.
    #[serde(default)]
    root: String,
    pub first: Timestamp,
    pub last: Timestamp,
    pub alerts: u64,
    /// Highest score of each kind.
    pub kinds: BTreeMap<String, f64>,
    pub techniques: BTreeSet<String>,
    pub tactics: BTreeSet<Tactic>,
    /// The first known value of each part.
    pub entity: Entity,
    /// Ids of the first alerts.
    pub named: Vec<String>,
    /// Incidents that were reported and have turned out to be part of this one.
    #[serde(default)]
    pub merged: Vec<String>,
    /// Addresses that attacked, with the worst that each has done, and addresses that were attacked.
    #[serde(default)]
    attackers: BTreeMap<String, f64>,
    targets: BTreeSet<String>,
    /// Machines on which something was done and not only tried.
    #[serde(default)]
    hosts: BTreeSet<String>,
    pub(super) keys: BTreeSet<String>,
    /// Whether its alerts follow from more than one line.
    several_roots: bool,
    /// Some of it nobody else can have sent.
    #[serde(default = "yes")]
    pub is_proven: bool,
    /// Some of it was done and not only tried.
    #[serde(default = "yes")]
    has_succeeded: bool,
    /// Grows with each alert of any incident: the largest came last, whatever its time says.
    pub(super) touched: u64,
    /// What the last report said.
    #[serde(rename = "said")]
    reported: Option<Reported>,
}

/// Of a version that did not ask.
fn yes() -> bool {
    true
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Reported {
    step: u8,
    #[serde(default)]
    phases: BTreeSet<Phase>,
}

impl Incident {
    pub(super) fn new(id: String, root: String, now: Timestamp) -> Self {
        Self {
            id,
            root,
            first: now,
            last: now,
            alerts: 0,
            kinds: BTreeMap::new(),
            techniques: BTreeSet::new(),
            tactics: BTreeSet::new(),
            entity: Entity::default(),
            named: Vec::new(),
            merged: Vec::new(),
            attackers: BTreeMap::new(),
            targets: BTreeSet::new(),
            hosts: BTreeSet::new(),
            keys: BTreeSet::new(),
            several_roots: false,
            is_proven: false,
            has_succeeded: false,
            touched: 0,
            reported: None,
        }
    }

    /// Adds another incident that turns out to be the same story.
    pub(super) fn absorb(&mut self, other: Self) {
        self.several_roots |= other.several_roots || self.root != other.root;
        self.is_proven |= other.is_proven;
        self.has_succeeded |= other.has_succeeded;
        self.last = self.last.max(other.last);
        self.alerts += other.alerts;
        other.kinds.into_iter().for_each(|(kind, score)| self.add_kind(kind, score));
        self.techniques.extend(other.techniques);
        self.tactics.extend(other.tactics);
        other.attackers.into_iter().for_each(|(source, score)| self.add_attacker(&source, score));
        self.targets.extend(other.targets);
        self.hosts.extend(other.hosts);
        self.entity.fill(&other.entity);
        self.merged.extend(other.merged.into_iter().chain(other.reported.is_some().then_some(other.id)));
        self.merged.truncate(KINDS_MAX);
        self.named.extend(other.named);
        self.named.truncate(ALERTS_NAMED_MAX);
        self.reported = match (self.reported.take(), other.reported) {
            (Some(left), Some(right)) if right.step > left.step => Some(right),
            (left, right) => left.or(right),
        };
    }

    /// The score of all alerts together, 0 to 1: that of the worst alert, raised by alerts of other kinds and by
    /// further tactics; at most [`AT_THE_DOOR_MAX`] while nothing but refused attempts is known.
    pub fn score(&self) -> f64 {
        let worst = self.kinds.values().copied().fold(0.0, f64::max);
        let mut missing = 1.0 - worst;
        let mut worst_seen = false;
        for score in self.kinds.values() {
            if *score == worst && !worst_seen {
                worst_seen = true;
            } else {
                missing *= 1.0 - SUPPORT * score;
            }
        }
        let further = self.tactics.len().saturating_sub(1);
        let score = 1.0 - missing * FURTHER_TACTIC.powi(i32::try_from(further).unwrap_or(i32::MAX));
        if self.has_succeeded { score } else { score.min(worst.max(AT_THE_DOOR_MAX)) }
    }

    /// The address that has done the worst and was not attacked itself, if there is one: a machine that was attacked and then
    /// reached out is both.
    pub fn attacker(&self) -> Option<&str> {
        let attackers = self.attackers.iter().filter(|(source, _)| !self.targets.contains(*source));
        let worst = attackers.reduce(|worst, other| if other.1 > worst.1 { other } else { worst });
        worst.map(|(source, _)| source.as_str())
    }

    fn add_attacker(&mut self, source: &str, score: f64) {
        if let Some(known) = self.attackers.get_mut(source) {
            *known = known.max(score);
        } else if self.attackers.len() < KEYS_MAX {
            self.attackers.insert(source.to_owned(), score);
        }
    }

    fn add_ends(&mut self, alert: &Alert<'_>) {
        let came_in =
            alert.attack.iter().filter_map(|technique| Tactic::of(technique)).any(|tactic| {
                matches!(tactic, Tactic::Reconnaissance | Tactic::InitialAccess | Tactic::CredentialAccess)
            });
        let did_it = came_in && matches!(alert.evidence, Evidence::Done | Evidence::Tried);
        if let Some(source) = alert.entity.src_ip.as_deref().filter(|_| did_it) {
            self.add_attacker(source, alert.score);
        }
        if let Some(target) = alert.entity.dst_ip.as_ref().filter(|_| self.targets.len() < KEYS_MAX) {
            self.targets.insert(target.clone());
        }
    }

    /// Whether it was reported, or somebody has got in for certain.
    pub(super) fn is_serious(&self) -> bool {
        self.reported.is_some() || (self.has_succeeded && self.score() >= SERIOUS)
    }

    /// Where what was done was done.
    pub(super) fn note_got_in(&mut self, alert: &Alert<'_>) {
        let host = alert.entity.host.as_ref().filter(|_| alert.is_success() && self.hosts.len() < KEYS_MAX);
        self.hosts.extend(host.cloned());
    }

    pub(super) fn has_got_in(&self, host: &str) -> bool {
        self.hosts.contains(host)
    }

    /// Whether what comes from this address comes from a machine that was taken over.
    pub(super) fn goes_on_from(&self, address: &str) -> bool {
        self.has_succeeded && self.targets.contains(address)
    }

    pub(super) fn is_near(&self, now: Timestamp, window: Duration) -> bool {
        now.since(self.last).max(self.first.since(now)) <= window
    }

    pub(super) fn add(&mut self, alert: &Alert<'_>, now: Timestamp) {
        self.last = self.last.max(now);
        self.alerts += 1;
        self.several_roots |= self.root != alert.root;
        self.is_proven |= alert.evidence != Evidence::OfNobody;
        self.has_succeeded |= alert.is_success();
        self.add_kind(alert.kind.clone(), alert.score);
        for technique in alert.attack {
            if self.techniques.len() < KINDS_MAX {
                self.techniques.insert(technique.clone());
            }
            self.tactics.extend(Tactic::of(technique).map(|tactic| reached(tactic, alert.evidence)));
        }
        self.add_ends(alert);
        self.entity.fill(alert.entity);
        if self.named.len() < ALERTS_NAMED_MAX {
            self.named.push(alert.id.clone());
        }
    }

    fn add_kind(&mut self, kind: String, score: f64) {
        if let Some(known) = self.kinds.get_mut(&kind) {
            *known = known.max(score);
        } else if self.kinds.len() < KINDS_MAX {
            self.kinds.insert(kind, score);
        }
    }

    /// Whether somebody has looked from outside and nothing else: every server is scanned every day, and each scan was reported as one.
    fn has_only_looked(&self) -> bool {
        !self.has_succeeded && !self.tactics.is_empty() && self.tactics.iter().all(|tactic| tactic.is_preparation())
    }

    /// Whether the incident is to be reported now: for the first time, or because it became more severe or entered
    /// another phase since the last report.
    pub(super) fn is_due(&mut self, step_of: fn(f64) -> u8) -> bool {
        let score = self.score();
        if self.kinds.len() < 2 || !self.several_roots || score < SCORE_MIN || self.has_only_looked() {
            return false;
        }
        let phases: BTreeSet<Phase> = self.tactics.iter().map(|tactic| Phase::of(*tactic)).collect();
        let step = step_of(score);
        let due = self.reported.as_ref().is_none_or(|last| step > last.step || !phases.is_subset(&last.phases));
        if due {
            self.reported = Some(Reported { step, phases });
        }
        due
    }
}

/// How far an intruder is by what was seen: one who has only tried from outside is at the door, and who looks for services from
/// there looks at the machine from before it.
fn reached(tactic: Tactic, evidence: Evidence) -> Tactic {
    match evidence {
        Evidence::Done | Evidence::OfOthers => tactic,
        Evidence::Tried | Evidence::OfNobody if tactic == Tactic::Discovery => Tactic::Reconnaissance,
        Evidence::Tried | Evidence::OfNobody => tactic.min(Tactic::InitialAccess),
    }
}

#[cfg(test)]
mod tests;
