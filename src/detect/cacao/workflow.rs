//! The way through a playbook: from its start, by steps that are there, to an end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::shape::Problems;
use super::text::{is_identifier, kind_of};

const STEPS_MAX: usize = 1000;
/// Where one step leads to one other, and where only a step that can fail does.
const ALWAYS: &str = "on_completion";
const BY_OUTCOME: [&str; 2] = ["on_success", "on_failure"];

type Steps = Map<String, Value>;

pub fn check(playbook: &Map<String, Value>, problems: &mut Problems) {
    let Some(Value::Object(steps)) = playbook.get("workflow") else { return };
    if steps.len() > STEPS_MAX {
        return problems.say("workflow", format!("it has more than {STEPS_MAX} steps"));
    }
    for (id, step) in steps {
        links(id, step, steps, problems);
    }
    for key in ["workflow_start", "workflow_exception"] {
        let id = playbook.get(key).and_then(Value::as_str);
        if let Some(id) = id.filter(|id| is_identifier(id) && !steps.contains_key(*id)) {
            problems.say(key, format!("`{id}` is not in the workflow"));
        }
    }
    let start = playbook.get("workflow_start").and_then(Value::as_str).unwrap_or_default();
    if !steps.contains_key(start) {
        return;
    }
    if kind_of(start) != Some("start") {
        return problems.say("workflow_start", "it names no step of type `start`");
    }
    if !reached(start, steps).iter().any(|id| kind_of(id) == Some("end")) {
        problems.say("workflow", "no end is reached from its start");
    }
    if let Some(id) = on_a_loop(steps) {
        problems.say("workflow", format!("it goes round without a while-condition, by way of `{}`", id.escape_debug()));
    }
}

fn links(id: &str, step: &Value, steps: &Steps, problems: &mut Problems) {
    let place = format!("workflow.{id}");
    let has = |key: &str| step.get(key).is_some();
    match kind_of(id) {
        Some("end") if has(ALWAYS) || BY_OUTCOME.into_iter().any(has) => {
            problems.say(&place, "nothing can follow an end");
        }
        Some("start") if BY_OUTCOME.into_iter().any(has) => {
            problems.say(&place, "a start has `on_completion` alone");
        }
        _ if has(ALWAYS) && BY_OUTCOME.into_iter().any(has) => {
            problems.say(&place, "`on_completion` excludes `on_success` and `on_failure`");
        }
        _ => {}
    }
    for (by, next) in next_steps(step) {
        if !steps.contains_key(next) && !is_elsewhere(&by, next) {
            let next: String = next.chars().take(120).flat_map(char::escape_debug).collect();
            problems.say(&format!("{place}.{by}"), format!("it leads to `{next}`, which is not in the workflow"));
        }
    }
}

/// A case may be another playbook.
fn is_elsewhere(by: &str, next: &str) -> bool {
    by.starts_with("cases") && kind_of(next) == Some("playbook")
}

/// Every step that can follow, and by which property.
fn next_steps(step: &Value) -> impl Iterator<Item = (String, &str)> {
    let one = [ALWAYS, "on_success", "on_failure", "on_true", "on_false"];
    let one = one.into_iter().filter_map(|key| Some((key.to_owned(), step.get(key)?.as_str()?)));
    let list = step.get("next_steps").and_then(Value::as_array).into_iter().flatten().enumerate();
    let list = list.filter_map(|(index, next)| Some((format!("next_steps[{index}]"), next.as_str()?)));
    let cases = step.get("cases").and_then(Value::as_object).into_iter().flatten();
    one.chain(list).chain(cases.filter_map(|(case, next)| Some((format!("cases.{case}"), next.as_str()?))))
}

fn reached<'a>(start: &'a str, steps: &'a Steps) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![start];
    while let Some(id) = waiting.pop() {
        if let Some(step) = steps.get(id)
            && reached.insert(id)
        {
            waiting.extend(next_steps(step).map(|(_, next)| next));
        }
    }
    reached
}

/// A step from which the way leads back to it past no while-condition: what is left when all steps are taken away that nothing
/// leads to any more.
fn on_a_loop(steps: &Steps) -> Option<&str> {
    let mut incoming: BTreeMap<&str, usize> = steps.keys().map(|id| (id.as_str(), 0)).collect();
    let leads = |id: &str| kind_of(id) != Some("while-condition");
    for (_, step) in steps.iter().filter(|(id, _)| leads(id)) {
        for (_, next) in next_steps(step) {
            incoming.entry(next).and_modify(|count| *count += 1);
        }
    }
    let mut free: Vec<&str> = incoming.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    while let Some(id) = free.pop() {
        incoming.remove(id);
        for (_, next) in steps.get(id).filter(|_| leads(id)).into_iter().flat_map(next_steps) {
            if let Some(count) = incoming.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    free.push(next);
                }
            }
        }
    }
    incoming.keys().next().copied()
}
