//! Device 58, response: proposes what could be done about HIGH and CRITICAL events. It never acts; a person approves.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::common::quote;
use super::offender::{Offender, is_compromised, offender};
use super::{DeviceSpec, playbook_files, settings};
use crate::config::Span;
use crate::detect::cacao::labels;
use crate::detect::playbook::{Frame, playbook, uuid};
use crate::detect::recent::Recent;
use crate::detect::response::{
    Protected, Response, Step, block_address, block_domain, isolate_host, lock_user, rotate_key, snapshot_evidence,
};
use crate::event::{Body, Category, Event, Interest, Severity, Soc, Stream, Timestamp};
use crate::layer::stage::{Outbox, Stateful};
use crate::limits::ENTITIES_PER_DETECTOR_MAX;

const NUMBER: u16 = 58;
const EVIDENCE_FOLDER: &str = "/var/lib/dsmil/evidence";
/// More for one event would not be weighed.
const PROPOSALS_PER_EVENT: usize = 3;

/// Techniques that need the account itself. Locking it on guessed passwords would let strangers lock the owner out.
const ACCOUNT_IN_USE: &[&str] = &["T1078", "T1548", "T1098", "T1136", "T1021", "T1068"];

pub const SPEC: DeviceSpec = DeviceSpec {
    number: NUMBER,
    stage: "device-58",
    identifier: "dsmil-soc-soar",
    title: "Response proposals",
    // Also of devices that are yet to come.
    reads: Interest::NONE.stream(Stream::SocEvents).without_soc(NUMBER),
    prepare: |table| {
        let settings: Settings = settings::read(table)?;
        let playbooks: Arc<[Value]> = playbook_files::load(&settings.playbooks)?.into();
        Ok(Arc::new(move || Box::new(Soar::new(settings.clone(), Arc::clone(&playbooks)))))
    },
};

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Networks that no proposal blocks: the machine's own addresses, its gateway, the operators'.
    protected: Vec<ipnet::IpNet>,
    /// Users that no proposal locks, besides root.
    protected_users: Vec<String>,
    /// A proposal lapses after this time, is not repeated before, and a block lasts so long.
    valid_for: Span,
    /// The site's own CACAO 2.0 playbooks, proposed for the flags and measures (`block_address`) in their labels.
    playbooks: Vec<PathBuf>,
    /// Proposals an hour; a flood of them would bury the ones that matter.
    per_hour: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            protected: Vec::new(),
            protected_users: Vec::new(),
            playbooks: Vec::new(),
            valid_for: Span::from_millis(3600 * 1000),
            per_hour: 60,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct State {
    /// When each measure against each target was last proposed.
    proposed: Recent<Timestamp>,
    hour: u64,
    in_hour: u64,
}

struct Soar {
    settings: Settings,
    protected: Protected,
    playbooks: Arc<[Value]>,
    state: State,
}

impl Soar {
    fn new(settings: Settings, playbooks: Arc<[Value]>) -> Self {
        let protected = Protected { nets: settings.protected.clone(), users: settings.protected_users.clone() };
        let state = State { proposed: Recent::new(ENTITIES_PER_DETECTOR_MAX), hour: 0, in_hour: 0 };
        Self { settings, protected, playbooks, state }
    }

    /// The most fitting first.
    fn responses(&self, event: &Event, soc: &Soc) -> Vec<Response> {
        let entity = &soc.entity;
        let block = |address: &str| block_address(address, &self.protected, self.settings.valid_for.get());
        let mut responses = Vec::new();
        match offender(soc) {
            Some(Offender::Address(address)) => responses.push(block(address)),
            Some(Offender::Domain(domain)) => responses.push(block_domain(domain)),
            None => {}
        }
        let in_use = soc.attack.iter().any(|id| ACCOUNT_IN_USE.contains(&id.split('.').next().unwrap_or(id)));
        if let Some(user) = entity.user.as_deref().filter(|_| in_use || soc.category == Category::Operator) {
            responses.push(lock_user(user, &self.protected));
        }
        let host = entity.host.as_deref();
        if soc.category == Category::Crypto {
            let key = entity.file.as_deref().or(entity.process.as_deref()).or(host).unwrap_or("unknown");
            responses.push(rotate_key(key));
        }
        if responses.is_empty() || soc.severity == Severity::Critical {
            let folder = format!("{EVIDENCE_FOLDER}/{}", uuid(&event.id.to_string()));
            responses.push(snapshot_evidence(host.unwrap_or("this machine"), &folder));
        }
        if let Some(host) = host.filter(|_| soc.severity == Severity::Critical && is_compromised(soc)) {
            responses.push(isolate_host(host));
        }
        responses.truncate(PROPOSALS_PER_EVENT);
        responses
    }

    fn is_new(&mut self, response: &Response, now: Timestamp) -> bool {
        let key = format!("{} {}", response.measure.name(), response.target);
        let last = self.state.proposed.touch(&key, || Timestamp::ZERO);
        let apart = now.since(*last).max(last.since(now));
        let is_new = *last == Timestamp::ZERO || apart >= self.settings.valid_for.get();
        if is_new {
            *last = now;
        }
        is_new
    }

    /// The site's playbook for this flag or measure.
    fn own_playbook(&self, soc: &Soc, response: &Response) -> Option<&Value> {
        let fits = |label: &str| label == response.measure.name() || soc.flags.iter().any(|flag| flag == label);
        self.playbooks.iter().find(|playbook| labels(playbook).any(fits))
    }

    /// Counts one more in this hour of event time; false when there have been enough.
    fn has_room(&mut self, now: Timestamp) -> bool {
        let hour = now.millis() / 3_600_000;
        if hour != self.state.hour {
            self.state.hour = hour;
            self.state.in_hour = 0;
        }
        self.state.in_hour += 1;
        self.state.in_hour <= self.settings.per_hour
    }
}

impl Stateful for Soar {
    type State = State;

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        let Body::Soc(soc) = &event.body else { return };
        if soc.severity < Severity::High {
            return;
        }
        for response in self.responses(event, soc) {
            if self.is_new(&response, event.ts) && self.has_room(event.ts) {
                let until = event.ts.plus(self.settings.valid_for.get());
                let own = self.own_playbook(soc, &response);
                out.emit_soc(proposal(event, soc, &response, own, until));
            }
        }
    }

    fn state(&self) -> &Self::State {
        &self.state
    }

    fn state_mut(&mut self) -> &mut Self::State {
        &mut self.state
    }
}

fn proposal(event: &Event, soc: &Soc, response: &Response, own: Option<&Value>, expires: Timestamp) -> Soc {
    let measure = response.measure.name();
    let target = quote(&response.target);
    let seed = format!("{} {measure} {}", event.id, response.target);
    let rationale = format!("{} {}: {}", soc.severity.name(), soc.category.name(), soc.summary);
    let name = format!("{} {target}", measure.replace('_', " "));
    let commands: Vec<&str> = response
        .steps
        .iter()
        .map(|step| match step {
            Step::Command(text) | Step::Manual(text) => text.as_str(),
        })
        .collect();
    let severity = (soc.score * 100.0).round().clamp(1.0, 100.0) as u8;
    let frame =
        Frame { seed: &seed, name: &name, rationale: &rationale, created: event.ts, valid_until: expires, severity };
    let book = (!response.steps.is_empty()).then(|| playbook(response, &frame));
    let outcome = response.refused.clone().unwrap_or_else(|| format!("{} steps, waits for approval", commands.len()));
    Soc {
        src_device: NUMBER,
        decision: soc.decision,
        score: soc.score,
        shrink_risk: soc.shrink_risk,
        shrink: soc.shrink.clone(),
        severity: soc.severity,
        category: soc.category,
        compartment: soc.compartment.clone(),
        summary: format!("proposal: {name} ({outcome})"),
        entity: soc.entity.clone(),
        flags: vec!["PROPOSAL".to_owned()],
        attack: soc.attack.clone(),
        reasons: vec![format!("measure:{measure}"), rationale.clone()],
        proposal: Some(json!({
            "id": format!("proposal--{}", uuid(&seed)),
            "action": measure,
            "target": target,
            "commands": commands,
            "undo": response.undo,
            "refused": response.refused,
            "reversible": response.reversible,
            "created": event.ts.seconds(),
            "expires": expires.seconds(),
            "rationale": rationale,
            "cause": event.id,
            "requires_approval": true,
            "playbook": book,
            "site_playbook": own,
        })),
        ..Soc::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Entity, EventId, Stream, Verdict};
    use crate::layer::stage::Stage;
    use crate::layer::testing::soc_events;

    fn event(second: u64, soc: Soc) -> Event {
        let ts = Timestamp::from_millis(1_763_856_000_000 + second * 1000);
        let id = EventId::new(ts.millis(), 0);
        Event { id, stream: Stream::SocEvents, ts, root: id, body: Body::Soc(Box::new(soc)) }
    }

    fn attack_from(address: &str) -> Soc {
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

    fn stage(table: &str) -> Box<dyn Stage> {
        (SPEC.prepare)(&table.parse().unwrap()).unwrap()()
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
            entity: Entity {
                src_ip: Some("192.0.2.7".into()),
                dst_ip: Some("203.0.113.66".into()),
                ..Entity::default()
            },
            ..attack_from("")
        };
        assert_eq!(actions(&proposals(stage("").as_mut(), &[event(0, beacon)])), [("block_address", "203.0.113.66")]);
    }

    #[test]
    fn of_an_incident_the_end_that_came_in_is_blocked_and_no_other() {
        let mut incident = attack_from("192.0.2.1");
        incident.flags = vec!["INCIDENT".into()];
        assert_eq!(
            actions(&proposals(stage("").as_mut(), &[event(0, incident.clone())])),
            [("snapshot_evidence", "web1")]
        );
        incident.reasons = vec!["attacker:203.0.113.66".into()];
        assert_eq!(actions(&proposals(stage("").as_mut(), &[event(0, incident)])), [("block_address", "203.0.113.66")]);
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

    #[test]
    fn a_flood_of_sources_does_not_become_a_flood_of_proposals() {
        let events: Vec<Event> = (0..500_u64)
            .map(|step| event(step, attack_from(&format!("203.0.{}.{}", step / 256, step % 256))))
            .collect();
        assert_eq!(proposals(stage("per_hour = 20").as_mut(), &events).len(), 20);
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
}
