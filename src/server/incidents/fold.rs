//! Incidents as the events on the log tell them: what device 52 reports of each, what device 58 proposes because of it, and what
//! people have done with it. The same events give the same incidents, after a restart as well.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::change::{Action, Change, Resolution, reasons};
use crate::event::{Body, Category, Entity, Event, EventId, Severity, Soc, Verdict};
use crate::limits::PROPOSALS_MAX;
use crate::server::seen::Fold;

/// The device that reports incidents.
const ANALYTICS_DEVICE: u16 = 52;
/// Incidents that are kept.
const INCIDENTS_KEPT: usize = 1000;
/// The newest of what people have done with one incident.
const CHANGES_KEPT: usize = 64;
/// Of the events that report one, the newest that are named.
const EVENTS_NAMED_MAX: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Open,
    Acknowledged,
    Closed,
}

impl State {
    pub fn named(name: &str) -> Option<Self> {
        [Self::Open, Self::Acknowledged, Self::Closed].into_iter().find(|state| state.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
        }
    }
}

/// One incident from its first event to its last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Incident {
    pub id: String,
    pub state: State,
    /// How it was closed; `None` while it is not.
    pub resolution: Option<Resolution>,
    /// The worst that was reported of it.
    pub severity: Severity,
    /// 0 to 1, as of the last report.
    pub score: f64,
    pub category: Category,
    pub compartment: String,
    pub summary: String,
    pub entity: Entity,
    /// The address that is behind it, where one is known to be.
    pub attacker: Option<String>,
    /// Tactics of ATT&CK, in the order in which an intrusion passes them.
    pub tactics: Vec<String>,
    /// Techniques of ATT&CK.
    pub attack: Vec<String>,
    /// Epoch seconds of the first and the last alert that belongs to it.
    pub first_ts: f64,
    pub last_ts: f64,
    /// How many alerts belong to it.
    pub count: u64,
    /// The first of them.
    pub members: Vec<String>,
    /// The events that reported it, the oldest first.
    pub events: Vec<EventId>,
    /// Events that propose what to do about it.
    pub proposals: Vec<EventId>,
    /// The incident that it turned out to be part of.
    pub merged_into: Option<String>,
    /// What people have done with it, the oldest first.
    pub changes: Vec<Change>,
    /// The first event that reported it.
    #[serde(skip)]
    pub opened: EventId,
    /// The last event about it.
    #[serde(skip)]
    touched: EventId,
}

impl Incident {
    /// The event that says that somebody has done this: information, about whom the incident is about.
    pub fn changed(&self, action: Action, resolution: Option<Resolution>, who: &str, note: &str) -> Soc {
        let as_what = resolution.map_or_else(String::new, |resolution| format!(" as {}", resolution.name()));
        let colon = if note.is_empty() { "" } else { ": " };
        Soc {
            src_layer: "8".to_owned(),
            src_device: ANALYTICS_DEVICE,
            decision: Verdict::Benign,
            severity: Severity::Info,
            input_ref: self.events.last().map(EventId::to_string).unwrap_or_default(),
            category: self.category,
            compartment: self.compartment.clone(),
            summary: format!("incident {} {}{as_what} by {who}{colon}{note}", self.id, action.done()),
            entity: self.entity.clone(),
            flags: vec![action.flag().to_owned()],
            reasons: reasons(resolution, who, note),
            incident_id: Some(self.id.clone()),
            ..Soc::default()
        }
    }
}

/// All that are kept.
#[derive(Debug, Clone, Default)]
pub struct Incidents {
    by_id: BTreeMap<String, Incident>,
    /// Proposals because of events that no incident is known to have, by those events.
    unclaimed: BTreeMap<String, Vec<EventId>>,
}

impl Fold for Incidents {
    fn step(&mut self, event: &Event) {
        let Body::Soc(soc) = &event.body else { return };
        if soc.proposal.is_some() {
            self.proposal(event.id, soc);
            return;
        }
        let Some(id) = soc.incident_id.as_deref() else { return };
        if let Some(change) = Change::of(event.id, event.ts().seconds(), soc) {
            self.change(id, change);
        } else if soc.producer() == ANALYTICS_DEVICE {
            self.report(id, event.id, soc);
        }
    }
}

impl Incidents {
    /// It belongs to the incident that it names, or to the one that has its cause, which may not be known to be one yet.
    fn proposal(&mut self, event: EventId, soc: &Soc) {
        let has_cause = |incident: &Incident| incident.members.contains(&soc.input_ref);
        let named = soc.incident_id.clone().filter(|id| self.by_id.contains_key(id));
        let id = named.or_else(|| self.by_id.values().find(|it| has_cause(it)).map(|it| it.id.clone()));
        if let Some(incident) = id.and_then(|id| self.by_id.get_mut(&id)) {
            incident.proposals.push(event);
            incident.touched = event;
            return;
        }
        self.unclaimed.entry(soc.input_ref.clone()).or_default().push(event);
        if self.unclaimed.len() > PROPOSALS_MAX {
            let oldest = self.unclaimed.iter().min_by_key(|(_, events)| events.first().copied());
            oldest.map(|(cause, _)| cause.clone()).map(|cause| self.unclaimed.remove(&cause));
        }
    }

    pub fn get(&self, id: &str) -> Option<&Incident> {
        self.by_id.get(id)
    }

    /// Those that something was last heard of come first.
    pub fn newest_first(&self) -> Vec<&Incident> {
        let mut all: Vec<&Incident> = self.by_id.values().collect();
        all.sort_by_key(|incident| std::cmp::Reverse(incident.touched));
        all
    }

    fn report(&mut self, id: &str, event: EventId, soc: &Soc) {
        let told = |prefix: &'static str| soc.reasons.iter().filter_map(move |reason| reason.strip_prefix(prefix));
        for other in told("merged:").filter(|other| *other != id) {
            if let Some(other) = self.by_id.get_mut(other) {
                other.state = State::Closed;
                other.merged_into = Some(id.to_owned());
            }
        }
        let alarm = soc.alarm.clone().unwrap_or_default();
        let before = self.by_id.remove(id);
        // What goes on after it was closed needs somebody again.
        let state = before.as_ref().map(|before| before.state).filter(|state| *state != State::Closed);
        let severity = before.as_ref().map_or(soc.severity, |before| before.severity.max(soc.severity));
        let kept = before.map(|before| (before.events, before.proposals, before.changes, before.opened));
        let (events, proposals, changes, opened) = kept.unwrap_or_else(|| (Vec::new(), Vec::new(), Vec::new(), event));
        let mut incident = Incident {
            id: id.to_owned(),
            state: state.unwrap_or(State::Open),
            resolution: None,
            severity,
            score: soc.score,
            category: soc.category,
            compartment: soc.compartment.clone(),
            summary: soc.summary.clone(),
            entity: soc.entity.clone(),
            attacker: told("attacker:").next().map(str::to_owned),
            tactics: told("tactic:").map(str::to_owned).collect(),
            attack: soc.attack.clone(),
            first_ts: alarm.first_ts,
            last_ts: alarm.last_ts,
            count: alarm.count,
            members: alarm.members,
            events,
            proposals,
            merged_into: None,
            changes,
            opened,
            touched: event,
        };
        let found = incident.members.iter().filter_map(|member| self.unclaimed.remove(member));
        incident.proposals.extend(found.flatten());
        incident.events.push(event);
        if incident.events.len() > EVENTS_NAMED_MAX {
            incident.events.remove(0);
        }
        self.by_id.insert(id.to_owned(), incident);
        self.make_room();
    }

    fn change(&mut self, id: &str, change: Change) {
        let Some(incident) = self.by_id.get_mut(id) else { return };
        match change.action {
            Action::Acknowledge => incident.state = State::Acknowledged,
            Action::Close => {
                incident.state = State::Closed;
                incident.resolution = change.resolution;
            }
            Action::Note => {}
        }
        incident.touched = change.event_id;
        incident.changes.push(change);
        if incident.changes.len() > CHANGES_KEPT {
            incident.changes.remove(0);
        }
    }

    /// Forgets a closed one before one that still needs somebody, and the oldest before others.
    fn make_room(&mut self) {
        if self.by_id.len() > INCIDENTS_KEPT {
            let least =
                self.by_id.values().min_by_key(|it| (it.state != State::Closed, it.touched)).map(|it| it.id.clone());
            least.map(|id| self.by_id.remove(&id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Alarm, Stream, Times, Timestamp};

    fn event(number: u64, soc: Soc) -> Event {
        let id = EventId::new(number, 0);
        let times = Times::at(Timestamp::from_millis(number * 1000));
        Event { id, stream: Stream::SocEvents, times, root: id, body: Body::Soc(Box::new(soc)) }
    }

    fn reported(id: &str, severity: Severity, count: u64, reasons: &[&str]) -> Soc {
        Soc {
            src_layer: "8".into(),
            src_device: ANALYTICS_DEVICE,
            severity,
            incident_id: Some(id.into()),
            alarm: Some(Alarm { id: id.into(), count, ..Alarm::default() }),
            reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
            ..Soc::default()
        }
    }

    fn proposed(id: &str) -> Soc {
        let proposal = Some(serde_json::json!({}));
        Soc { src_layer: "8".into(), src_device: 58, incident_id: Some(id.into()), proposal, ..Soc::default() }
    }

    fn fold(socs: impl IntoIterator<Item = Soc>) -> Incidents {
        let mut incidents = Incidents::default();
        (1..).zip(socs).for_each(|(number, soc)| incidents.step(&event(number, soc)));
        incidents
    }

    fn changed(incidents: &Incidents, id: &str, action: Action, resolution: Option<Resolution>) -> Soc {
        incidents.get(id).unwrap().changed(action, resolution, "alice", "a note: of two parts")
    }

    #[test]
    fn reports_proposals_and_changes_of_one_incident_are_one_object() {
        let tactics = ["tactic:reconnaissance", "attacker:203.0.113.5", "tactic:execution"];
        let mut events = vec![
            reported("1-0", Severity::Medium, 2, &["tactic:reconnaissance"]),
            proposed("1-0"),
            reported("1-0", Severity::Critical, 5, &tactics),
            Soc { incident_id: None, ..reported("", Severity::High, 1, &[]) },
        ];
        events.push(changed(&fold(events.clone()), "1-0", Action::Acknowledge, None));
        events.push(changed(&fold(events.clone()), "1-0", Action::Close, Some(Resolution::Benign)));
        let incidents = fold(events);
        let incident = incidents.get("1-0").unwrap();
        assert_eq!((incident.severity, incident.count), (Severity::Critical, 5));
        assert_eq!(incident.tactics, ["reconnaissance", "execution"]);
        assert_eq!(incident.attacker.as_deref(), Some("203.0.113.5"));
        assert_eq!(incident.events, [EventId::new(1, 0), EventId::new(3, 0)]);
        assert_eq!(incident.proposals, [EventId::new(2, 0)]);
        assert_eq!((incident.state, incident.resolution), (State::Closed, Some(Resolution::Benign)));
        let changes: Vec<_> = incident.changes.iter().map(|change| (change.action, change.who.as_str())).collect();
        assert_eq!(changes, [(Action::Acknowledge, "alice"), (Action::Close, "alice")]);
        assert_eq!((incident.changes[1].note.as_str(), incident.changes[1].ts), ("a note: of two parts", 6.0));
        assert_eq!(incidents.newest_first().len(), 1);
    }

    #[test]
    fn what_was_proposed_because_of_a_member_is_proposed_in_the_incident_whichever_was_first() {
        let because_of = |cause: &str| Soc { incident_id: None, input_ref: cause.into(), ..proposed("") };
        let report = || {
            let mut soc = reported("1-0", Severity::High, 2, &[]);
            soc.alarm.as_mut().unwrap().members = vec!["7-0".into(), "8-0".into()];
            soc
        };
        for order in
            [[because_of("7-0"), report(), because_of("8-0")], [report(), because_of("7-0"), because_of("8-0")]]
        {
            let expected: Vec<EventId> =
                (1..).zip(&order).filter(|(_, soc)| soc.proposal.is_some()).map(|(n, _)| EventId::new(n, 0)).collect();
            assert_eq!(fold(order).get("1-0").unwrap().proposals, expected);
        }
        assert_eq!(fold([because_of("9-0"), report()]).get("1-0").unwrap().proposals, []);
    }

    #[test]
    fn one_that_goes_on_after_it_was_closed_is_open_again_and_one_that_somebody_works_on_stays_his() {
        for (action, state) in [(Action::Close, State::Open), (Action::Acknowledge, State::Acknowledged)] {
            let mut events = vec![reported("1-0", Severity::High, 2, &[])];
            events.push(changed(&fold(events.clone()), "1-0", action, Some(Resolution::False)));
            events.push(reported("1-0", Severity::Medium, 3, &[]));
            let incidents = fold(events);
            let incident = incidents.get("1-0").unwrap();
            assert_eq!((incident.state, incident.resolution, incident.changes.len()), (state, None, 1));
            assert_eq!(incident.severity, Severity::High, "it was that bad");
        }
    }

    #[test]
    fn one_that_turns_out_to_be_part_of_another_leads_there() {
        let incidents = fold([
            reported("1-0", Severity::High, 2, &[]),
            reported("2-0", Severity::High, 2, &[]),
            reported("1-0", Severity::High, 4, &["merged:2-0", "merged:9-0"]),
        ]);
        let other = incidents.get("2-0").unwrap();
        assert_eq!((other.state, other.merged_into.as_deref()), (State::Closed, Some("1-0")));
        assert_eq!(incidents.newest_first()[0].id, "1-0");
        assert_eq!(incidents.get("1-0").unwrap().state, State::Open);
    }

    #[test]
    fn as_many_are_kept_as_may_be_and_closed_ones_go_first() {
        let mut events: Vec<Soc> =
            vec![reported("0-0", Severity::High, 2, &[]), reported("0-1", Severity::High, 2, &[])];
        events.push(changed(&fold(events.clone()), "0-1", Action::Close, Some(Resolution::True)));
        let many = (1..INCIDENTS_KEPT as u64).map(|number| reported(&format!("{number}-0"), Severity::Low, 2, &[]));
        events.extend(many);
        let incidents = fold(events.clone());
        assert!(incidents.get("0-1").is_none() && incidents.get("0-0").is_some());
        events.push(reported("x", Severity::Low, 2, &[]));
        assert!(fold(events).get("0-0").is_none());
    }
}
