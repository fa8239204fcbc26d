//! Every kind of Redis that can be configured: over TLS, by a user with few rights, on a socket, with a database number,
//! and as a cluster. Entries are read from it and streams are written to it.

use std::path::Path;
use std::process::Command;

use crate::harness::{Daemon, Site, wait_for, wait_for_count};
use crate::kill::count;
use crate::places::{assert_mirrored, is_mirrored};
use crate::redis_mirror::outlet;
use crate::redis_server::{Connection, Reply, Server, installed};

/// A daemon that reads from the Redis of this configuration and writes to it.
pub struct Story {
    daemon: Daemon,
    site: Site,
    prefix: &'static str,
    written: u64,
}

/// About which nothing is to be said but that it came.
fn line(number: u64) -> String {
    format!("2026-11-20T00:00:00Z atlas portal[9]: request {number} was answered")
}

impl Story {
    pub fn begin(redis: &str) -> Self {
        let site = Site::new(&format!("[redis]\n{redis}\n[fusion]\ninclude_benign = true\n"));
        let daemon = site.start_ready();
        let prefix = if redis.contains("key_prefix = \"test:\"") { "test:" } else { "" };
        Self { site, daemon, prefix, written: 0 }
    }

    /// More entries to read.
    pub fn feed(&mut self, connect: impl Fn(&str) -> Connection) {
        let key = format!("{}L3_IN", self.prefix);
        let mut connection = connect(&key);
        for _ in 0..50 {
            self.written += 1;
            let (id, line) = (format!("{}-0", self.written), line(self.written));
            assert_eq!(connection.ask(&["XADD", &key, &id, "payload", &line]).text(), id);
        }
    }

    /// All of them are taken once and acknowledged, and what came of them is in Redis.
    pub fn expect_through(&self, connect: impl Fn(&str) -> Connection) {
        wait_for_count("the entries to be taken", self.written, || count(&self.site, "raw_events_fast"));
        for layer in [3, 8] {
            let outputs = || count(&self.site, &format!("model_outputs_fast WHERE layer = {layer}"));
            wait_for_count(&format!("layer {layer}"), self.written, outputs);
        }
        wait_for("the mirror to be complete", || is_mirrored(&self.site, self.prefix, &connect));
        assert_mirrored(&self.site, self.prefix, &connect);
        let key = format!("{}L3_IN", self.prefix);
        wait_for(
            "everything to be acknowledged",
            || matches!(connect(&key).ask(&["XPENDING", &key, "dsmil"]), Reply::List(summary) if summary[0].number() == 0),
        );
    }

    /// Status of mirror and source, the metric and the journal say this, and the daemon is ready all the same.
    pub fn expect_error(&self, words: &[&str]) {
        self.expect_mirror_error(words);
        wait_for(&format!("the source to say {words:?}"), || {
            let status = self.daemon.status();
            let mut sources = status["sources"].as_array().unwrap().iter();
            sources.any(|source| source["up"] == false && says(source["last_error"].as_str(), words))
        });
        wait_for("the metric of the source to follow", || {
            let metrics = self.daemon.get("/metrics").unwrap().1;
            metrics.lines().any(|line| line.starts_with("dsmil_intake_up{source=\"redis:") && line.ends_with(" 0"))
        });
    }

    pub fn expect_mirror_error(&self, words: &[&str]) {
        wait_for(&format!("the mirror to say {words:?}"), || {
            let outlet = outlet(&self.daemon);
            outlet["up"] == false && says(outlet["last_error"].as_str(), words)
        });
        assert!(self.daemon.get("/metrics").unwrap().1.contains("dsmil_mirror_up 0"));
        assert_eq!(self.daemon.get("/readyz").map(|(code, _)| code), Some(200), "nothing else is touched");
        wait_for("the journal to have it", || self.site.log().lines().any(|line| says(Some(line), words)));
    }
}

fn says(text: Option<&str>, words: &[&str]) -> bool {
    text.is_some_and(|text| words.iter().all(|word| text.contains(word)))
}

/// A certificate authority of the test's own, and a certificate for this machine.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn make() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("skipped: openssl is not installed");
            return None;
        }
        let made = Self(tempfile::tempdir().unwrap());
        std::fs::write(made.0.path().join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
        made.openssl("req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=authority -keyout ca.key -out ca.pem");
        made.openssl("req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout redis.key -out redis.csr");
        made.openssl(
            "x509 -req -in redis.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out redis.pem",
        );
        Some(made)
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

#[test]
fn over_tls_with_an_authority_of_ones_own_and_no_other() {
    if !installed() {
        return;
    }
    let Some(certificates) = Certificates::make() else { return };
    let Some(others) = Certificates::make() else { return };
    let port = crate::harness::free_port();
    let redis = Server::started(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &certificates.path("redis.pem"),
        "--tls-key-file",
        &certificates.path("redis.key"),
        "--tls-auth-clients",
        "no",
    ]);
    let connect = |_: &str| redis.connect();
    for host in ["127.0.0.1", "localhost"] {
        redis.ask(&["FLUSHALL"]);
        let url = format!("url = \"rediss://{host}:{port}\"\n");
        let trust = |ca: &str| format!("{url}tls_ca_file = \"{ca}\"");
        let mut story = Story::begin(&trust(&certificates.path("ca.pem")));
        story.feed(connect);
        story.expect_through(connect);
        Story::begin(&trust(&others.path("ca.pem"))).expect_error(&["ertificate", "redis.tls_ca_file"]);
        Story::begin(&url).expect_error(&["ertificate", "redis.tls_ca_file"]);
        Story::begin(&trust("/nonexistent/ca.pem")).expect_error(&["/nonexistent/ca.pem", "redis.tls_ca_file"]);
    }
    // The ports the wrong way round.
    Story::begin(&format!("url = \"rediss://127.0.0.1:{}\"", redis.port)).expect_error(&["redis.url", "TLS"]);
    Story::begin(&format!("url = \"redis://127.0.0.1:{port}\"")).expect_error(&["redis.url", "TLS"]);
}

/// What the error text names, and not more.
const RIGHTS: [&str; 3] = ["+@stream", "+eval", "~test:*"];

#[test]
fn a_user_with_the_rights_that_the_message_names_suffices_and_one_with_less_is_told_so() {
    if !installed() {
        return;
    }
    let redis = Server::started(&[]);
    let connect = |_: &str| redis.connect();
    let allow = |rights: &[&str]| {
        let user = ["ACL", "SETUSER", "dsmil", "reset", "on", ">correct-horse"];
        assert_eq!(redis.ask(&[&user[..], rights].concat()).text(), "OK");
    };
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "correct-horse\n").unwrap();
    let configuration = format!(
        "url = \"{}\"\nusername = \"dsmil\"\npassword_file = \"{}\"\nkey_prefix = \"test:\"",
        redis.url(),
        secret.path().display()
    );
    for left_out in 0..RIGHTS.len() {
        let mut less = RIGHTS.to_vec();
        let right = less.remove(left_out);
        allow(&less);
        let mut story = Story::begin(&configuration);
        story.feed(connect);
        let words = ["NOPERM", "+@stream +eval ~KEY"];
        match right {
            "+eval" => story.expect_mirror_error(&words),
            _ => story.expect_error(&words),
        }
        allow(&RIGHTS);
        story.expect_through(connect);
        assert!(!story.site.log().contains("correct-horse"));
        drop(story);
        redis.ask(&["FLUSHALL"]);
    }
}

#[test]
fn on_a_socket_and_with_a_database_number() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let redis = Server::started(&["--unixsocket", &socket.display().to_string()]);
    let urls = [
        ("2", format!("redis+unix://{}?db=2", socket.display())),
        ("3", format!("{}/3", redis.url())),
        ("0", format!("redis+unix://{}", socket.display())),
    ];
    for (database, url) in urls {
        let connect = |_: &str| {
            let mut connection = redis.connect();
            assert_eq!(connection.ask(&["SELECT", database]).text(), "OK");
            connection
        };
        let mut story = Story::begin(&format!("url = \"{url}\""));
        story.feed(connect);
        story.expect_through(connect);
        if database != "0" {
            assert_eq!(redis.ask(&["DBSIZE"]).number(), 0, "nothing where it does not belong");
        }
    }
    let missing = Story::begin(&format!("url = \"{}/99\"", redis.url()));
    missing.expect_error(&["DB index is out of range", "redis.url"]);
    let absent = Story::begin(&format!("url = \"redis+unix://{}\"", Path::new("/nonexistent.sock").display()));
    absent.expect_error(&["No such file", "is Redis running"]);
}
