//! What is on record: the hot store and the audit log, cut and forged while the daemon does not look.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::Value;
use sqlx::Row;

use crate::archive;
use crate::harness::{Daemon, Site, dsmild, wait_for};
use crate::postgres::Postgres;

pub const FILE: &str = "[[intake.file]]\npath = \"{dir}/in.log\"\n";

pub fn write_lines(site: &Site, numbers: std::ops::Range<u64>) {
    let mut file = std::fs::File::options().append(true).create(true).open(site.path("in.log")).unwrap();
    for number in numbers {
        writeln!(file, "2026-11-20T10:00:00+00:00 atlas numbered[1]: number={number}").unwrap();
    }
}

/// Which of the numbers were taken in.
pub fn numbers(daemon: &Daemon) -> std::collections::BTreeSet<u64> {
    let payloads = daemon.stream("L3_IN").into_iter().filter_map(|event| Some(event["payload"].as_str()?.to_owned()));
    payloads.filter_map(|payload| payload.rsplit_once('=')?.1.parse().ok()).collect()
}

pub fn saved(site: &Site) -> Value {
    let text = std::fs::read_to_string(site.path("state/positions.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// A daemon that has taken in 500 lines, and has noted on disk how far it is.
pub fn with_500_lines() -> (Site, Daemon) {
    let site = Site::new(FILE);
    write_lines(&site, 0..500);
    let daemon = site.start_ready();
    wait_for("every line to be taken in", || numbers(&daemon).len() == 500);
    let newest = daemon.stream("L3_IN").pop().unwrap()["id"].as_str().unwrap().to_owned();
    let millis = |id: &str| id.split('-').next().unwrap().parse::<u64>().unwrap();
    wait_for("that to be noted", || saved(&site)["saved_id"].as_str().is_some_and(|id| millis(id) >= millis(&newest)));
    (site, daemon)
}

/// The same, killed then.
pub fn killed_with_500_lines() -> Site {
    let (site, daemon) = with_500_lines();
    daemon.kill();
    site
}

#[test]
fn a_write_ahead_log_that_was_cut_flipped_or_removed_is_reported_and_read_again() {
    let faults: [fn(&std::path::Path); 3] = [
        |wal| {
            let length = std::fs::metadata(wal).unwrap().len();
            std::fs::File::options().write(true).open(wal).unwrap().set_len(length / 2).unwrap();
        },
        |wal| {
            let mut bytes = std::fs::read(wal).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            std::fs::write(wal, bytes).unwrap();
        },
        |wal| std::fs::remove_file(wal).unwrap(),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let site = killed_with_500_lines();
        fault(&site.path("hot/hotpath.db-wal"));
        write_lines(&site, 500..600);
        let daemon = site.start_ready();
        wait_for(&format!("every line to be there again after {number}"), || numbers(&daemon).len() == 600);
        site.until_said("events that were committed are missing from");
        let (_, metrics) = daemon.get("/metrics").unwrap();
        assert!(metrics.contains("dsmil_dropped_total{where=\"store\",reason=\"lost\"} 1"), "{number}: {metrics}");
    }
}

#[test]
fn a_kill_alone_is_no_loss() {
    let site = killed_with_500_lines();
    write_lines(&site, 500..600);
    let daemon = site.start_ready();
    wait_for("every line to be taken in", || numbers(&daemon).len() == 600);
    assert_eq!(daemon.stream("L3_IN").len(), 600);
    assert!(!site.log().contains("are missing from"), "{}", site.log());
}

#[test]
fn a_row_with_the_largest_id_does_not_end_detection() {
    let site = killed_with_500_lines();
    let plant = format!(
        "INSERT INTO raw_events_fast(id, ts, source, compartment, payload, format) VALUES ({}, 1, 'me', '', x'00', 'text')",
        i64::MAX
    );
    let planted = std::process::Command::new("sqlite3").arg(site.path("hot/hotpath.db")).arg(plant).output();
    let Ok(planted) = planted else {
        eprintln!("skipped: sqlite3 is not installed");
        return;
    };
    assert!(planted.status.success(), "{planted:?}");
    write_lines(&site, 500..600);
    let daemon = site.start_ready();
    wait_for("new lines to be judged", || daemon.stream("L3_OUT").len() >= 600);
    assert_eq!(numbers(&daemon).len(), 600);
    site.until_said("ids beyond now");
}

/// Over the socket, as whoever may open it.
pub fn decide(site: &Site, id: &str, verb: &str) -> (u16, String) {
    let mut socket = UnixStream::connect(site.path("state/api.sock")).unwrap();
    let request = format!(
        "POST /api/v1/proposals/{id}/{verb} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

fn verify(site: &Site) -> Option<i32> {
    dsmild().arg("verify").arg("-c").arg(site.path("dsmil.toml")).output().unwrap().status.code()
}

pub fn pending(daemon: &Daemon) -> Vec<String> {
    let (_, body) = daemon.get("/api/v1/proposals?state=pending").unwrap();
    let list: Value = serde_json::from_str(&body).unwrap();
    list["proposals"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// A configuration that leads to proposals.
pub fn demo() -> String {
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo");
    format!("[[intake.file]]\npath = \"{demo}/*.log\"\n[l3]\nrules = [\"{demo}/../rules\"]\n")
}

/// The proposals that stand when the demo was judged in whole; before, one may take another's place.
pub fn proposals_of_demo(daemon: &Daemon) -> Vec<String> {
    let logs = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo")).unwrap();
    let logs = logs.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|it| it == "log"));
    daemon.until_handled(logs.map(|log| std::fs::read_to_string(log).unwrap().lines().count()).sum());
    pending(daemon)
}

#[test]
fn a_decision_outlives_its_line_in_the_audit_log() {
    let site = Site::new(&demo());
    let daemon = site.start_ready();
    let ids = proposals_of_demo(&daemon);
    let (code, body) = daemon.post(&format!("/api/v1/proposals/{}/approve", ids[0]), "").unwrap();
    assert_eq!(code, 401, "{body}");
    let (code, answer) = decide(&site, &ids[0], "approve");
    assert!(code == 200 && answer.contains("\"who\":\"uid "), "{answer}");
    assert_eq!(verify(&site), Some(0));
    daemon.kill();
    // By a kill at once after the answer nothing of it is lost, in either place.
    let log = site.path("state/audit.log");
    let line = std::fs::read(&log).unwrap();
    std::fs::write(&log, "").unwrap();
    let daemon = site.start_ready();
    let (code, answer) = decide(&site, &ids[0], "reject");
    assert!(code == 503 && answer.contains("remembers line 1"), "{answer}");
    assert_eq!(verify(&site), Some(1));
    assert_eq!(daemon.terminate(), Some(0));
    assert_eq!(verify(&site), Some(1), "positions.json knows it too");
    std::fs::write(&log, line).unwrap();
    assert_eq!(verify(&site), Some(0));
    let daemon = site.start_ready();
    assert_eq!(decide(&site, &ids[0], "reject").0, 409);
    // Replaced under the daemon: nothing is decided, and nothing is said to be.
    std::fs::remove_file(&log).unwrap();
    std::fs::write(&log, "").unwrap();
    assert_eq!(decide(&site, &ids[1], "approve").0, 503);
    assert!(pending(&daemon).contains(&ids[1]));
}

#[test]
fn what_was_decided_is_known_in_postgres_when_all_that_is_remembered_here_was_replaced() {
    let Some(postgres) = Postgres::started() else { return };
    let site = Site::new(&archive::configuration(&postgres.url(), &demo()));
    let daemon = site.start_ready();
    assert_eq!(decide(&site, &proposals_of_demo(&daemon)[0], "approve").0, 200);
    let heads = || postgres.rows("SELECT lines FROM dsmil_audit_heads", |row| row.get::<i64, _>(0));
    wait_for("the head in Postgres", || heads() == [1]);
    assert_eq!(verify(&site), Some(0));
    assert_eq!(daemon.terminate(), Some(0));
    // As if nothing had ever been decided.
    std::fs::remove_dir_all(site.path("state")).unwrap();
    std::fs::remove_dir_all(site.path("hot")).unwrap();
    std::fs::create_dir(site.path("state")).unwrap();
    let daemon = site.start_ready();
    wait_for("the daemon to say so", || site.log().contains("is not the one that Postgres remembers"));
    assert_eq!(verify(&site), Some(1));
    // What begins anew with another decision does not take the place of what was decided.
    assert_eq!(decide(&site, &proposals_of_demo(&daemon)[0], "reject").0, 200);
    archive::wait_until_archived(&daemon);
    assert_eq!(verify(&site), Some(1));
    assert_eq!(heads(), [1]);
}
