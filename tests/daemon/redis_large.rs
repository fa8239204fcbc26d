//! Entries that are far larger than any log line cost little, stop nobody, and are told of.

use std::io::Write;

use sqlx::Row;

use crate::harness::{Site, wait_for, wait_for_count};
use crate::kill::{count, read};
use crate::redis_server::{Reply, Server, installed};

const LARGE: usize = 64 << 20;

/// The most that the process has held at once.
fn peak_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn entries_of_64_mib_are_dead_letters_and_stop_no_source() {
    if !installed() {
        return;
    }
    let redis = Server::started(&["--appendonly", "no"]);
    let mut connection = redis.connect();
    let large = "x".repeat(LARGE);
    let mut ids = Vec::new();
    for number in 0..8 {
        ids.push(connection.ask(&["XADD", "L3_IN", "*", "payload", &large, "n", "1"]).text().to_owned());
        connection.ask(&["XADD", "L3_IN", "*", "payload", &format!("number={number}")]);
    }
    let site = Site::new(&format!(
        "[[intake.file]]\npath = \"{{dir}}/in.log\"\n[redis]\nurl = \"{}\"\n[redis.streams]\nL3_OUT = \"off\"\n\
         L4_OUT = \"off\"\nSOC_EVENTS = \"off\"\n",
        redis.url()
    ));
    let text = std::fs::read_to_string(site.path("dsmil.toml")).unwrap();
    let text = text.replace("[daemon]\n", "[daemon]\nmemory_max = \"512MiB\"\n");
    std::fs::write(site.path("dsmil.toml"), text).unwrap();
    let mut file = std::fs::File::create(site.path("in.log")).unwrap();
    let daemon = site.start_ready();
    writeln!(file, "2026-11-20T10:00:00Z atlas numbered[1]: a line").unwrap();
    wait_for_count("what else there is to be taken", 9, || count(&site, "raw_events_fast"));
    let is_done =
        || matches!(redis.ask(&["XPENDING", "L3_IN", "dsmil"]), Reply::List(summary) if summary[0].number() == 0);
    wait_for("everything to be acknowledged", is_done);
    let letters = read(&site, "SELECT reason, payload FROM dead_letters ORDER BY id", |row| {
        (row.get::<String, _>(0), String::from_utf8(row.get::<Vec<u8>, _>(1)).unwrap())
    });
    assert_eq!(letters.len(), ids.len());
    for (id, (reason, payload)) in ids.iter().zip(&letters) {
        assert!(reason.contains(&format!("{} bytes", LARGE + "payloadn1".len())), "{reason}");
        assert!(payload.contains(id), "{payload}");
    }
    let metrics = daemon.get("/metrics").unwrap().1;
    assert!(metrics.contains("dsmil_dropped_total{where=\"redis\",reason=\"too_large\"} 8"), "{metrics}");
    let peak = peak_bytes(daemon.child.id());
    assert!(peak < 400 << 20, "the daemon has held {} MiB", peak >> 20);
    assert!(!site.log().contains("sources wait"));
    assert_eq!(daemon.terminate(), Some(0));
}

/// Each is allowed, all of them are more than one answer holds.
#[test]
fn a_burst_of_large_entries_is_taken_whole_and_in_order() {
    if !installed() {
        return;
    }
    let redis = Server::started(&["--appendonly", "no"]);
    let mut connection = redis.connect();
    let text = "x".repeat(60_000);
    let mut number = 0;
    let mut add = |entries: usize, more: &[&str]| {
        for _ in 0..entries {
            let payload = format!("number={number}");
            connection.ask(&[&["XADD", "L3_IN", "*", "payload", &payload], more].concat());
            number += 1;
        }
        number
    };
    // Small ones first, so that many are asked for at once.
    add(3_000, &[]);
    let more: Vec<String> = (0..15).map(|n| format!("a{n}")).collect();
    let more: Vec<&str> = more.iter().flat_map(|name| [name.as_str(), text.as_str()]).collect();
    let all = add(60, &more);
    let site = Site::new(&format!(
        "[redis]\nurl = \"{}\"\n[redis.streams]\nL3_OUT = \"off\"\nL4_OUT = \"off\"\nSOC_EVENTS = \"off\"\n",
        redis.url()
    ));
    let daemon = site.start_ready();
    wait_for_count("all to be taken", all, || count(&site, "raw_events_fast"));
    let numbers = read(&site, "SELECT payload FROM raw_events_fast ORDER BY id", |row| {
        let payload = String::from_utf8(row.get::<Vec<u8>, _>("payload")).unwrap();
        let (_, number) = payload.rsplit_once("number=").unwrap();
        number.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u64>().unwrap()
    });
    assert!(numbers.into_iter().eq(0..all), "every number once and in order");
    assert_eq!(read(&site, "SELECT count(*) FROM dead_letters", |row| row.get::<i64, _>(0)), [0]);
    assert_eq!(daemon.terminate(), Some(0));
}
