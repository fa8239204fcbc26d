//! What an event says: one variant for each kind of stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Action, Category, Entity, EventId, Evidence, Raw, Severity, Verdict, evidence};

#[derive(Debug, Clone)]
pub enum Body {
    Raw(Raw),
    Decision(Box<Decision>),
    Shrink(ShrinkSample),
    Soc(Box<Soc>),
    Tick,
}

/// A judgement of Layer 3 or Layer 4 on one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub verdict: Verdict,
    /// 0 to 1.
    pub score: f64,
    pub model: Arc<str>,
    /// 15 to 30 where known.
    pub device_id: u16,
    pub compartment: Arc<str>,
    /// Id of the event judged, as text: a writer outside may name its own. Empty: unknown.
    pub input_ref: String,
    pub entity: Entity,
    pub category: Category,
    /// What the judged event says happened.
    pub happened: Happened,
    /// Names of what happened and of the rules and detectors that spoke.
    pub reasons: Vec<String>,
    /// ATT&CK technique ids, like `T1110.001`.
    pub attack: Vec<String>,
    /// One line for a person; empty for benign.
    pub summary: String,
    /// Of an alarm that grows.
    pub alarm: Option<Box<Alarm>>,
    /// What it follows from beside the event judged, where that is more.
    pub evidence: Option<Box<Evidence>>,
}

/// An alarm is one from its first report to its last; each report says how far it has grown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Alarm {
    #[serde(rename = "alert_id")]
    pub id: String,
    pub count: u64,
    /// The times of its first and of its newest line.
    pub first_ts: f64,
    pub last_ts: f64,
    /// Of a campaign: who has taken part last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// The last that is said of it: nothing came for long.
    #[serde(rename = "over", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_over: bool,
}

/// What a line says happened, and which program says so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Happened {
    pub program: Option<String>,
    pub action: Action,
    /// Whether it succeeded, where that is known.
    pub outcome: Option<bool>,
    /// How often the decision would have been made, had the line come by itself each time that it says it was repeated;
    /// 0 and 1: once.
    pub times: u32,
}

/// One successful poll of SHRINK, or the fact that it failed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ShrinkSample {
    /// Finite numbers by SHRINK's own key names. Empty when the poll failed.
    pub values: BTreeMap<String, f64>,
    /// Why the poll failed; `None` for a good sample.
    pub failure: Option<String>,
}

/// A fused SOC event, from fusion or from a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Soc {
    /// `"3"`, `"4"` or `"8"`.
    pub src_layer: String,
    pub decision: Verdict,
    /// 0 to 1.
    pub score: f64,
    /// `risk_acute_stress` at that time; `None` when SHRINK is stale or down.
    pub shrink_risk: Option<f64>,
    pub input_ref: String,
    /// 15 to 30 for L3 and L4 where known, 51 and up for devices.
    pub src_device: u16,
    pub severity: Severity,
    pub category: Category,
    pub compartment: String,
    pub summary: String,
    pub entity: Entity,
    pub shrink: ShrinkView,
    pub flags: Vec<String>,
    pub attack: Vec<String>,
    pub reasons: Vec<String>,
    /// Whether what it tells of succeeded, where a decision said so.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::outcome")]
    pub outcome: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<serde_json::Value>,
    /// The incident that it reports, that it follows from, or that a person has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident_id: Option<String>,
    /// The silence that covers it: then it is stored and counted, and nothing else follows from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_id: Option<String>,
    /// Of what somebody has done about a silence, as `silence::change` reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<serde_json::Value>,
    /// Of an alarm that grows.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Alarm>,
    /// What it follows from beside `input_ref`, where that does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "evidence::read")]
    pub evidence: Option<Box<Evidence>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShrinkState {
    Fresh,
    Stale,
    #[default]
    Down,
}

/// What fusion knew of SHRINK when it wrote a SOC event.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ShrinkView {
    pub state: ShrinkState,
    /// Seconds since the last good sample; `None` when there was none.
    pub age_s: Option<f64>,
    /// The event of the fresh sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_id: Option<EventId>,
    /// The values of a fresh sample, names as on the wire: `crisis_level`, `cognitive_load`, `anomaly_score`, …
    #[serde(flatten)]
    pub values: BTreeMap<String, f64>,
}

/// Fields of [`Soc`] that a device writing its own event has nothing to say about.
impl Default for Soc {
    fn default() -> Self {
        Self {
            src_layer: "8".to_owned(),
            decision: Verdict::Suspicious,
            score: 0.0,
            shrink_risk: None,
            input_ref: String::new(),
            src_device: 0,
            severity: Severity::Info,
            category: Category::System,
            compartment: String::new(),
            summary: String::new(),
            entity: Entity::default(),
            shrink: ShrinkView::default(),
            flags: Vec::new(),
            attack: Vec::new(),
            reasons: Vec::new(),
            outcome: None,
            proposal: None,
            incident_id: None,
            silence_id: None,
            silence: None,
            alarm: None,
            evidence: None,
        }
    }
}

impl Soc {
    /// Whether nothing follows from it but that it is stored and counted.
    pub fn is_silenced(&self) -> bool {
        self.silence_id.is_some()
    }

    /// Who wrote it: [`FUSION`](super::stream::FUSION) or a device's number.
    pub fn producer(&self) -> u16 {
        if self.src_layer == "8" { self.src_device } else { super::stream::FUSION }
    }
}

impl Decision {
    /// A benign judgement with nothing to say.
    pub fn benign(model: Arc<str>, device_id: u16, compartment: Arc<str>, input: EventId) -> Self {
        Self {
            verdict: Verdict::Benign,
            score: 0.0,
            model,
            device_id,
            compartment,
            input_ref: input.to_string(),
            entity: Entity::default(),
            category: Category::System,
            happened: Happened::default(),
            reasons: Vec::new(),
            attack: Vec::new(),
            summary: String::new(),
            alarm: None,
            evidence: None,
        }
    }
}
