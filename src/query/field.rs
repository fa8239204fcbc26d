//! The fields that can be asked for.

use super::kind::Kind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    Id,
    Severity,
    Score,
    Decision,
    Device,
    Layer,
    Category,
    Rule,
    Flag,
    Technique,
    Compartment,
    User,
    Host,
    SrcIp,
    DstIp,
    DstPort,
    Process,
    Domain,
    File,
    Outcome,
    Summary,
    AlertId,
    IncidentId,
    Silence,
    Count,
    InputRef,
    Model,
    Program,
    Action,
    Source,
    Payload,
}

/// A field, under all its names.
#[derive(Debug, PartialEq)]
pub struct Field {
    pub name: Name,
    /// The first is the one that is printed, the others are as good.
    pub texts: &'static [&'static str],
    pub kind: Kind,
}

const fn field(name: Name, texts: &'static [&'static str], kind: Kind) -> Field {
    Field { name, texts, kind }
}

/// All of them, in the order in which errors list them. What only decisions or lines have is at the end.
pub static FIELDS: &[Field] = &[
    field(Name::Severity, &["severity"], Kind::Severity),
    field(Name::Score, &["score"], Kind::Number),
    field(Name::Decision, &["decision", "verdict"], Kind::Verdict),
    field(Name::Device, &["device", "src_device", "device_id"], Kind::Number),
    field(Name::Layer, &["layer", "src_layer"], Kind::Number),
    field(Name::Category, &["category"], Kind::Category),
    field(Name::Rule, &["rule", "reason", "reasons"], Kind::Text),
    field(Name::Flag, &["flag", "flags"], Kind::Text),
    field(Name::Technique, &["technique", "attack"], Kind::Technique),
    field(Name::Compartment, &["compartment"], Kind::Text),
    field(Name::User, &["user"], Kind::Text),
    field(Name::Host, &["host"], Kind::Text),
    field(Name::SrcIp, &["src_ip"], Kind::Address),
    field(Name::DstIp, &["dst_ip"], Kind::Address),
    field(Name::DstPort, &["dst_port"], Kind::Number),
    field(Name::Process, &["process"], Kind::Text),
    field(Name::Domain, &["domain"], Kind::Text),
    field(Name::File, &["file"], Kind::Text),
    field(Name::Outcome, &["outcome"], Kind::Outcome),
    field(Name::Summary, &["summary"], Kind::Text),
    field(Name::AlertId, &["alert_id"], Kind::Text),
    field(Name::IncidentId, &["incident_id", "incident"], Kind::Text),
    field(Name::Silence, &["silence", "silence_id"], Kind::Text),
    field(Name::Count, &["count"], Kind::Number),
    field(Name::InputRef, &["input_ref"], Kind::Text),
    field(Name::Id, &["id", "event_id"], Kind::Text),
    field(Name::Model, &["model"], Kind::Text),
    field(Name::Program, &["program"], Kind::Text),
    field(Name::Action, &["action"], Kind::Text),
    field(Name::Source, &["source"], Kind::Text),
    field(Name::Payload, &["payload"], Kind::Text),
];

impl Field {
    pub fn named(text: &str) -> Option<&'static Self> {
        FIELDS.iter().find(|field| field.texts.iter().any(|name| name.eq_ignore_ascii_case(text)))
    }

    pub fn text(&self) -> &'static str {
        self.texts.first().copied().unwrap_or_default()
    }
}

/// The name that was probably meant.
pub fn similar(text: &str) -> Option<&'static str> {
    let names = FIELDS.iter().flat_map(|field| field.texts).copied();
    let close = names.map(|name| (strsim::jaro_winkler(name, &text.to_ascii_lowercase()), name));
    close.filter(|(closeness, _)| *closeness > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}
