//! The archive ends last, also after a reload has restarted it: what is committed at the stop is in Postgres.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::archive::{assert_equal, configuration, site, wait_until_archived, write_lines};
use crate::harness::{PATIENCE, wait_for};
use crate::postgres::Postgres;
use crate::reload::{hang_up, reloads};

#[test]
fn what_comes_until_the_stop_is_archived_after_a_reload_of_the_archive() {
    let Some(postgres) = Postgres::started() else { return };
    let site = site(&postgres.url(), "");
    let daemon = site.start_ready();
    write_lines(&site, 0..100);
    wait_until_archived(&daemon);
    site.configure(&configuration(&postgres.url(), "").replace("batch = 200", "batch = 300"));
    hang_up(&daemon);
    wait_for("the reload", || reloads(&daemon, "success") == 1);
    site.until_said("archive restarts with archive.batch 200 -> 300");

    let line = "{\"payload\":\"the last one\"}\n";
    let mut request = TcpStream::connect(("127.0.0.1", site.port)).unwrap();
    request.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /api/v1/streams/L3_IN HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-ndjson\r\nExpect: 100-continue\r\n\r\n",
        site.port,
        line.len()
    );
    request.write_all(head.as_bytes()).unwrap();
    // The request is being handled: its body is asked for.
    let mut asked = [0; 25];
    request.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    daemon.ask_to_end();
    // Whatever ends before the server has ended when nobody listens any more; the open request gets a moment.
    wait_for("the server to end", || TcpStream::connect(("127.0.0.1", site.port)).is_err());
    // On a slow machine the moment may be over: then the line was not taken, and is nowhere.
    let _ = request.write_all(line.as_bytes());
    let mut answer = Vec::new();
    let _ = request.read_to_end(&mut answer);
    assert_eq!(daemon.terminate(), Some(0));
    if answer.starts_with(b"HTTP/1.1 200 ") {
        assert_eq!(postgres.count("raw_events_fast WHERE payload = 'the last one'"), 1);
    }
    assert_equal(&site, &postgres);
}
