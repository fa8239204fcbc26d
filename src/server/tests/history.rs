use serde_json::json;

use super::*;
use crate::event::Severity;

#[tokio::test]
async fn what_changed_names_incidents_proposals_and_what_people_have_done_with_them() {
    let daemon = Daemon::start().await;
    let incident = Soc {
        src_layer: "8".into(),
        src_device: 52,
        severity: Severity::High,
        summary: "<b>somebody got in".into(),
        incident_id: Some("1-0".into()),
        ..Soc::default()
    };
    let opened = daemon.gateway.commit(Stream::SocEvents, Body::Soc(Box::new(incident.clone())));
    daemon.gateway.commit(Stream::SocEvents, Body::Soc(Box::new(incident)));
    let proposed = daemon.gateway.commit(Stream::SocEvents, proposal());
    daemon.decide(&format!("/api/v1/proposals/{proposed}/reject"), "{\"note\":\"mine\"}").await.json();
    daemon.decide("/api/v1/incidents/1-0/close", "{\"resolution\":\"true_positive\"}").await.json();
    let answer = daemon.get("/api/v1/history").await.json();
    assert_eq!((answer["span"].as_str(), answer["buckets"].as_array().unwrap().len()), (Some("1h"), 60));
    let told: Vec<String> = answer["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            format!(
                "{} {} {}",
                it["kind"].as_str().unwrap(),
                it["name"].as_str().unwrap(),
                it["what"].as_str().unwrap()
            )
        })
        .collect();
    let (close, reject) = ("incident 1-0 close".to_owned(), format!("proposal {proposed} reject"));
    let (proposed, once) = (format!("proposal {proposed} proposed"), "incident 1-0 opened".to_owned());
    assert_eq!(told, [close, reject, proposed, once], "the newest first, each incident once");
    let first = &answer["changes"][3];
    assert_eq!((&first["event_id"], &first["why"]), (&json!(opened), &json!("HIGH: <b>somebody got in")));
    assert!(answer["changes"][1]["who"].is_string() && answer["changes"][1]["why"] == "mine");
    daemon.get("/api/v1/history?span=1d").await.problem(400);
    daemon.get("/api/v1/history?span=1h&x=1").await.problem(400);
}

#[tokio::test]
async fn only_who_may_read_is_told() {
    let daemon = Daemon::with_tokens("ingest ingest-token-of-a-test\nread read-token-of-a-test\n").await;
    let with = |token: &str| format!("Authorization: Bearer {token}\r\n");
    daemon.send("GET", "/api/v1/history", &with("ingest-token-of-a-test"), "").await.problem(403);
    daemon.get("/api/v1/history").await.problem(401);
    assert_eq!(daemon.send("GET", "/api/v1/history", &with("read-token-of-a-test"), "").await.status, 200);
}
