//! Measures the parser against log corpora that others wrote: fail2ban's samples (which address is the attacker's) and
//! the CrowdSec hub's tests (program, user, source address).

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use dsmild::event::{Action, Format};
use dsmild::parse::{Calendar, Parsed, parse};
use serde_json::Value;

use crate::data;

fn address(text: &str) -> Option<String> {
    Some(text.trim_matches(['[', ']']).parse::<IpAddr>().ok()?.to_canonical().to_string())
}

#[derive(Debug, Default)]
struct Tally {
    right: usize,
    wrong: usize,
    silent: usize,
}

impl Tally {
    fn add(&mut self, claimed: Option<&str>, expected: &str) -> bool {
        match claimed {
            Some(claimed) if claimed == expected => self.right += 1,
            Some(_) => self.wrong += 1,
            None => self.silent += 1,
        }
        claimed == Some(expected)
    }

    fn recall(&self) -> f64 {
        self.right as f64 / (self.right + self.wrong + self.silent).max(1) as f64
    }
}

struct Sample {
    file: String,
    line: String,
    expected: Value,
}

/// Every log line that follows a `# failJSON:` comment.
fn fail2ban_samples(folder: &Path) -> Vec<Sample> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut samples = Vec::new();
    for path in paths.iter().filter(|path| path.is_file()) {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let mut expected = None;
        for line in text.lines() {
            let json = line.strip_prefix('#').map(str::trim_start).and_then(|line| line.strip_prefix("failJSON:"));
            if let Some(json) = json {
                expected = serde_json::from_str(json).ok();
            } else if !line.starts_with('#')
                && let Some(expected) = expected.take()
            {
                let file = path.file_name().unwrap().to_string_lossy().into_owned();
                samples.push(Sample { file, line: line.to_owned(), expected });
            }
        }
    }
    samples
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn fail2ban_sources_are_never_wrong_and_mostly_found() {
    let folder = data("fail2ban/fail2ban/tests/files/logs");
    let samples = fail2ban_samples(&folder);
    assert!(samples.len() > 300, "only {} samples read", samples.len());
    let (mut sources, mut refused, mut failures_named) = (Tally::default(), 0, 0);
    let (mut benign, mut benign_as_failure) = (0, 0);
    for Sample { file, line, expected } in &samples {
        let record = parse(line.as_bytes(), Format::Auto, &[]).record;
        if expected["match"] == Value::Bool(false) {
            benign += 1;
            if record.action == Action::Login && record.outcome == Some(false) {
                benign_as_failure += 1;
                eprintln!("{file}: not to match: {line}");
            }
            continue;
        }
        // Hosts given by name are no addresses, and some addresses stand in an earlier line only.
        let Some(host) = expected["host"].as_str().and_then(address).filter(|host| line.contains(host.as_str())) else {
            continue;
        };
        let claimed = record.entity.src_ip.as_deref();
        let right = sources.add(claimed, &host);
        refused += usize::from(record.outcome == Some(false));
        failures_named += usize::from(right && record.outcome == Some(false));
        if !right || record.outcome != Some(false) {
            eprintln!("{file}: {claimed:?} {:?} {:?} instead of {host}: {line}", record.action, record.outcome);
        }
    }
    let total = sources.right + sources.wrong + sources.silent;
    eprintln!(
        "fail2ban: {total} lines with an address: {} right, {} wrong, {} none (recall {:.1} %); refused {refused}, \
         refused with the right address {failures_named}; of {benign} lines not to match, {benign_as_failure} are failed logins",
        sources.right,
        sources.wrong,
        sources.silent,
        100.0 * sources.recall()
    );
    assert_eq!(sources.wrong, 0, "an address was claimed that is not the attacker's");
    assert!(sources.recall() >= 0.93, "{sources:?}");
    assert!(refused as f64 >= 0.85 * total as f64, "{refused} of {total}");
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn fail2ban_times_are_read() {
    let folder = data("fail2ban/fail2ban/tests/files/logs");
    let instant = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let stamp = |time: jiff::Timestamp| dsmild::event::Timestamp::from_micros(time.as_microsecond());
    let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    // The corpus is written as if read in August 2005; lines with a year are newer than that.
    let old = Calendar { zone: zone.clone(), reference: stamp(instant("2005-08-14T10:00:00Z")) };
    let new = Calendar { zone: zone.clone(), reference: stamp(instant("2030-01-01T00:00:00Z")) };
    let (mut right, mut total) = (0, 0);
    for Sample { file, line, expected } in fail2ban_samples(&folder) {
        let Some(civil) = expected["time"].as_str().and_then(|time| time.parse::<jiff::civil::DateTime>().ok()) else {
            continue;
        };
        let Parsed { time, .. } = parse(line.as_bytes(), Format::Auto, &[]);
        let calendar = if matches!(time, dsmild::parse::LogTime::Yearless { .. }) { &old } else { &new };
        let expected = stamp(zone.to_timestamp(civil).unwrap());
        let resolved = calendar.resolve(time);
        total += 1;
        if resolved.micros() / 1_000_000 == expected.micros() / 1_000_000 {
            right += 1;
        } else {
            eprintln!("{file}: {time:?} is {resolved}, expected {expected}: {line}");
        }
    }
    eprintln!("fail2ban: {right} of {total} times right ({:.1} %)", 100.0 * right as f64 / f64::from(total));
    assert!(total > 300);
    assert!(f64::from(right) >= 0.95 * f64::from(total));
}

/// What a hub test asserts of one line: `program`, `source_ip`, `user`.
type Asserted = BTreeMap<String, String>;

/// `results["s01-parse"]["who/what"][3].Evt.Meta["source_ip"] == "192.0.2.1"`, of lines that were parsed.
fn hub_asserts(text: &str) -> BTreeMap<(String, usize), Asserted> {
    let mut found: BTreeMap<(String, usize), Asserted> = BTreeMap::new();
    for line in text.lines() {
        let Some((parser, rest)) =
            line.strip_prefix("results[\"s01-parse\"][\"").and_then(|rest| rest.split_once("\"]["))
        else {
            continue;
        };
        let Some((index, rest)) = rest.split_once("].") else { continue };
        let key = (parser.to_owned(), index.parse().unwrap());
        if let Some(success) = rest.strip_prefix("Success == ") {
            found.entry(key).or_default().insert("success".into(), success.to_owned());
        } else if let Some((place, value)) = rest.split_once(" == ")
            && let Some(name) = place.strip_prefix("Evt.").and_then(|place| place.strip_suffix("\"]"))
            && let Ok(value) = serde_json::from_str(value)
        {
            found.entry(key).or_default().insert(name.replace("[\"", "."), value);
        }
    }
    found.retain(|_, asserted| asserted.get("success").is_some_and(|success| success == "true"));
    found
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn crowdsec_hub_asserts_hold() {
    let folder = data("crowdsec-hub/.tests");
    let mut folders: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let (mut sources, mut users, mut programs) = (Tally::default(), Tally::default(), Tally::default());
    let mut forwarded = 0;
    let mut recalls = Vec::new();
    for test in folders.iter().filter(|path| path.join("parser.assert").exists()) {
        let name = test.file_name().unwrap().to_string_lossy();
        let asserts = hub_asserts(&fs::read_to_string(test.join("parser.assert")).unwrap());
        let log = fs::read_dir(test).unwrap().map(|entry| entry.unwrap().path());
        let Some(log) = log.filter(|path| path.extension().is_some_and(|extension| extension == "log")).min() else {
            continue;
        };
        let log = String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned();
        let mut of_test = Tally::default();
        for asserted in asserts.values() {
            let Some(message) = asserted.get("Parsed.message").filter(|message| !message.is_empty()) else { continue };
            let Some(line) = log.lines().find(|line| line.contains(message.trim())) else { continue };
            let record = parse(line.as_bytes(), Format::Auto, &[]).record;
            let expected =
                asserted.get("Meta.source_ip").and_then(|ip| address(ip)).filter(|ip| line.contains(ip.as_str()));
            // The hub believes what a proxy was told; an address that a client can choose is none for us.
            let is_told = |ip: &String| line.contains("X-Forwarded-For") || line.contains(&format!(",{ip}\""));
            if expected.as_ref().is_some_and(is_told) {
                forwarded += 1;
                continue;
            }
            if let Some(expected) = &expected {
                of_test.add(record.entity.src_ip.as_deref(), expected);
            }
            if let Some(expected) = expected
                && !sources.add(record.entity.src_ip.as_deref(), &expected)
            {
                eprintln!("{name}: {:?} instead of {expected}: {line:.300}", record.entity.src_ip);
            }
            let user = ["Meta.target_user", "Meta.username", "Meta.user"].iter().find_map(|key| asserted.get(*key));
            if let Some(user) = user
                .map(|user| user.trim_matches('\''))
                .filter(|user| !matches!(*user, "" | "undefined") && line.contains(user))
                && !users.add(record.entity.user.as_deref(), user)
            {
                eprintln!("{name}: user {:?} instead of {user}: {line:.300}", record.entity.user);
            }
            // Only syslog lines name their program; for other files the reader is told.
            let program = asserted.get("Parsed.program").filter(|_| asserted.contains_key("Parsed.logsource"));
            if let Some(program) = program.filter(|program| line.contains(&format!(" {program}"))) {
                programs.add(record.program.as_deref(), program);
            }
        }
        if of_test.right + of_test.wrong + of_test.silent > 0 {
            recalls.push(of_test.recall());
        }
    }
    for (what, tally) in [("source", &sources), ("user", &users), ("program", &programs)] {
        eprintln!("crowdsec-hub {what}: {tally:?} ({:.1} %)", 100.0 * tally.recall());
    }
    // Each log format counts once, however many lines its test has.
    let mean = recalls.iter().sum::<f64>() / recalls.len().max(1) as f64;
    eprintln!("crowdsec-hub: mean source recall of {} log formats {:.1} %", recalls.len(), 100.0 * mean);
    eprintln!("crowdsec-hub: {forwarded} lines left out whose source is what a proxy was told");
    assert!(sources.right + sources.wrong + sources.silent > 300, "{sources:?}");
    assert_eq!(sources.wrong, 0, "an address was claimed that is not the source");
    assert!(mean >= 0.80, "{mean}");
    assert_eq!(programs.wrong + programs.silent, 0, "{programs:?}");
    assert!(users.recall() >= 0.65, "{users:?}");
}
