//! How often each rule has matched: counted once for each line, also over kills.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::break_in::break_in;
use crate::harness::{Daemon, Site, dsmild, wait_for};

const INPUT: &str = "[[intake.file]]\npath = \"{dir}/in.log\"\n";

fn rules(daemon: &Daemon) -> Value {
    let (code, body) = daemon.get("/api/v1/rules").unwrap();
    assert_eq!(code, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Of rules about lines, those that have matched, by what they are called.
fn hits(answer: &Value) -> BTreeMap<String, u64> {
    let rules = answer["rules"].as_array().unwrap().iter();
    let of_lines = rules.filter(|rule| rule["kind"] != "scenario" && rule["hits"] != 0);
    of_lines.map(|rule| (rule["reason"].as_str().unwrap().to_owned(), rule["hits"].as_u64().unwrap())).collect()
}

/// The same by the log itself, of those that are known as rules.
fn on_the_log(daemon: &Daemon, answer: &Value) -> BTreeMap<String, u64> {
    let known: Vec<&Value> = answer["rules"].as_array().unwrap().iter().map(|rule| &rule["reason"]).collect();
    let mut counted = BTreeMap::new();
    for decision in daemon.stream("L3_OUT") {
        for reason in decision["reasons"].as_array().unwrap().iter().filter(|reason| known.contains(reason)) {
            *counted.entry(reason.as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
    }
    counted
}

fn settle(daemon: &Daemon, lines: usize) {
    wait_for("all lines to be judged", || daemon.stream("L3_OUT").len() >= lines);
    wait_for("hits to be what the log says", || {
        let answer = rules(daemon);
        let counted = hits(&answer);
        !counted.is_empty() && counted == on_the_log(daemon, &answer)
    });
}

fn said(arguments: &[&str], site: &Site) -> String {
    let output = dsmild().args(arguments).arg("-c").arg(site.path("dsmil.toml")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn hits_of_rules_are_those_of_the_log_also_after_kills_and_the_command_line_shows_them() {
    let site = Site::new(INPUT);
    let read = "sudo:   eve : TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow";
    break_in(&site, "atlas", ("eve", "203.0.113.5"), (0, ""), &[read]);
    let daemon = site.start_ready();
    settle(&daemon, 29);
    let scenario = |answer: &Value| -> u64 {
        let rules = answer["rules"].as_array().unwrap().iter().filter(|rule| rule["kind"] == "scenario");
        rules.map(|rule| rule["hits"].as_u64().unwrap()).sum()
    };
    let before = rules(&daemon);
    assert!(scenario(&before) > 0, "guessing is a scenario");
    daemon.kill();
    let daemon = site.start_ready();
    settle(&daemon, 29);
    let again = rules(&daemon);
    assert_eq!((hits(&again), scenario(&again)), (hits(&before), scenario(&before)));
    break_in(&site, "atlas", ("mallory", "203.0.113.6"), (300, ""), &[read]);
    settle(&daemon, 58);
    let doubled = hits(&before).into_iter().map(|(name, count)| (name, 2 * count)).collect();
    assert_eq!(hits(&rules(&daemon)), doubled);

    let (name, count) = hits(&rules(&daemon)).into_iter().max_by_key(|(_, count)| *count).unwrap();
    let table = said(&["rules", "hits"], &site);
    assert!(table.starts_with("HITS") && table.contains("have not matched"), "{table}");
    let row = table.lines().find(|line| line.contains(&name)).unwrap();
    assert!(row.starts_with(&count.to_string()), "{row}");
    let json: Value = serde_json::from_str(&said(&["rules", "hits", "--json"], &site)).unwrap();
    assert_eq!(hits(&json).get(&name), Some(&count));
}

#[test]
fn a_line_is_tested_from_the_command_line_and_over_http_alike() {
    let site = Site::new(INPUT);
    std::fs::write(site.path("in.log"), "").unwrap();
    let daemon = site.start_ready();
    let line = "Nov 28 10:00:00 atlas sudo: eve : TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow";
    let body = serde_json::json!({ "line": line }).to_string();
    let (code, body) = daemon.post("/api/v1/rules/test", &body).unwrap();
    assert_eq!(code, 200, "{body}");
    let tested: Value = serde_json::from_str(&body).unwrap();
    let explained: Value = serde_json::from_str(&said(&["rules", "explain", line, "--json"], &site)).unwrap();
    assert_eq!(tested, explained);
    let title = tested["rules"][0]["title"].as_str().unwrap();
    assert!(said(&["rules", "explain", line], &site).contains(title));
    assert!(daemon.stream("L3_IN").is_empty());
}
