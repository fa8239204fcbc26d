use serde_json::json;

use super::*;
use crate::respond::step::{Step, Told};

const TOKENS: &str = "read read-token-of-a-test\ningest other-token-of-a-test\n";
const READ: &str = "Authorization: Bearer read-token-of-a-test\r\n";

fn block(target: &str) -> Soc {
    let proposal = json!({"action": "block_address", "target": target, "refused": null});
    Soc { src_device: 58, proposal: Some(proposal), ..Soc::default() }
}

/// One that is carried out for an hour from now on.
fn blocked(daemon: &Daemon, target: &str) -> EventId {
    let id = daemon.gateway.commit(Stream::SocEvents, Body::Soc(Box::new(block(target))));
    let ends = Some(Timestamp::now().plus(Duration::from_secs(3600)));
    tell(daemon, &Told { ends, ..Told::new(id, Step::Requested, "alice", "") });
    tell(daemon, &Told::new(id, Step::Executed, "alice", ""));
    id
}

fn tell(daemon: &Daemon, told: &Told) {
    daemon.gateway.commit(Stream::SocEvents, Body::Soc(Box::new(told.event(&Soc::default()))));
}

#[tokio::test]
async fn what_is_blocked_is_offered_as_text_and_only_when_it_has_changed() {
    let daemon = Daemon::with_tokens(TOKENS).await;
    let plain = async |header: &str| daemon.send("GET", "/api/v1/bans?format=plain", header, "").await;
    assert_eq!(plain("").await.status, 401);
    assert_eq!(plain("Authorization: Bearer other-token-of-a-test\r\n").await.status, 403);
    assert_eq!(plain(READ).await.body, "");
    blocked(&daemon, "203.0.113.7");
    let taken_back = blocked(&daemon, "198.51.100.0/24");
    let answer = plain(READ).await;
    assert_eq!(answer.body, "198.51.100.0/24\n203.0.113.7\n");
    let tag = answer.head.split("etag: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let again = format!("{READ}If-None-Match: \"x\", {tag}\r\n");
    assert_eq!(plain(&again).await.status, 304);
    tell(&daemon, &Told::new(taken_back, Step::Undone, "bob", ""));
    let answer = plain(&again).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "203.0.113.7\n"));
    let list = daemon.send("GET", "/api/v1/bans", READ, "").await.json();
    assert_eq!(list["bans"].as_array().unwrap().len(), 1);
    assert!(list["bans"][0]["target"] == "203.0.113.7" && list["bans"][0]["ends"].is_string(), "{list}");
    assert!(daemon.send("GET", "/api/v1/bans?format=xml", READ, "").await.problem(400).contains("plain"));
}

#[tokio::test]
async fn a_bouncer_of_crowdsec_is_told_what_is_blocked_and_what_no_longer_is() {
    let daemon = Daemon::with_tokens(TOKENS).await;
    let ask = async |path: &str| daemon.send("GET", path, "X-Api-Key: read-token-of-a-test\r\n", "").await;
    assert_eq!(ask("/v1/decisions").await.body, "null");
    assert_eq!(ask("/v1/decisions/stream?startup=true").await.json(), json!({"new": [], "deleted": []}));
    blocked(&daemon, "203.0.113.7");
    let taken_back = blocked(&daemon, "198.51.100.9");
    tell(&daemon, &Told::new(taken_back, Step::Undone, "bob", ""));
    for path in ["/v1/decisions/stream?startup=true", "/v1/decisions/stream?startup=false&scopes=ip%2Crange"] {
        let changes = ask(path).await.json();
        assert_eq!(
            (&changes["new"][0]["value"], &changes["deleted"][0]["value"]),
            (&json!("203.0.113.7"), &json!("198.51.100.9"))
        );
        assert!(changes["new"][0]["duration"].as_str().unwrap().starts_with("59m"), "{changes}");
        assert!(changes["deleted"][0]["duration"].as_str().unwrap().starts_with('-'), "{changes}");
    }
    assert_eq!(ask("/v1/decisions?ip=203.0.113.7").await.json()[0]["type"], "ban");
    assert_eq!(ask("/v1/decisions?ip=203.0.113.8").await.body, "null");
    // What is wrong stands where they look for it.
    for (header, path, status) in [
        ("X-Api-Key: no-token-at-all-of-a-test\r\n", "/v1/decisions", 401),
        ("X-Api-Key: other-token-of-a-test\r\n", "/v1/decisions/stream", 403),
        ("X-Api-Key: read-token-of-a-test\r\n", "/v1/decisions?ip=x", 400),
    ] {
        let answer = daemon.send("GET", path, header, "").await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.json()["message"].is_string(), "{path}");
    }
}
