//! A response as a CACAO 2.0 playbook: one start, one action a step, one end.

use serde_json::{Map, Value, json};

use super::response::{Measure, Response, Step};
use crate::event::Timestamp;

/// What a playbook holds beside its steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame<'a> {
    /// All identifiers are derived from this, so that the same cause leads to the same playbook.
    pub seed: &'a str,
    /// In a few words, safe to show.
    pub name: &'a str,
    pub rationale: &'a str,
    pub created: Timestamp,
    pub valid_until: Timestamp,
    /// 1 to 100.
    pub severity: u8,
}

/// The playbook as JSON.
pub fn playbook(response: &Response, frame: &Frame<'_>) -> Value {
    let id = |kind: &str, part: usize| format!("{kind}--{}", uuid(&format!("{} {kind} {part}", frame.seed)));
    let agent = id("linux", 0);
    let end = id("end", 0);
    let step_id = |index: usize| if index < response.steps.len() { id("action", index) } else { end.clone() };
    let mut workflow = Map::new();
    workflow.insert(id("start", 0), json!({ "type": "start", "on_completion": step_id(0) }));
    for (index, step) in response.steps.iter().enumerate() {
        let (kind, command) = match step {
            Step::Command(command) => ("bash", command),
            Step::Manual(text) => ("manual", text),
        };
        let action = json!({
            "type": "action",
            "name": format!("{} {}", response.measure.name(), index + 1),
            "on_completion": step_id(index + 1),
            "commands": [{ "type": kind, "command": command, "playbook_activity": activity(response.measure) }],
            "agent": agent,
        });
        workflow.insert(step_id(index), action);
    }
    workflow.insert(end.clone(), json!({ "type": "end" }));
    json!({
        "type": "playbook",
        "spec_version": "cacao-2.0",
        "id": id("playbook", 0),
        "name": frame.name,
        "description": frame.rationale,
        "playbook_types": [if response.measure == Measure::SnapshotEvidence { "investigation" } else { "mitigation" }],
        "playbook_activities": [activity(response.measure)],
        "created_by": format!("identity--{}", uuid("dsmil-soc-soar")),
        "created": frame.created.to_string(),
        "modified": frame.created.to_string(),
        "valid_until": frame.valid_until.to_string(),
        "severity": frame.severity,
        "workflow_start": id("start", 0),
        "workflow": workflow,
        "agent_definitions": {
            agent: { "type": "linux", "name": "this machine", "address": { "ipv4": ["127.0.0.1"] } },
        },
    })
}

/// Of the vocabulary of CACAO 2.0.
fn activity(measure: Measure) -> &'static str {
    match measure {
        Measure::BlockAddress | Measure::BlockDomain | Measure::LockUser | Measure::EndSessions => "restrict-access",
        Measure::IsolateHost => "disconnect-system",
        Measure::SnapshotEvidence => "analyze-collected-data",
        Measure::RotateKey => "eliminate-risk",
    }
}

/// An identifier made from a text, with the bits of a random (version 4) UUID, which CACAO asks for in steps.
pub fn uuid(text: &str) -> String {
    let hash = blake3::hash(text.as_bytes());
    let bytes: [u8; 16] = hash.as_bytes().first_chunk().copied().unwrap_or_default();
    let number = u128::from_be_bytes(bytes);
    let version = 0xf << 76;
    let variant = 0x3 << 62;
    let number = number & !version & !variant | 0x4 << 76 | 0x2 << 62;
    let text = format!("{number:032x}");
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::response::snapshot_evidence;
    use super::*;

    #[test]
    fn identifiers_are_uuids_of_version_4_and_the_same_for_the_same_text() {
        let shape = regex::Regex::new("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$").unwrap();
        let made: std::collections::BTreeSet<String> = (0..100).map(|n| uuid(&n.to_string())).collect();
        assert_eq!(made.len(), 100, "each text has its own");
        assert!(made.iter().all(|uuid| shape.is_match(uuid)), "{made:?}");
        assert!(made.contains(&uuid("7")));
    }

    pub fn frame() -> Frame<'static> {
        Frame {
            seed: "1-0",
            name: "n",
            rationale: "r",
            created: Timestamp::from_millis(1_763_856_000_000),
            valid_until: Timestamp::from_millis(1_763_859_600_000),
            severity: 80,
        }
    }

    #[test]
    fn the_steps_lead_from_start_to_end_in_their_order() {
        let response = snapshot_evidence("web1", "/var/lib/dsmil/evidence/x");
        let playbook = playbook(&response, &frame());
        let workflow = playbook["workflow"].as_object().unwrap();
        let mut at = playbook["workflow_start"].as_str().unwrap();
        let mut commands = Vec::new();
        while let Some(next) = workflow[at].get("on_completion") {
            at = next.as_str().unwrap();
            commands.extend(workflow[at].get("commands").and_then(|commands| commands[0]["command"].as_str()));
        }
        assert_eq!(workflow[at]["type"], "end");
        let expected: Vec<&str> = response
            .steps
            .iter()
            .map(|step| match step {
                Step::Command(text) | Step::Manual(text) => text.as_str(),
            })
            .collect();
        assert_eq!(commands, expected);
        assert_eq!(playbook["created"], "2025-11-23T00:00:00Z");
    }
}
