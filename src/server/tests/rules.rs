//! What is looked for, and what a line matches of it.

use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::config::Config;
use crate::event::Decision;
use crate::knowledge::loaded_rules::LoadedRules;
use crate::layer::l3;
use crate::parse::built_in;

/// What comes with the daemon.
#[allow(clippy::unnecessary_wraps)] // as the daemon gives it
pub(crate) fn loaded() -> Option<Arc<LoadedRules>> {
    static LOADED: LazyLock<Arc<LoadedRules>> = LazyLock::new(|| {
        let config = Config::default();
        let l3 = l3::prepare(&config.l3).unwrap();
        Arc::new(LoadedRules::new(&config, built_in(), Some(l3.make), &l3.warnings))
    });
    Some(Arc::clone(&LOADED))
}

fn named<'a>(answer: &'a Value, title: &str) -> &'a Value {
    answer["rules"].as_array().unwrap().iter().find(|rule| rule["title"] == title).unwrap()
}

#[tokio::test]
async fn rules_are_listed_with_what_they_need_what_they_cover_and_their_hits() {
    let daemon = Daemon::start().await;
    let line = daemon.gateway.commit_line(Stream::L3In, "x");
    assert!(daemon.get("/api/v1/rules").await.json()["rules"].as_array().unwrap().iter().all(|rule| rule["hits"] == 0));
    let Body::Decision(decision) = decision(line) else { panic!("a decision") };
    let matched = Decision { reasons: vec!["Log Reported As Cleared".into(), "unknown".into()], ..*decision };
    let id = daemon.gateway.commit(Stream::L3Out, Body::Decision(Box::new(matched)));
    let answer = daemon.get("/api/v1/rules").await.json();
    let rule = named(&answer, "Log Reported As Cleared");
    assert_eq!((&rule["hits"], &rule["last_hit"], &rule["kind"]), (&json!(1), &json!(id), &json!("rule")));
    assert_eq!((&rule["can_match"], &rule["never"]), (&json!(true), &json!([])));
    assert!(
        !rule["techniques"].as_array().unwrap().is_empty() && rule["file"].is_string() && rule["level"].is_string()
    );
    assert_eq!(answer["tactics"].as_array().unwrap().len(), 14);
    assert_eq!((&answer["problems"], &answer["counted_up_to"]), (&json!([]), &json!(id)));
    let kinds: std::collections::BTreeSet<&str> =
        answer["rules"].as_array().unwrap().iter().map(|rule| rule["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["rule", "scenario", "web"].into());
}

#[tokio::test]
async fn a_line_is_tested_against_the_rules_and_stored_nowhere() {
    let daemon = Daemon::start().await;
    let line = "Nov 10 10:00:00 h sudo: eve : TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow";
    let answer = daemon.post("/api/v1/rules/test", &json!({ "line": line }).to_string()).await.json();
    assert!(!answer["rules"].as_array().unwrap().is_empty(), "{answer}");
    assert_eq!(
        (&answer["understood"]["program"], &answer["decision"]["decision"]),
        (&json!("sudo"), &json!("malicious"))
    );
    assert_eq!(daemon.gateway.status().store.last_id, None);
    for (body, right) in [("", "missing"), ("{}", "line"), ("{\"line\":1}", "line")] {
        assert!(daemon.post("/api/v1/rules/test", body).await.problem(400).contains(right));
    }
}
