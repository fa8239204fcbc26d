//! What the newest events about one say together. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::kind::Kind;
use crate::event::{Body, Entity, Event, EventId, Severity, Soc};
use crate::limits::{ENTITY_LISTED_MAX, ENTITY_RISKS_MAX};

#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// How the scores went, the oldest first.
    risk: Vec<Risk>,
    /// The worst that was said of it.
    worst: Option<Severity>,
    /// By severity, how many of the events that were looked at.
    severities: BTreeMap<&'static str, u64>,
    /// Whom and what else they name, the most frequent first.
    touched: Vec<Touched>,
    /// Rules and detectors that they name, the most frequent first.
    reasons: Vec<Counted>,
    /// Techniques of ATT&CK.
    attack: BTreeSet<String>,
    /// Lists of indicators that know it.
    indicators: Vec<Known>,
    /// Silences that cover some of them.
    #[serde(skip)]
    pub silences: BTreeSet<String>,
    /// Incidents that they belong to.
    #[serde(skip)]
    pub incidents: BTreeSet<String>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Risk {
    event_id: EventId,
    ts: f64,
    score: f64,
    severity: Severity,
}

#[derive(Debug, PartialEq, Serialize)]
struct Touched {
    kind: &'static str,
    value: String,
    events: u64,
    last_ts: f64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Counted {
    reason: String,
    events: u64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Known {
    list: String,
    indicator: String,
    event_id: EventId,
    ts: f64,
}

/// The device that compares with lists of indicators.
const INTEL_DEVICE: u16 = 54;

impl Summary {
    /// Of events about it, the newest first.
    pub fn of(kind: Kind, value: &str, events: &[Event]) -> Self {
        let mut summary = Self::default();
        let mut touched: BTreeMap<(&'static str, &str), (u64, f64)> = BTreeMap::new();
        let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
        for event in events {
            let Body::Soc(soc) = &event.body else { continue };
            let ts = event.ts().seconds();
            if soc.score > 0.0 && summary.risk.len() < ENTITY_RISKS_MAX {
                summary.risk.push(Risk { event_id: event.id, ts, score: soc.score, severity: soc.severity });
            }
            summary.worst = summary.worst.max(Some(soc.severity));
            *summary.severities.entry(soc.severity.name()).or_default() += 1;
            for (of, other) in parts(&soc.entity) {
                let is_itself = of == kind.name() && (other == value || is_same(kind, value, other));
                if !is_itself {
                    let (count, last) = touched.entry((of, other)).or_default();
                    *count += 1;
                    *last = last.max(ts);
                }
            }
            soc.reasons.iter().for_each(|reason| *reasons.entry(reason).or_default() += 1);
            summary.attack.extend(soc.attack.iter().cloned());
            summary.silences.extend(soc.silence_id.clone());
            summary.incidents.extend(soc.incident_id.clone());
            summary.know(event.id, ts, soc);
        }
        summary.risk.reverse();
        summary.touched = touched
            .into_iter()
            .map(|((kind, value), (events, last_ts))| Touched { kind, value: value.to_owned(), events, last_ts })
            .collect();
        summary.touched.sort_by_key(|touched| std::cmp::Reverse(touched.events));
        summary.touched.truncate(ENTITY_LISTED_MAX);
        summary.reasons =
            reasons.into_iter().map(|(reason, events)| Counted { reason: reason.to_owned(), events }).collect();
        summary.reasons.sort_by_key(|counted| std::cmp::Reverse(counted.events));
        summary.reasons.truncate(ENTITY_LISTED_MAX);
        summary
    }

    fn know(&mut self, event_id: EventId, ts: f64, soc: &Soc) {
        let told = |prefix: &str| soc.reasons.iter().find_map(|reason| reason.strip_prefix(prefix)).map(str::to_owned);
        let known = told("list:").zip(told("indicator:")).filter(|_| soc.src_device == INTEL_DEVICE);
        let Some((list, indicator)) = known else { return };
        let is_there = self.indicators.iter().any(|known| known.list == list && known.indicator == indicator);
        if !is_there && self.indicators.len() < ENTITY_LISTED_MAX {
            self.indicators.push(Known { list, indicator, event_id, ts });
        }
    }
}

fn is_same(kind: Kind, value: &str, other: &str) -> bool {
    kind.address(value).is_some_and(|own| kind.address(other) == Some(own))
}

fn parts(entity: &Entity) -> impl Iterator<Item = (&'static str, &str)> {
    let parts = [
        ("user", &entity.user),
        ("host", &entity.host),
        ("address", &entity.src_ip),
        ("address", &entity.dst_ip),
        ("process", &entity.process),
        ("domain", &entity.domain),
        ("file", &entity.file),
    ];
    parts.into_iter().filter_map(|(kind, part)| Some((kind, part.as_deref()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Stream, Times, Timestamp};

    #[test]
    fn the_events_about_one_say_how_bad_it_is_what_it_touched_and_which_list_knows_it() {
        let event = |number: u64, score: f64, severity: Severity, reasons: &[&str]| {
            let entity = Entity { user: Some("eve".into()), src_ip: Some("192.0.2.1".into()), ..Entity::default() };
            let reasons = reasons.iter().map(|reason| (*reason).to_owned()).collect();
            let soc = Soc { src_device: 54, score, severity, entity, reasons, ..Soc::default() };
            let (id, times) = (EventId::new(number, 0), Times::at(Timestamp::from_millis(number * 1000)));
            Event { id, stream: Stream::SocEvents, times, root: id, body: Body::Soc(Box::new(soc)) }
        };
        let newest_first = [
            event(3, 0.9, Severity::High, &["indicator:192.0.2.1", "list:bad.txt"]),
            event(2, 0.0, Severity::Info, &["over"]),
            event(1, 0.5, Severity::Low, &["indicator:192.0.2.1", "list:bad.txt"]),
        ];
        let summary = Summary::of(Kind::Address, "192.0.2.1", &newest_first);
        assert_eq!(summary.risk.iter().map(|risk| risk.score).collect::<Vec<_>>(), [0.5, 0.9]);
        assert_eq!((summary.worst, summary.severities["INFO"]), (Some(Severity::High), 1));
        let touched: Vec<_> = summary.touched.iter().map(|it| (it.kind, it.value.as_str(), it.events)).collect();
        assert_eq!(touched, [("user", "eve", 3)], "not itself");
        assert_eq!(summary.indicators.len(), 1);
        assert_eq!((summary.indicators[0].list.as_str(), summary.reasons[0].events), ("bad.txt", 2));
        assert_eq!(Summary::of(Kind::User, "nobody", &[]), Summary::default());
    }
}
