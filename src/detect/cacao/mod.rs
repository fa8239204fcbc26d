//! CACAO 2.0 playbooks that a site brings: whether one is whole, and what it is for.

mod basics;
mod markings;
mod parties;
mod references;
mod shape;
mod standard;
mod text;
mod workflow;

use serde_json::Value;

use self::shape::Problems;

const PROBLEMS_MAX: usize = 20;

/// Everything that is wrong with the playbook, as `place: what`; empty for one that can be followed from start to end.
pub fn problems(playbook: &Value) -> Vec<String> {
    let Value::Object(properties) = playbook else { return vec!["it is not a JSON object".to_owned()] };
    let mut problems = Problems::new(PROBLEMS_MAX);
    problems.object("", playbook, standard::PLAYBOOK);
    references::check(properties, &mut problems);
    workflow::check(properties, &mut problems);
    problems.found()
}

/// Its labels, which name what the playbook is for.
pub fn labels(playbook: &Value) -> impl Iterator<Item = &str> {
    playbook.get("labels").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
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
            ("expected `command`", |book| {
                edit(book, "action", |step| step["commands"] = serde_json::json!([{"type": "bash"}]));
            }),
            ("expected `end`", |book| edit(book, "end", |step| step["type"] = "finish".into())),
            ("not in the workflow", |book| edit(book, "start", |step| step["on_completion"] = "end--x".into())),
            ("nothing can follow", |book| edit(book, "end", |step| step["on_completion"] = "x".into())),
            ("modified", |book| book["modified"] = "2020-01-01T00:00:00Z".into()),
            ("valid_until", |book| book["valid_from"] = "2999-01-01T00:00:00Z".into()),
            ("severity", |book| book["severity"] = 101.into()),
            ("labels", |book| book["labels"] = serde_json::json!([])),
            ("playbook_variables", |book| book["playbook_variables"] = serde_json::json!({"x": {"type": "string"}})),
            ("signatures[0]", |book| book["signatures"] = serde_json::json!([{"type": "jss"}])),
            ("target_definitions", |book| edit(book, "action", |step| step["targets"] = serde_json::json!([AGENT]))),
            ("workflow_exception", |book| book["workflow_exception"] = AGENT.into()),
            ("agent_definitions", |book| book["agent_definitions"][AGENT] = serde_json::json!({"type": "linux"})),
            ("goes round", |book| {
                let action = id(book, "action");
                book["workflow"][&action]["on_completion"] = action.clone().into();
            }),
        ];
        for (named, break_it) in breaks {
            let mut book = whole();
            break_it(&mut book);
            let problems = problems(&book);
            assert!(problems.iter().any(|problem| problem.contains(named)), "{named}: {problems:#?}");
        }
        assert_eq!(problems(&Value::Null).len(), 1);
    }

    const AGENT: &str = "linux--00000000-0000-4000-8000-000000000000";

    /// Of a step of this type.
    fn id(book: &Value, kind: &str) -> String {
        let workflow = book["workflow"].as_object().unwrap();
        workflow.iter().find(|(_, step)| step["type"] == kind).unwrap().0.clone()
    }

    #[test]
    fn a_loop_is_taken_where_a_while_is_in_it_and_a_template_without_an_action_is_whole() {
        let mut book = whole();
        let (start, action, end) = (id(&book, "start"), id(&book, "action"), id(&book, "end"));
        let again = action.replace("action", "while-condition");
        book["workflow"][&start]["on_completion"] = again.clone().into();
        book["workflow"][&action]["on_completion"] = again.clone().into();
        let step =
            serde_json::json!({"type": "while-condition", "condition": "x", "on_true": action, "on_completion": end});
        book["workflow"][&again] = step;
        assert_eq!(problems(&book), Vec::<String>::new());
        let mut template = whole();
        template["workflow"] =
            serde_json::json!({&start: {"type": "start", "on_completion": end}, &end: {"type": "end"}});
        assert_eq!(problems(&template), Vec::<String>::new());
    }

    #[test]
    fn every_problem_names_its_place() {
        let mut book = whole();
        let action = id(&book, "action");
        book["workflow"][&action]["commands"][0]["type"] = 5.into();
        let problems = problems(&book);
        assert_eq!(problems, [format!("workflow.{action}.commands[0].type: expected a text")]);
    }

    fn edit(book: &mut Value, kind: &str, change: fn(&mut Value)) {
        for (_, step) in book["workflow"].as_object_mut().unwrap().iter_mut().filter(|(_, step)| step["type"] == kind) {
            change(step);
        }
    }
}
