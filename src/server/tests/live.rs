use super::*;
use crate::limits;

/// An open event stream, read as far as a test needs it.
struct Live {
    connection: TcpStream,
    text: String,
}

impl Live {
    async fn open(daemon: &Daemon, query: &str, headers: &str) -> Self {
        let mut connection = TcpStream::connect(daemon.address()).await.unwrap();
        let request = format!("GET /api/v1/streams/L3_IN/live{query} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut live = Self { connection, text: String::new() };
        live.until("\n\n\r\n").await; // the opening comment: from here on nothing is missed
        live
    }

    async fn until(&mut self, wanted: &str) {
        let reading = async {
            let mut buffer = vec![0; 64 * 1024];
            let mut searched = 0;
            while !self.text.as_bytes()[searched..].windows(wanted.len()).any(|part| part == wanted.as_bytes()) {
                searched = self.text.len().saturating_sub(wanted.len());
                let read = self.connection.read(&mut buffer).await.unwrap();
                assert!(read > 0, "the stream ended before {wanted:?}: {}", self.text);
                self.text.push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        };
        tokio::time::timeout(PATIENCE, reading)
            .await
            .unwrap_or_else(|_| panic!("no {wanted:?} in {} bytes", self.text.len()));
    }

    fn ids(&self) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix("id: ")).collect()
    }
}

#[tokio::test]
async fn a_live_stream_begins_with_the_next_event_and_carries_ids() {
    let daemon = Daemon::start().await;
    daemon.gateway.commit_line(Stream::L3In, "before");
    let mut live = Live::open(&daemon, "", "").await;
    daemon.gateway.commit_line(Stream::L4In, "of another stream");
    let id = daemon.gateway.commit_line(Stream::L3In, "two\nlines").to_string();
    live.until("two\\nlines").await;
    assert!(live.text.to_lowercase().contains("content-type: text/event-stream"));
    assert_eq!(live.ids(), [id]);
}

#[tokio::test]
async fn a_live_stream_resumes_after_the_last_event_id() {
    let daemon = Daemon::start().await;
    let ids: Vec<String> =
        (0..200).map(|n| daemon.gateway.commit_line(Stream::L3In, &format!("line {n}")).to_string()).collect();
    // The query is that of the first connection; the header is newer.
    let mut live = Live::open(&daemon, "?after=0-0", &format!("Last-Event-ID: {}\r\n", ids[49])).await;
    live.until("line 199").await;
    assert_eq!(live.ids(), ids[50..]);
    let mut from_start = Live::open(&daemon, "?after=0-0", "").await;
    from_start.until("line 199").await;
    assert_eq!(from_start.ids(), ids);
    assert!(!from_start.text.contains("event: gap"), "who asks for all that is kept misses nothing");
}

#[tokio::test]
async fn what_is_committed_while_a_live_stream_reads_is_in_its_next_frame() {
    let daemon = Daemon::start().await;
    *daemon.gateway.meanwhile.lock().unwrap() = Some("in between");
    let mut live = Live::open(&daemon, "", "").await;
    live.until("in between").await;
    assert_eq!(live.ids().len(), 1);
}

#[tokio::test]
async fn a_client_that_was_away_too_long_is_told_of_the_gap() {
    let daemon = Daemon::start().await;
    daemon.gateway.commit_line(Stream::L3In, "oldest kept");
    let mut live = Live::open(&daemon, "", "Last-Event-ID: 5-0\r\n").await;
    live.until("oldest kept").await;
    assert!(live.text.contains("event: gap\ndata: {\"after\":\"5-0\",\"oldest\":\"1000-0\"}\n\n"), "{}", live.text);
}

#[tokio::test]
async fn a_client_that_is_overtaken_by_retention_is_told_what_it_may_have_missed() {
    let daemon = Daemon::start().await;
    let ids: Vec<EventId> = (0..20).map(|n| daemon.gateway.commit_line(Stream::L3In, &format!("line {n}"))).collect();
    // As many are read at first, and then nobody knows what was between.
    let mut live = Live::open(&daemon, &format!("?after={}", ids[0]), "").await;
    live.until("line 19").await;
    assert!(!live.text.contains("event: gap"), "{}", live.text);
    let first = ids[0];
    daemon.gateway.retention.lock().unwrap().extend([EventId::ZERO, ids[15]]);
    let mut live = Live::open(&daemon, &format!("?after={first}"), "").await;
    live.until("line 19").await;
    let gap = format!("event: gap\ndata: {{\"after\":\"{}\",\"oldest\":\"{}\"}}\n\n", ids[8], ids[9]);
    assert!(live.text.contains(&gap), "{}", live.text);
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_a_bounded_number_of_reads_and_delays_nobody() {
    let daemon = Daemon::start().await;
    let _slow = Live::open(&daemon, "?after=0-0", "").await;
    let payload = "x".repeat(limits::LINE_BYTES_MAX);
    let mut fast = Live::open(&daemon, "", "").await;
    // Far more than the socket buffers between the two ends hold.
    let handed_out = daemon.gateway.handed_out.load(Ordering::Relaxed);
    for _ in 0..600 {
        daemon.gateway.commit_line(Stream::L3In, &payload);
    }
    daemon.gateway.commit_line(Stream::L3In, "the end");
    fast.until("the end").await;
    assert_eq!(fast.ids().len(), 601);
    let for_the_slow = daemon.gateway.handed_out.load(Ordering::Relaxed) - handed_out - 601;
    assert!(for_the_slow < 400, "{for_the_slow} events were read for a client that takes none");
}

#[tokio::test]
async fn one_stream_too_many_is_refused_and_other_questions_are_still_answered() {
    let daemon = Daemon::start().await;
    let mut open = Vec::new();
    for _ in 0..limits::HTTP_LIVE_STREAMS_PER_PEER_MAX {
        open.push(Live::open(&daemon, "", "").await);
    }
    daemon.get("/api/v1/streams/L3_IN/live").await.problem(503);
    assert_eq!(daemon.get("/healthz").await.status, 200);
    open.pop();
    let again = async {
        while daemon.gateway.committed.receiver_count() >= limits::HTTP_LIVE_STREAMS_PER_PEER_MAX {
            tokio::task::yield_now().await;
        }
        Live::open(&daemon, "", "").await
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn stopping_ends_live_streams_and_frees_the_port() {
    let daemon = Daemon::start().await;
    let address = daemon.address();
    let mut live = Live::open(&daemon, "", "").await;
    daemon.server.stop().await;
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, live.connection.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_live_stream_has_only_what_passes_however_rare_it_is() {
    let daemon = Daemon::start().await;
    for _ in 0..1000 {
        daemon.gateway.commit_line(Stream::L3In, "noise");
    }
    let old = daemon.gateway.commit_line(Stream::L3In, "wanted before").to_string();
    let mut live = Live::open(&daemon, "?after=0-0&where=payload+~+WANTED", "").await;
    live.until("wanted before").await;
    daemon.gateway.commit_line(Stream::L3In, "noise");
    let new = daemon.gateway.commit_line(Stream::L3In, "wanted after").to_string();
    live.until("wanted after").await;
    assert_eq!(live.ids(), [old, new]);
}

#[tokio::test]
async fn a_live_stream_begins_with_the_last_events_that_pass() {
    let daemon = Daemon::start().await;
    let commit = |number: usize| {
        daemon.gateway.commit_line(Stream::L3In, &format!("wanted {number}"));
        daemon.gateway.commit_line(Stream::L3In, "noise");
    };
    (0..300).for_each(commit);
    let mut live = Live::open(&daemon, "?last=200&where=wanted", "").await;
    commit(300);
    live.until("wanted 300").await;
    assert_eq!(live.ids().len(), 201);
    assert!(!live.text.contains("wanted 99\"") && live.text.contains("wanted 100\""));
    let mut all = Live::open(&daemon, "?last=1000&where=wanted", "").await;
    all.until("wanted 300").await;
    assert_eq!(all.ids().len(), 301, "fewer, where there are no more");
}
