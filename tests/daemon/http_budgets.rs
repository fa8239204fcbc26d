//! What peers do over HTTP costs a bounded part of the memory, and neither health nor any source waits for it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{Daemon, PATIENCE, Site, wait_for, wait_for_count};
use crate::kill::count;

const MIB: u64 = 1 << 20;

/// The most that the process has held since [`forget_peak`].
fn peak_bytes(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn forget_peak(daemon: &Daemon) {
    std::fs::write(format!("/proc/{}/clear_refs", daemon.child.id()), "5").unwrap();
}

fn connect(site: &Site) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", site.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// As many lines as one request may have, each with as many fields as it has room for.
fn large_body() -> String {
    let fields: String = (0..60).map(|n| format!("k{n}=1 ")).collect();
    let line = format!("{{\"payload\":\"{}\"}}\n", &fields[..250]);
    line.repeat(dsmild::limits::HTTP_BODY_BYTES_MAX / line.len())
}

#[test]
fn large_bodies_cost_little_more_than_themselves_at_once() {
    let site = Site::new("");
    let daemon = site.start_ready();
    let (body, before) = (large_body(), peak_bytes(&daemon));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let (code, answer) = daemon.post("/api/v1/streams/L3_IN", &body).expect("an answer");
                assert!(matches!(code, 200 | 503), "{answer}");
            });
        }
        for _ in 0..20 {
            assert_eq!(daemon.get("/healthz").map(|(code, _)| code), Some(200));
            std::thread::sleep(Duration::from_millis(10)); // so that some fall between
        }
    });
    let cost = peak_bytes(&daemon).saturating_sub(before) / MIB;
    eprintln!("eight bodies of 8 MiB: {cost} MiB");
    assert!(cost < 500, "{cost} MiB");
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn pages_that_nobody_reads_cost_little_and_make_no_source_wait() {
    let site = Site::new("[[intake.file]]\npath = \"{dir}/in.log\"\n");
    let mut file = std::fs::File::create(site.path("in.log")).unwrap();
    let daemon = site.start_ready();
    let line = format!("2026-11-20T10:00:00Z atlas numbered[1]: {}\n", "x".repeat(30_000));
    // A few at a time: many such lines at once are long work for a busy machine.
    for lines in (20..=400).step_by(20) {
        file.write_all(line.repeat(20).as_bytes()).unwrap();
        wait_for_count("the lines to be taken", lines, || count(&site, "raw_events_fast"));
    }
    wait_for("all to be handled", || daemon.has_no_backlog());
    forget_peak(&daemon);
    let before = peak_bytes(&daemon);
    let unread: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = connect(&site);
            write!(stream, "GET /api/v1/streams/L3_IN?count=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            stream.read_exact(&mut [0; 100]).unwrap();
            stream
        })
        .collect();
    file.write_all(line.as_bytes()).unwrap();
    wait_for_count("one more line to be taken", 401, || count(&site, "raw_events_fast"));
    let cost = peak_bytes(&daemon).saturating_sub(before) / MIB;
    eprintln!("60 unread pages: {cost} MiB");
    assert!(cost < 150, "{cost} MiB");
    assert!(!site.log().contains("sources wait"));
    assert_eq!(daemon.get("/healthz").map(|(code, _)| code), Some(200));
    drop(unread);
    assert_eq!(daemon.terminate(), Some(0));
}
