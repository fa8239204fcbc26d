//! What an event says under the name of a field.

use std::borrow::Cow;

use super::field::Name;
use crate::event::{Alarm, Body, Category, Entity, Event, EventId, Raw, Severity, Stream, Verdict};

/// One of the values of a field.
#[derive(Debug, Clone, Copy)]
pub enum Fact<'a> {
    Severity(Severity),
    Verdict(Verdict),
    Category(Category),
    Outcome(bool),
    Number(f64),
    Text(&'a str),
}

impl Fact<'_> {
    /// As a person reads it; `None` for numbers.
    pub fn text(&self) -> Option<&str> {
        Some(match self {
            Self::Severity(severity) => severity.name(),
            Self::Verdict(verdict) => verdict.name(),
            Self::Category(category) => category.name(),
            Self::Outcome(succeeded) => outcome(*succeeded),
            Self::Number(_) => return None,
            Self::Text(text) => text,
        })
    }
}

pub fn outcome(succeeded: bool) -> &'static str {
    if succeeded { "success" } else { "failure" }
}

/// An event by its fields. What it has none of is empty.
#[derive(Default)]
pub struct Facts<'a> {
    id: EventId,
    severity: Option<Severity>,
    score: Option<f64>,
    verdict: Option<Verdict>,
    device: Option<u16>,
    layer: Option<f64>,
    category: Option<Category>,
    reasons: &'a [String],
    flags: &'a [String],
    attack: &'a [String],
    compartment: &'a str,
    entity: Option<&'a Entity>,
    outcome: Option<bool>,
    summary: &'a str,
    alarm: Option<&'a Alarm>,
    incident_id: &'a str,
    silence_id: &'a str,
    input_ref: &'a str,
    model: &'a str,
    program: &'a str,
    action: &'a str,
    raw: Option<&'a Raw>,
}

impl<'a> Facts<'a> {
    pub fn of(event: &'a Event) -> Self {
        let layer = match event.stream {
            Stream::L3In | Stream::L3Out => Some(3.0),
            Stream::L4In | Stream::L4Out => Some(4.0),
            _ => None,
        };
        let known = |device: u16| (device != 0).then_some(device);
        let of = Self { id: event.id, layer, ..Self::default() };
        match &event.body {
            Body::Soc(soc) => Self {
                severity: Some(soc.severity),
                score: Some(soc.score),
                verdict: Some(soc.decision),
                device: known(soc.src_device),
                layer: soc.src_layer.parse().ok(),
                category: Some(soc.category),
                reasons: &soc.reasons,
                flags: &soc.flags,
                attack: &soc.attack,
                compartment: &soc.compartment,
                entity: Some(&soc.entity),
                outcome: soc.outcome,
                summary: &soc.summary,
                alarm: soc.alarm.as_ref(),
                incident_id: soc.incident_id.as_deref().unwrap_or_default(),
                silence_id: soc.silence_id.as_deref().unwrap_or_default(),
                input_ref: &soc.input_ref,
                ..of
            },
            Body::Decision(decision) => Self {
                score: Some(decision.score),
                verdict: Some(decision.verdict),
                device: known(decision.device_id),
                category: Some(decision.category),
                reasons: &decision.reasons,
                attack: &decision.attack,
                compartment: &decision.compartment,
                entity: Some(&decision.entity),
                outcome: decision.happened.outcome,
                summary: &decision.summary,
                alarm: decision.alarm.as_deref(),
                input_ref: &decision.input_ref,
                model: &decision.model,
                program: decision.happened.program.as_deref().unwrap_or_default(),
                action: decision.happened.action.name(),
                ..of
            },
            Body::Raw(raw) => Self { compartment: &raw.compartment, raw: Some(raw), ..of },
            Body::Shrink(_) | Body::Tick => of,
        }
    }

    /// A line is parsed when it is first asked whom it is about.
    fn entity(&self) -> Option<&Entity> {
        self.entity.or_else(|| self.raw.map(|raw| &raw.record().entity))
    }

    /// Whether one of the field's values passes the test.
    pub fn any(&self, name: Name, test: &mut dyn FnMut(&Fact<'_>) -> bool) -> bool {
        let mut text = |text: &str| !text.is_empty() && test(&Fact::Text(text));
        let part = |part: fn(&Entity) -> &Option<String>| self.entity().and_then(|entity| part(entity).as_deref());
        match name {
            Name::Id => text(&self.id.to_string()),
            Name::Rule => self.reasons.iter().any(|reason| text(reason)),
            Name::Flag => self.flags.iter().any(|flag| text(flag)),
            Name::Technique => self.attack.iter().any(|technique| text(technique)),
            Name::Compartment => text(self.compartment),
            Name::User => part(|entity| &entity.user).is_some_and(text),
            Name::Host => part(|entity| &entity.host).is_some_and(text),
            Name::SrcIp => part(|entity| &entity.src_ip).is_some_and(text),
            Name::DstIp => part(|entity| &entity.dst_ip).is_some_and(text),
            Name::Process => part(|entity| &entity.process).is_some_and(text),
            Name::Domain => part(|entity| &entity.domain).is_some_and(text),
            Name::File => part(|entity| &entity.file).is_some_and(text),
            Name::Summary => text(self.summary),
            Name::AlertId => self.alarm.is_some_and(|alarm| text(&alarm.id)),
            Name::IncidentId => text(self.incident_id),
            Name::Silence => text(self.silence_id),
            Name::InputRef => text(self.input_ref),
            Name::Model => text(self.model),
            Name::Program => text(self.program),
            Name::Action => text(self.action),
            Name::Source => self.raw.is_some_and(|raw| text(&raw.source)),
            Name::Payload => self.raw.is_some_and(|raw| text(&payload(raw))),
            Name::Severity => self.severity.is_some_and(|severity| test(&Fact::Severity(severity))),
            Name::Decision => self.verdict.is_some_and(|verdict| test(&Fact::Verdict(verdict))),
            Name::Category => self.category.is_some_and(|category| test(&Fact::Category(category))),
            Name::Outcome => self.outcome.is_some_and(|outcome| test(&Fact::Outcome(outcome))),
            Name::Score => self.score.is_some_and(|score| test(&Fact::Number(score))),
            Name::Device => self.device.is_some_and(|device| test(&Fact::Number(device.into()))),
            Name::Layer => self.layer.is_some_and(|layer| test(&Fact::Number(layer))),
            Name::DstPort => {
                let port = self.entity().and_then(|entity| entity.dst_port);
                port.is_some_and(|port| test(&Fact::Number(port.into())))
            }
            Name::Count => self.alarm.is_some_and(|alarm| test(&Fact::Number(alarm.count as f64))),
        }
    }
}

fn payload(raw: &Raw) -> Cow<'_, str> {
    String::from_utf8_lossy(&raw.payload)
}
