//! Device 58 through its settings.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::event::{Entity, Times, Verdict};
use crate::layer::stage::Stage;
use crate::layer::testing::soc_events;

pub(super) fn event(second: u64, soc: Soc) -> Event {
    let ts = Timestamp::from_millis(1_763_856_000_000 + second * 1000);
    let id = EventId::new(ts.millis(), 0);
    Event { id, stream: Stream::SocEvents, times: Times::at(ts), root: id, body: Body::Soc(Box::new(soc)) }
}

pub(super) fn attack_from(address: &str) -> Soc {
    Soc {
        src_layer: "3".into(),
        decision: Verdict::Malicious,
        score: 0.8,
        severity: Severity::High,
        category: Category::Auth,
        compartment: "ops".into(),
        entity: Entity { src_ip: Some(address.into()), host: Some("web1".into()), ..Entity::default() },
        attack: vec!["T1110.001".into()],
        summary: "brute force".into(),
        ..Soc::default()
    }
}

pub(super) fn stage(table: &str) -> Box<dyn Stage> {
    (SPEC.prepare)(&table.parse().unwrap()).unwrap().stage()
}

fn proposals(stage: &mut dyn Stage, events: &[Event]) -> Vec<Value> {
    soc_events(stage, events).into_iter().map(|soc| soc.proposal.unwrap()).collect()
}

fn actions(proposals: &[Value]) -> Vec<(&str, &str)> {
    proposals
        .iter()
        .map(|proposal| (proposal["action"].as_str().unwrap(), proposal["target"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_machine_is_isolated_only_when_it_is_in_the_attacker_s_hands_and_that_is_critical() {
    let isolates = |severity, technique: &str| {
        let soc = Soc { severity, attack: vec![technique.into()], ..attack_from("203.0.113.5") };
        let written = proposals(stage("").as_mut(), &[event(0, soc)]);
        assert!(written.len() <= PROPOSALS_PER_EVENT, "{written:?}");
        actions(&written).iter().any(|(action, _)| *action == "isolate_host")
    };
    assert!(isolates(Severity::Critical, "T1021"));
    assert!(!isolates(Severity::High, "T1021"), "not critical");
    assert!(!isolates(Severity::Critical, "T1110"), "only guessed at");
}

#[test]
fn one_event_leads_to_a_few_proposals_at_most() {
    let mut soc = attack_from("203.0.113.5");
    soc.severity = Severity::Critical;
    soc.category = Category::Crypto;
    soc.attack = vec!["T1078".into(), "T1021".into()];
    soc.entity.user = Some("alice".into());
    soc.entity.file = Some("/etc/ssl/key.pem".into());
    let events: Vec<Event> = std::iter::once(event(0, soc)).chain((1..60).map(tick)).collect();
    let written = proposals(stage("").as_mut(), &events);
    assert_eq!(written.len(), PROPOSALS_PER_EVENT, "{:?}", actions(&written));
}

#[test]
fn an_attack_from_outside_proposes_to_block_its_source_once_in_the_window() {
    let mut soar = stage("");
    let events: Vec<Event> = (0..100).map(|second| event(second, attack_from("203.0.113.5"))).collect();
    let written = proposals(soar.as_mut(), &events);
    assert_eq!(actions(&written), [("block_address", "203.0.113.5")]);
    assert_eq!(written[0]["requires_approval"], true);
    assert_eq!(written[0]["expires"].as_f64().unwrap() - written[0]["created"].as_f64().unwrap(), 3600.0);
    let again = proposals(soar.as_mut(), &[event(4000, attack_from("203.0.113.5"))]);
    assert_eq!(again.len(), 1);
    assert_ne!(again[0]["id"], written[0]["id"]);
}

#[test]
fn what_is_below_high_proposes_nothing() {
    let medium = Soc { severity: Severity::Medium, ..attack_from("203.0.113.5") };
    assert!(proposals(stage("").as_mut(), &[event(0, medium)]).is_empty());
}

#[test]
fn a_protected_or_hostile_target_gets_a_reason_instead_of_a_command() {
    let mut soar = stage("protected = [\"192.0.2.0/24\"]");
    for address in ["192.0.2.1", "127.0.0.1", "203.0.113.5; reboot"] {
        let written = proposals(soar.as_mut(), &[event(0, attack_from(address))]);
        assert_eq!(written[0]["commands"], json!([]), "{address}");
        assert!(written[0]["refused"].as_str().unwrap().starts_with("no safe command: "), "{address}");
        assert_eq!(written[0]["playbook"], Value::Null);
    }
}

#[test]
fn a_machine_that_was_made_to_reach_out_is_not_the_one_to_block() {
    let beacon = Soc {
        category: Category::Network,
        flags: vec!["BEACON".into()],
        attack: vec!["T1071".into()],
        entity: Entity { src_ip: Some("192.0.2.7".into()), dst_ip: Some("203.0.113.66".into()), ..Entity::default() },
        ..attack_from("")
    };
    assert_eq!(actions(&proposals(stage("").as_mut(), &[event(0, beacon)])), [("block_address", "203.0.113.66")]);
}

#[test]
fn of_an_incident_the_end_that_came_in_is_blocked_and_no_other() {
    let mut incident = attack_from("192.0.2.1");
    incident.flags = vec!["INCIDENT".into()];
    assert_eq!(actions(&proposals(stage("").as_mut(), &[event(0, incident.clone())])), [("snapshot_evidence", "web1")]);
    incident.reasons = vec!["attacker:203.0.113.66".into()];
    assert_eq!(actions(&proposals(stage("").as_mut(), &[event(0, incident)])), [("block_address", "203.0.113.66")]);
}

#[test]
fn what_anybody_can_have_sent_proposes_nothing_and_one_of_many_is_not_blocked_for_all() {
    let said = |reason: &str, severity| {
        let reasons = vec![reason.to_owned()];
        let soc = Soc { severity, category: Category::Network, reasons, ..attack_from("9.9.9.9") };
        proposals(stage("").as_mut(), &[event(0, soc)])
    };
    for severity in [Severity::High, Severity::Critical] {
        assert_eq!(said("source_not_proven", severity), [""; 0]);
        let of_many = said("source_not_counted", severity);
        assert_eq!(actions(&of_many), [("snapshot_evidence", "web1")]);
    }
}

#[test]
fn no_machine_is_isolated_for_what_was_only_tried_at_it() {
    let isolates = |change: &dyn Fn(&mut Soc)| {
        let attack = vec!["T1505.003".to_owned()];
        let mut soc = Soc { severity: Severity::Critical, attack, ..attack_from("203.0.113.5") };
        change(&mut soc);
        actions(&proposals(stage("").as_mut(), &[event(0, soc)])).iter().any(|(action, _)| *action == "isolate_host")
    };
    assert!(isolates(&|_| {}));
    assert!(!isolates(&|soc| soc.outcome = Some(false)));
    let incident = |tactic: &'static str| {
        move |soc: &mut Soc| {
            soc.flags = vec!["INCIDENT".into()];
            soc.reasons = vec!["attacker:203.0.113.5".into(), format!("tactic:{tactic}")];
        }
    };
    assert!(isolates(&incident("persistence")));
    assert!(!isolates(&incident("initial-access")));
}

#[test]
fn an_account_in_use_is_locked_but_guessing_at_one_does_not_lock_it() {
    let with_user = |technique: &str, user: &str| {
        let mut soc = attack_from("203.0.113.5");
        soc.entity.user = Some(user.to_owned());
        soc.attack = vec![technique.to_owned()];
        proposals(stage("").as_mut(), &[event(0, soc)])
    };
    assert_eq!(actions(&with_user("T1110", "alice")), [("block_address", "203.0.113.5")]);
    let in_use = with_user("T1078", "alice");
    assert_eq!(actions(&in_use), [("block_address", "203.0.113.5"), ("lock_user", "alice")]);
    let root = with_user("T1078", "root");
    assert!(root[1]["refused"].as_str().unwrap().contains("root"));
}

#[test]
fn a_critical_intrusion_keeps_evidence_and_proposes_isolation() {
    let mut soc = attack_from("203.0.113.5");
    soc.severity = Severity::Critical;
    soc.attack.push("T1071".into());
    let written = proposals(stage("").as_mut(), &[event(0, soc)]);
    assert_eq!(
        actions(&written),
        [("block_address", "203.0.113.5"), ("snapshot_evidence", "web1"), ("isolate_host", "web1")]
    );
}

fn decoys(count: u64) -> Vec<Event> {
    (0..count).map(|step| event(step, attack_from(&format!("203.{}.{}.7", step / 256, step % 256)))).collect()
}

fn intruder(second: u64) -> Event {
    let entity = Entity { user: Some("alice".into()), ..attack_from("198.51.100.9").entity };
    event(second, Soc { attack: vec!["T1078".into()], entity, ..attack_from("") })
}

fn tick(second: u64) -> Event {
    let tick = event(second, Soc::default());
    Event { stream: Stream::Tick, body: Body::Tick, ..tick }
}

/// Proposals and the number that the device says are waiting.
pub(super) fn written(stage: &mut dyn Stage, events: &[Event]) -> (Vec<Value>, Vec<String>) {
    let (proposed, accounts): (Vec<Soc>, Vec<Soc>) =
        soc_events(stage, events).into_iter().partition(|soc| soc.proposal.is_some());
    let accounts = accounts.into_iter().map(|soc| soc.reasons.join(" ")).collect();
    (proposed.into_iter().filter_map(|soc| soc.proposal).collect(), accounts)
}

#[test]
fn a_flood_of_sources_does_not_become_a_flood_of_proposals_and_says_what_waits() {
    let mut soar = stage("per_hour = 20");
    let (proposed, accounts) = written(soar.as_mut(), &decoys(500));
    assert_eq!((proposed.len(), accounts), (10, vec!["waiting:1 left-out:0".to_owned()]));
    let (_, accounts) = written(soar.as_mut(), &[tick(4000)]);
    assert_eq!(accounts, ["waiting:0 left-out:490"], "they have lapsed by then");
}

#[test]
fn decoys_leave_room_for_the_intruder_who_got_in() {
    let mut soar = stage("");
    let mut events = decoys(500);
    events.push(intruder(501));
    let (proposed, _) = written(soar.as_mut(), &events);
    assert_eq!(actions(&proposed)[30..], [("block_address", "198.51.100.9"), ("lock_user", "alice")]);
}

#[test]
fn one_network_of_decoys_is_one_target() {
    let decoys: Vec<Event> = (0..70).map(|step| event(step, attack_from(&format!("2001:db8:6:7::{step:x}")))).collect();
    let (proposed, accounts) = written(stage("").as_mut(), &decoys);
    assert_eq!(actions(&proposed), [("block_address", "2001:db8:6:7::/64")]);
    assert_eq!(accounts, [""; 0]);
}

#[test]
fn what_found_no_room_is_proposed_when_there_is_some() {
    let mut soar = stage("per_hour = 4\nvalid_for = \"3h\"");
    let (proposed, _) = written(soar.as_mut(), &decoys(4));
    assert_eq!(proposed.len(), 2);
    let (proposed, _) = written(soar.as_mut(), &[tick(3000), tick(3700), tick(3701)]);
    assert_eq!(actions(&proposed), [("block_address", "203.0.2.7"), ("block_address", "203.0.3.7")]);
    assert_eq!(proposed[0]["cause"], decoys(4)[2].id.to_string());
}

#[test]
fn times_that_alternate_between_hours_do_not_pass_the_limit() {
    let events: Vec<Event> = decoys(400)
        .into_iter()
        .enumerate()
        .map(|(index, event)| {
            let hour = if index % 2 == 0 { 0 } else { 3_600_000 };
            Event { times: Times { believed: event.time().minus(Duration::from_millis(hour)), ..event.times }, ..event }
        })
        .collect();
    assert_eq!(written(stage("per_hour = 20").as_mut(), &events).0.len(), 10);
}

#[test]
fn a_line_dated_ahead_neither_frees_nor_blocks_the_hour() {
    let mut soar = stage("per_hour = 20");
    let mut events = decoys(15);
    let alert = event(15, attack_from("198.51.100.1"));
    let believed = alert.time().plus(Duration::from_secs(86_400 * 365));
    events.push(Event { times: Times { believed, ..alert.times }, ..alert });
    assert_eq!(written(soar.as_mut(), &events).0.len(), 10);
    assert_eq!(written(soar.as_mut(), &[event(3700, attack_from("198.51.101.1"))]).0.len(), 1);
}

#[test]
fn a_machines_clock_that_was_a_day_ahead_takes_no_proposals_afterwards() {
    let mut soar = stage("per_hour = 20");
    let ahead: Vec<Event> = decoys(10)
        .into_iter()
        .map(|event| Event { times: Times::at(event.time().plus(Duration::from_secs(86_400))), ..event })
        .collect();
    assert_eq!(written(soar.as_mut(), &ahead).0.len(), 10);
    assert_eq!(written(soar.as_mut(), &[tick(20), event(21, attack_from("198.51.101.1"))]).0.len(), 1);
}

#[test]
fn a_proposal_about_lines_that_waited_lapses_by_the_time_at_which_it_is_made() {
    let alert = event(10_000, attack_from("203.0.113.5"));
    let believed = Timestamp::from_millis(alert.time().millis() - 7_200_000);
    let late = Event { times: Times { believed, ..alert.times }, ..alert.clone() };
    let proposed = proposals(stage("").as_mut(), &[late]);
    assert_eq!(proposed[0]["created"], json!(alert.time().seconds()));
    assert_eq!(proposed[0]["expires"], json!(alert.time().seconds() + 3600.0));
}

#[test]
fn what_the_machine_cannot_do_without_is_never_blocked() {
    let written = proposals(stage("machine = [\"203.0.113.1\"]").as_mut(), &[event(0, attack_from("203.0.113.1"))]);
    assert!(written[0]["refused"].as_str().unwrap().contains("gateway"));
}

#[test]
fn the_sites_own_playbook_for_a_measure_is_proposed_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.json");
    let mut book = proposals(stage("").as_mut(), &[event(0, attack_from("203.0.113.5"))])[0]["playbook"].clone();
    book["labels"] = json!(["block_address"]);
    std::fs::write(&path, book.to_string()).unwrap();
    let table = format!("playbooks = [\"{}\"]", path.display());
    let written = proposals(stage(&table).as_mut(), &[event(0, attack_from("203.0.113.5"))]);
    assert_eq!(written[0]["site_playbook"], book);
}

#[test]
fn a_saved_state_does_not_propose_again() {
    let mut first = stage("");
    assert_eq!(proposals(first.as_mut(), &[event(0, attack_from("203.0.113.5"))]).len(), 1);
    let mut second = stage("");
    second.load(&first.save().unwrap()).unwrap();
    assert!(proposals(second.as_mut(), &[event(1, attack_from("203.0.113.5"))]).is_empty());
}

#[test]
fn wrong_settings_are_findings_all_at_once() {
    let Err(findings) = (SPEC.prepare)(&"protected = [\"x\"]\nper_hour = -1\nprotect = 1".parse().unwrap()) else {
        panic!("accepted")
    };
    assert_eq!(findings.len(), 3, "{findings:#?}");
}
