use super::*;
use crate::limits;

const KEEP_ALIVE: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// Half of the time after which idle connections go by themselves.
const BEFORE_THE_IDLE_GO: Duration = Duration::from_secs(5);

async fn opened(daemon: &Daemon, request: &str) -> TcpStream {
    let mut connection = TcpStream::connect(daemon.address()).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    connection
}

async fn answered(mut connection: TcpStream) -> TcpStream {
    let mut answer = [0; 1024];
    assert!(connection.read(&mut answer).await.unwrap() > 0);
    connection
}

#[tokio::test]
async fn idle_connections_make_room_for_whoever_asks() {
    let daemon = Daemon::start().await;
    let mut open = Vec::new();
    for request in ["", "GET /metr"] {
        for _ in 0..limits::HTTP_CONNECTIONS_MAX / 2 {
            open.push(opened(&daemon, request).await);
        }
    }
    for _ in 0..limits::HTTP_CONNECTIONS_MAX {
        open.push(answered(opened(&daemon, KEEP_ALIVE).await).await);
    }
    let begun = std::time::Instant::now();
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/status"] {
        assert_eq!(daemon.get(path).await.status, 200, "{path}");
    }
    assert!(begun.elapsed() < BEFORE_THE_IDLE_GO, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn while_all_are_busy_health_and_metrics_are_answered_and_the_rest_is_refused() {
    let daemon = Daemon::start().await;
    let payload = "x".repeat(limits::LINE_BYTES_MAX);
    for _ in 0..200 {
        daemon.gateway.commit_line(Stream::L3In, &payload);
    }
    let mut open = Vec::new();
    for _ in 0..limits::HTTP_CONNECTIONS_PER_PEER_MAX {
        // The beginning of the answer, and no more.
        let page = "GET /api/v1/streams/L3_IN?count=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n";
        open.push(answered(opened(&daemon, page).await).await);
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(daemon.get(path).await.status, 200, "{path}");
    }
    let refused = daemon.get("/api/v1/status").await;
    refused.problem(503);
    assert!(refused.head.contains("retry-after") && refused.head.contains("connection: close"), "{}", refused.head);
    let read = daemon.gateway.handed_out.load(Ordering::Relaxed);
    assert!(read < open.len() * 128, "{read} events were read for clients that take none");
}

#[tokio::test]
async fn a_request_of_many_portions_is_taken_whole_and_in_order() {
    let daemon = Daemon::start().await;
    let count = 3 * limits::HTTP_PORTION_LINES_MAX + 7;
    let body: String = (0..count).map(|number| format!("{{\"payload\":\"{number}\"}}\n\n")).collect();
    let answer = daemon.post("/api/v1/streams/L3_IN", &body).await.json();
    assert_eq!(
        (answer["accepted"].as_u64(), answer["rejected"].as_array().map(Vec::len)),
        (Some(count as u64), Some(0))
    );
    let events = daemon.gateway.events.lock().unwrap();
    let payloads = events.iter().map(|event| {
        let Body::Raw(raw) = &event.body else { panic!("a line") };
        std::str::from_utf8(&raw.payload).unwrap().parse::<usize>().unwrap()
    });
    assert!(payloads.eq(0..count));
}

#[tokio::test]
async fn a_line_that_is_longer_than_any_event_is_not_parsed() {
    let daemon = Daemon::start().await;
    let many = format!("{{\"payload\":\"x\"{}}}", ",\"k\":1".repeat(limits::HTTP_LINE_BYTES_MAX / 6));
    let answer = daemon.post("/api/v1/streams/L3_IN", &format!("{many}\n{{\"payload\":\"y\"}}")).await.json();
    assert_eq!((&answer["accepted"], &answer["rejected"][0]["line"]), (&Value::from(1), &Value::from(1)));
    assert!(answer["rejected"][0]["reason"].as_str().unwrap().contains("bytes"), "{answer}");
}
