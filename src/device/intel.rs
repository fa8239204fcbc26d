//! Device 54, threat intelligence: addresses, names, URLs, hashes and fingerprints in log lines that a local list knows to be bad,
//! and events that are what STIX patterns describe.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::common::{Finding, quote};
use super::gathered::Gathered;
use super::intel_hits::hits;
use super::intel_patterns::GoingOn;
use super::{DeviceSpec, intel_lists, settings};
use crate::detect::burst::Bursts;
use crate::detect::cyber_observables::objects;
use crate::detect::indicators::{Indicators, Origin};
use crate::detect::observable::{Observable, url_host};
use crate::event::{Action, Body, Category, Entity, Event, Interest, Raw, Record, Stream};
use crate::layer::row::PreparedStage;
use crate::layer::stage::{Outbox, StageFactory, Stateful};
use crate::limits::{ENTITIES_PER_DETECTOR_MAX, INDICATOR_HITS_PER_LINE_MAX};

const NUMBER: u16 = 54;
pub const SPEC: DeviceSpec = DeviceSpec {
    number: NUMBER,
    stage: "device-54",
    identifier: "dsmil-soc-intel",
    reads: Interest::NONE.stream(Stream::L3In).stream(Stream::Tick),
    prepare: |table| {
        let settings: intel_lists::Settings = settings::read(table)?;
        let (indicators, warnings) = intel_lists::load(&settings)?;
        let indicators = Arc::new(indicators);
        let make: StageFactory = Arc::new(move || Box::new(Intel::new(Arc::clone(&indicators))));
        Ok(PreparedStage { make, warnings })
    },
};

struct Intel {
    indicators: Arc<Indicators>,
    state: State,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    bursts: Bursts,
    /// Sources that lists know: whoever writes in their names has as many as the lists.
    gathered: Gathered,
    #[serde(default)]
    patterns: GoingOn,
}

/// How an indicator takes part in what the line reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Somebody known to be bad contacts this machine.
    Source,
    /// Something here reaches out to it, or holds it.
    Target,
}

impl Intel {
    fn new(indicators: Arc<Indicators>) -> Self {
        let bursts = Bursts::new(ENTITIES_PER_DETECTOR_MAX);
        let state = State { bursts, gathered: Gathered::default(), patterns: GoingOn::default() };
        Self { indicators, state }
    }

    /// Reports the STIX patterns that the event matches, perhaps together with earlier ones.
    fn match_patterns(&mut self, event: &Event, raw: &Raw, out: &mut Outbox) {
        let indicators = Arc::clone(&self.indicators);
        if indicators.patterns().is_empty() {
            return;
        }
        let record = raw.record();
        let objects = objects(record, |value| indicators.is_allowed(value));
        let mut reported = 0;
        for (rule, holds) in indicators.patterns().holding(&objects, event.time()) {
            let Some(evidence) = self.state.patterns.matched(rule, holds, event, record.times()) else { continue };
            let Some(count) = self.state.bursts.count(&rule.key, event.time()) else { continue };
            reported += 1;
            if reported > INDICATOR_HITS_PER_LINE_MAX {
                return;
            }
            let name = quote(&rule.name);
            let place = format!("{} line {}", rule.list, rule.line);
            let finding = Finding {
                flag: "IOC_PATTERN",
                score: score(0.85, Role::Target, record.outcome, rule.terms.confidence),
                summary: format!(
                    "what the STIX pattern {name} describes was seen: the list {}{}",
                    quote(&place),
                    said_of(record, count)
                ),
                entity: record.entity.clone(),
                attack: &[],
                reasons: vec![format!("pattern:{name}"), format!("list:{}", quote(&place))],
            };
            let mut soc = finding.into_soc(NUMBER, Category::Intel, &raw.compartment);
            soc.evidence = (!evidence.events.is_empty()).then(|| Box::new(evidence));
            out.emit_soc(soc);
        }
    }

    /// How many times so far, when that is to be reported: for each client, and for lines that name none if no client
    /// was named before.
    fn due(&mut self, value: &Observable, record: &Record, event: &Event) -> Option<u64> {
        let of_all = self.state.bursts.count(&value.to_string(), event.time());
        match &record.entity.src_ip {
            Some(client) => self.state.bursts.count(&format!("{value} {client}"), event.time()),
            None => of_all.filter(|count| *count == 1),
        }
    }
}

impl Stateful for Intel {
    type State = State;

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        if let Body::Tick = event.body {
            self.state.gathered.tick(event, out);
        }
        let Body::Raw(raw) = &event.body else { return };
        if self.indicators.is_empty() {
            return;
        }
        self.match_patterns(event, raw, out);
        let indicators = Arc::clone(&self.indicators);
        for (value, origin) in hits(&indicators, event, raw) {
            let Some(count) = self.due(&value, raw.record(), event) else { continue };
            let role = role(&value, raw.record());
            let finding = describe((&value, role), origin, count, raw.record());
            let soc = finding.into_soc(NUMBER, Category::Intel, &raw.compartment);
            match role {
                Role::Source => self.state.gathered.report(soc, &value.to_string(), event, out),
                Role::Target => out.emit_soc(soc),
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

fn role(value: &Observable, record: &Record) -> Role {
    let address = match value {
        Observable::Ip(address) => *address,
        Observable::Endpoint(endpoint) => endpoint.ip(),
        _ => return Role::Target,
    };
    let is_source = record.entity.src_ip.as_deref() == Some(address.to_string().as_str());
    if is_source { Role::Source } else { Role::Target }
}

/// Lower where it was prevented, and where the author of the indicator is less sure of it.
fn score(base: f64, role: Role, outcome: Option<bool>, confidence: Option<u8>) -> f64 {
    let prevented = if outcome == Some(false) && role == Role::Target { 0.15 } else { 0.0 };
    // The scale of STIX 2.1, appendix A: none and low, medium, high.
    let unsure = match confidence {
        Some(0..=29) => 0.3,
        Some(30..=69) => 0.15,
        _ => 0.0,
    };
    base - prevented - unsure
}

/// In a line of which program, and how many times.
fn said_of(record: &Record, count: u64) -> String {
    let program = record.program.as_deref().map(|program| format!(" in a line of {}", quote(program)));
    let times = if count > 1 { format!(", {count} times") } else { String::new() };
    program.unwrap_or_default() + &times
}

fn describe((value, role): (&Observable, Role), origin: &Origin, count: u64, record: &Record) -> Finding {
    let shown = quote(&value.to_string());
    let place = quote(&format!("{} line {}", origin.list, origin.line));
    let (flag, base, attack): (_, _, &[&str]) = match (value, role) {
        (Observable::Hash(_), _) => ("IOC_HASH", 0.9, &["T1204"]),
        (Observable::Url(_), _) => ("IOC_URL", 0.85, &["T1071.001"]),
        (Observable::Email(_), _) => ("IOC_EMAIL", 0.75, &["T1566"]),
        // Other programs that use the same library greet in the same way.
        (Observable::Fingerprint(_), _) => ("IOC_FINGERPRINT", 0.7, &["T1071"]),
        (Observable::Domain(_), _) => {
            ("IOC_DOMAIN", 0.85, if record.action == Action::DnsQuery { &["T1071.004"] } else { &["T1071"] })
        }
        // Sources of scans fill such lists; each contact of them is no incident.
        (_, Role::Source) => ("IOC_ADDRESS", if record.outcome == Some(true) { 0.8 } else { 0.6 }, &[]),
        (_, Role::Target) => ("IOC_ADDRESS", 0.85, &["T1071"]),
    };
    let confidence = origin.confidence();
    let sure = confidence.map(|confidence| format!(" (confidence {confidence})")).unwrap_or_default();
    let mut entity = record.entity.clone();
    add_to(&mut entity, value, role);
    Finding {
        flag,
        score: score(base, role, record.outcome, confidence),
        summary: format!("{} {shown} is on the list {place}{sure}{}", value.kind(), said_of(record, count)),
        entity,
        attack,
        reasons: vec![format!("indicator:{shown}"), format!("list:{place}")],
    }
}

/// The indicator where the line's parser had found nothing.
fn add_to(entity: &mut Entity, value: &Observable, role: Role) {
    let place = match (value, role) {
        (Observable::Ip(_) | Observable::Endpoint(_), Role::Source) => &mut entity.src_ip,
        (Observable::Ip(_) | Observable::Endpoint(_), Role::Target) => &mut entity.dst_ip,
        (Observable::Domain(_) | Observable::Url(_), _) => &mut entity.domain,
        _ => return,
    };
    let text = match value {
        Observable::Url(url) => url_host(url).unwrap_or_default().to_owned(),
        Observable::Endpoint(endpoint) => endpoint.ip().to_string(),
        _ => value.to_string(),
    };
    place.get_or_insert(text);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::{EventId, Format, Severity, Times, Timestamp};
    use crate::layer::stage::Stage;
    use crate::layer::testing::soc_events;
    use crate::parse::built_in;

    fn stage(indicators: &str) -> Box<dyn Stage> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.txt");
        std::fs::write(&path, indicators).unwrap();
        let table = toml::Table::from_iter([("indicators".to_owned(), vec![path.display().to_string()].into())]);
        (SPEC.prepare)(&table).unwrap().stage()
    }

    fn event(second: u64, record: Record) -> Event {
        let ts = Timestamp::from_millis(1_000_000_000_000 + second * 1000);
        let id = EventId::new(ts.millis(), 0);
        let raw = Raw::new("test".into(), "ops".into(), Format::Text, Bytes::new(), Vec::new(), built_in())
            .with_record(record);
        Event { id, stream: Stream::L3In, times: Times::at(ts), root: id, body: Body::Raw(raw) }
    }

    fn message(text: &str) -> Record {
        Record { message: text.to_owned(), ..Record::default() }
    }

    #[test]
    fn a_name_on_a_list_is_said_with_the_list_and_once_for_a_burst() {
        let mut stage = stage("# own\nevil[.]example\n");
        let line = |second| event(second, message("query[A] www.evil.example from 192.0.2.7"));
        let events: Vec<Event> = (0..9).map(line).collect();
        let written = soc_events(stage.as_mut(), &events);
        assert_eq!(written.len(), 1, "{written:#?}");
        assert_eq!((written[0].severity, written[0].category), (Severity::High, Category::Intel));
        assert!(written[0].reasons.contains(&"list:own.txt line 2".to_owned()), "{written:#?}");
        assert_eq!(written[0].entity.domain.as_deref(), Some("www.evil.example"));
    }

    #[test]
    fn what_was_prevented_weighs_less_where_it_was_to_reach_out() {
        let value = Observable::read("203.0.113.9").unwrap();
        let score = |role: Role, outcome| {
            let origin = Origin { list: "own.txt".into(), line: 1, terms: None };
            describe((&value, role), &origin, 1, &Record { outcome, ..Record::default() }).score
        };
        assert!(score(Role::Target, Some(false)) < score(Role::Target, None));
        assert!(score(Role::Source, Some(false)) >= score(Role::Source, None));
        assert!(score(Role::Source, Some(true)) > score(Role::Source, None));
    }

    #[test]
    fn a_listed_source_weighs_less_than_a_listed_destination() {
        let mut stage = stage("203.0.113.9\n");
        let with = |entity: Entity| Record { entity, action: Action::Connection, ..Record::default() };
        let address = || Some("203.0.113.9".to_owned());
        let source = with(Entity { src_ip: address(), ..Entity::default() });
        let target = with(Entity { dst_ip: address(), src_ip: Some("192.0.2.7".into()), ..Entity::default() });
        let written = soc_events(stage.as_mut(), &[event(0, source), event(1, target)]);
        assert_eq!(written.iter().map(|soc| soc.severity).collect::<Vec<_>>(), [Severity::Medium, Severity::High]);
    }

    #[test]
    fn a_thousand_listed_sources_are_one_campaign_that_names_them_and_what_reaches_out_is_said_each_time() {
        let addresses: Vec<String> = (0..1000).map(|n| format!("203.0.{}.{}", n / 200, n % 200)).collect();
        let said = |is_source: bool| {
            let events: Vec<Event> = (0..)
                .zip(&addresses)
                .map(|(second, address)| {
                    let (src_ip, dst_ip) =
                        if is_source { (Some(address.clone()), None) } else { (None, Some(address.clone())) };
                    let entity = Entity { src_ip, dst_ip, ..Entity::default() };
                    event(second, Record { entity, action: Action::Connection, ..Record::default() })
                })
                .collect();
            soc_events(stage(&addresses.join("\n")).as_mut(), &events)
        };
        let from = said(true);
        assert!(from.len() < 20, "{}", from.len());
        let last = from.last().unwrap();
        assert_eq!(last.reasons[0], "campaign");
        assert!(last.alarm.as_ref().unwrap().members.len() > 200);
        assert_eq!(said(false).len(), 1000);
    }

    #[test]
    fn an_answer_after_its_question_says_nothing_new() {
        let mut stage = stage("evil.example\n");
        let entity = Entity { src_ip: Some("192.0.2.7".into()), ..Entity::default() };
        let question = Record { entity, ..message("query[A] evil.example from 192.0.2.7") };
        let events = [event(0, question), event(1, message("reply evil.example is 198.51.100.1"))];
        assert_eq!(soc_events(stage.as_mut(), &events).len(), 1);
    }

    #[test]
    fn a_page_on_a_list_is_one_hit_not_two() {
        let mut stage = stage("evil.example\nhttp://evil.example/x\n");
        let written = soc_events(stage.as_mut(), &[event(0, message("GET http://evil.example/x"))]);
        assert_eq!(written.iter().flat_map(|soc| &soc.flags).collect::<Vec<_>>(), ["IOC_URL"]);
    }

    fn bundle(pattern: &str, more: &str) -> String {
        format!(r#"{{"type":"bundle","objects":[{{"type":"indicator","name":"n"{more},"pattern":"{pattern}"}}]}}"#)
    }

    fn by(user: &str, outcome: bool) -> Record {
        let entity = Entity { user: Some(user.into()), src_ip: Some("192.0.2.7".into()), ..Entity::default() };
        Record { entity, outcome: Some(outcome), ..message("login") }
    }

    #[test]
    fn a_pattern_of_one_event_is_matched_with_what_the_event_names() {
        let pattern = "[user-account:account_login = 'root' AND user-account:user_id LIKE 'r%']";
        let written =
            soc_events(stage(&bundle(pattern, "")).as_mut(), &[event(0, by("eve", true)), event(1, by("root", true))]);
        assert_eq!(written.len(), 1, "{written:#?}");
        assert_eq!((&written[0].flags[0][..], written[0].severity), ("IOC_PATTERN", Severity::High));
        assert_eq!(written[0].reasons, ["pattern:n", "list:own.txt line 1"]);
    }

    #[test]
    fn a_pattern_of_several_events_is_matched_over_a_restart_and_names_them() {
        let pattern = "([user-account:user_id = 'eve'] FOLLOWEDBY [user-account:user_id = 'root']) WITHIN 10 SECONDS";
        let mut stage = stage(&bundle(pattern, ""));
        let lines = [(0, "root"), (1, "eve"), (20, "root"), (30, "eve"), (40, "root"), (41, "root")];
        let events: Vec<Event> = lines.map(|(second, user)| event(second, by(user, true))).into();
        let written = soc_events(stage.as_mut(), &events);
        assert_eq!(written.len(), 1, "{written:#?}");
        let named = &written[0].evidence.as_ref().unwrap().events;
        assert!(named.contains(&events[3].id) && !named.contains(&events[5].id), "{named:?}");
    }

    #[test]
    fn an_indicator_that_its_author_is_less_sure_of_weighs_less() {
        let severity = |more: &str| {
            let mut stage = stage(&bundle("[domain-name:value = 'evil.example']", more));
            soc_events(stage.as_mut(), &[event(0, message("evil.example"))])[0].severity
        };
        let of = [r#","confidence":85"#, r#","confidence":50"#, r#","confidence":10"#].map(severity);
        assert_eq!((severity(""), of), (Severity::High, [Severity::High, Severity::Medium, Severity::Medium]));
    }

    #[test]
    fn a_port_and_a_fingerprint_on_a_list_are_found_in_their_fields() {
        let md5 = "6734f37431670b3ab4292b8f60f29984";
        let entity = Entity { dst_ip: Some("203.0.113.9".into()), dst_port: Some(443), ..Entity::default() };
        let line = Record { entity, fields: vec![("tls.ja3.hash".into(), md5.into())], ..message("flow") };
        let list = format!("203.0.113.9\n203.0.113.9:443\n203.0.113.9:80\n{md5}\n");
        let written = soc_events(stage(&list).as_mut(), &[event(0, line)]);
        assert_eq!(written.iter().flat_map(|soc| &soc.flags).collect::<Vec<_>>(), ["IOC_ADDRESS", "IOC_FINGERPRINT"]);
        assert!(written[0].reasons.contains(&"indicator:203.0.113.9:443".to_owned()), "{written:#?}");
    }

    #[test]
    fn a_saved_state_does_not_repeat_what_was_said() {
        let mut first = stage("evil.example\n");
        let line = || event(0, message("evil.example"));
        assert_eq!(soc_events(first.as_mut(), &[line()]).len(), 1);
        let mut second = stage("evil.example\n");
        second.load(&first.save().unwrap()).unwrap();
        assert_eq!(soc_events(second.as_mut(), &[line()]), []);
    }
}
