//! CACAO 2.0 playbooks that a site brings: whether one is whole, and what it is for.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

/// Of the standard: object type, two hyphens, a UUID.
static IDENTIFIER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new("^[a-z][a-z0-9-]+[a-z0-9]--[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-5][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$").ok()
});

/// The types of steps, and what each cannot do without.
const STEPS: &[(&str, &[&str])] = &[
    ("start", &["on_completion"]),
    ("end", &[]),
    ("action", &["commands", "agent"]),
    ("playbook-action", &["playbook_id"]),
    ("parallel", &["next_steps"]),
    ("if-condition", &["condition", "on_true"]),
    ("while-condition", &["condition", "on_true"]),
    ("switch-condition", &["switch", "cases"]),
];
const STEPS_MAX: usize = 1000;
const PROBLEMS_MAX: usize = 20;
/// Commands that are one text; the others have fields of their own.
const TEXT_COMMANDS: &[&str] = &["manual", "bash", "ssh", "powershell", "jupyter", "http-api", "openc2-http"];

/// Everything that is wrong with the playbook, as `place: what`; empty for one that can be followed from start to end.
pub fn problems(playbook: &Value) -> Vec<String> {
    let Value::Object(playbook) = playbook else { return vec!["it is not a JSON object".to_owned()] };
    let mut check = Check { playbook, problems: Vec::new() };
    check.head();
    match playbook.get("workflow") {
        Some(Value::Object(workflow)) if workflow.len() <= STEPS_MAX => check.workflow(workflow),
        Some(Value::Object(_)) => check.problem("workflow", format!("it has more than {STEPS_MAX} steps")),
        _ => check.problem("workflow", "it is missing or not an object"),
    }
    check.problems.truncate(PROBLEMS_MAX);
    check.problems
}

/// Its labels, which name what the playbook is for.
pub fn labels(playbook: &Value) -> impl Iterator<Item = &str> {
    playbook.get("labels").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

struct Check<'a> {
    playbook: &'a Map<String, Value>,
    problems: Vec<String>,
}

impl Check<'_> {
    fn problem(&mut self, place: &str, problem: impl std::fmt::Display) {
        let place: String = place.chars().take(120).flat_map(char::escape_debug).collect();
        self.problems.push(format!("{place}: {problem}"));
    }

    fn head(&mut self) {
        for (key, expected) in [("type", "playbook"), ("spec_version", "cacao-2.0")] {
            if self.playbook.get(key).and_then(Value::as_str) != Some(expected) {
                self.problem(key, format!("expected `{expected}`"));
            }
        }
        for (key, kind) in [("id", "playbook"), ("created_by", "identity")] {
            if !self.playbook.get(key).and_then(Value::as_str).is_some_and(|id| is_identifier(id, Some(kind))) {
                self.problem(key, format!("expected `{kind}--` and a UUID"));
            }
        }
        if self.playbook.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
            self.problem("name", "expected a text");
        }
        for key in ["created", "modified"] {
            if !self.playbook.get(key).and_then(Value::as_str).is_some_and(is_timestamp) {
                self.problem(key, "expected a time like 2026-11-23T00:00:00Z");
            }
        }
        if self.playbook.get("revoked").and_then(Value::as_bool) == Some(true) {
            self.problem("revoked", "its author has withdrawn it");
        }
    }

    fn workflow(&mut self, workflow: &Map<String, Value>) {
        for (id, step) in workflow {
            self.step(id, step, workflow);
        }
        let start = self.playbook.get("workflow_start").and_then(Value::as_str).unwrap_or_default().to_owned();
        if workflow.get(&start).and_then(|step| step.get("type")).and_then(Value::as_str) != Some("start") {
            self.problem("workflow_start", "it names no step of type `start`");
            return;
        }
        let reached = reached(&start, workflow);
        let reaches = |kinds: &[&str]| {
            reached.iter().filter_map(|id| workflow.get(*id)?.get("type")?.as_str()).any(|kind| kinds.contains(&kind))
        };
        if !reaches(&["action", "playbook-action"]) {
            self.problem("workflow", "no action is reached from its start");
        }
        if !reaches(&["end"]) {
            self.problem("workflow", "no end is reached from its start");
        }
    }

    fn step(&mut self, id: &str, step: &Value, workflow: &Map<String, Value>) {
        let kind = step.get("type").and_then(Value::as_str).unwrap_or_default();
        let Some((_, needed)) = STEPS.iter().find(|(name, _)| *name == kind) else {
            return self.problem(id, "it is a step of no known type");
        };
        if !is_identifier(id, Some(kind)) {
            self.problem(id, format!("expected `{kind}--` and a UUID"));
        }
        for key in needed.iter().filter(|key| step.get(**key).is_none()) {
            self.problem(id, format!("`{key}` is missing"));
        }
        if step.get("on_completion").is_some() && (step.get("on_success").or(step.get("on_failure"))).is_some() {
            self.problem(id, "`on_completion` excludes `on_success` and `on_failure`");
        }
        let next = next_steps(step);
        if kind == "end" && !next.is_empty() {
            self.problem(id, "nothing can follow an end");
        }
        for missing in next.into_iter().filter(|next| !workflow.contains_key(*next)) {
            self.problem(id, format!("it leads to `{}`, which is not in the workflow", missing.escape_debug()));
        }
        if kind == "action" {
            self.action(id, step);
        }
    }

    fn action(&mut self, id: &str, step: &Value) {
        match step.get("commands").and_then(Value::as_array) {
            Some(commands) if !commands.is_empty() => {
                commands.iter().for_each(|command| self.command(id, command));
            }
            _ => self.problem(id, "`commands` is empty or not a list"),
        }
        let agent = step.get("agent").and_then(Value::as_str).map(|agent| ("agent_definitions", agent));
        let targets = step.get("targets").and_then(Value::as_array).into_iter().flatten();
        let targets = targets.filter_map(Value::as_str).map(|target| ("target_definitions", target));
        for (place, name) in agent.into_iter().chain(targets) {
            let shown = name.escape_debug();
            if !is_identifier(name, None) {
                self.problem(id, format!("`{shown}` is not a type, two hyphens and a UUID"));
            } else if self.playbook.get(place).and_then(|defined| defined.get(name)).is_none() {
                self.problem(id, format!("`{shown}` is not in {place}"));
            }
        }
    }

    fn command(&mut self, id: &str, command: &Value) {
        let Some(kind) = command.get("type").and_then(Value::as_str) else {
            return self.problem(id, "a command has no type");
        };
        let has_text = ["command", "command_b64"].iter().any(|key| command.get(*key).is_some_and(Value::is_string));
        if TEXT_COMMANDS.contains(&kind) && !has_text {
            self.problem(id, format!("a command of type `{kind}` has no `command`"));
        }
    }
}

fn is_identifier(text: &str, kind: Option<&str>) -> bool {
    let fits = IDENTIFIER.as_ref().is_some_and(|identifier| identifier.is_match(text));
    fits && kind.is_none_or(|kind| text.rsplit_once("--").is_some_and(|(prefix, _)| prefix == kind))
}

fn is_timestamp(text: &str) -> bool {
    text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()
}

/// Every step that can follow.
fn next_steps(step: &Value) -> Vec<&str> {
    let one =
        ["on_completion", "on_success", "on_failure", "on_true", "on_false"].iter().filter_map(|key| step.get(*key));
    let list = step.get("next_steps").and_then(Value::as_array).into_iter().flatten();
    let cases = step.get("cases").and_then(Value::as_object).into_iter().flat_map(Map::values);
    one.chain(list).chain(cases).filter_map(Value::as_str).collect()
}

fn reached<'a>(start: &'a str, workflow: &'a Map<String, Value>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![start];
    while let Some(id) = waiting.pop() {
        if let Some(step) = workflow.get(id)
            && reached.insert(id)
        {
            waiting.extend(next_steps(step));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::super::playbook::playbook;
    use super::super::playbook::tests::frame;
    use super::super::response::snapshot_evidence;
    use super::*;

    fn whole() -> Value {
        playbook(&snapshot_evidence("web1", "/x"), &frame())
    }

    #[test]
    fn the_playbooks_that_are_proposed_here_are_whole() {
        assert_eq!(problems(&whole()), Vec::<String>::new());
    }

    #[test]
    fn every_way_to_break_one_is_named() {
        type Break = fn(&mut Value);
        let breaks: &[(&str, Break)] = &[
            ("spec_version", |book| book["spec_version"] = "cacao-1.0".into()),
            ("id", |book| book["id"] = "playbook--1".into()),
            ("created_by", |book| drop(book.as_object_mut().unwrap().remove("created_by"))),
            ("name", |book| book["name"] = "".into()),
            ("modified", |book| book["modified"] = "yesterday".into()),
            ("revoked", |book| book["revoked"] = true.into()),
            ("workflow", |book| book["workflow"] = serde_json::json!([])),
            ("workflow_start", |book| book["workflow_start"] = "start--x".into()),
            ("agent_definitions", |book| book["agent_definitions"] = serde_json::json!({})),
            ("commands", |book| edit(book, "action", |step| step["commands"] = serde_json::json!([]))),
            ("has no `command`", |book| {
                edit(book, "action", |step| step["commands"] = serde_json::json!([{"type": "bash"}]));
            }),
            ("no known type", |book| edit(book, "end", |step| step["type"] = "finish".into())),
            ("not in the workflow", |book| edit(book, "start", |step| step["on_completion"] = "end--x".into())),
            ("nothing can follow", |book| edit(book, "end", |step| step["on_completion"] = "x".into())),
        ];
        for (named, break_it) in breaks {
            let mut book = whole();
            break_it(&mut book);
            let problems = problems(&book);
            assert!(problems.iter().any(|problem| problem.contains(named)), "{named}: {problems:#?}");
        }
        assert_eq!(problems(&Value::Null).len(), 1);
    }

    fn edit(book: &mut Value, kind: &str, change: fn(&mut Value)) {
        for (_, step) in book["workflow"].as_object_mut().unwrap().iter_mut().filter(|(_, step)| step["type"] == kind) {
            change(step);
        }
    }
}
