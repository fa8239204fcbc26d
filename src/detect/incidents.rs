//! Incidents: related alerts of different kinds become one story that grows.
//!
//! Alerts are related when they share a user, an address or a name within a window of event time. A key that many
//! sources share (the account that all guess, the server that all probe) relates nothing. What happened on a machine under a name that
//! everybody has belongs to the incident that has got in there last, and makes no two incidents one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::incident::{Alert, Incident, KEYS_MAX};
use super::relation::{Related, Relations};
use crate::event::Timestamp;

const INCIDENTS_MAX: usize = 1024;

/// By what an alert belongs to an incident.
enum By {
    Name,
    /// It was done on a machine that the intruder has got into.
    Place,
    /// It came from one.
    Source,
}

/// How long an incident takes in what is related to it, since its last alert.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    pub usual: Duration,
    /// Of one that was reported, or in which somebody has got in for certain.
    pub reported: Duration,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Incidents {
    open: BTreeMap<u64, Incident>,
    by_key: BTreeMap<String, u64>,
    next: u64,
    touches: u64,
    #[serde(default)]
    relations: Relations,
}

impl Incidents {
    /// An ordinary login that succeeded: from it follows who shares an address.
    pub fn login(&mut self, user: &str, address: &str, now: Timestamp) {
        self.relations.login(user, address, now);
    }

    /// Takes in one alert. Returns the incident that it belongs to when that is to be reported: when it opens, when it
    /// enters another tactic, and when `step_of` its score rises. `step_of` maps a score to its severity's rank.
    pub fn alert(
        &mut self,
        alert: &Alert<'_>,
        now: Timestamp,
        windows: Windows,
        step_of: fn(f64) -> u8,
    ) -> Option<&Incident> {
        let related = self.relations.of(alert.entity, alert.attack);
        let place = alert.entity.host.as_ref().map(|host| format!("host:{host}"));
        if related.keys.is_empty() && place.is_none() {
            return None;
        }
        let (number, by) = match self.named(&related, now, windows) {
            Some(number) => (number, By::Name),
            None => match self.got_in(&related, alert, now, windows) {
                Some(found) => found,
                None => (self.at(place.as_ref(), &related, alert, now, windows), By::Name),
            },
        };
        let incident = self.open.get_mut(&number)?;
        incident.add(alert, now);
        if !related.is_of_one_of_many {
            incident.note_got_in(alert);
        }
        self.touches += 1;
        incident.touched = self.touches;
        let place = place.filter(|_| related.keys.is_empty() && matches!(by, By::Name));
        // Others come from a machine that was taken over as well.
        let is_its_own = !matches!(by, By::Source);
        for key in related.keys.into_iter().filter(|_| is_its_own).chain(place) {
            if incident.keys.len() < KEYS_MAX && !self.by_key.contains_key(&key) {
                incident.keys.insert(key.clone());
                self.by_key.insert(key, number);
            }
        }
        incident.is_due(step_of).then_some(&*incident)
    }

    /// The incident that has a name of the alert. Two that have one each become one, unless an intruder has got in with both: then it
    /// is that of the name that says more.
    fn named(&mut self, related: &Related, now: Timestamp, windows: Windows) -> Option<u64> {
        let mut found: Option<u64> = None;
        for key in related.keys.iter().chain(&related.hints) {
            let Some(number) = self.by_key.get(key).copied() else { continue };
            let open = self.open.get(&number).filter(|incident| incident.is_near(now, windows.of(incident)));
            match (open.map(Incident::is_serious), found) {
                (None, _) => drop(self.close(number)),
                (Some(_), None) => found = Some(number),
                (Some(is_serious), Some(first)) if first != number => {
                    if !(is_serious && self.open.get(&first).is_some_and(Incident::is_serious)) {
                        let (older, younger) = (first.min(number), first.max(number));
                        self.merge(older, younger);
                        found = Some(older);
                    }
                }
                (Some(_), Some(_)) => {}
            }
        }
        found
    }

    /// The incident that has got in last where this was done, or where it came from.
    fn got_in(&self, related: &Related, alert: &Alert<'_>, now: Timestamp, windows: Windows) -> Option<(u64, By)> {
        let last = |is_there: &dyn Fn(&Incident) -> bool| {
            let open = self.open.iter().filter(|(_, incident)| incident.is_serious() && is_there(incident));
            let near = open.filter(|(_, incident)| incident.is_near(now, windows.reported));
            near.max_by_key(|(_, incident)| incident.touched).map(|(number, _)| *number)
        };
        let place = related.local.as_ref().filter(|_| alert.is_success());
        let there = place.and_then(|host| last(&|incident| incident.has_got_in(host)));
        let from = || related.source.as_ref().and_then(|address| last(&|incident| incident.goes_on_from(address)));
        there.map(|number| (number, By::Place)).or_else(|| Some((from()?, By::Source)))
    }

    /// What nothing is known of but the machine is one incident there.
    fn at(
        &mut self,
        place: Option<&String>,
        related: &Related,
        alert: &Alert<'_>,
        now: Timestamp,
        windows: Windows,
    ) -> u64 {
        let known = place.filter(|_| related.keys.is_empty()).and_then(|place| self.by_key.get(place).copied());
        let Some(number) = known else { return self.open(alert, now) };
        if self.open.get(&number).is_some_and(|incident| incident.is_near(now, windows.of(incident))) {
            return number;
        }
        self.close(number);
        self.open(alert, now)
    }

    fn open(&mut self, alert: &Alert<'_>, now: Timestamp) -> u64 {
        if self.open.len() >= INCIDENTS_MAX {
            let oldest = self.open.iter().min_by_key(|(_, incident)| incident.touched).map(|(number, _)| *number);
            oldest.map(|number| self.close(number));
        }
        let number = self.next;
        self.next += 1;
        self.open.insert(number, Incident::new(alert.id.clone(), alert.root.clone(), now));
        number
    }

    fn close(&mut self, number: u64) -> Option<Incident> {
        let incident = self.open.remove(&number)?;
        for key in &incident.keys {
            self.by_key.remove(key);
        }
        Some(incident)
    }

    /// The younger one becomes part of the older one.
    fn merge(&mut self, older: u64, younger: u64) {
        let Some(other) = self.close(younger) else { return };
        let Some(incident) = self.open.get_mut(&older) else { return };
        for key in &other.keys {
            if incident.keys.len() < KEYS_MAX {
                self.by_key.insert(key.clone(), older);
                incident.keys.insert(key.clone());
            }
        }
        incident.absorb(other);
    }
}

impl Windows {
    fn of(&self, incident: &Incident) -> Duration {
        if incident.is_serious() { self.reported } else { self.usual }
    }
}

#[cfg(test)]
mod tests {
    use super::super::incident::Evidence;
    use super::*;
    use crate::event::Entity;

    const WINDOW: Windows = Windows { usual: Duration::from_secs(3600), reported: Duration::from_secs(12 * 3600) };

    struct Log {
        incidents: Incidents,
        reported: Vec<Incident>,
        count: u64,
    }

    impl Log {
        fn new() -> Self {
            Self { incidents: Incidents::default(), reported: Vec::new(), count: 0 }
        }

        fn alert(&mut self, second: u64, kind: &str, score: f64, technique: &str, user: &str, src_ip: &str) {
            self.count += 1;
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let entity = Entity { user: some(user), src_ip: some(src_ip), host: some("web1"), ..Entity::default() };
            let attack = [technique.to_owned()];
            let (id, kind) = (format!("{}-0", self.count), kind.to_owned());
            let evidence = Evidence::Done;
            let alert = Alert { root: id.clone(), id, kind, score, entity: &entity, attack: &attack, evidence };
            let now = Timestamp::from_millis(1_000_000_000_000 + second * 1000);
            let step_of = |score: f64| (score * 4.0) as u8;
            self.reported.extend(self.incidents.alert(&alert, now, WINDOW, step_of).cloned());
        }
    }

    #[test]
    fn an_intrusion_over_several_stages_is_one_growing_incident() {
        let mut log = Log::new();
        for second in 0..50 {
            log.alert(second, "BRUTE_FORCE", 0.6, "T1110", "alice", "203.0.113.5");
        }
        assert_eq!(log.reported.len(), 0, "one kind is no incident");
        log.alert(60, "LOGIN_AFTER_FAILURES", 0.7, "T1078", "alice", "203.0.113.5");
        log.alert(90, "SUDO_SHELL", 0.6, "T1548", "alice", "");
        log.alert(95, "SUDO_SHELL", 0.6, "T1548", "alice", "");
        assert_eq!(log.reported.len(), 2, "it opens, and enters another tactic: {:#?}", log.reported);
        assert!(log.reported.iter().all(|incident| incident.id == "1-0"));
        let last = log.reported.last().unwrap();
        assert_eq!((last.alerts, last.tactics.len()), (52, 3));
        assert!(last.score() > 0.8);
    }

    #[test]
    fn alerts_dated_ahead_keep_no_place_from_those_that_come_later() {
        let mut log = Log::new();
        for source in 0..1100_u64 {
            log.alert(
                86_400 * 30 + source,
                "PORT_SCAN",
                0.6,
                "T1595",
                "",
                &format!("198.18.{}.{}", source / 256, source % 256),
            );
        }
        for (second, kind, technique) in [(0, "BRUTE_FORCE", "T1110"), (60, "LOGIN_AFTER_FAILURES", "T1078")] {
            log.alert(second, kind, 0.7, technique, "alice", "203.0.113.5");
        }
        assert_eq!(log.reported.len(), 1);
    }

    #[test]
    fn the_account_that_everybody_guesses_relates_nobody() {
        let mut log = Log::new();
        for source in 0..100_u64 {
            let address = format!("203.0.113.{source}");
            log.alert(source, "BRUTE_FORCE", 0.6, "T1110", "root", &address);
        }
        log.alert(200, "PORT_SCAN", 0.6, "T1595", "", "203.0.113.50");
        assert_eq!(log.reported.len(), 1);
        assert_eq!(log.reported[0].alerts, 2, "the two of one source: {:#?}", log.reported);
    }

    #[test]
    fn what_is_further_apart_than_the_window_is_not_related() {
        let mut log = Log::new();
        log.alert(0, "PORT_SCAN", 0.6, "T1595", "", "203.0.113.5");
        log.alert(3700, "BRUTE_FORCE", 0.6, "T1110", "alice", "203.0.113.5");
        assert_eq!(log.reported, []);
        assert_eq!(log.incidents.open.len(), 1);
    }

    #[test]
    fn two_stories_that_meet_become_one() {
        let mut log = Log::new();
        log.alert(0, "PORT_SCAN", 0.6, "T1595", "", "203.0.113.5");
        log.alert(1, "PORT_SCAN", 0.6, "T1595", "", "203.0.113.5");
        log.alert(2, "SUDO_SHELL", 0.6, "T1548", "alice", "");
        log.alert(3, "LOGIN", 0.6, "T1078", "alice", "203.0.113.5");
        assert_eq!((log.incidents.open.len(), log.reported.len()), (1, 1));
        assert_eq!(log.reported[0].alerts, 4);
        assert!(log.incidents.by_key.values().all(|number| log.incidents.open.contains_key(number)));
    }

    #[test]
    fn every_key_of_a_story_that_was_merged_leads_to_the_whole() {
        let mut log = Log::new();
        log.alert(0, "PORT_SCAN", 0.6, "T1595", "", "203.0.113.5");
        log.alert(1, "SUDO_SHELL", 0.6, "T1548", "alice", "203.0.113.9");
        log.alert(2, "LOGIN", 0.6, "T1078", "alice", "203.0.113.5");
        log.alert(3, "BRUTE_FORCE", 0.6, "T1110", "", "203.0.113.9");
        assert_eq!(log.incidents.open.len(), 1, "{:#?}", log.incidents.open);
    }

    #[test]
    fn two_intruders_who_got_in_stay_two_whatever_they_have_in_common() {
        let mut log = Log::new();
        for (second, user, from) in [(0, "alice", "203.0.113.5"), (10, "bob", "198.51.100.7")] {
            log.alert(second, "GUESSED", 0.9, "T1078", user, from);
            log.alert(second + 5, "LOG_CLEARED", 0.8, "T1070", user, "");
        }
        log.alert(30, "LOGIN", 0.8, "T1078", "bob", "203.0.113.5");
        assert_eq!(log.incidents.open.len(), 2, "{:#?}", log.incidents.open);
        log.alert(40, "ACCOUNT", 0.8, "T1136", "helper", "");
        log.alert(20_000, "ROOT", 0.8, "T1548", "root", "");
        assert_eq!(log.incidents.open.len(), 2, "done on the machine where they are");
    }

    #[test]
    fn a_customer_of_ipv6_who_changes_the_address_has_one_incident_and_is_one_source_of_what_is_attacked() {
        let mut log = Log::new();
        for (second, kind) in (0..).zip(["PORT_SCAN", "WEB_SCAN", "BRUTE_FORCE", "WEB_ATTACK", "DNS_TUNNEL", "SUDO"]) {
            log.alert(second, kind, 0.6, "T1595", "alice", &format!("2001:db8:1:2::{second}"));
        }
        log.alert(9, "SUDO_SHELL", 0.6, "T1548", "alice", "");
        assert_eq!(log.incidents.open.len(), 1, "{:#?}", log.incidents.open);
    }

    #[test]
    fn two_judgements_of_one_line_are_no_incident() {
        let mut log = Log::new();
        let entity = Entity { src_ip: Some("203.0.113.5".into()), ..Entity::default() };
        for kind in ["SIGMA", "RISK"] {
            let alert = Alert {
                id: kind.into(),
                root: "7-0".into(),
                kind: kind.into(),
                score: 0.7,
                entity: &entity,
                attack: &[],
                evidence: Evidence::Done,
            };
            log.reported.extend(log.incidents.alert(&alert, Timestamp::ZERO, WINDOW, |_| 0).cloned());
        }
        assert_eq!(log.reported, []);
    }

    #[test]
    fn memory_stays_bounded_whatever_is_named() {
        let mut log = Log::new();
        for step in 0..3_000_u64 {
            log.alert(
                step,
                &format!("K{step}"),
                0.6,
                "T1110",
                &format!("u{step}"),
                &format!("10.{}.{}.1", step / 256, step % 256),
            );
        }
        assert!(log.incidents.open.len() <= INCIDENTS_MAX);
        assert!(log.incidents.by_key.len() <= INCIDENTS_MAX * KEYS_MAX);
    }
}
