//! Many who connect and ask nothing, and many who ask for a live stream and never read it, slow no line down.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::{Daemon, PATIENCE, Site, wait_for_count};
use crate::kill::count;
use crate::postgres::block_on;

const IDLE: usize = 1000;
const READERS: usize = 200;
const LINES: u64 = 10_000;
/// So many times [`LINES`], and those who do not read must have stopped costing anything.
const FEEDS: usize = 30;

fn connect(site: &Site) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", site.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Asks for a stream from now on, reads how it is answered, and no more. What the kernel takes in its place is little.
fn reader(site: &Site) -> (TcpStream, String) {
    let mut stream = block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(([127, 0, 0, 1], site.port).into()).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /api/v1/streams/L3_OUT/live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    (stream, String::from_utf8(head).unwrap().to_lowercase())
}

/// What the process has spent on all cores, in ticks of the kernel: what else runs on the machine does not count.
fn spent(daemon: &Daemon) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.child.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Has further lines judged; what that has cost.
fn feed(site: &Site, daemon: &Daemon, written: &mut u64) -> u64 {
    let mut file = std::fs::File::options().append(true).create(true).open(site.path("in.log")).unwrap();
    let begun = spent(daemon);
    let lines: String = (*written..*written + LINES)
        .map(|number| format!("2026-11-20T10:00:00+00:00 atlas numbered[1]: request {number} was answered\n"))
        .collect();
    *written += LINES;
    file.write_all(lines.as_bytes()).unwrap();
    wait_for_count("the lines to be judged", *written, || count(site, "model_outputs_fast WHERE layer = 3"));
    spent(daemon) - begun
}

fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

#[test]
fn a_thousand_who_ask_nothing_and_two_hundred_who_read_nothing_cost_no_line_anything() {
    allow_many_files();
    let site = Site::new("[[intake.file]]\npath = \"{dir}/in.log\"\n");
    let daemon = site.start_ready();
    let mut written = 0;
    (0..2).for_each(|_| _ = feed(&site, &daemon, &mut written)); // until it is warm
    let without: u64 = (0..3).map(|_| feed(&site, &daemon, &mut written)).sum();

    let idle: Vec<TcpStream> = (0..IDLE).map(|_| connect(&site)).collect();
    let readers: Vec<(TcpStream, String)> = (0..READERS).map(|_| reader(&site)).collect();
    let let_in = readers.iter().filter(|(_, head)| head.starts_with("http/1.1 200 ")).count();
    assert_eq!(let_in, dsmild::limits::HTTP_LIVE_STREAMS_PER_PEER_MAX, "all are of this machine");
    for (_, head) in readers.iter().filter(|(_, head)| !head.starts_with("http/1.1 200 ")) {
        assert!(head.starts_with("http/1.1 503 ") && head.contains("\r\nretry-after: "), "{head}");
    }
    // The kernel takes some megabytes for each of them before the daemon has to wait; how many feeds that is, the kernel decides.
    let costs_nothing =
        |with: &[u64]| with.last_chunk::<3>().is_some_and(|last| 2 * last.iter().sum::<u64>() <= 3 * without);
    let mut with = Vec::new();
    while with.len() < FEEDS && !costs_nothing(&with) {
        with.push(feed(&site, &daemon, &mut written));
    }
    assert!(
        costs_nothing(&with),
        "{without} ticks for {} lines without them, for {LINES} with them {with:?}",
        3 * LINES
    );
    // Those who read nothing and those who do not count: whoever asks something is answered.
    for path in ["/healthz", "/readyz", "/api/v1/status"] {
        assert_eq!(daemon.get(path).map(|(code, _)| code), Some(200), "{path}");
    }
    let (code, body) = daemon.post("/api/v1/streams/L3_IN", "{\"payload\":\"one more\"}\n").unwrap();
    assert_eq!(code, 200, "{body}");
    assert!(!site.log().contains("sources wait"));
    drop((idle, readers));
    assert_eq!(daemon.terminate(), Some(0));
}
