//! How a response becomes the SOC event that proposes it.

use serde_json::{Value, json};

use crate::detect::playbook::{Frame, playbook, uuid};
use crate::detect::response::{Response, Step};
use crate::device::common::quote;
use crate::event::{EventId, Soc, Timestamp};

pub const NUMBER: u16 = 58;

/// What a proposal follows from, and how long it holds.
pub struct Grounds<'a> {
    pub cause: EventId,
    pub soc: &'a Soc,
    pub created: Timestamp,
    pub expires: Timestamp,
}

/// The SOC event that proposes the response, with the site's `own` playbook beside the one that is made here.
pub fn proposal(grounds: &Grounds<'_>, response: &Response, own: Option<&Value>) -> Soc {
    let &Grounds { cause, soc, created, expires } = grounds;
    let measure = response.measure.name();
    let target = quote(&response.target);
    let seed = format!("{cause} {measure} {}", response.target);
    let rationale = format!("{} {}: {}", soc.severity.name(), soc.category.name(), soc.summary);
    let name = format!("{} {target}", measure.replace('_', " "));
    let commands: Vec<&str> = response
        .steps
        .iter()
        .map(|step| match step {
            Step::Command(text) | Step::Manual(text) => text.as_str(),
        })
        .collect();
    let severity = (soc.score * 100.0).round().clamp(1.0, 100.0) as u8;
    let frame = Frame { seed: &seed, name: &name, rationale: &rationale, created, valid_until: expires, severity };
    let book = (!response.steps.is_empty()).then(|| playbook(response, &frame));
    let caution = response.caution.as_ref().map_or_else(String::new, |caution| format!("; {caution}"));
    let waits = || format!("{} steps, waits for approval{caution}", commands.len());
    let outcome = response.refused.clone().unwrap_or_else(waits);
    Soc {
        input_ref: cause.to_string(),
        src_device: NUMBER,
        decision: soc.decision,
        score: soc.score,
        shrink_risk: soc.shrink_risk,
        shrink: soc.shrink.clone(),
        severity: soc.severity,
        category: soc.category,
        compartment: soc.compartment.clone(),
        summary: format!("proposal: {name} ({outcome})"),
        entity: soc.entity.clone(),
        flags: vec!["PROPOSAL".to_owned()],
        incident_id: soc.incident_id.clone(),
        attack: soc.attack.clone(),
        reasons: vec![format!("measure:{measure}"), rationale.clone()],
        proposal: Some(json!({
            "id": format!("proposal--{}", uuid(&seed)),
            "action": measure,
            "target": target,
            "commands": commands,
            "undo": response.undo,
            "refused": response.refused,
            "caution": response.caution,
            "reversible": response.reversible,
            "created": created.seconds(),
            "expires": expires.seconds(),
            "rationale": rationale,
            "cause": cause,
            "requires_approval": true,
            "playbook": book,
            "site_playbook": own,
        })),
        ..Soc::default()
    }
}
