//! Everything about one user, address or machine.

use serde_json::json;

use super::*;
use crate::event::{Entity, Severity};

fn about(user: &str, src_ip: &str, score: f64) -> Body {
    let entity = Entity { user: Some(user.into()), src_ip: Some(src_ip.into()), ..Entity::default() };
    Body::Soc(Box::new(Soc { src_device: 51, entity, score, severity: Severity::High, ..Soc::default() }))
}

/// All of it, however long it takes to read the log.
async fn known(daemon: &Daemon, path: &str) -> Value {
    loop {
        let answer = daemon.get(path).await.json();
        if answer["unread"] == json!([]) {
            return answer;
        }
    }
}

#[tokio::test]
async fn what_is_known_of_one_is_one_answer_and_its_events_come_in_pages() {
    let daemon = Daemon::start().await;
    for number in 0..7 {
        daemon.gateway.commit(Stream::SocEvents, about("eve", "192.0.2.1", 0.1 * f64::from(number)));
        daemon.gateway.commit(Stream::SocEvents, about("bob", "192.0.2.2", 0.5));
    }
    let proposal = Soc {
        entity: Entity { user: Some("eve".into()), ..Entity::default() },
        src_device: 58,
        proposal: Some(json!({ "action": "lock" })),
        ..Soc::default()
    };
    let proposal = daemon.gateway.commit(Stream::SocEvents, Body::Soc(Box::new(proposal)));
    let silence = json!({ "entity": { "kind": "src_ip", "value": "192.0.2.1" }, "for": "1h" }).to_string();
    assert_eq!(daemon.send_local("POST", "/api/v1/silences", &silence).await.status, 201);
    let answer = known(&daemon, "/api/v1/entities/user/eve?count=5").await;
    assert_eq!((&answer["kind"], &answer["value"], &answer["count"]), (&json!("user"), &json!("eve"), &json!(8)));
    assert_eq!(answer["risk"].as_array().unwrap().len(), 6, "a score of nothing is no risk");
    assert_eq!(answer["touched"][0]["value"], "192.0.2.1");
    assert_eq!((&answer["proposals"][0]["id"], &answer["worst"]), (&json!(proposal), &json!("HIGH")));
    let (events, next) = (answer["events"].as_array().unwrap(), answer["next"].as_str().unwrap());
    assert_eq!((events.len(), events[4]["id"].as_str()), (5, Some(next)));
    let rest = daemon.get(&format!("/api/v1/entities/user/eve?count=5&after={next}")).await.json();
    assert_eq!((rest["events"].as_array().unwrap().len(), &rest["next"]), (3, &Value::Null));
    let address = known(&daemon, "/api/v1/entities/address/192.0.2.1").await;
    assert_eq!((address["silences"].as_array().unwrap().len(), &address["count"]), (1, &json!(7)));
    let nobody = daemon.get("/api/v1/entities/host/%3Cscript%3E%2F..").await.json();
    assert_eq!(
        (&nobody["value"], &nobody["count"], &nobody["first_seen"]),
        (&json!("<script>/.."), &json!(0), &Value::Null)
    );
    assert!(daemon.get("/api/v1/entities/planet/mars").await.problem(400).contains("address, user, host"));
    assert!(daemon.get("/api/v1/entities/user/eve?limit=1").await.problem(400).contains("after, count"));
}
