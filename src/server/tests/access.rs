use super::*;

const TOKENS: &str =
    "# who may what\nread read-token-of-a-test\ningest ingest-token-of-a-test\nrespond respond-token-of-a-test alice\n";

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
        ("GET", "/metrics", "read-token-of-a-test"),
        ("GET", "/api/v1/status", "read-token-of-a-test"),
        ("GET", "/api/v1/streams/L3_IN", "read-token-of-a-test"),
        ("GET", "/api/v1/streams/L3_IN/live", "read-token-of-a-test"),
        ("GET", "/api/v1/events/1-1/explain", "read-token-of-a-test"),
        ("GET", "/api/v1/proposals", "read-token-of-a-test"),
        ("POST", "/api/v1/streams/L3_IN", "ingest-token-of-a-test"),
        ("POST", "/api/v1/proposals/1-1/approve", "respond-token-of-a-test"),
        ("POST", "/api/v1/proposals/1-1/reject", "respond-token-of-a-test"),
    ] {
        let answer = daemon.send(method, path, "", "").await;
        answer.problem(401);
        assert!(answer.head.contains("www-authenticate: bearer"));
        for other in ["read-token-of-a-test", "ingest-token-of-a-test", "respond-token-of-a-test"]
            .into_iter()
            .filter(|token| *token != role)
        {
            daemon.send(method, path, &bearer(other), "").await.problem(403);
        }
        if !path.ends_with("/live") {
            let status = daemon.send(method, path, &bearer(role), "").await.status;
            assert!([200, 404].contains(&status), "{method} {path}: {status}");
        }
    }
    daemon.send("GET", "/metrics", &bearer("a-guess-of-a-test"), "").await.problem(401);
}

#[tokio::test]
async fn without_tokens_a_decision_needs_the_one_that_was_made_and_reading_needs_none() {
    let daemon = Daemon::start().await;
    let id = daemon.gateway.commit(Stream::SocEvents, proposal());
    let link = daemon.server.link().unwrap();
    let (page, token) = link.split_once("/#token=").unwrap();
    assert_eq!(page, format!("http://{}", daemon.address()));
    assert!(token.len() >= 32, "{token}");
    assert_eq!(daemon.get("/api/v1/proposals").await.status, 200);
    let approve = format!("/api/v1/proposals/{id}/approve");
    daemon.post(&approve, "").await.problem(401);
    daemon.send("POST", &approve, &bearer("a-guess-of-a-test"), "").await.problem(401);
    let decision = daemon.send("POST", &approve, &bearer(token), "").await.json();
    assert_eq!(decision["who"], "token of this start from 127.0.0.1");
    assert!(Daemon::with_tokens(TOKENS).await.server.link().is_none());
}

#[tokio::test]
async fn a_listener_that_is_not_open_wants_the_made_token_for_all_but_health_and_numbers() {
    let daemon = Daemon::with(|config, _| config.open_on_loopback = false).await;
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        assert_eq!(daemon.get(path).await.status, 200, "{path}");
    }
    let link = daemon.server.link().unwrap();
    let token = bearer(link.split_once("/#token=").unwrap().1);
    for path in ["/api/v1/status", "/api/v1/streams/L3_IN", "/api/v1/proposals", "/api/v1/audit"] {
        daemon.get(path).await.problem(401);
        assert_eq!(daemon.send("GET", path, &token, "").await.status, 200, "{path}");
    }
    daemon.post("/api/v1/streams/L3_IN", "{\"payload\":\"x\"}").await.problem(401);
}

#[tokio::test]
async fn over_the_socket_everything_is_open_and_the_kernel_says_who_it_was() {
    let daemon = Daemon::with_tokens(TOKENS).await;
    let id = daemon.gateway.commit(Stream::SocEvents, proposal());
    assert_eq!(daemon.send_local("GET", "/api/v1/streams/SOC_EVENTS", "").await.status, 200);
    assert_eq!(daemon.send_local("POST", "/api/v1/streams/L3_IN", "{\"payload\":\"x\"}").await.json()["accepted"], 1);
    let decision = daemon.send_local("POST", &format!("/api/v1/proposals/{id}/reject"), "").await.json();
    assert_eq!(decision["who"], format!("uid {}", rustix::process::getuid().as_raw()));
    let socket = daemon.folder.path().join("api.sock");
    assert!(socket.exists());
    daemon.server.stop().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn who_guesses_tokens_is_slowed_and_who_had_shown_a_right_one_is_not() {
    let daemon = Daemon::with_tokens(TOKENS).await;
    let right = bearer("read-token-of-a-test");
    let question = format!("GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n{right}\r\n");
    let mut before = TcpStream::connect(daemon.address()).await.unwrap();
    assert_eq!(asked_again(&mut before, &question).await, 200);
    let mut refused = Vec::new();
    for number in 0..20 {
        let guess = bearer(&format!("a-guess-of-a-test-{number}"));
        refused.push(daemon.send("GET", "/api/v1/status", &guess, "").await.status);
    }
    assert_eq!(refused[..6], [401; 6]);
    assert!(refused.contains(&429), "{refused:?}");
    let answer = daemon.send("GET", "/api/v1/status", &bearer("a-guess-of-a-test"), "").await;
    answer.problem(429);
    assert!(answer.head.contains("retry-after: "), "{answer:?}");
    // Without a token nothing is guessed, and what needs none is answered.
    daemon.get("/api/v1/status").await.problem(401);
    assert_eq!(daemon.get("/healthz").await.status, 200);
    assert_eq!(asked_again(&mut before, &question).await, 200);
    assert_eq!(daemon.send_local("GET", "/api/v1/status", "").await.status, 200);
}

/// The status of one answer on a connection that stays open.
async fn asked_again(connection: &mut TcpStream, question: &str) -> u16 {
    connection.write_all(question.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return head.split(' ').nth(1).unwrap().parse().unwrap();
            }
        }
        assert_ne!(connection.read_buf(&mut answer).await.unwrap(), 0, "{text}");
    }
}

#[tokio::test]
async fn new_tokens_hold_after_a_reload_and_a_bad_file_changes_nothing() {
    let daemon = Daemon::with_tokens(TOKENS).await;
    let file = daemon.folder.path().join("tokens");
    let config = config::Http { tokens_file: Some(file.clone()), ..config::Http::default() };
    std::fs::write(&file, "nobody read-token-of-a-test\n").unwrap();
    assert!(daemon.server.reload(&config, true).is_err());
    assert_eq!(daemon.send("GET", "/metrics", &bearer("read-token-of-a-test"), "").await.status, 200);
    std::fs::write(&file, "read another-token-of-a-test\n").unwrap();
    daemon.server.reload(&config, true).unwrap();
    daemon.send("GET", "/metrics", &bearer("read-token-of-a-test"), "").await.problem(401);
    assert_eq!(daemon.send("GET", "/metrics", &bearer("another-token-of-a-test"), "").await.status, 200);
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
        respond: std::sync::Arc::new(crate::config::Respond::default),
        guard: std::sync::Arc::new(|| Ok(crate::respond::guard::Guard::default())),
        silences: std::sync::Arc::new(Vec::new),
        socket: "/nonexistent/api.sock".into(),
        rules: std::sync::Arc::new(|| None),
        audit_file: "/nonexistent/audit.log".into(),
    };
    let error = start(&config, parts).await.err().unwrap().to_string();
    assert!(error.contains("http.tokens_file") && error.contains("http.tls_cert_file"), "{error}");
}
