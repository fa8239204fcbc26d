//! False alarms by day and host: logs of ordinary days go through the whole pipeline with all devices and the public Sigma rules, at the
//! times that they tell.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::attackers::logs;
use crate::quiet::attack_in;
use crate::replayed::soc_events_with;
use crate::table::{Bound, figure};
use crate::{data, fail2ban, wazuh};

/// From here on a person is to look at it.
const ALARMS: [&str; 3] = ["MEDIUM", "HIGH", "CRITICAL"];
/// Devices that speak of the alarms of others.
const OF_OTHERS: [u64; 2] = [52, 58];
/// What `[[notify]]` tells of unless it is configured otherwise: incidents from `HIGH` on.
const NOTIFIED: [&str; 2] = ["HIGH", "CRITICAL"];
const ALARMS_A_DAY_MAX: f64 = 1.0;

/// Alarms that are right, by the name of the log and what they are of, and what attack the log holds.
const RIGHT: [(&str, &str, &str); 6] = [
    ("fail2ban drupal-auth", "FORGED_ADDRESS", "somebody writes an address into a URL to have it banned"),
    ("fail2ban recidive", "recidive", "another product has banned an attacker that comes again and again"),
    ("fail2ban sshd", "LOG_TIME_BACKWARDS", "its samples are of several years, in no order"),
    (
        "fail2ban sshd",
        "network_brute_force",
        "they are refused logins, of which other samples of the file count the last line",
    ),
    (
        "crowdsec-hub openvpn",
        "SIGNATURE_INVALID",
        "a client that is called malicious-client shows a forged certificate",
    ),
    ("crowdsec-hub openvpn", "CERTIFICATE_UNTRUSTED", "the same, as OpenSSL says it"),
];

/// One log, and for how many days of one host it stands.
struct Quiet {
    name: String,
    inputs: Vec<PathBuf>,
    days: f64,
}

/// An alarm is counted once, however often it grows.
struct Alarm {
    log: String,
    of: String,
    severity: String,
    summary: String,
}

fn text<'event>(event: &'event Value, name: &str) -> &'event str {
    event[name].as_str().unwrap_or_default()
}

/// What a reader knows an alarm by: its flag, else its first reason.
fn of(event: &Value) -> String {
    let first = |name: &str| event[name][0].as_str();
    first("flags").or_else(|| first("reasons")).unwrap_or("without a name").to_owned()
}

/// The alarms of one log, and the incidents of which somebody would be told.
fn alarms(log: &Quiet, rules: &str) -> (Vec<Alarm>, usize) {
    let events = soc_events_with(rules, &log.inputs);
    let is_of_others = |event: &Value| event["src_device"].as_u64().is_some_and(|device| OF_OTHERS.contains(&device));
    let mut alarms: BTreeMap<String, Alarm> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for event in events.iter().filter(|event| event["decision"] != "benign") {
        let severity = text(event, "severity");
        if event["src_device"] == 52 && NOTIFIED.contains(&severity) {
            told.insert(text(event, "incident_id").to_owned());
        }
        if is_of_others(event) || !ALARMS.contains(&severity) {
            continue;
        }
        let [alarm, own] = ["alert_id", "event_id"].map(|name| text(event, name));
        let id = if alarm.is_empty() { own } else { alarm };
        alarms.entry(id.to_owned()).or_insert_with(|| Alarm {
            log: log.name.clone(),
            of: of(event),
            severity: severity.to_owned(),
            summary: text(event, "summary").to_owned(),
        });
    }
    (alarms.into_values().collect(), told.len())
}

/// A Zeek log as Zeek writes it in JSON, without what its label calls malicious and without the labels.
fn as_json(log: &str) -> String {
    let (mut names, mut types): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut lines = String::new();
    for line in log.lines() {
        if let Some(columns) = line.strip_prefix("#fields\t") {
            names = columns.split('\t').collect();
        } else if let Some(columns) = line.strip_prefix("#types\t") {
            types = columns.split('\t').collect();
        } else if !line.starts_with('#') {
            let cells = || names.iter().zip(&types).zip(line.split('\t'));
            if cells().any(|((name, _), cell)| *name == "label" && cell == "Malicious") {
                continue;
            }
            let is_set = |((name, _), cell): &((&&str, &&str), &str)| {
                !matches!(*cell, "-" | "(empty)" | "") && !name.ends_with("label")
            };
            let entries = cells().filter(is_set).map(|((name, kind), cell)| ((*name).to_owned(), value(kind, cell)));
            lines.push_str(&Value::Object(entries.collect::<Map<_, _>>()).to_string());
            lines.push('\n');
        }
    }
    lines
}

fn value(kind: &str, cell: &str) -> Value {
    let number = || match kind {
        "time" | "interval" | "double" => serde_json::Number::from_f64(cell.parse().ok()?),
        "count" | "port" | "int" => cell.parse::<i64>().ok().map(Into::into),
        _ => None,
    };
    if let Some(number) = number() {
        return Value::Number(number);
    }
    match kind {
        "bool" => Value::Bool(cell == "T"),
        kind if kind.starts_with("set[") || kind.starts_with("vector[") => cell.split(',').collect(),
        _ => Value::from(cell),
    }
}

/// One day of one machine that nobody broke into.
fn zeek(capture: &str, folder: &Path) -> Quiet {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(data("zeek-labeled").join(capture).join("data")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().replace(".labeled", "");
        let json = as_json(&String::from_utf8_lossy(&fs::read(&path).unwrap()));
        if !json.is_empty() {
            let written = folder.join(name);
            fs::write(&written, json).unwrap();
            inputs.push(written);
        }
    }
    inputs.sort();
    assert!(!inputs.is_empty());
    Quiet { name: format!("zeek {capture}"), inputs, days: 1.0 }
}

/// Six weeks of a server that people from everywhere try passwords on, and that else is quiet.
fn server(folder: &Path) -> Quiet {
    const DAYS: f64 = 43.0;
    let text = fs::read(data("loghub/Linux/Linux_2k.log")).unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    let is_guess = |line: &&str| {
        ["authentication failure", "Authentication failed", "check pass", "FAILED LOGIN"]
            .iter()
            .any(|part| line.contains(part))
    };
    let quiet: String = text.lines().filter(|line| !is_guess(line)).map(|line| format!("{line}\n")).collect();
    let input = folder.join("messages");
    fs::write(&input, quiet).unwrap();
    Quiet { name: "loghub Linux".to_owned(), inputs: vec![input], days: DAYS }
}

/// Samples by program: each is one host for less than a day.
fn samples(folder: &Path, corpus: &str, by_file: BTreeMap<String, Vec<String>>) -> Vec<Quiet> {
    let quiet = |(name, lines): (String, Vec<String>)| {
        let input = folder.join(format!("{corpus}-{name}"));
        fs::write(&input, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        Quiet { name: format!("{corpus} {name}"), inputs: vec![input], days: 1.0 }
    };
    by_file.into_iter().map(quiet).collect()
}

/// The hub's logs of tests that expect no attacker and hold none.
fn hub() -> Vec<Quiet> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(data("crowdsec-hub/.tests")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let quiet = |folder: PathBuf| {
        let name = folder.file_name()?.to_string_lossy().into_owned();
        let asserts = fs::read_to_string(folder.join("scenario.assert")).ok()?;
        let is_quiet = !asserts.contains(".Overflow.") && attack_in(&name).is_none();
        let inputs = logs(&folder);
        (is_quiet && !inputs.is_empty()).then(|| Quiet { name: format!("crowdsec-hub {name}"), inputs, days: 1.0 })
    };
    folders.into_iter().filter_map(quiet).collect()
}

/// Prints what was found, and returns how many false alarms there are to a day of a host.
fn measured(what: &str, logs: &[Quiet], rules: &str) -> f64 {
    let (mut wrong, mut notified) = (0, 0);
    let days: f64 = logs.iter().map(|log| log.days).sum();
    for log in logs {
        let (alarms, told) = alarms(log, rules);
        notified += told;
        for alarm in alarms {
            let right = RIGHT.iter().find(|(name, of, _)| alarm.log == *name && alarm.of == *of);
            let why = right.map_or("FALSE".to_owned(), |(_, _, why)| format!("right: {why}"));
            wrong += u32::from(right.is_none());
            eprintln!("{}: {} {}: {} [{why}]", alarm.log, alarm.severity, alarm.of, alarm.summary);
        }
    }
    eprintln!("{what}: {wrong} false alarms in {days} days of hosts; {notified} incidents that are notified of");
    f64::from(wrong) / days
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn a_quiet_day_of_a_host_has_at_most_one_false_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let place = folder.path().join(name);
        fs::create_dir(&place).unwrap();
        place
    };
    let rules = format!("[l3]\nrules = [{:?}]\n", data("sigma"));
    let long = [zeek("008-zeek-mixed", &place("008")), zeek("010-zeek-mixed", &place("010")), server(&place("server"))];
    let a_day = measured("whole days", &long, &rules);
    let worst = long.iter().map(|log| measured("one log", std::slice::from_ref(log), &rules)).fold(0.0, f64::max);
    let samples: Vec<Quiet> = [
        samples(&place("fail2ban"), "fail2ban", fail2ban::no_failures_by_file()),
        samples(&place("wazuh"), "wazuh", wazuh::harmless_by_file()),
        hub(),
    ]
    .into_iter()
    .flatten()
    .collect();
    // Loading three thousand rules for each of two hundred short logs takes longer than all that they do.
    let a_sample = measured("samples", &samples, "");
    figure("quiet logs", "false alarms a day and host, all devices", a_day, Bound::AtMost(ALARMS_A_DAY_MAX));
    figure("quiet logs", "… of the worst host", worst, Bound::AtMost(ALARMS_A_DAY_MAX));
    figure("quiet logs", "false alarms a short log of one host", a_sample, Bound::AtMost(ALARMS_A_DAY_MAX));
}
