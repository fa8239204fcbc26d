//! Signing in once, over a real listener.

use super::*;

const TOKENS: &str =
    "read read-token-of-a-test bob\nrespond both-token-of-a-test alice\nread both-token-of-a-test alice\n";

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// The headers of a session, with and without its key.
struct Session {
    cookie: String,
    key: String,
}

impl Session {
    async fn begin(daemon: &Daemon, token: &str) -> Self {
        let answer = daemon.send("POST", "/api/v1/session", &bearer(token), "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let set = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap().to_owned();
        for part in ["httponly", "samesite=strict", "path=/"] {
            assert!(set.contains(part), "{set}");
        }
        assert!(!set.contains("max-age") && !set.contains("expires"), "gone with the browser: {set}");
        let key = answer.json()["key"].as_str().unwrap().to_owned();
        assert!(!set.contains(&key));
        Self {
            cookie: format!("Cookie: other=1; {}\r\n", set.split(';').next().unwrap()),
            key: format!("X-Dsmild-Key: {key}\r\n"),
        }
    }

    fn whole(&self) -> String {
        format!("{}{}", self.cookie, self.key)
    }

    async fn send(&self, daemon: &Daemon, method: &str, path: &str) -> Answer {
        daemon.send(method, path, &self.whole(), "").await
    }
}

#[tokio::test]
async fn a_session_may_what_its_token_may_and_says_who_that_is() {
    let daemon = Daemon::with_tokens(TOKENS).await;
    let id = daemon.gateway.commit(Stream::SocEvents, proposal());
    let nobody = daemon.get("/api/v1/session").await.json();
    assert_eq!((&nobody["roles"], &nobody["signed_in"]), (&serde_json::json!([]), &false.into()));
    daemon.send("GET", "/api/v1/session", &bearer("a-guess-of-a-test"), "").await.problem(401);
    let bob = Session::begin(&daemon, "read-token-of-a-test").await;
    let said = bob.send(&daemon, "GET", "/api/v1/session").await.json();
    assert_eq!(
        (&said["who"], &said["roles"], &said["signed_in"]),
        (&"bob".into(), &serde_json::json!(["read"]), &true.into())
    );
    assert!(said["ends"].as_str().unwrap().ends_with('Z') && said.get("key").is_none());
    assert_eq!(bob.send(&daemon, "GET", "/api/v1/status").await.status, 200);
    let approve = format!("/api/v1/proposals/{id}/approve");
    bob.send(&daemon, "POST", &approve).await.problem(403);
    let alice = Session::begin(&daemon, "both-token-of-a-test").await;
    assert_eq!(
        alice.send(&daemon, "GET", "/api/v1/session").await.json()["roles"],
        serde_json::json!(["read", "respond"])
    );
    assert_eq!(alice.send(&daemon, "POST", &approve).await.json()["who"], "alice from 127.0.0.1");
}

#[tokio::test]
async fn a_cookie_without_its_key_or_from_another_site_opens_nothing() {
    let daemon = Daemon::with_tokens(TOKENS).await;
    let alice = Session::begin(&daemon, "both-token-of-a-test").await;
    let status = |headers: String| {
        let daemon = &daemon;
        async move { daemon.send("GET", "/api/v1/status", &headers, "").await }
    };
    status(alice.cookie.clone()).await.problem(401);
    status(format!("{}X-Dsmild-Key: a-guess\r\n", alice.cookie)).await.problem(401);
    status(alice.key.clone()).await.problem(401);
    status(format!("Cookie: dsmild=a-guess\r\n{}", alice.key)).await.problem(401);
    let close = "/api/v1/incidents/1-1/acknowledge";
    for foreign in [
        "Origin: http://evil.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: null\r\n",
    ] {
        let headers = alice.whole() + foreign;
        daemon.send("POST", close, &headers, "").await.problem(403);
        daemon.send("DELETE", "/api/v1/session", &headers, "").await.problem(403);
        daemon.send("POST", "/api/v1/session", &(bearer("read-token-of-a-test") + foreign), "").await.problem(403);
    }
    for own in ["Origin: http://localhost\r\n", "Sec-Fetch-Site: same-origin\r\nOrigin: http://localhost\r\n", ""] {
        daemon.send("POST", close, &(alice.whole() + own), "").await.problem(404);
    }
}

#[tokio::test]
async fn signing_out_ends_the_session_and_both_are_on_record() {
    let daemon = Daemon::with_tokens(TOKENS).await;
    let (alice, other) =
        (Session::begin(&daemon, "both-token-of-a-test").await, Session::begin(&daemon, "both-token-of-a-test").await);
    let out = alice.send(&daemon, "DELETE", "/api/v1/session").await;
    assert!(out.status == 204 && out.head.contains("max-age=0"), "{out:?}");
    alice.send(&daemon, "GET", "/api/v1/status").await.problem(401);
    alice.send(&daemon, "DELETE", "/api/v1/session").await.problem(401);
    daemon.send("DELETE", "/api/v1/session", &bearer("both-token-of-a-test"), "").await.problem(401);
    assert_eq!(other.send(&daemon, "GET", "/api/v1/status").await.status, 200);
    let audit = std::fs::read_to_string(daemon.folder.path().join("audit.log")).unwrap();
    let lines: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<_> =
        lines.iter().map(|line| (line["action"].as_str().unwrap(), line["who"].as_str().unwrap())).collect();
    let alice_is = "alice from 127.0.0.1";
    assert_eq!(said, [("session.begin", alice_is), ("session.begin", alice_is), ("session.end", alice_is)]);
    assert_eq!(lines[0]["subject"], lines[2]["subject"]);
    for secret in ["both-token-of-a-test", alice.key[14..].trim(), alice.cookie.split('=').next_back().unwrap().trim()]
    {
        assert!(!audit.contains(secret), "no secret is on record");
    }
}

#[tokio::test]
async fn a_session_follows_its_token_when_the_file_changes_and_an_open_stream_ends_with_it() {
    let daemon = Daemon::with_tokens(TOKENS).await;
    let alice = Session::begin(&daemon, "both-token-of-a-test").await;
    let file = daemon.folder.path().join("tokens");
    let config = config::Http { tokens_file: Some(file.clone()), ..config::Http::default() };
    let mut stream = TcpStream::connect(daemon.address()).await.unwrap();
    let open = format!("GET /api/v1/streams/SOC_EVENTS/live HTTP/1.1\r\nHost: localhost\r\n{}\r\n", alice.whole());
    stream.write_all(open.as_bytes()).await.unwrap();
    let mut begun = [0; 15];
    stream.read_exact(&mut begun).await.unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200 OK");

    std::fs::write(&file, "read both-token-of-a-test alice\n").unwrap();
    daemon.server.reload(&config, true).unwrap();
    assert_eq!(alice.send(&daemon, "GET", "/api/v1/session").await.json()["roles"], serde_json::json!(["read"]));
    alice.send(&daemon, "POST", "/api/v1/incidents/1-1/acknowledge").await.problem(403);
    std::fs::write(&file, "read read-token-of-a-test bob\n").unwrap();
    daemon.server.reload(&config, true).unwrap();
    alice.send(&daemon, "GET", "/api/v1/status").await.problem(401);
    let to_its_end = async {
        let mut rest = Vec::new();
        // What is committed makes it look.
        loop {
            daemon.gateway.commit(Stream::SocEvents, soc("1-1"));
            match tokio::time::timeout(Duration::from_millis(50), stream.read_buf(&mut rest)).await {
                Ok(Ok(0) | Err(_)) => return,
                _ => continue,
            }
        }
    };
    tokio::time::timeout(PATIENCE, to_its_end).await.unwrap();
    // Not even when the token is there again.
    std::fs::write(&file, TOKENS).unwrap();
    daemon.server.reload(&config, true).unwrap();
    alice.send(&daemon, "GET", "/api/v1/status").await.problem(401);
}

#[tokio::test]
async fn a_sign_in_is_a_guess_like_any_other_and_a_cookie_of_before_a_restart_is_none() {
    let daemon = Daemon::with_tokens(TOKENS).await;
    for _ in 0..20 {
        let stale = "Cookie: dsmild=of-an-earlier-process\r\nX-Dsmild-Key: k\r\n";
        assert!(daemon.send("GET", "/api/v1/status", stale, "").await.problem(401).contains("sign in again"));
    }
    Session::begin(&daemon, "read-token-of-a-test").await;
    let mut refused = Vec::new();
    for number in 0..20 {
        let guess = bearer(&format!("a-guess-of-a-test-{number}"));
        refused.push(daemon.send("POST", "/api/v1/session", &guess, "").await.status);
    }
    assert!(refused[..6] == [401; 6] && refused.contains(&429), "{refused:?}");
}

#[tokio::test]
async fn where_reading_is_open_a_session_is_who_decides() {
    let daemon = Daemon::start().await;
    let said = daemon.get("/api/v1/session").await.json();
    assert_eq!((&said["roles"], &said["signed_in"]), (&serde_json::json!(["read", "ingest"]), &false.into()));
    let id = daemon.gateway.commit(Stream::SocEvents, proposal());
    let link = daemon.server.link().unwrap();
    let session = Session::begin(&daemon, link.split_once("/#token=").unwrap().1).await;
    assert_eq!(
        session.send(&daemon, "GET", "/api/v1/session").await.json()["roles"],
        serde_json::json!(["read", "ingest", "respond"])
    );
    let approve = format!("/api/v1/proposals/{id}/approve");
    daemon.send("POST", &approve, &session.cookie, "").await.problem(401);
    assert_eq!(session.send(&daemon, "POST", &approve).await.json()["who"], "token of this start from 127.0.0.1");
    let local = daemon.send_local("GET", "/api/v1/session", "").await.json();
    assert_eq!(local["roles"], serde_json::json!(["read", "ingest", "respond"]));
    daemon.send_local("POST", "/api/v1/session", "").await.problem(400);
}
