//! From an alarm back to every line that caused it, and from the line to the place where its bytes stand: over a kill, a rotation
//! and packing, in the journal, and for what is hostile.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Daemon, Site, dsmild, wait_for};
use crate::journald::Journald;

const ATTACKER: &str = "203.0.113.7";

/// So many failed logins for four names, each among other lines, with bytes that are no UTF-8 and ones that deceive a terminal.
fn attack(from: usize, count: usize) -> Vec<u8> {
    let mut text = Vec::new();
    for n in from..from + count {
        let (minute, second) = (n / 6, n % 6 * 10);
        let name = ["root", "admin", "git", "oracle"][n / 11];
        let head = format!("2026-11-20T10:{minute:02}:{second:02}Z atlas");
        text.extend_from_slice(format!("{head} cron[{n}]: (root) CMD (true {n})\n").as_bytes());
        text.extend_from_slice(head.as_bytes());
        text.extend_from_slice(format!(" app: caf\u{e9} \u{202e}{n} ").as_bytes());
        text.extend_from_slice(b"\xff\x1b[2J\n");
        let failed = format!("{head} sshd[{n}]: Failed password for {name} from {ATTACKER} port {} ssh2\n", 4000 + n);
        text.extend_from_slice(failed.as_bytes());
    }
    text
}

/// The newest alarm of Layer 4 about the attacker whose count has reached this.
fn alarm(daemon: &Daemon, count: u64) -> Option<Value> {
    let about = |event: &Value| {
        let is_meant = event["entity"]["src_ip"] == ATTACKER && event["evidence"]["rule"].is_object();
        is_meant && event["count"].as_u64() >= Some(count)
    };
    daemon.stream("L4_OUT").into_iter().rev().find(about)
}

fn explained(daemon: &Daemon, id: &Value) -> Value {
    let (code, body) = daemon.get(&format!("/api/v1/events/{}/explain", id.as_str().unwrap())).unwrap();
    assert_eq!(code, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Every line in the tree, each once.
fn lines_of(node: &Value) -> Vec<Value> {
    let below = node["children"].as_array().into_iter().flatten().flat_map(lines_of);
    node.get("line").cloned().into_iter().chain(below).collect()
}

/// The file with this inode, whatever it is called by now.
fn file_of(folder: &Path, inode: u64) -> PathBuf {
    let mut files = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    files.find(|path| path.metadata().unwrap().ino() == inode).expect("the file that was read")
}

/// What stands where the line says that it was read.
fn bytes_at(site: &Site, place: &Value) -> Vec<u8> {
    let number = |name: &str| place[name].as_u64().unwrap();
    let path = file_of(&site.path("logs"), number("inode"));
    let (offset, length) = (number("offset"), number("length") as usize);
    if place["unpacked"] == true {
        let text = Command::new("gzip").arg("-dc").arg(&path).output().unwrap().stdout;
        return text[offset as usize..][..length].to_vec();
    }
    let mut bytes = vec![0; length];
    fs::File::open(&path).unwrap().read_exact_at(&mut bytes, offset).unwrap();
    bytes
}

fn are_where_they_say(site: &Site, lines: &[Value]) {
    for line in lines {
        assert_eq!(bytes_at(site, &line["read_at"]), line["text"].as_str().unwrap().as_bytes(), "{line}");
    }
}

fn site(file: &str) -> Site {
    let site = Site::new(&format!("[[intake.file]]\npath = \"{{dir}}/logs/{file}\"\n"));
    fs::create_dir(site.path("logs")).unwrap();
    site
}

#[test]
fn an_alarm_names_each_line_of_the_attack_with_the_bytes_where_it_stands_after_a_kill_as_well() {
    let site = site("auth.log");
    fs::write(site.path("logs/auth.log"), attack(0, 41)).unwrap();
    let daemon = site.start_ready();
    wait_for("the alarm to have grown", || alarm(&daemon, 32).is_some());
    let before = explained(&daemon, &alarm(&daemon, 32).unwrap()["id"]);
    daemon.kill();

    let daemon = site.start_ready();
    let found = alarm(&daemon, 32).unwrap();
    let answer = explained(&daemon, &found["id"]);
    assert_eq!(answer, before, "it is kept with the event");
    let lines = lines_of(&answer["tree"]);
    assert_eq!(lines.len() as u64, found["count"].as_u64().unwrap(), "{answer}");
    assert!(lines.iter().all(|line| line["text"].as_str().unwrap().contains("Failed password")), "{lines:?}");
    are_where_they_say(&site, &lines);
    let because = answer["tree"]["because"].as_str().unwrap();
    for part in ["failed logins from 203.0.113.7", "within 10 min", "rule \"", "guessing.yml", "threshold 5"] {
        assert!(because.contains(part), "{part}: {because}");
    }

    // A SOC event leads there over the decision, and the command line tells it as a story without what deceives.
    let soc = daemon.stream("SOC_EVENTS").into_iter().find(|event| event["src_layer"] == "4").unwrap();
    let told =
        dsmild().args(["explain", soc["id"].as_str().unwrap(), "-c"]).arg(site.path("dsmil.toml")).output().unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert_eq!(told.status.code(), Some(0), "{text}");
    assert!(text.contains("because ") && text.contains("auth.log (inode ") && text.contains(" at byte "), "{text}");

    // What is not UTF-8 comes as bytes, too.
    let odd = daemon.stream("L3_IN").into_iter().find(|event| event["payload"].as_str().unwrap().contains('\u{202e}'));
    let answer = explained(&daemon, &odd.unwrap()["id"]);
    let line = &answer["tree"]["line"];
    let bytes = bytes_at(&site, &line["read_at"]);
    let decoded =
        Command::new("sh").args(["-c", "printf %s \"$0\" | base64 -d"]).arg(line["base64"].as_str().unwrap()).output();
    assert_eq!(decoded.unwrap().stdout, bytes);
    assert!(bytes.ends_with(b"\xff\x1b[2J"));
    let id = answer["id"].as_str().unwrap();
    let told = dsmild().args(["explain", id, "-c"]).arg(site.path("dsmil.toml")).output().unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.contains("\\u{202e}") && text.contains("\\u{1b}") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn lines_of_files_that_were_rotated_and_packed_are_found_where_they_were_read() {
    let site = site("auth.log");
    let (log, rotated) = (site.path("logs/auth.log"), site.path("logs/auth.log.1"));
    fs::write(&log, attack(0, 9)).unwrap();
    let daemon = site.start_ready();
    wait_for("the first lines to be read", || daemon.stream("L3_IN").len() == 27);
    fs::rename(&log, &rotated).unwrap();
    fs::write(&log, attack(9, 9)).unwrap();
    wait_for("the alarm to have grown", || alarm(&daemon, 16).is_some());
    let lines = lines_of(&explained(&daemon, &alarm(&daemon, 16).unwrap()["id"])["tree"]);
    let inodes = [&log, &rotated].map(|path| path.metadata().unwrap().ino());
    assert!(inodes.iter().all(|inode| lines.iter().any(|line| line["read_at"]["inode"] == *inode)), "{lines:?}");
    are_where_they_say(&site, &lines);
    daemon.terminate();

    let packed = self::site("old.log.gz");
    let text = packed.path("logs/old.log");
    fs::write(&text, attack(0, 20)).unwrap();
    assert!(Command::new("gzip").arg(&text).status().unwrap().success());
    let daemon = packed.start_ready();
    wait_for("the packed lines to be an alarm", || alarm(&daemon, 16).is_some());
    let lines = lines_of(&explained(&daemon, &alarm(&daemon, 16).unwrap()["id"])["tree"]);
    assert!(lines.len() == 16 && lines.iter().all(|line| line["read_at"]["unpacked"] == true), "{lines:?}");
    are_where_they_say(&packed, &lines);
}

#[test]
fn a_message_of_the_journal_names_its_cursor() {
    let Some(journald) = Journald::start() else { return };
    let folder = journald.directory();
    let site =
        Site::new(&format!("[[intake.journal]]\nidentifiers = [\"sshd\"]\ndirectory = \"{}\"\n", folder.display()));
    for n in 0..3 {
        journald.send(&[("SYSLOG_IDENTIFIER", b"sshd"), ("MESSAGE", format!("message {n}").as_bytes())]);
    }
    wait_for("the messages to be in the journal", || journald.lines("sshd") == 3);
    let daemon = site.start_ready();
    wait_for("the messages to be read", || daemon.stream("L3_IN").len() == 3);
    daemon.kill();
    let daemon = site.start_ready();
    for event in daemon.stream("L3_IN") {
        let line = explained(&daemon, &event["id"])["tree"]["line"].clone();
        let cursor = line["read_at"]["cursor"].as_str().expect("a cursor").to_owned();
        let there = journald.journalctl(&["-o", "json", "-n", "1", "--cursor", &cursor]);
        let there: Value = serde_json::from_str(&there).unwrap();
        assert_eq!((there["__CURSOR"].as_str(), &there["MESSAGE"]), (Some(cursor.as_str()), &line["text"]));
    }
}

#[test]
fn a_posted_line_names_its_request_and_an_incident_is_told_with_its_alerts() {
    let site = site("auth.log");
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo/auth.log");
    fs::copy(demo, site.path("logs/auth.log")).unwrap();
    let daemon = site.start_ready();
    daemon.post("/api/v1/streams/L3_IN", "\n{\"source\":\"test\",\"payload\":\"hello\"}\n").unwrap();
    let posted = || daemon.stream("L3_IN").into_iter().find(|event| event["source"] == "test");
    let place = explained(&daemon, &posted().unwrap()["id"])["tree"]["line"]["read_at"].clone();
    assert_eq!((place["kind"].as_str(), place["line"].as_u64()), (Some("http"), Some(2)), "{place}");

    daemon.until_handled(fs::read_to_string(demo).unwrap().lines().count() + 1);
    let incidents = || serde_json::from_str::<Value>(&daemon.get("/api/v1/incidents").unwrap().1).unwrap();
    wait_for("an incident", || !incidents()["incidents"].as_array().unwrap().is_empty());
    let incident = incidents()["incidents"][0].clone();
    let id = incident["id"].as_str().unwrap();
    let (code, body) = daemon.get(&format!("/api/v1/incidents/{id}/explain")).unwrap();
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(code, 200, "{body}");
    let children: Vec<_> = answer["tree"]["children"].as_array().unwrap().iter().map(|child| &child["id"]).collect();
    let members = incident["members"].as_array().unwrap();
    assert!(members.iter().all(|member| children.contains(&member)), "{children:?} {members:?}");
    let lines = lines_of(&answer["tree"]);
    assert!(!lines.is_empty());
    are_where_they_say(&site, &lines);
    let told = dsmild().args(["explain", id, "-c"]).arg(site.path("dsmil.toml")).output().unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.contains("alerts belong together") && text.contains("└─ "), "{text}");
}
