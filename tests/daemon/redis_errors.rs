//! What the daemon says when Redis is not as it should be, and that it goes on by itself when it is again.

use std::io::Write;

use crate::harness::{Daemon, Site, wait_for};
use crate::places::{assert_mirrored, is_mirrored};
use crate::redis_mirror::{outlet, wait_until_mirrored};
use crate::redis_server::{Server, installed};

struct Story {
    daemon: Daemon,
    site: Site,
    file: std::fs::File,
    lines: u32,
}

impl Story {
    fn begin(redis: &Server, more: &str) -> Self {
        let extra = format!(
            "[[intake.file]]\npath = \"{{dir}}/in.log\"\n[redis]\nurl = \"{}\"\n{more}\n[redis.streams]\nL3_IN = \"off\"\nL4_IN = \"off\"\n",
            redis.url()
        );
        let site = Site::new(&extra);
        let file = std::fs::File::create(site.path("in.log")).unwrap();
        let daemon = site.start_ready();
        Self { site, daemon, file, lines: 0 }
    }

    /// More events, so that there is something to mirror.
    fn feed(&mut self) {
        for _ in 0..50 {
            self.lines += 1;
            writeln!(self.file, "2026-11-20T10:00:00+00:00 atlas numbered[1]: number={}", self.lines).unwrap();
        }
    }

    /// The outlet is down with this in its words, the journal has it once, and the daemon is ready all the same.
    fn expect_error(&self, words: &[&str]) {
        wait_for(&format!("the mirror to say {words:?}"), || {
            let outlet = outlet(&self.daemon);
            let said = outlet["last_error"].as_str().unwrap_or_default();
            outlet["up"] == false && words.iter().all(|word| said.contains(word))
        });
        let metrics = self.daemon.get("/metrics").unwrap().1;
        assert!(metrics.contains("dsmil_mirror_up 0"), "the metric follows");
        assert_eq!(self.daemon.get("/readyz").map(|(code, _)| code), Some(200), "nothing else is touched");
        let said = || self.site.log().lines().filter(|line| words.iter().all(|word| line.contains(word))).count();
        wait_for("the journal to have it", || said() > 0);
        assert_eq!(said(), 1, "{words:?} once in {}", self.site.log());
    }

    fn expect_mirrored(&self, redis: &Server) {
        wait_for("the lines to be judged", || {
            self.daemon.get("/metrics").is_some_and(|(_, text)| {
                text.contains(&format!("dsmil_events_total{{stream=\"L3_OUT\"}} {}", self.lines))
            })
        });
        wait_until_mirrored(&self.daemon);
        assert!(assert_mirrored(&self.site, "", |_| redis.connect()) >= self.lines as usize);
    }
}

/// A Redis that has all that was said so far.
fn mirrored() -> Option<(Server, Story)> {
    if !installed() {
        return None;
    }
    let redis = Server::started(&[]);
    let mut story = Story::begin(&redis, "");
    story.feed();
    story.expect_mirrored(&redis);
    Some((redis, story))
}

/// Another has written to the stream.
fn expect_foreign(redis: &Server, story: &Story, id: &str) {
    redis.ask(&["XADD", "L3_OUT", id, "not", "ours"]);
    story.expect_error(&["L3_OUT", id, "did not write", "DEL L3_OUT"]);
    redis.ask(&["DEL", "L3_OUT"]);
    story.expect_mirrored(redis);
}

#[test]
fn the_mirror_says_what_is_wrong_with_redis_once_and_goes_on_when_it_is_right() {
    if !installed() {
        return;
    }
    let mut redis = Server::new(&[]);
    let mut story = Story::begin(&redis, "");
    story.feed();
    story.expect_error(&["onnection refused", "is Redis running"]);
    redis.start();
    story.expect_mirrored(&redis);

    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    story.feed();
    story.expect_error(&["OOM", "maxmemory", "redis.maxlen"]);
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    story.expect_mirrored(&redis);

    redis.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    story.feed();
    story.expect_error(&["READONLY", "primary"]);
    redis.ask(&["REPLICAOF", "NO", "ONE"]);
    story.expect_mirrored(&redis);

    // Later than all that was written, and an id as the daemon gives them.
    expect_foreign(&redis, &story, "8000000000000-0");

    redis.ask(&["DEL", "L3_OUT"]);
    redis.ask(&["SET", "L3_OUT", "x"]);
    story.expect_error(&["WRONGTYPE", "not a stream", "key_prefix"]);
    redis.ask(&["DEL", "L3_OUT"]);
    story.feed();
    story.expect_mirrored(&redis);
    assert_eq!(story.daemon.terminate(), Some(0));
}

#[test]
fn an_id_that_no_event_can_have_is_another_writers_too() {
    let Some((redis, story)) = mirrored() else { return };
    expect_foreign(&redis, &story, "9999999999999-0");
}

#[test]
fn streams_that_are_emptied_while_nothing_happens_are_filled_again() {
    let Some((redis, story)) = mirrored() else { return };
    redis.ask(&["FLUSHALL"]);
    wait_for("the streams to be filled again", || is_mirrored(&story.site, "", |_| redis.connect()));
    assert!(assert_mirrored(&story.site, "", |_| redis.connect()) >= story.lines as usize);
}

#[test]
fn a_wrong_password_is_reported_without_it_and_a_corrected_file_needs_no_restart() {
    if !installed() {
        return;
    }
    let redis = Server::started(&["--requirepass", "correct-horse"]);
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "hunter2\n").unwrap();
    let mut story = Story::begin(&redis, &format!("password_file = \"{}\"", secret.path().display()));
    story.feed();
    story.expect_error(&["WRONGPASS", "password_file"]);
    std::fs::write(secret.path(), "correct-horse\n").unwrap();
    wait_for("the mirror to be up", || outlet(&story.daemon)["up"] == true);
    let mut connection = redis.connect();
    connection.ask(&["AUTH", "correct-horse"]);
    wait_for("the entries", || connection.ask(&["XLEN", "L3_OUT"]).number() == 50);
    let said = format!("{}{}", story.site.log(), story.daemon.status());
    assert!(!said.contains("hunter2") && !said.contains("correct-horse"), "{said}");
}
