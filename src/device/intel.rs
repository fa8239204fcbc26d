//! Device 54, threat intelligence: addresses, names, URLs and hashes in log lines that a local list knows to be bad.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::common::{Finding, quote};
use super::gathered::Gathered;
use super::{DeviceSpec, intel_lists, settings};
use crate::detect::burst::Bursts;
use crate::detect::indicators::Indicators;
use crate::detect::observable::{Observable, find_in};
use crate::event::{Action, Body, Category, Entity, Event, Interest, Raw, Record, Stream};
use crate::layer::row::PreparedStage;
use crate::layer::stage::{Outbox, StageFactory, Stateful};
use crate::limits::ENTITIES_PER_DETECTOR_MAX;

const NUMBER: u16 = 54;
/// Hits reported of one line; more than these are one list of indicators being logged.
const HITS_PER_LINE_MAX: usize = 4;

pub const SPEC: DeviceSpec = DeviceSpec {
    number: NUMBER,
    stage: "device-54",
    identifier: "dsmil-soc-intel",
    reads: Interest::NONE.stream(Stream::L3In).stream(Stream::Tick),
    prepare: |table| {
        let settings: Settings = settings::read(table)?;
        let (indicators, warnings) = intel_lists::load(&settings.indicators, &settings.allow)?;
        let indicators = Arc::new(indicators);
        let make: StageFactory = Arc::new(move || Box::new(Intel::new(Arc::clone(&indicators))));
        Ok(PreparedStage { make, warnings })
    },
};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Lists of indicators: text, CSV, hosts files, response policy zones, STIX 2.1 bundles.
    indicators: Vec<PathBuf>,
    /// Lists that win over the indicators: text, CSV, MISP warninglists, what response policy zones let through.
    allow: Vec<PathBuf>,
}

struct Intel {
    indicators: Arc<Indicators>,
    state: State,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    bursts: Bursts,
    /// Sources that lists know: whoever writes in their names has as many as the lists.
    gathered: Gathered,
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
        let state = State { bursts: Bursts::new(ENTITIES_PER_DETECTOR_MAX), gathered: Gathered::default() };
        Self { indicators, state }
    }

    /// What the line names and a list knows, each once, in the order of the line.
    fn hits(&self, event: &Event, raw: &Raw) -> Vec<(Observable, String)> {
        let record = raw.record();
        let mut hits: Vec<(Observable, String)> = Vec::new();
        let mut look_up = |value: Observable| {
            let seen = hits.len() >= HITS_PER_LINE_MAX || hits.iter().any(|(hit, _)| *hit == value);
            if let Some(origin) = self.indicators.look_up(&value, event.time()).filter(|_| !seen) {
                hits.push((value, format!("{} line {}", origin.list, origin.line)));
            }
        };
        let entity = &record.entity;
        for text in [&entity.src_ip, &entity.dst_ip, &entity.domain].into_iter().flatten() {
            find_in(text, &mut look_up);
        }
        find_in(&record.message, &mut look_up);
        for (_, value) in &record.fields {
            // A field that the message holds as well was seen there.
            if !record.message.contains(value.as_str()) {
                find_in(value, &mut look_up);
            }
        }
        // The page says more than its host.
        let pages: Vec<Observable> =
            hits.iter().map(|(hit, _)| hit).filter(|hit| matches!(hit, Observable::Url(_))).cloned().collect();
        hits.retain(|(hit, _)| !pages.iter().any(|page| is_host_of(hit, page)));
        hits
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

fn is_host_of(hit: &Observable, page: &Observable) -> bool {
    let Observable::Url(url) = page else { return false };
    hit != page && crate::detect::observable::url_host(url) == Some(hit.to_string().as_str())
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
        for (value, origin) in self.hits(event, raw) {
            let Some(count) = self.due(&value, raw.record(), event) else { continue };
            let role = role(&value, raw.record());
            let finding = describe((&value, role), &origin, count, raw.record());
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
    match value {
        Observable::Ip(address) if record.entity.src_ip.as_deref() == Some(address.to_string().as_str()) => {
            Role::Source
        }
        _ => Role::Target,
    }
}

fn describe((value, role): (&Observable, Role), origin: &str, count: u64, record: &Record) -> Finding {
    let shown = quote(&value.to_string());
    let prevented = record.outcome == Some(false);
    let (flag, base, attack): (_, _, &[&str]) = match (value, role) {
        (Observable::Hash(_), _) => ("IOC_HASH", 0.9, &["T1204"]),
        (Observable::Url(_), _) => ("IOC_URL", 0.85, &["T1071.001"]),
        (Observable::Domain(_), _) => {
            ("IOC_DOMAIN", 0.85, if record.action == Action::DnsQuery { &["T1071.004"] } else { &["T1071"] })
        }
        // Sources of scans fill such lists; each contact of them is no incident.
        (_, Role::Source) => ("IOC_ADDRESS", if record.outcome == Some(true) { 0.8 } else { 0.6 }, &[]),
        (_, Role::Target) => ("IOC_ADDRESS", 0.85, &["T1071"]),
    };
    let score = if prevented && role == Role::Target { base - 0.15 } else { base };
    let times = if count > 1 { format!(", {count} times") } else { String::new() };
    let program =
        record.program.as_deref().map(|program| format!(" in a line of {}", quote(program))).unwrap_or_default();
    let mut entity = record.entity.clone();
    add_to(&mut entity, value, role);
    Finding {
        flag,
        score,
        summary: format!("{} {shown} is on the list {}{program}{times}", value.kind(), quote(origin)),
        entity,
        attack,
        reasons: vec![format!("indicator:{shown}"), format!("list:{}", quote(origin))],
    }
}

/// The indicator where the line's parser had found nothing.
fn add_to(entity: &mut Entity, value: &Observable, role: Role) {
    let place = match (value, role) {
        (Observable::Ip(_), Role::Source) => &mut entity.src_ip,
        (Observable::Ip(_), Role::Target) => &mut entity.dst_ip,
        (Observable::Domain(_) | Observable::Url(_), _) => &mut entity.domain,
        _ => return,
    };
    let text = match value {
        Observable::Url(url) => crate::detect::observable::url_host(url).unwrap_or_default().to_owned(),
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
            describe((&value, role), "own.txt line 1", 1, &Record { outcome, ..Record::default() }).score
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
