use super::*;
use crate::observe::audit;

#[tokio::test]
async fn a_decision_is_recorded_once_and_shown() {
    let daemon = Daemon::with_tokens("read read-token-of-a-test\nrespond respond-token-of-a-test alice\n").await;
    let read = "Authorization: Bearer read-token-of-a-test\r\n";
    let respond = "Authorization: Bearer respond-token-of-a-test\r\n";
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
    assert_eq!(audit::verify(&daemon.folder.path().join("audit.log"), None).unwrap().lines, 1);
}

#[tokio::test]
async fn only_a_proposal_can_be_decided() {
    let daemon = Daemon::start().await;
    let other = daemon.gateway.commit(Stream::SocEvents, soc("1-1"));
    daemon.decide(&format!("/api/v1/proposals/{other}/approve"), "").await.problem(404);
    daemon.decide("/api/v1/proposals/9-9/reject", "").await.problem(404);
    daemon.decide("/api/v1/proposals/x/reject", "").await.problem(400);
    let id = daemon.gateway.commit(Stream::SocEvents, proposal());
    daemon.decide(&format!("/api/v1/proposals/{id}/reject"), "because").await.problem(400);
    let long = format!("{{\"note\":\"{}\"}}", "x".repeat(16 * crate::limits::AUDIT_NOTE_CHARS_MAX));
    daemon.decide(&format!("/api/v1/proposals/{id}/reject"), &long).await.problem(400);
    assert_eq!(audit::verify(&daemon.folder.path().join("audit.log"), None).unwrap().lines, 0);
}

#[tokio::test]
async fn a_broken_audit_log_refuses_decisions_and_nothing_else() {
    let daemon = Daemon::with(|_, folder| std::fs::write(folder.join("audit.log"), "{}\n").unwrap()).await;
    says_that_nothing_can_be_decided(&daemon).await;
    let id = daemon.gateway.commit(Stream::SocEvents, proposal());
    assert!(daemon.decide(&format!("/api/v1/proposals/{id}/approve"), "").await.problem(503).contains("line 1"));
    assert_eq!(daemon.get("/api/v1/proposals").await.json()["proposals"][0]["state"], "pending");
}

async fn says_that_nothing_can_be_decided(daemon: &Daemon) {
    let said = async {
        for path in ["/readyz", "/api/v1/status"] {
            while !daemon.get(path).await.json()["warnings"].to_string().contains("no proposal can be decided") {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, said).await.expect("status and readiness say it");
}

#[tokio::test]
async fn an_audit_log_that_is_cut_under_the_daemon_is_said_before_anybody_decides() {
    let daemon = Daemon::start().await;
    let id = daemon.gateway.commit(Stream::SocEvents, proposal());
    assert_eq!(daemon.decide(&format!("/api/v1/proposals/{id}/approve"), "").await.status, 200);
    assert_eq!(daemon.get("/readyz").await.json()["warnings"], serde_json::json!([]));
    std::fs::write(daemon.folder.path().join("audit.log"), "").unwrap();
    says_that_nothing_can_be_decided(&daemon).await;
}

/// A second server on the folder and the memory of the first, as after a restart.
async fn restarted(daemon: &Daemon) -> Server {
    let parts = Parts {
        gateway: daemon.gateway.clone(),
        read_entry,
        ingest_enabled: true,
        respond: std::sync::Arc::new(crate::config::Respond::default),
        guard: std::sync::Arc::new(|| Ok(crate::respond::guard::Guard::default())),
        silences: std::sync::Arc::new(Vec::new),
        socket: daemon.folder.path().join("api.sock"),
        rules: std::sync::Arc::new(|| None),
        audit_file: daemon.folder.path().join("audit.log"),
    };
    let config = config::Http { listen: "127.0.0.1:0".parse().unwrap(), ..config::Http::default() };
    start(&config, parts).await.unwrap()
}

#[tokio::test]
async fn an_approval_into_a_file_that_was_replaced_is_not_answered_as_done() {
    let daemon = Daemon::start().await;
    let log = daemon.folder.path().join("audit.log");
    let id = daemon.gateway.commit(Stream::SocEvents, proposal());
    std::fs::rename(&log, log.with_extension("old")).unwrap();
    std::fs::write(&log, "").unwrap();
    let detail = daemon.decide(&format!("/api/v1/proposals/{id}/approve"), "").await.problem(503);
    assert!(detail.contains("replaced"), "{detail}");
    assert_eq!(daemon.get("/api/v1/proposals").await.json()["proposals"][0]["state"], "pending");
    assert_eq!(std::fs::read(&log).unwrap(), b"");
}

#[tokio::test]
async fn what_was_decided_cannot_be_decided_the_other_way_by_cutting_the_log_and_restarting() {
    let mut daemon = Daemon::start().await;
    let log = daemon.folder.path().join("audit.log");
    let id = daemon.gateway.commit(Stream::SocEvents, proposal());
    assert_eq!(daemon.decide(&format!("/api/v1/proposals/{id}/approve"), "").await.status, 200);
    std::fs::write(&log, "").unwrap();
    daemon.server = restarted(&daemon).await;
    let reject = format!("/api/v1/proposals/{id}/reject");
    assert!(daemon.decide(&reject, "").await.problem(503).contains("remembers line 1"));
    let list = daemon.get("/api/v1/proposals").await.json();
    assert_eq!(list["proposals"][0]["state"], "approved", "what is remembered is shown");
    // An operator gives the old log up: the decision in it holds on.
    let hash = daemon.gateway.remembered(audit::Kept::NAME).unwrap()["hash"].as_str().unwrap().to_owned();
    std::fs::write(log.with_file_name(audit::ACCEPT_FILE), hash).unwrap();
    daemon.server = restarted(&daemon).await;
    assert!(daemon.decide(&reject, "").await.problem(409).contains("approved"));
    assert!(std::fs::read_to_string(&log).unwrap().contains("audit.begun_anew"));
    assert!(!log.with_file_name(audit::ACCEPT_FILE).exists());
}

#[tokio::test]
async fn a_pipe_where_the_operator_would_give_up_a_log_is_no_word_of_his_and_the_start_does_not_wait_for_it() {
    let mut daemon = Daemon::start().await;
    let log = daemon.folder.path().join("audit.log");
    let id = daemon.gateway.commit(Stream::SocEvents, proposal());
    assert_eq!(daemon.decide(&format!("/api/v1/proposals/{id}/approve"), "").await.status, 200);
    std::fs::write(&log, "").unwrap();
    let accept = log.with_file_name(audit::ACCEPT_FILE);
    rustix::fs::mkfifoat(rustix::fs::CWD, &accept, rustix::fs::Mode::RWXU).unwrap();
    daemon.server = restarted(&daemon).await;
    let detail = daemon.decide(&format!("/api/v1/proposals/{id}/reject"), "").await.problem(503);
    assert!(detail.contains("remembers line 1"), "{detail}");
}

#[tokio::test]
async fn a_decision_survives_a_restart_whose_store_has_lost_it() {
    let mut daemon = Daemon::start().await;
    let id = daemon.gateway.commit(Stream::SocEvents, proposal());
    assert_eq!(daemon.decide(&format!("/api/v1/proposals/{id}/approve"), "").await.status, 200);
    daemon.gateway.remembered.lock().unwrap().clear();
    daemon.server = restarted(&daemon).await;
    daemon.decide(&format!("/api/v1/proposals/{id}/reject"), "").await.problem(409);
}

#[tokio::test]
async fn a_proposal_that_has_expired_can_be_rejected_but_not_approved() {
    let daemon = Daemon::start().await;
    let for_an_hour = |ms: u64, created: f64| {
        let proposal = Some(serde_json::json!({ "created": created, "expires": created + 3600.0 }));
        let body = Body::Soc(Box::new(Soc { src_device: 58, proposal, ..Soc::default() }));
        let id = EventId::new(ms, 0);
        let event =
            Event { id, stream: Stream::SocEvents, times: Times::at(Timestamp::from_millis(1000)), root: id, body };
        daemon.gateway.events.lock().unwrap().push(event);
        id
    };
    let now = Timestamp::now().millis();
    let seconds = |ms: u64| ms as f64 / 1000.0;
    let (old, new) = (now - 3_600_001, now - 3_000_000);
    let [old, past, new] = [(old, seconds(new)), (new, seconds(old)), (new + 1, seconds(new))]
        .map(|(ms, created)| for_an_hour(ms, created));
    let list = daemon.get("/api/v1/proposals").await.json();
    let states: Vec<_> = list["proposals"].as_array().unwrap().iter().map(|proposal| &proposal["state"]).collect();
    assert_eq!(states, ["pending", "expired", "expired"]);
    let detail = daemon.decide(&format!("/api/v1/proposals/{past}/approve"), "").await.problem(409);
    assert!(detail.contains("expired"), "what is shown holds: {detail}");
    assert!(daemon.decide(&format!("/api/v1/proposals/{old}/approve"), "").await.problem(409).contains("expired"));
    assert_eq!(daemon.decide(&format!("/api/v1/proposals/{old}/reject"), "").await.status, 200);
    assert_eq!(daemon.decide(&format!("/api/v1/proposals/{new}/approve"), "").await.status, 200);
}
