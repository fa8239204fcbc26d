use super::*;
use crate::observe::audit;

#[tokio::test]
async fn a_decision_is_recorded_once_and_shown() {
    let daemon = Daemon::with_tokens("read r\nrespond s alice\n").await;
    let read = "Authorization: Bearer r\r\n";
    let respond = "Authorization: Bearer s\r\n";
    daemon.gateway.commit(Stream::SocEvents, soc("1-1"));
    let first = daemon.gateway.commit(Stream::SocEvents, proposal());
    let second = daemon.gateway.commit(Stream::SocEvents, proposal());
    let approve = format!("/api/v1/proposals/{first}/approve");
    let decision = daemon.send("POST", &approve, respond, "{\"note\":\"seen it\"}").await.json();
    assert_eq!(decision["state"], "approved");
    assert_eq!(decision["who"], "alice from 127.0.0.1");
    let reject = format!("/api/v1/proposals/{first}/reject");
    assert!(daemon.send("POST", &reject, respond, "").await.problem(409).contains("approved by alice"));
    let list = daemon.send("GET", "/api/v1/proposals", read, "").await.json();
    let states: Vec<_> =
        list["proposals"].as_array().unwrap().iter().map(|one| (one["id"].clone(), one["state"].clone())).collect();
    assert_eq!(states, [(second.to_string().into(), "pending".into()), (first.to_string().into(), "approved".into())]);
    let pending = daemon.send("GET", "/api/v1/proposals?state=pending", read, "").await.json();
    assert_eq!(pending["proposals"].as_array().unwrap().len(), 1);
    assert_eq!(pending["proposals"][0]["event"]["proposal"]["action"], "block");
    assert_eq!(audit::verify(&daemon.folder.path().join("audit.log")).unwrap().lines, 1);
}

#[tokio::test]
async fn only_a_proposal_can_be_decided() {
    let daemon = Daemon::start().await;
    let other = daemon.gateway.commit(Stream::SocEvents, soc("1-1"));
    daemon.post(&format!("/api/v1/proposals/{other}/approve"), "").await.problem(404);
    daemon.post("/api/v1/proposals/9-9/reject", "").await.problem(404);
    daemon.post("/api/v1/proposals/x/reject", "").await.problem(400);
    let id = daemon.gateway.commit(Stream::SocEvents, proposal());
    daemon.post(&format!("/api/v1/proposals/{id}/reject"), "because").await.problem(400);
    let long = format!("{{\"note\":\"{}\"}}", "x".repeat(crate::limits::AUDIT_NOTE_BYTES_MAX));
    daemon.post(&format!("/api/v1/proposals/{id}/reject"), &long).await.problem(400);
    assert_eq!(audit::verify(&daemon.folder.path().join("audit.log")).unwrap().lines, 0);
}

#[tokio::test]
async fn a_broken_audit_log_refuses_decisions_and_nothing_else() {
    let daemon = Daemon::with(|_, folder| std::fs::write(folder.join("audit.log"), "{}\n").unwrap()).await;
    let id = daemon.gateway.commit(Stream::SocEvents, proposal());
    assert!(daemon.post(&format!("/api/v1/proposals/{id}/approve"), "").await.problem(503).contains("line 1"));
    assert_eq!(daemon.get("/api/v1/proposals").await.json()["proposals"][0]["state"], "pending");
}
