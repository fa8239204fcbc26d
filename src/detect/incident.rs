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
const ALERTS_NAMED_MAX: usize = 12;
/// What an alert of another kind adds: this share of its own score, of what is missing to 1.
const SUPPORT: f64 = 0.3;
/// What each further tactic leaves of what is missing to 1.
const FURTHER_TACTIC: f64 = 0.75;
/// Every server is scanned every day: while all was refused, no number of attempts makes an incident CRITICAL, unless one of its
/// alerts is.
const AT_THE_DOOR_MAX: f64 = 0.9;
/// Alerts of one kind alone, or below this score together, are no incident.
const SCORE_MIN: f64 = 0.5;

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
    fn is_success(&self) -> bool {
        let mut tactics = self.attack.iter().filter_map(|technique| Tactic::of(technique)).peekable();
        let has_looked = tactics.peek().is_some() && tactics.all(|tactic| tactic <= Tactic::ResourceDevelopment);
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
    /// The line that the first alert follows from: names the incident for good.
    pub id: String,
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
    /// Addresses that attacked, and addresses that were attacked.
    sources: BTreeSet<String>,
    targets: BTreeSet<String>,
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
    pub(super) fn new(id: String, now: Timestamp) -> Self {
        Self {
            id,
            first: now,
            last: now,
            alerts: 0,
            kinds: BTreeMap::new(),
            techniques: BTreeSet::new(),
            tactics: BTreeSet::new(),
            entity: Entity::default(),
            named: Vec::new(),
            sources: BTreeSet::new(),
            targets: BTreeSet::new(),
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
        self.several_roots |= other.several_roots || self.id != other.id;
        self.is_proven |= other.is_proven;
        self.has_succeeded |= other.has_succeeded;
        self.last = self.last.max(other.last);
        self.alerts += other.alerts;
        other.kinds.into_iter().for_each(|(kind, score)| self.add_kind(kind, score));
        self.techniques.extend(other.techniques);
        self.tactics.extend(other.tactics);
        self.sources.extend(other.sources);
        self.targets.extend(other.targets);
        self.entity.fill(&other.entity);
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

    /// An address that attacked and was not attacked itself, if there is one: a machine that was attacked and then
    /// reached out is both.
    pub fn attacker(&self) -> Option<&str> {
        self.sources.difference(&self.targets).next().map(String::as_str)
    }

    fn add_ends(&mut self, alert: &Alert<'_>) {
        let came_in =
            alert.attack.iter().filter_map(|technique| Tactic::of(technique)).any(|tactic| {
                matches!(tactic, Tactic::Reconnaissance | Tactic::InitialAccess | Tactic::CredentialAccess)
            });
        let did_it = came_in && matches!(alert.evidence, Evidence::Done | Evidence::Tried);
        if let Some(source) = alert.entity.src_ip.as_ref().filter(|_| did_it && self.sources.len() < KEYS_MAX) {
            self.sources.insert(source.clone());
        }
        if let Some(target) = alert.entity.dst_ip.as_ref().filter(|_| self.targets.len() < KEYS_MAX) {
            self.targets.insert(target.clone());
        }
    }

    pub(super) fn is_near(&self, now: Timestamp, window: Duration) -> bool {
        now.since(self.last).max(self.first.since(now)) <= window
    }

    pub(super) fn add(&mut self, alert: &Alert<'_>, now: Timestamp) {
        self.last = self.last.max(now);
        self.alerts += 1;
        self.several_roots |= self.id != alert.root;
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

    /// Whether the incident is to be reported now: for the first time, or because it became more severe or entered
    /// another phase since the last report.
    pub(super) fn is_due(&mut self, step_of: fn(f64) -> u8) -> bool {
        let score = self.score();
        if self.kinds.len() < 2 || !self.several_roots || score < SCORE_MIN {
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

/// How far an intruder is by what was seen: one who has only tried from outside is at the door.
fn reached(tactic: Tactic, evidence: Evidence) -> Tactic {
    match evidence {
        Evidence::Done | Evidence::OfOthers => tactic,
        Evidence::Tried | Evidence::OfNobody => tactic.min(Tactic::InitialAccess),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(incident: &mut Incident, root: &str, kind: &str, score: f64, technique: &str, ends: (&str, &str)) {
        add_with(incident, (root, Evidence::Done), kind, score, technique, ends);
    }

    fn add_with(
        incident: &mut Incident,
        (root, evidence): (&str, Evidence),
        kind: &str,
        score: f64,
        technique: &str,
        ends: (&str, &str),
    ) {
        let entity = Entity { src_ip: Some(ends.0.into()), dst_ip: Some(ends.1.into()), ..Entity::default() };
        let attack = [technique.to_owned()];
        let (id, kind) = (root.to_owned(), kind.to_owned());
        let alert = Alert { root: id.clone(), id, kind, score, entity: &entity, attack: &attack, evidence };
        incident.add(&alert, Timestamp::ZERO);
    }

    #[test]
    fn what_was_only_tried_from_outside_gets_nobody_further_than_the_door() {
        let with = |evidence: Evidence| {
            let mut incident = Incident::new("1-0".into(), Timestamp::ZERO);
            for (root, kind, technique) in [("1-0", "A", "T1505.003"), ("2-0", "B", "T1059.004"), ("3-0", "C", "T1595")]
            {
                add_with(&mut incident, (root, evidence), kind, 0.5, technique, ("203.0.113.5", "192.0.2.1"));
            }
            (incident.tactics.last().copied(), incident.attacker().map(str::to_owned), incident.is_proven)
        };
        let attacker = || Some("203.0.113.5".to_owned());
        assert_eq!(with(Evidence::Tried), (Some(Tactic::InitialAccess), attacker(), true));
        assert_eq!(with(Evidence::Done), (Some(Tactic::Persistence), attacker(), true));
        assert_eq!(with(Evidence::OfNobody), (Some(Tactic::InitialAccess), None, false));
        assert_eq!(with(Evidence::OfOthers), (Some(Tactic::Persistence), None, true));
    }

    #[test]
    fn a_scan_that_was_refused_is_never_critical_however_much_was_tried_until_something_succeeds() {
        let ends = ("203.0.113.5", "192.0.2.1");
        let techniques = ["T1505.003", "T1059.004", "T1110", "T1190", "T1548", "T1071"];
        let mut incident = Incident::new("1-0".into(), Timestamp::ZERO);
        for (n, technique) in techniques.iter().enumerate() {
            add_with(&mut incident, (&format!("{n}-0"), Evidence::Tried), technique, 0.7, technique, ends);
        }
        add(&mut incident, "7-0", "WEB_SCAN", 0.7, "T1595.003", ends);
        assert_eq!(incident.score(), AT_THE_DOOR_MAX, "{:?}", incident.tactics);
        let mut bad = incident.clone();
        add_with(&mut bad, ("8-0", Evidence::Tried), "WORSE", 0.95, "T1190", ends);
        assert!(bad.score() >= 0.95, "one that is critical by itself");
        add(&mut incident, "9-0", "LOGIN", 0.6, "T1078", ends);
        assert!(incident.score() > AT_THE_DOOR_MAX);
    }

    #[test]
    fn an_incident_is_reported_again_when_it_is_worse_or_enters_another_phase_and_not_at_each_technique() {
        let mut incident = Incident::new("1-0".into(), Timestamp::ZERO);
        let reported: Vec<bool> = [
            ("A", "T1078"),     // initial access
            ("B", "T1190"),     // the same, now of two kinds
            ("C", "T1059"),     // execution
            ("D", "T1070.002"), // defense evasion
            ("E", "T1071"),     // command and control
            ("F", "T1136"),     // persistence, that is a foothold
            ("G", "T1548"),     // privilege escalation, that is one as well
            ("H", "T1041"),     // exfiltration
        ]
        .iter()
        .map(|(kind, technique)| {
            add(&mut incident, kind, kind, 0.6, technique, ("203.0.113.5", "192.0.2.1"));
            incident.is_due(|_| 0)
        })
        .collect();
        assert_eq!(reported, [false, true, true, false, true, true, false, true]);
        assert!(incident.is_due(|_| 1), "worse");
    }

    #[test]
    fn more_of_the_same_does_not_make_it_worse_but_another_stage_does() {
        let mut incident = Incident::new("1-0".into(), Timestamp::ZERO);
        add(&mut incident, "1-0", "SCAN", 0.6, "T1595", ("203.0.113.5", "192.0.2.1"));
        add(&mut incident, "2-0", "SCAN", 0.6, "T1595", ("203.0.113.5", "192.0.2.1"));
        assert!((incident.score() - 0.6).abs() < 1e-9);
        assert!(!incident.is_due(|_| 0), "one kind is no incident");
        add(&mut incident, "3-0", "BEACON", 0.6, "T1071", ("192.0.2.1", "198.51.100.77"));
        assert!(incident.score() > 0.75);
        assert!(incident.is_due(|_| 0) && !incident.is_due(|_| 0), "reported once");
    }

    #[test]
    fn the_worst_of_a_kind_counts_and_others_support_it() {
        let mut incident = Incident::new("1-0".into(), Timestamp::ZERO);
        for (root, kind, score) in [("1-0", "A", 0.2), ("2-0", "A", 0.6), ("3-0", "A", 0.4), ("4-0", "B", 0.5)] {
            add(&mut incident, root, kind, score, "T1071", ("192.0.2.1", "198.51.100.9"));
        }
        assert!((incident.score() - (1.0 - 0.4 * (1.0 - SUPPORT * 0.5))).abs() < 1e-9, "{}", incident.score());
    }

    #[test]
    fn two_that_turn_out_to_be_one_story_have_all_of_both_and_what_was_said_of_the_worse() {
        let of = |root: &str, kind: &str, score: f64, technique: &str, source: &str| {
            let mut incident = Incident::new(root.into(), Timestamp::ZERO);
            add(&mut incident, root, kind, score, technique, (source, "192.0.2.1"));
            incident
        };
        let said = |step| Some(Reported { step, phases: BTreeSet::new() });
        for (older, younger, kept) in [(said(1), said(3), 3), (said(2), said(1), 2), (None, said(1), 1)] {
            let mut incident = of("1-0", "SCAN", 0.4, "T1595", "203.0.113.5");
            let mut other = of("2-0", "SCAN", 0.6, "T1110", "203.0.113.6");
            (incident.reported, other.reported) = (older, younger);
            other.last = Timestamp::from_millis(9);
            incident.absorb(other);
            assert_eq!(incident.reported.as_ref().map(|last| last.step), Some(kept));
            assert_eq!((incident.alerts, incident.last.millis(), incident.named.len()), (2, 9, 2));
            assert_eq!((incident.kinds.get("SCAN"), incident.kinds.len()), (Some(&0.6), 1));
            assert_eq!((incident.techniques.len(), incident.tactics.len(), incident.sources.len()), (2, 2, 2));
            assert!(incident.several_roots);
        }
    }

    #[test]
    fn what_is_kept_of_an_incident_is_bounded() {
        let mut incident = Incident::new("0-0".into(), Timestamp::ZERO);
        for n in 0..2 * KEYS_MAX {
            let (kind, address) = (format!("K{n}"), format!("10.0.0.{n}"));
            add(&mut incident, &format!("{n}-0"), &kind, 0.1, &format!("T1110.{n:03}"), (&address, &address));
        }
        assert_eq!((incident.kinds.len(), incident.techniques.len()), (KINDS_MAX, KINDS_MAX));
        assert_eq!((incident.sources.len(), incident.targets.len()), (KEYS_MAX, KEYS_MAX));
        assert_eq!((incident.named.len(), incident.alerts as usize), (ALERTS_NAMED_MAX, 2 * KEYS_MAX));
        assert!(incident.named.first().is_some_and(|first| first == "0-0"), "the first are named");
    }

    #[test]
    fn what_was_attacked_and_then_reached_out_is_not_the_attacker() {
        let mut incident = Incident::new("1-0".into(), Timestamp::ZERO);
        add(&mut incident, "1-0", "SCAN", 0.6, "T1595", ("203.0.113.5", "192.0.2.1"));
        add(&mut incident, "2-0", "SCAN", 0.6, "T1595", ("192.0.2.1", "198.51.100.9"));
        assert_eq!(incident.attacker(), Some("203.0.113.5"));
    }
}
