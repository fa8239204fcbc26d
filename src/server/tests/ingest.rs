use super::*;
use crate::limits;

#[tokio::test]
async fn good_lines_are_committed_and_bad_ones_named() {
    let daemon = Daemon::start().await;
    let body =
        "{\"payload\":\"one\"}\n\nnot json\n{\"payload\":\"two\"}\r\n[1]\n{\"source\":\"x\"}\n{\"payload\":\"three\"}";
    let answer = daemon.post("/api/v1/streams/L4_IN", body).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["accepted"], 3);
    let lines: Vec<_> = answer["rejected"].as_array().unwrap().iter().map(|line| line["line"].clone()).collect();
    assert_eq!(lines, [3, 5, 6]);
    assert_eq!(answer["rejected"][2]["reason"], "the entry has no payload");
    let page = daemon.get("/api/v1/streams/L4_IN").await.json();
    let payloads: Vec<_> = page["events"].as_array().unwrap().iter().map(|event| event["payload"].clone()).collect();
    assert_eq!(payloads, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_busy_daemon_answers_503_and_when_to_try_again() {
    let daemon = Daemon::start().await;
    daemon.gateway.busy.store(true, Ordering::Relaxed);
    let answer = daemon.post("/api/v1/streams/L3_IN", "{\"payload\":\"x\"}").await;
    answer.problem(503);
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
}

#[tokio::test]
async fn nobody_is_told_that_lines_were_taken_before_they_are_durable() {
    let daemon = Daemon::start().await;
    daemon.gateway.failing.store(true, Ordering::Relaxed);
    let answer = daemon.post("/api/v1/streams/L3_IN", "{\"payload\":\"x\"}").await;
    assert!(answer.problem(503).contains("the disk is full"));
    assert!(answer.head.contains("retry-after: 5"), "{}", answer.head);
    assert_eq!(daemon.post("/api/v1/streams/L3_IN", "\n").await.status, 200, "nothing was taken");
}

#[tokio::test]
async fn a_body_too_large_is_refused_whether_announced_or_not() {
    let daemon = Daemon::start().await;
    let length = limits::HTTP_BODY_BYTES_MAX + 1;
    let announced =
        format!("POST /api/v1/streams/L3_IN HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    daemon.send_bytes(announced.as_bytes()).await.problem(413);
    let head = "POST /api/v1/streams/L3_IN HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    // No last chunk: the answer must come from the limit, before the end of the body.
    let chunked = [head.as_bytes(), format!("{length:x}\r\n").as_bytes(), &vec![b' '; length]].concat();
    daemon.send_bytes(&chunked).await.problem(413);
}

#[tokio::test]
async fn too_many_lines_are_refused_as_a_whole() {
    let daemon = Daemon::start().await;
    let body = "{\"payload\":\"\"}\n".repeat(limits::HTTP_INGEST_LINES_MAX + 1);
    daemon.post("/api/v1/streams/L3_IN", &body).await.problem(413);
    assert!(daemon.gateway.events.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_not_ndjson_is_415() {
    let daemon = Daemon::start().await;
    for header in ["Content-Encoding: gzip\r\n", "Content-Type: multipart/form-data; boundary=x\r\n"] {
        daemon.send("POST", "/api/v1/streams/L3_IN", header, "x").await.problem(415);
    }
}

#[tokio::test]
async fn streams_that_the_daemon_writes_cannot_be_posted_to() {
    let daemon = Daemon::start().await;
    let answer = daemon.post("/api/v1/streams/SOC_EVENTS", "{\"payload\":\"x\"}").await;
    assert!(answer.problem(405).contains("L3_IN or L4_IN"));
    assert!(answer.head.contains("allow: get"));
    daemon.post("/api/v1/streams/NOPE", "{}").await.problem(400);
}

#[tokio::test]
async fn intake_over_http_can_be_switched_off() {
    let daemon = Daemon::start().await;
    daemon.server.reload(&config::Http::default(), false).unwrap();
    let detail = daemon.post("/api/v1/streams/L3_IN", "{\"payload\":\"x\"}").await.problem(403);
    assert!(detail.contains("intake.http.enabled"));
}

#[tokio::test]
async fn whoever_sends_much_and_does_not_end_leaves_room_for_those_on_the_socket() {
    let daemon = Daemon::start().await;
    let length = limits::HTTP_BODY_BYTES_MAX;
    let head = format!("POST /api/v1/streams/L3_IN HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    let unfinished: Arc<[u8]> = [head.as_bytes(), &vec![b' '; length - 1]].concat().into();
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..9 {
        let (address, unfinished) = (daemon.address(), Arc::clone(&unfinished));
        senders.spawn(async move {
            loop {
                let mut connection = TcpStream::connect(address).await.unwrap();
                // Refused or too slow: then it begins again.
                let _ = connection.write_all(&unfinished).await;
                let _ = connection.read_to_end(&mut Vec::new()).await;
            }
        });
    }
    let all_is_taken = async {
        while daemon.post("/api/v1/streams/L3_IN", &" ".repeat(64 * 1024)).await.status != 503 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, all_is_taken).await.unwrap();
    assert_eq!(daemon.send_local("POST", "/api/v1/streams/L3_IN", "{\"payload\":\"x\"}").await.status, 200);
}
