use super::*;

const TOKENS: &str = "# who may what\nread r-token\ningest i-token\nrespond s-token alice\n";

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[tokio::test]
async fn with_tokens_every_route_but_health_and_the_empty_page_needs_its_role() {
    let daemon = Daemon::with_tokens(TOKENS).await;
    for open in ["/healthz", "/readyz", "/"] {
        assert_eq!(daemon.get(open).await.status, 200, "{open}");
    }
    for (method, path, role) in [
        ("GET", "/metrics", "r-token"),
        ("GET", "/api/v1/status", "r-token"),
        ("GET", "/api/v1/streams/L3_IN", "r-token"),
        ("GET", "/api/v1/streams/L3_IN/live", "r-token"),
        ("GET", "/api/v1/events/1-1/explain", "r-token"),
        ("GET", "/api/v1/proposals", "r-token"),
        ("POST", "/api/v1/streams/L3_IN", "i-token"),
        ("POST", "/api/v1/proposals/1-1/approve", "s-token"),
        ("POST", "/api/v1/proposals/1-1/reject", "s-token"),
    ] {
        let answer = daemon.send(method, path, "", "").await;
        answer.problem(401);
        assert!(answer.head.contains("www-authenticate: bearer"));
        daemon.send(method, path, &bearer("guess"), "").await.problem(401);
        for other in ["r-token", "i-token", "s-token"].into_iter().filter(|token| *token != role) {
            daemon.send(method, path, &bearer(other), "").await.problem(403);
        }
        if !path.ends_with("/live") {
            let status = daemon.send(method, path, &bearer(role), "").await.status;
            assert!([200, 404].contains(&status), "{method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn new_tokens_hold_after_a_reload_and_a_bad_file_changes_nothing() {
    let daemon = Daemon::with_tokens(TOKENS).await;
    let file = daemon.folder.path().join("tokens");
    let config = config::Http { tokens_file: Some(file.clone()), ..config::Http::default() };
    std::fs::write(&file, "nobody r-token\n").unwrap();
    assert!(daemon.server.reload(&config, true).is_err());
    assert_eq!(daemon.send("GET", "/metrics", &bearer("r-token"), "").await.status, 200);
    std::fs::write(&file, "read new-token\n").unwrap();
    daemon.server.reload(&config, true).unwrap();
    daemon.send("GET", "/metrics", &bearer("r-token"), "").await.problem(401);
    assert_eq!(daemon.send("GET", "/metrics", &bearer("new-token"), "").await.status, 200);
}

#[tokio::test]
async fn a_page_of_another_site_reaches_nothing() {
    let daemon = Daemon::start().await;
    let rebound = b"GET /api/v1/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    daemon.send_bytes(rebound).await.problem(403);
    let foreign = "Origin: http://evil.example\r\n";
    daemon.send("POST", "/api/v1/streams/L3_IN", foreign, "{\"payload\":\"x\"}").await.problem(403);
    assert!(daemon.gateway.events.lock().unwrap().is_empty());
    let own = "Origin: http://localhost\r\n";
    assert_eq!(daemon.send("POST", "/api/v1/streams/L3_IN", own, "{\"payload\":\"x\"}").await.status, 200);
}

#[tokio::test]
async fn an_exposed_listener_is_not_opened() {
    let config = config::Http { listen: "0.0.0.0:0".parse().unwrap(), ..config::Http::default() };
    let parts = Parts {
        gateway: FakeGateway::new(),
        read_entry,
        ingest_enabled: true,
        audit_file: "/nonexistent/audit.log".into(),
    };
    let error = start(&config, parts).await.err().unwrap().to_string();
    assert!(error.contains("http.tokens_file") && error.contains("http.tls_cert_file"), "{error}");
}
