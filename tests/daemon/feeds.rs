//! Lists of indicators that are fetched: what is good comes into use while the daemon runs, and whatever a server does, what was
//! good last stays.

use std::io::Write;

use serde_json::{Value, json};

use crate::feed_server::{Answer, FeedServer, list, status};
use crate::harness::{Daemon, Site, dsmild, wait_for};

const SECRET: &str = "hunter2-hunter2-hunter2";

/// What a server does.
type Sends = fn() -> Answer;

fn site(server: &FeedServer, more: &str) -> Site {
    let url = format!("http://127.0.0.1:{}/list.txt", server.port);
    Site::new(&format!("[[intel.feed]]\nname = \"abuse\"\nurl = \"{url}\"\ninterval = \"1s\"\n{more}"))
}

fn feed(daemon: &Daemon) -> Value {
    let status = daemon.status();
    let sources = status["sources"].as_array().unwrap();
    sources.iter().find(|source| source["name"] == "feed:abuse").cloned().unwrap()
}

fn wait_for_entries(daemon: &Daemon, entries: u64) {
    wait_for(&format!("{entries} entries"), || feed(daemon)["feed"]["entries"] == entries);
}

/// What the feed says of itself, when it says this.
fn wait_for_error(daemon: &Daemon, text: &str) -> Value {
    wait_for(&format!("the error `{text}`"), || {
        feed(daemon)["last_error"].as_str().is_some_and(|said| said.contains(text))
    });
    feed(daemon)
}

/// Which of these addresses, when something reaches out to each again and again, is on the list.
fn wait_for_hit(daemon: &Daemon, address: &str) -> Value {
    let mut asked = 0;
    let mut found = None;
    wait_for(&format!("a hit on {address}"), || {
        asked += 1;
        // Each time another client: of one the same hit is told once.
        let line = format!(
            "{{\"payload\":\"kernel: [UFW ALLOW] IN= OUT=eth0 SRC=192.0.2.{} DST={address} PROTO=TCP SPT=5 DPT=443\"}}",
            asked % 250 + 1
        );
        // On a busy machine a sender may be asked to send again: the next round does.
        let (code, answer) = daemon.post("/api/v1/streams/L3_IN", &line).unwrap();
        assert!(matches!(code, 200 | 503), "{code}: {answer}");
        let events = daemon.stream("SOC_EVENTS");
        let is_hit = |event: &&Value| event.to_string().contains(&format!("indicator:{address}"));
        found = events.iter().find(is_hit).cloned();
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_list_is_fetched_used_kept_and_used_again_at_the_next_start_without_its_server() {
    let server = FeedServer::started();
    server.now(|head| {
        let knows = head.to_ascii_lowercase().contains("if-none-match: \"v1\"");
        Some(if knows { status("304 Not Modified", "") } else { list("ETag: \"v1\"\r\n", b"# bad\n203.0.113.9\n") })
    });
    let site = site(&server, "");
    let daemon = site.start_ready();
    wait_for_entries(&daemon, 1);
    let hit = wait_for_hit(&daemon, "203.0.113.9");
    assert!(hit.to_string().contains("list:abuse line 2"), "{hit}");
    wait_for("a 304", || server.heads().len() > 2);
    assert_eq!(feed(&daemon)["state"], "up");
    server.now(|_| Some(list("ETag: \"v2\"\r\n", b"198.51.100.7\n198.51.100.8\n")));
    wait_for_entries(&daemon, 2);
    wait_for_hit(&daemon, "198.51.100.8");
    let (_, metrics) = daemon.get("/metrics").unwrap();
    for series in [
        "dsmil_feed_entries{feed=\"abuse\"} 2",
        "dsmil_feed_fetches_total{feed=\"abuse\",result=\"changed\"} 2",
        "dsmil_intake_up{source=\"feed:abuse\"} 1",
    ] {
        assert!(metrics.contains(series), "{series} in {metrics}");
    }
    let shown = dsmild().args(["sources", "-c"]).arg(site.path("dsmil.toml")).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.lines().any(|line| line.starts_with("feed:abuse ") && line.contains(" up ")), "{shown}");
    daemon.kill();
    server.now(|_| None);
    let daemon = site.start_ready();
    assert_eq!(feed(&daemon)["feed"]["entries"], 2);
    wait_for_hit(&daemon, "198.51.100.7");
}

#[test]
fn whatever_a_server_sends_instead_of_a_list_what_was_good_last_stays_in_use_and_why_is_said() {
    let server = FeedServer::started();
    server.now(|_| Some(list("", b"203.0.113.9\n203.0.113.10\n")));
    let site = site(&server, "timeout = \"1s\"\nmax_size = \"64KiB\"");
    let daemon = site.start_ready();
    wait_for_entries(&daemon, 2);
    let bad: [(&str, Sends); 12] = [
        ("no whole answer within 1s", || None),
        ("more than max_size", || Some(list("", "203.0.113.1\n".repeat(10_000).as_bytes()))),
        ("more than max_size", || Some(list("Content-Encoding: gzip\r\n", &gzip(&vec![b'\n'; 1_000_000])))),
        ("cannot be unpacked", || Some(list("Content-Encoding: gzip\r\n", &gzip(b"203.0.113.1\n")[..20]))),
        ("broke off", || Some(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n203.0.113.1\n".to_vec())),
        ("it answered 500", || Some(status("500 Internal Server Error", ""))),
        ("it answered 401", || Some(status("401 Unauthorized", ""))),
        ("a web page", || Some(list("", b"<!DOCTYPE html>\n<a href=\"http://203.0.113.1/\">x</a>"))),
        ("not text", || Some(list("Content-Type: image/png\r\n", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"))),
        ("adds no indicator", || Some(list("", b""))),
        ("redirects more than 5 times", || Some(status("302 Found", "Location: /list.txt\r\n"))),
        ("redirects to no place", || Some(status("302 Found", "Location: file:///etc/hosts\r\n"))),
    ];
    for (expected, answer) in bad {
        server.now(move |_| answer());
        let shown = wait_for_error(&daemon, expected);
        assert_eq!((&shown["state"], &shown["feed"]["entries"]), (&json!("up"), &json!(2)), "{shown}");
    }
    wait_for_hit(&daemon, "203.0.113.10");
    server.now(|_| Some(list("Content-Encoding: gzip\r\n", &gzip(b"198.51.100.1\n198.51.100.2\n198.51.100.3\n"))));
    wait_for_entries(&daemon, 3);
    wait_for("the error to go", || feed(&daemon)["last_error"].is_null());
    wait_for_hit(&daemon, "198.51.100.3");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_feed_that_never_came_or_is_too_old_is_down_and_the_old_list_is_still_used() {
    let server = FeedServer::started();
    let site = site(&server, "max_age = \"3s\"");
    let daemon = site.start_ready();
    assert_eq!(wait_for_error(&daemon, "it answered 500")["state"], "down");
    server.now(|_| Some(list("", b"203.0.113.9\n")));
    wait_for("the feed to be up", || feed(&daemon)["state"] == "up");
    server.now(|_| Some(status("503 Service Unavailable", "Retry-After: 3600\r\n")));
    wait_for_error(&daemon, "it answered 503");
    let asked = server.heads().len();
    let shown = wait_for_error(&daemon, "older than max_age = 3s");
    assert_eq!(shown["state"], "down");
    wait_for_hit(&daemon, "203.0.113.9");
    assert_eq!(server.heads().len(), asked, "not before the server wants it");
}

#[test]
fn a_secret_goes_to_its_server_alone_and_no_list_comes_from_a_server_that_nobody_vouches_for() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = FeedServer::with_tls(folder.path()) else { return };
    let elsewhere = FeedServer::started();
    let place = format!("Location: http://127.0.0.1:{}/list\r\n", elsewhere.port);
    server.now(|_| Some(list("", b"203.0.113.9\n")));
    let configured = |more: &str| {
        format!(
            "[[intel.feed]]\nname = \"abuse\"\nurl = \"https://127.0.0.1:{}/list\"\ninterval = \"1s\"\n\
             token_file = \"{{dir}}/token\"\n{more}",
            server.port
        )
    };
    let site = Site::new(&configured(""));
    std::fs::write(site.path("token"), SECRET).unwrap();
    let daemon = site.start_ready();
    assert_eq!(wait_for_error(&daemon, "tls_ca_file")["state"], "down");
    assert!(server.heads().is_empty(), "nothing is said to a stranger");
    site.configure(&configured(&format!("tls_ca_file = \"{}\"\n", folder.path().join("ca.pem").display())));
    daemon.reload();
    wait_for_entries(&daemon, 1);
    assert!(server.heads()[0].contains(&format!("Bearer {SECRET}")), "{:?}", server.heads());
    server.now(move |_| Some(status("302 Found", &place)));
    wait_for_error(&daemon, "redirects to no place");
    assert!(elsewhere.heads().is_empty(), "out of TLS nothing is followed");
    let (_, metrics) = daemon.get("/metrics").unwrap();
    for text in [site.log(), daemon.status().to_string(), metrics] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
fn a_collection_is_read_page_by_page_and_later_only_what_was_added() {
    fn page(more: bool, next: &str, last: &str, names: &[&str]) -> Vec<u8> {
        let objects: Vec<Value> = names
            .iter()
            .map(|name| {
                json!({"type": "indicator", "spec_version": "2.1", "id": format!("indicator--{name}"), "name": name,
                    "pattern_type": "stix", "pattern": format!("[domain-name:value = '{name}.example']"),
                    "modified": "2026-01-01T00:00:00.000Z", "valid_from": "2020-01-01T00:00:00Z"})
            })
            .collect();
        let body = if objects.is_empty() { json!({}) } else { json!({"more": more, "next": next, "objects": objects}) };
        let headers =
            format!("Content-Type: application/taxii+json;version=2.1\r\nX-TAXII-Date-Added-Last: {last}\r\n");
        list(&headers, body.to_string().as_bytes())
    }
    let server = FeedServer::started();
    server.now(|head| {
        let line = head.lines().next().unwrap();
        assert!(line.starts_with("GET /api/collections/c1/objects/"), "{line}");
        assert!(head.contains("application/taxii+json;version=2.1"), "{head}");
        Some(match () {
            () if line.contains("added_after=2026-03") => page(false, "", "2026-03-01T00:00:00Z", &[]),
            () if line.contains("added_after=2026-02") => page(false, "", "2026-03-01T00:00:00Z", &["late"]),
            () if line.contains("next=2") => page(false, "", "2026-02-01T00:00:00Z", &["c"]),
            () => page(true, "2", "2026-01-01T00:00:00Z", &["a", "b"]),
        })
    });
    let url = format!("http://127.0.0.1:{}/api/", server.port);
    let site = Site::new(&format!(
        "[[intel.feed]]\nname = \"abuse\"\nurl = \"{url}\"\ncollection = \"c1\"\ninterval = \"1s\"\n"
    ));
    let daemon = site.start_ready();
    wait_for_entries(&daemon, 4);
    wait_for("a question after the last", || server.heads().iter().any(|head| head.contains("added_after=2026-03")));
    assert_eq!(server.heads().iter().filter(|head| !head.contains('?')).count(), 1, "all of it once");
    assert_eq!(feed(&daemon)["state"], "up");
    server.now(|_| Some(list("", b"<html>")));
    wait_for_error(&daemon, "no TAXII envelope");
    assert_eq!(feed(&daemon)["feed"]["entries"], 4);
}

#[test]
fn the_events_of_a_misp_feed_are_fetched_and_later_only_those_that_changed() {
    const IDS: [&str; 2] = ["56c0cc2b-1a2c-4e5f-9d0a-0123456789ab", "56c0cc2b-1a2c-4e5f-9d0a-0123456789ac"];
    fn answer(head: &str, second: &str) -> Option<Vec<u8>> {
        let about = |time: &str| json!({"info": "x", "timestamp": time});
        let event = |id: &str, time: &str, names: &[&str]| {
            let attributes: Vec<Value> =
                names.iter().map(|name| json!({"type": "domain", "value": name, "to_ids": true})).collect();
            json!({"Event": {"uuid": id, "timestamp": time, "Attribute": attributes}})
        };
        let path = head.split(' ').nth(1).unwrap();
        let body = match path {
            "/feed/manifest.json" => json!({IDS[0]: about("1"), IDS[1]: about(second)}),
            _ if path.contains(IDS[0]) => event(IDS[0], "1", &["one.example"]),
            _ if second == "1" => event(IDS[1], "1", &["two.example"]),
            _ => event(IDS[1], "2", &["two.example", "three.example"]),
        };
        Some(list("", body.to_string().as_bytes()))
    }
    let server = FeedServer::started();
    server.now(|head| answer(head, "1"));
    let url = format!("http://127.0.0.1:{}/feed/manifest.json", server.port);
    let site = Site::new(&format!("[[intel.feed]]\nname = \"abuse\"\nurl = \"{url}\"\ninterval = \"1s\"\n"));
    let daemon = site.start_ready();
    wait_for_entries(&daemon, 2);
    server.now(|head| answer(head, "2"));
    wait_for_entries(&daemon, 3);
    let count = |id: &str| server.heads().iter().filter(|head| head.contains(id)).count();
    assert_eq!((count(IDS[0]), count(IDS[1])), (1, 2));
}

#[test]
fn a_mistake_in_a_feed_is_a_finding_of_check_at_its_key() {
    let site = Site::new("[[intel.feed]]\nname = \"a b\"\nurl = \"ftp://h/\"\n");
    let checked = dsmild().args(["check", "-c"]).arg(site.path("dsmil.toml")).output().unwrap();
    let said = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert_eq!(checked.status.code(), Some(78));
    assert!(said.contains("intel.feed[0].name: ") && said.contains("intel.feed[0].url: "), "{said}");
}
