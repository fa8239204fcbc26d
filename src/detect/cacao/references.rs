//! What the parts of a playbook say of each other, which no part shows alone: that what is named is there, and that times are in order.

use serde_json::{Map, Value};

use super::markings::KEYS_OF_SIGNATURE;
use super::shape::{Problems, any_of};
use super::standard::{COMMAND_OF_STANDARD, needed_of_command};
use super::text::{in_order, is_identifier, is_time};

pub fn check(playbook: &Map<String, Value>, problems: &mut Problems) {
    times("", playbook, problems);
    if playbook.get("revoked").and_then(Value::as_bool) == Some(true) {
        problems.say("revoked", "its author has withdrawn it");
    }
    let steps = playbook.get("workflow").and_then(Value::as_object).into_iter().flatten();
    for (id, step) in steps.filter(|(_, step)| step.get("type").and_then(Value::as_str) == Some("action")) {
        action(&format!("workflow.{id}"), step, playbook, problems);
    }
    for place in ["agent_definitions", "target_definitions"] {
        for (id, party) in playbook.get(place).and_then(Value::as_object).into_iter().flatten() {
            let login = party.get("authentication_info");
            let place = format!("{place}.{id}.authentication_info");
            named(&place, login, &["authentication_info_definitions"], playbook, problems);
        }
    }
    let signatures = playbook.get("signatures").and_then(Value::as_array).into_iter().flatten();
    for (index, signature) in signatures.enumerate() {
        let place = format!("signatures[{index}]");
        if KEYS_OF_SIGNATURE.iter().filter(|key| signature.get(**key).is_some()).count() != 1 {
            problems.say(&place, format!("expected one of {}", any_of(KEYS_OF_SIGNATURE)));
        }
        if let Value::Object(signature) = signature {
            times(&format!("{place}."), signature, problems);
        }
    }
}

/// What is changed was made before, and what ends began before.
fn times(place: &str, object: &Map<String, Value>, problems: &mut Problems) {
    for (first, second) in [("created", "modified"), ("valid_from", "valid_until")] {
        let time = |key: &str| object.get(key).and_then(Value::as_str).filter(|text| is_time(text));
        if let (Some(before), Some(after)) = (time(first), time(second))
            && !in_order(before, after)
        {
            problems.say(&format!("{place}{second}"), format!("it is before `{first}`"));
        }
    }
}

fn action(place: &str, step: &Value, playbook: &Map<String, Value>, problems: &mut Problems) {
    let commands = step.get("commands").and_then(Value::as_array).into_iter().flatten();
    for (index, command) in commands.enumerate() {
        let kind = command.get("type").and_then(Value::as_str).unwrap_or_default();
        let (place, needed) = (format!("{place}.commands[{index}]"), needed_of_command(kind));
        if !needed.is_empty() {
            problems.object(&place, command, COMMAND_OF_STANDARD);
        }
        for one_of in needed.iter().filter(|one_of| !one_of.iter().any(|key| command.get(*key).is_some())) {
            problems.say(&place, format!("expected {}", any_of(one_of)));
        }
    }
    let parties = ["agent_definitions", "target_definitions"];
    named(&format!("{place}.agent"), step.get("agent"), &parties, playbook, problems);
    for (index, target) in step.get("targets").and_then(Value::as_array).into_iter().flatten().enumerate() {
        named(&format!("{place}.targets[{index}]"), Some(target), &parties, playbook, problems);
    }
}

/// The identifier, if it is one, has to stand in one of these definitions; that it has to be one is said of its shape.
fn named(place: &str, id: Option<&Value>, among: &[&str], playbook: &Map<String, Value>, problems: &mut Problems) {
    let Some(id) = id.and_then(Value::as_str).filter(|id| is_identifier(id)) else { return };
    if !among.iter().any(|definitions| playbook.get(*definitions).is_some_and(|defined| defined.get(id).is_some())) {
        problems.say(place, format!("`{id}` is not in {}", among.join(" or ")));
    }
}
