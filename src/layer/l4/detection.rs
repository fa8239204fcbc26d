//! What reaches Layer 4, and which user, address and host it concerns.

use std::sync::Arc;

use crate::detect::scenario::customer;
use crate::event::{Category, Decision, Entity, Happened, Raw, Verdict, cut_name};
use crate::layer::reasons::reason;
use crate::layer::{one_line, verdict};
use crate::limits;

/// Devices 23 to 30 are Layer 4's.
pub const DEVICE: u16 = 23;
/// The part of a score that goes to the host: it is concerned by everything that its users and peers do.
const HOST_SHARE: f64 = 0.5;

/// How the key of a machine begins, and that of an address.
pub const HOST: &str = "host:";
pub const ADDRESS: &str = "src_ip:";

/// One user, address or host that an event concerns.
pub struct Subject {
    pub key: String,
    pub entity: Entity,
    pub share: f64,
}

/// A detection as it reaches Layer 4.
pub struct Detection {
    pub score: f64,
    pub reasons: Vec<String>,
    pub techniques: Vec<String>,
    pub entity: Entity,
    pub category: Category,
    pub compartment: Arc<str>,
    /// It says nothing of the machine that logged it.
    pub spares_host: bool,
    /// How often it is to be weighed.
    pub times: u32,
}

/// The subjects of a detection in order of precedence: where risks are equal the first is named.
pub fn subjects(detection: &Detection) -> Vec<Subject> {
    let entity = &detection.entity;
    let host = entity.host.clone();
    let user = entity.user.as_ref().map(|user| Subject {
        key: format!("user:{user}"),
        entity: Entity { user: Some(user.clone()), host: host.clone(), ..Entity::default() },
        share: 1.0,
    });
    let address = entity.src_ip.as_ref().map(|address| Subject {
        // Of IPv6 a customer has a /64: risk that is spread over it is that of one.
        key: format!("{ADDRESS}{}", customer(address)),
        entity: Entity { src_ip: Some(address.clone()), host: host.clone(), ..Entity::default() },
        share: 1.0,
    });
    let machine = host.as_ref().filter(|_| !detection.spares_host).map(|name| Subject {
        key: format!("{HOST}{name}"),
        entity: Entity { host: Some(name.clone()), ..Entity::default() },
        share: HOST_SHARE,
    });
    [user, address, machine].into_iter().flatten().collect()
}

impl Detection {
    pub fn from_decision(decision: &Decision) -> Self {
        // What ordinary work is called is no sign of anything.
        let ordinary = reason(decision.happened.action, decision.happened.outcome).filter(|(_, score)| *score == 0.0);
        let is_sign = |reason: &&String| ordinary.is_none_or(|(name, _)| *reason != name);
        let mut reasons: Vec<String> = decision.reasons.iter().filter(is_sign).cloned().collect();
        if reasons.is_empty() {
            reasons.push(decision.model.to_string());
        }
        Self {
            score: decision.score,
            reasons,
            techniques: decision.attack.clone(),
            entity: decision.entity.clone(),
            category: decision.category,
            compartment: Arc::clone(&decision.compartment),
            spares_host: false,
            times: decision.happened.times,
        }
    }

    /// An event of `L4_IN`: `score` (0 to 1), `reasons` and `attack` where the sender names them.
    pub fn from_context(raw: &Raw) -> Self {
        let record = raw.record();
        let list = |name: &str| -> Vec<String> {
            let prefix = format!("{name}.");
            let named = record.fields.iter().filter(|(key, _)| key == name || key.starts_with(&prefix));
            named.map(|(_, value)| cut_name(value.clone())).take(limits::REASONS_MAX).collect()
        };
        let score = record.field("score").and_then(|score| score.parse::<f64>().ok());
        let mut reasons = list("reasons");
        if reasons.is_empty() {
            reasons.push(cut_name(record.field("model").unwrap_or(&raw.source).to_owned()));
        }
        Self {
            score: score.filter(|score| (0.0..=1.0).contains(score)).unwrap_or(0.0),
            reasons,
            techniques: list("attack"),
            entity: record.entity.clone(),
            category: Category::System,
            compartment: Arc::clone(&raw.compartment),
            spares_host: false,
            times: record.times(),
        }
    }

    pub fn decision(&self, model: Arc<str>) -> Decision {
        let verdict = verdict(self.score);
        let summary = if verdict == Verdict::Benign {
            String::new()
        } else {
            one_line(&format!("reported by {}", self.reasons.join(", ")))
        };
        Decision {
            verdict,
            score: self.score,
            model,
            device_id: DEVICE,
            compartment: Arc::clone(&self.compartment),
            input_ref: String::new(),
            entity: self.entity.clone(),
            category: self.category,
            happened: Happened::default(),
            reasons: if self.score > 0.0 { self.reasons.clone() } else { Vec::new() },
            attack: self.techniques.clone(),
            summary,
            alarm: None,
            evidence: None,
        }
    }
}
