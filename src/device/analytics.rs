//! Device 52, security analytics: incidents out of the SOC events of fusion and the other devices, and an hourly
//! account.

use serde::{Deserialize, Serialize};

use super::common::{quote, severity_of_score};
use super::hourly::Hour;
use super::offender::{is_of_nobody, was_refused};
use super::{DeviceSpec, settings};
use crate::config::Span;
use crate::detect::earlier::{Earlier, Likeness};
use crate::detect::incident::{Alert, Evidence, Incident};
use crate::detect::incidents::{Incidents, Windows};
use crate::detect::tactic::Tactic;
use crate::event::{Action, Alarm, Body, Category, Entity, Event, Interest, Record, Soc, Stream, Timestamp, Verdict};
use crate::layer::stage::{Outbox, Stateful};
use crate::layer::{SOURCE_NOT_COUNTED, SOURCE_NOT_PROVEN, says, verdict};

const NUMBER: u16 = 52;

pub const SPEC: DeviceSpec = DeviceSpec {
    number: NUMBER,
    stage: "device-52",
    identifier: "dsmil-soc-analytics",
    // Also of devices that are yet to come. Device 58 speaks of what this one says.
    reads: Interest::NONE.stream(Stream::L3In).stream(Stream::SocEvents).without_soc(NUMBER).without_soc(58),
    prepare: |table| settings::factory(table, Analytics::new),
};

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Related alerts further apart than this are different incidents.
    window: Span,
    /// The same of what is related to an incident that was reported.
    reported_window: Span,
    /// Write an account of each hour that had events other than benign ones.
    hourly: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let (window, reported_window) = (Span::from_millis(3600 * 1000), Span::from_millis(12 * 3600 * 1000));
        Self { window, reported_window, hourly: true }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    incidents: Incidents,
    hour: Hour,
    #[serde(default)]
    earlier: Earlier,
}

struct Analytics {
    settings: Settings,
    state: State,
}

impl Analytics {
    fn new(settings: Settings) -> Self {
        Self { settings, state: State::default() }
    }

    /// Who comes from where, for what people share.
    fn login(&mut self, record: &Record, now: Timestamp) {
        if let (Action::Login, Some(true), Some(user), Some(address)) =
            (record.action, record.outcome, &record.entity.user, &record.entity.src_ip)
        {
            self.state.incidents.login(user, address, now);
        }
    }
}

impl Stateful for Analytics {
    type State = State;

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        if let Body::Raw(raw) = &event.body {
            self.login(raw.record(), event.time());
        }
        let Body::Soc(soc) = &event.body else { return };
        if soc.decision == Verdict::Benign || soc.is_silenced() {
            return;
        }
        let kind = kind(soc);
        let ended = self.state.hour.count(event.times, soc, &kind);
        if let Some((end, account)) = ended.filter(|_| self.settings.hourly) {
            out.emit_at(Stream::SocEvents, end, Body::Soc(Box::new(Soc { src_device: NUMBER, ..account })));
        }
        let alert = Alert {
            id: event.id.to_string(),
            root: event.root.to_string(),
            kind,
            score: soc.score,
            entity: &soc.entity,
            attack: &soc.attack,
            evidence: evidence(soc),
        };
        let step_of = |score: f64| severity_of_score(score) as u8;
        let windows = Windows { usual: self.settings.window.get(), reported: self.settings.reported_window.get() };
        if let Some(incident) = self.state.incidents.alert(&alert, event.time(), windows, step_of) {
            let alike = self.state.earlier.compare(incident);
            out.emit_soc(describe(incident, soc, &alike));
        }
    }

    fn state(&self) -> &Self::State {
        &self.state
    }

    fn state_mut(&mut self) -> &mut Self::State {
        &mut self.state
    }
}

/// What is new about an event: its flag, else its technique, and whether that succeeded, else its category.
fn kind(soc: &Soc) -> String {
    // Of those who mistype and then get in some look as if they had guessed.
    let is_certain = soc.outcome == Some(true) && soc.decision == Verdict::Malicious;
    let technique = soc.attack.first().map(|id| {
        let id = id.split('.').next().unwrap_or(id);
        if is_certain { format!("{id} succeeded") } else { id.to_owned() }
    });
    soc.flags.first().cloned().or(technique).unwrap_or_else(|| soc.category.name().to_owned())
}

fn evidence(soc: &Soc) -> Evidence {
    if is_of_nobody(soc) {
        Evidence::OfNobody
    } else if says(&soc.reasons, SOURCE_NOT_COUNTED) {
        Evidence::OfOthers
    } else if was_refused(soc) {
        Evidence::Tried
    } else {
        Evidence::Done
    }
}

fn describe(incident: &Incident, cause: &Soc, alike: &[Likeness]) -> Soc {
    let score = incident.score();
    let severity = severity_of_score(score);
    let tactics: Vec<&str> = incident.tactics.iter().map(|tactic| tactic.name()).collect();
    let stages = if tactics.is_empty() { "no known tactic".to_owned() } else { tactics.join(" → ") };
    let kinds: Vec<String> = incident.kinds.keys().map(|kind| quote(kind)).collect();
    let minutes = incident.last.since(incident.first).as_secs().div_ceil(60);
    let mut reasons: Vec<String> = incident.merged.iter().map(|id| format!("merged:{id}")).collect();
    reasons.extend(incident.attacker().map(|address| format!("attacker:{}", quote(address))));
    reasons.extend((!incident.is_proven).then(|| SOURCE_NOT_PROVEN.to_owned()));
    reasons.extend(tactics.iter().map(|tactic| format!("tactic:{tactic}")));
    reasons.extend(kinds.iter().map(|kind| format!("kind:{kind}")));
    reasons.extend(alike.iter().map(|alike| {
        let shared: Vec<String> = alike.shared.iter().map(|name| quote(name)).collect();
        format!("similar:{} {} %: {}", alike.id, alike.percent, shared.join(", "))
    }));
    Soc {
        src_device: NUMBER,
        decision: verdict(score).max(Verdict::Suspicious),
        score,
        shrink_risk: cause.shrink_risk,
        shrink: cause.shrink.clone(),
        severity,
        category: category(incident, cause),
        compartment: cause.compartment.clone(),
        summary: format!(
            "incident of {} alerts in {minutes} min about {}: {stages} ({})",
            incident.alerts,
            about(&incident.entity),
            kinds.join(", ")
        ),
        entity: incident.entity.clone(),
        flags: vec!["INCIDENT".to_owned()],
        incident_id: Some(incident.id.clone()),
        alarm: Some(Alarm {
            id: incident.id.clone(),
            count: incident.alerts,
            first_ts: incident.first.seconds(),
            last_ts: incident.last.seconds(),
            members: incident.named.clone(),
            is_over: false,
        }),
        attack: incident.techniques.iter().cloned().collect(),
        reasons,
        ..Soc::default()
    }
}

fn category(incident: &Incident, cause: &Soc) -> Category {
    let network = [Tactic::CommandAndControl, Tactic::Exfiltration, Tactic::LateralMovement];
    if network.iter().any(|tactic| incident.tactics.contains(tactic)) { Category::Network } else { cause.category }
}

fn about(entity: &Entity) -> String {
    let parts = [
        ("user", &entity.user),
        ("source", &entity.src_ip),
        ("destination", &entity.dst_ip),
        ("domain", &entity.domain),
        ("host", &entity.host),
    ];
    let known: Vec<String> =
        parts.iter().filter_map(|(name, value)| Some(format!("{name} {}", quote(value.as_deref()?)))).collect();
    if known.is_empty() { "an unnamed entity".to_owned() } else { known.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventId, Severity, Times};
    use crate::layer::stage::Stage;
    use crate::layer::testing::soc_events;

    fn event(number: u64, second: u64, soc: Soc) -> Event {
        let id = EventId::new(number, 0);
        let ts = Timestamp::from_millis(1_000_000_000_000 + second * 1000);
        Event { id, stream: Stream::SocEvents, times: Times::at(ts), root: id, body: Body::Soc(Box::new(soc)) }
    }

    fn soc(flag: &str, technique: &str, user: &str, score: f64) -> Soc {
        Soc {
            src_device: 57,
            score,
            flags: vec![flag.to_owned()],
            attack: vec![technique.to_owned()],
            entity: Entity { user: Some(user.to_owned()), host: Some("web1".into()), ..Entity::default() },
            compartment: "ops".into(),
            ..Soc::default()
        }
    }

    fn make() -> Box<dyn Stage> {
        (SPEC.prepare)(&toml::Table::new()).unwrap().stage()
    }

    fn story() -> Vec<Event> {
        vec![
            event(1, 0, soc("BRUTE_FORCE", "T1110.001", "alice", 0.6)),
            event(2, 5, soc("BRUTE_FORCE", "T1110.001", "alice", 0.6)),
            event(3, 60, soc("NEW_LOGIN", "T1078", "alice", 0.6)),
            event(4, 90, soc("SUDO", "T1548.003", "alice", 0.7)),
            event(5, 95, soc("SUDO", "T1548.003", "alice", 0.7)),
            event(6, 120, soc("BEACON", "T1071", "alice", 0.7)),
        ]
    }

    #[test]
    fn an_intrusion_is_reported_when_it_opens_and_in_each_new_phase() {
        let written = soc_events(make().as_mut(), &story());
        assert_eq!(written.len(), 3, "{written:#?}");
        assert!(written.iter().is_sorted_by_key(|soc| soc.severity));
        let last = written.last().unwrap();
        assert_eq!(last.attack, ["T1071", "T1078", "T1110.001", "T1548.003"]);
        assert!(written.iter().all(|soc| soc.incident_id.as_deref() == Some("1-0")));
        let alarm = last.alarm.as_ref().unwrap();
        assert_eq!((alarm.count, alarm.members.len()), (6, 6));
        assert!(
            last.summary.contains("initial-access → privilege-escalation → credential-access → command-and-control")
        );
        assert_eq!((last.severity, last.category), (Severity::Critical, Category::Network));
    }

    #[test]
    fn benign_events_and_lone_alerts_say_nothing() {
        let benign = Soc { decision: Verdict::Benign, ..soc("X", "T1110", "bob", 0.0) };
        let events = [event(1, 0, benign), event(2, 10, soc("BEACON", "T1071", "carol", 0.9))];
        assert_eq!(soc_events(make().as_mut(), &events), []);
    }

    #[test]
    fn attempts_that_were_refused_get_an_incident_no_further_than_initial_access_and_packets_prove_nobody() {
        let says = |soc: &Soc, name: &str| says(&soc.reasons, name);
        let incident = |change: fn(&mut Soc)| {
            let said = [("A", "T1505.003"), ("B", "T1059.004"), ("C", "T1595.003"), ("D", "T1110.001")];
            let events: Vec<Event> = (1..)
                .zip(said)
                .map(|(number, (flag, technique))| {
                    let mut soc = soc(flag, technique, "", 0.6);
                    soc.entity = Entity { src_ip: Some("203.0.113.5".into()), ..Entity::default() };
                    change(&mut soc);
                    event(number, number, soc)
                })
                .collect();
            soc_events(make().as_mut(), &events).pop().unwrap()
        };
        let refused = incident(|soc| soc.outcome = Some(false));
        assert!(says(&refused, "tactic:initial-access") && !says(&refused, "tactic:persistence"), "{refused:#?}");
        assert!(says(&refused, "attacker:203.0.113.5") && !says(&refused, SOURCE_NOT_PROVEN));
        let packets = incident(|soc| soc.reasons.push(SOURCE_NOT_PROVEN.to_owned()));
        assert!(says(&packets, SOURCE_NOT_PROVEN) && !says(&packets, "attacker:203.0.113.5"), "{packets:#?}");
        let of_many = incident(|soc| soc.reasons.push(SOURCE_NOT_COUNTED.to_owned()));
        assert!(!says(&of_many, "attacker:203.0.113.5") && says(&of_many, "tactic:persistence"));
        assert!(says(&incident(|_| {}), "tactic:persistence"));
    }

    #[test]
    fn an_hour_is_accounted_for_when_the_next_one_begins() {
        let mut events = story();
        events.push(event(9, 9000, soc("BEACON", "T1071", "bob", 0.7)));
        let accounts: Vec<Soc> =
            soc_events(make().as_mut(), &events).into_iter().filter(|soc| soc.flags == ["HOURLY_ACCOUNT"]).collect();
        assert_eq!(accounts.len(), 1);
        assert!(accounts[0].summary.contains("6 events"), "{}", accounts[0].summary);
        assert!(accounts[0].summary.starts_with("hour from 2001-09-09T01:00:00Z: "), "{}", accounts[0].summary);
        assert_eq!((accounts[0].severity, accounts[0].decision), (Severity::Info, Verdict::Benign));
    }

    #[test]
    fn a_saved_state_goes_on_where_it_was() {
        let events = story();
        let whole = soc_events(make().as_mut(), &events);
        for cut in 0..events.len() {
            let mut first = make();
            let mut written = soc_events(first.as_mut(), &events[..cut]);
            let mut second = make();
            second.load(&first.save().unwrap()).unwrap();
            written.extend(soc_events(second.as_mut(), &events[cut..]));
            assert_eq!(written, whole, "cut at {cut}");
        }
    }
}
