//! How bad an incident is, who is behind it, and when it is reported.

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
        let mut incident = Incident::new("1-0".into(), "1-0".into(), Timestamp::ZERO);
        for (root, kind, technique) in [("1-0", "A", "T1505.003"), ("2-0", "B", "T1059.004"), ("3-0", "C", "T1595")] {
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
    let mut incident = Incident::new("1-0".into(), "1-0".into(), Timestamp::ZERO);
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
    let mut incident = Incident::new("1-0".into(), "1-0".into(), Timestamp::ZERO);
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
    let mut incident = Incident::new("1-0".into(), "1-0".into(), Timestamp::ZERO);
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
    let mut incident = Incident::new("1-0".into(), "1-0".into(), Timestamp::ZERO);
    for (root, kind, score) in [("1-0", "A", 0.2), ("2-0", "A", 0.6), ("3-0", "A", 0.4), ("4-0", "B", 0.5)] {
        add(&mut incident, root, kind, score, "T1071", ("192.0.2.1", "198.51.100.9"));
    }
    assert!((incident.score() - (1.0 - 0.4 * (1.0 - SUPPORT * 0.5))).abs() < 1e-9, "{}", incident.score());
}

#[test]
fn two_that_turn_out_to_be_one_story_have_all_of_both_and_what_was_said_of_the_worse() {
    let of = |root: &str, kind: &str, score: f64, technique: &str, source: &str| {
        let mut incident = Incident::new(root.into(), root.into(), Timestamp::ZERO);
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
        assert_eq!((incident.techniques.len(), incident.tactics.len(), incident.attackers.len()), (2, 2, 2));
        assert!(incident.several_roots);
    }
}

#[test]
fn what_is_kept_of_an_incident_is_bounded() {
    let mut incident = Incident::new("0-0".into(), "0-0".into(), Timestamp::ZERO);
    for n in 0..2 * KEYS_MAX {
        let (kind, address) = (format!("K{n}"), format!("10.0.0.{n}"));
        add(&mut incident, &format!("{n}-0"), &kind, 0.1, &format!("T1110.{n:03}"), (&address, &address));
    }
    assert_eq!((incident.kinds.len(), incident.techniques.len()), (KINDS_MAX, KINDS_MAX));
    assert_eq!((incident.attackers.len(), incident.targets.len()), (KEYS_MAX, KEYS_MAX));
    assert_eq!((incident.named.len(), incident.alerts as usize), (ALERTS_NAMED_MAX, 2 * KEYS_MAX));
    assert!(incident.named.first().is_some_and(|first| first == "0-0"), "the first are named");
}

#[test]
fn the_attacker_is_the_one_who_has_done_the_worst_and_not_the_one_whose_address_comes_first() {
    let mut incident = Incident::new("1-0".into(), "1-0".into(), Timestamp::ZERO);
    add(&mut incident, "1-0", "TYPOS", 0.6, "T1110", ("192.0.2.9", "192.0.2.1"));
    add(&mut incident, "2-0", "GUESSED", 0.95, "T1110", ("203.0.113.5", "192.0.2.1"));
    add(&mut incident, "3-0", "TYPOS", 0.6, "T1110", ("192.0.2.9", "192.0.2.1"));
    assert_eq!(incident.attacker(), Some("203.0.113.5"));
}

#[test]
fn what_was_attacked_and_then_reached_out_is_not_the_attacker() {
    let mut incident = Incident::new("1-0".into(), "1-0".into(), Timestamp::ZERO);
    add(&mut incident, "1-0", "SCAN", 0.6, "T1595", ("203.0.113.5", "192.0.2.1"));
    add(&mut incident, "2-0", "SCAN", 0.6, "T1595", ("192.0.2.1", "198.51.100.9"));
    assert_eq!(incident.attacker(), Some("203.0.113.5"));
}

#[test]
fn scans_from_outside_are_no_incident_until_something_is_tried_or_done() {
    let scanned = || {
        let mut incident = Incident::new("1-0".into(), "1-0".into(), Timestamp::ZERO);
        for (kind, technique) in [("PORT_SCAN", "T1046"), ("WEB_SCAN", "T1595.003"), ("AGENT", "T1595.002")] {
            add_with(&mut incident, (kind, Evidence::Tried), kind, 0.6, technique, ("203.0.113.5", "192.0.2.1"));
        }
        assert!(!incident.is_due(|_| 0), "{:?}", incident.tactics);
        incident
    };
    for (evidence, technique) in [(Evidence::Tried, "T1190"), (Evidence::Tried, "T1110"), (Evidence::Done, "T1078")] {
        let mut incident = scanned();
        add_with(&mut incident, ("4-0", evidence), "MORE", 0.6, technique, ("203.0.113.5", "192.0.2.1"));
        assert!(incident.is_due(|_| 0), "{technique}");
    }
    let mut inside = scanned();
    add_with(&mut inside, ("4-0", Evidence::Done), "FROM_HERE", 0.6, "T1046", ("192.0.2.1", "192.0.2.9"));
    assert!(inside.is_due(|_| 0), "a machine of one's own that looks for others");
}
