//! Lines that lie about their time, beside ordinary ones.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use dsmild::event::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Daemon, Site, wait_for, wait_for_at_least};

const HOUR: Duration = Duration::from_secs(3600);

fn append(site: &Site, name: &str, lines: &[String]) {
    let mut file = std::fs::File::options().append(true).create(true).open(site.path(name)).unwrap();
    lines.iter().for_each(|line| writeln!(file, "{line}").unwrap());
}

fn login(at: Timestamp, what: &str) -> String {
    format!("{at} atlas sshd[71]: {what} password for root from 203.0.113.9 port 4711 ssh2")
}

fn texts(events: &[Value], field: &str) -> BTreeSet<String> {
    let texts = events.iter().filter_map(|event| event[field].as_array()).flatten();
    texts.map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
}

fn judged(daemon: &Daemon, count: usize) -> Vec<Value> {
    wait_for_at_least("the lines to be judged", count as u64, || daemon.stream("L3_OUT").len() as u64);
    daemon.stream("L3_OUT")
}

#[test]
fn lines_dated_ahead_hide_nothing_and_move_no_clock() {
    let site = Site::new("[[intake.file]]\npath = \"{dir}/auth.log\"\n");
    append(&site, "auth.log", &[]);
    let daemon = site.start_ready();
    let now = Timestamp::now();
    let ago = |seconds| now.minus(Duration::from_secs(seconds));
    let mut lines: Vec<String> = (1..10).rev().map(|number| login(ago(number * 9), "Failed")).collect();
    // Of the intruder: it would be the only one in its window.
    lines.push(login(now.plus(HOUR * 20), "Failed"));
    // More than a day ahead, which no zone explains.
    lines.push(login(now.plus(HOUR * 24 * 400), "Failed"));
    lines.push(login(now, "Accepted"));
    append(&site, "auth.log", &lines);
    let far = [now.plus(HOUR * 23).seconds(), 7_258_118_400.0];
    let posted: String =
        far.iter().map(|ts| format!("{}\n", json!({ "ts": ts, "source": "app", "payload": "x" }))).collect();
    assert_eq!(daemon.post("/api/v1/streams/L3_IN", &posted).unwrap().0, 200);

    let decisions = judged(&daemon, lines.len() + far.len());
    wait_for("the guessing to be seen", || {
        texts(&daemon.stream("L4_OUT"), "reasons").contains("success_after_failures")
    });
    let doubted = decisions.iter().filter(|event| event["reasons"].to_string().contains("time_not_believed")).count();
    assert_eq!(doubted, 2 + far.len());
    wait_for("device 51 to tell of it", || texts(&daemon.stream("SOC_EVENTS"), "flags").contains("LOG_TIME_AHEAD"));
    // What a line tells of its own time stays what is shown of it.
    assert!(daemon.stream("L3_IN").iter().any(|event| event["ts"].as_f64() == Some(far[1])));
    let newest = daemon.stream("TICK").last().map(|tick| tick["ts"].as_f64().unwrap()).unwrap();
    assert!(newest < Timestamp::now().seconds() + 1.0, "the daemon's clock went ahead to {newest}");
}

#[test]
fn ticks_come_while_lines_do() {
    let site = Site::new("");
    let daemon = site.start_ready();
    let ticks = || daemon.stream("TICK").len();
    let before = ticks();
    let mut posted = 0;
    wait_for("ticks between lines that never pause", || {
        let line = json!({ "ts": 1_700_000_000, "source": "yesterday", "payload": "x" });
        assert_eq!(daemon.post("/api/v1/streams/L3_IN", &format!("{line}\n")).unwrap().0, 200);
        posted += 1;
        ticks() >= before + 3
    });
    let newest = daemon.stream("TICK").last().map(|tick| tick["ts"].as_f64().unwrap()).unwrap();
    assert!(
        newest > Timestamp::now().minus(HOUR).seconds(),
        "{newest} is by the clock of a source, after {posted} lines"
    );
}
