//! What is silenced is stored and marked, and nobody is told of it: in the running daemon, over kills, a lost hot store and in a replay.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::break_in::break_in;
use crate::harness::{Daemon, Site, dsmild, wait_for};
use crate::notify_server::Webhook;

const INPUT: &str = "[[intake.file]]\npath = \"{dir}/in.log\"\n";

/// Begins at this minute; each time another one, for an alarm about the same that grows is not said again.
fn attack(site: &Site, host: &str, minute: u64) {
    let (user, from) = (format!("user{minute}-of-{host}"), format!("203.0.113.{}", minute + 1));
    break_in(site, host, (&user, &from), (minute * 60, ""), &[]);
}

fn settle(daemon: &Daemon, site: &Site) {
    daemon.until_handled(std::fs::read_to_string(site.path("in.log")).unwrap().lines().count());
}

/// SOC events about a machine, other than incidents and proposals.
fn alarms(events: &[Value], host: &str) -> Vec<Value> {
    let is_alarm = |event: &&Value| event["entity"]["host"] == host && event["incident_id"].is_null();
    events.iter().filter(|event| event["proposal"].is_null()).filter(is_alarm).cloned().collect()
}

/// Machines that incidents and proposals are about.
fn told_of(events: &[Value]) -> BTreeSet<String> {
    let is_told = |event: &&Value| event["flags"][0] == "INCIDENT" || !event["proposal"].is_null();
    let hosts = events.iter().filter(is_told).filter_map(|event| event["entity"]["host"].as_str());
    hosts.map(str::to_owned).collect()
}

fn silence(site: &Site, arguments: &[&str]) -> (Option<i32>, String) {
    let output = dsmild().arg("silence").args(arguments).arg("-c").arg(site.path("dsmil.toml")).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn listed(site: &Site, state: &str) -> Vec<Value> {
    let (code, text) = silence(site, &["list", "--state", state, "--json"]);
    assert_eq!(code, Some(0), "{text}");
    let list: Value = serde_json::from_str(&text).unwrap();
    list["silences"].as_array().unwrap().clone()
}

#[test]
fn nobody_is_told_of_what_is_silenced_also_after_a_kill_and_a_lost_store_until_somebody_ends_it() {
    let hook = Webhook::started();
    let notify = format!(
        "{INPUT}[[notify]]\nkind = \"webhook\"\nname = \"hook\"\nurl = \"http://127.0.0.1:{}/in\"\nrate = 100000\nevery = \"1s\"\nwhere = \"severity >= LOW\"\n",
        hook.port
    );
    let site = Site::new(&notify);
    std::fs::write(site.path("in.log"), "").unwrap();
    let daemon = site.start_ready();
    let (code, text) =
        silence(&site, &["add", "--entity", "host=ours", "--for", "1d", "--comment", "an exercise", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    let id = serde_json::from_str::<Value>(&text).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(silence(&site, &["add", "--where", "since 2h", "--for", "1d"]).0, Some(1));
    attack(&site, "ours", 0);
    attack(&site, "theirs", 5);
    settle(&daemon, &site);
    let said = daemon.stream("SOC_EVENTS");
    let covered = alarms(&said, "ours");
    assert!(covered.len() >= 3 && covered.iter().all(|event| event["silence_id"] == id.as_str()), "{covered:#?}");
    assert!(covered.iter().all(|event| event["flags"].as_array().unwrap().contains(&"SILENCED".into())));
    assert!(alarms(&said, "theirs").iter().all(|event| event["silence_id"].is_null()));
    assert_eq!(told_of(&said), BTreeSet::from(["theirs".to_owned()]));
    wait_for("the other incident to be told", || !hook.taken().is_empty());
    let active = listed(&site, "active");
    assert_eq!((active.len(), active[0]["hits"].as_u64()), (1, Some(covered.len() as u64)), "{active:#?}");
    let (_, metrics) = daemon.get("/metrics").unwrap();
    let counted = metrics.lines().filter_map(|line| line.strip_prefix("dsmil_silenced_events_total{"));
    let counted: u64 = counted.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(counted, covered.len() as u64);
    daemon.kill();

    let daemon = site.start_ready();
    assert_eq!(listed(&site, "active"), active);
    attack(&site, "ours", 20);
    settle(&daemon, &site);
    let said = daemon.stream("SOC_EVENTS");
    let more = alarms(&said, "ours");
    assert!(more.len() > covered.len() && more.iter().all(|event| event["silence_id"] == id.as_str()), "{more:#?}");
    assert_eq!(told_of(&said), BTreeSet::from(["theirs".to_owned()]));
    assert_eq!(said.iter().filter(|event| event["flags"][0] == "SILENCE_ADDED").count(), 1);
    daemon.kill();

    std::fs::remove_dir_all(site.path("hot")).unwrap();
    // Or it would be read again from its beginning.
    std::fs::write(site.path("in.log"), "").unwrap();
    let daemon = site.start_ready();
    let restored = || daemon.stream("SOC_EVENTS").iter().any(|event| event["flags"][0] == "SILENCE_ADDED");
    wait_for("the log to say again what is silenced", restored);
    attack(&site, "ours", 30);
    settle(&daemon, &site);
    let said = daemon.stream("SOC_EVENTS");
    assert!(!alarms(&said, "ours").is_empty() && told_of(&said).is_empty(), "{said:#?}");
    let about_ours = |taken: &crate::notify_server::Taken| taken.body.to_string().contains("-of-ours");
    assert!(!hook.taken().iter().any(about_ours));
    let (code, text) = silence(&site, &["end", &id, "--note", "it is over"]);
    assert_eq!((code, text.contains("ended")), (Some(0), true), "{text}");
    assert_eq!(silence(&site, &["end", &id]).0, Some(1));
    attack(&site, "ours", 40);
    wait_for("it to be an incident again", || told_of(&daemon.stream("SOC_EVENTS")).contains("ours"));
    wait_for("somebody to be told of it", || hook.taken().iter().any(about_ours));
    assert_eq!(listed(&site, "ended")[0]["ended_note"], "it is over");
    assert_eq!(daemon.terminate(), Some(0));
    let verified = dsmild().arg("verify").arg("-c").arg(site.path("dsmil.toml")).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn a_silence_ends_by_the_time_of_the_events_in_the_daemon_and_in_a_replay() {
    let site = Site::new(&format!(
        "{INPUT}[[silence]]\nid = \"exercise\"\nentity = {{ kind = \"host\", value = \"ours\" }}\nuntil = \"2026-11-20T10:10:00Z\"\n"
    ));
    std::fs::write(site.path("in.log"), "").unwrap();
    attack(&site, "ours", 0);
    attack(&site, "ours", 20);
    let daemon = site.start_ready();
    settle(&daemon, &site);
    let told = |events: &[Value]| -> Vec<(u64, String)> {
        let alarms = alarms(events, "ours").into_iter();
        alarms
            .map(|event| (event["ts"].as_f64().unwrap() as u64, event["silence_id"].as_str().unwrap_or("").to_owned()))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    };
    let said = told(&daemon.stream("SOC_EVENTS"));
    let end = "2026-11-20T10:10:00Z".parse::<jiff::Timestamp>().unwrap().as_second() as u64;
    assert!(said.iter().any(|(ts, _)| *ts < end) && said.iter().any(|(ts, _)| *ts >= end), "{said:?}");
    assert!(said.iter().all(|(ts, id)| (id == "exercise") == (*ts < end)), "{said:?}");
    let (code, text) = silence(&site, &["end", "exercise"]);
    assert!(code == Some(1) && text.contains("configuration"), "{text}");
    assert_eq!(listed(&site, "expired").len(), 1);
    let output = dsmild().arg("replay").arg("-c").arg(site.path("dsmil.toml")).arg(site.path("in.log")).output();
    let output = String::from_utf8(output.unwrap().stdout).unwrap();
    let replayed: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // That an alarm is over is said at a tick, and a replay has others.
    let is_of_lines = |(ts, _): &&(u64, String)| (ts + 600 - end) % 1200 < 60;
    assert_eq!(
        told(&replayed).iter().filter(is_of_lines).collect::<Vec<_>>(),
        said.iter().filter(is_of_lines).collect::<Vec<_>>()
    );
}
