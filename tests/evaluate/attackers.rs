//! The CrowdSec hub's tests of its scenarios: which attackers lead to a SOC event, and what the tests that expect none lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::quiet::{attack_in, is_false_alarm};
use crate::replayed::soc_events;
use crate::table::{Goal, Table};
use crate::{address, data};

const CORPUS: &str = "crowdsec-hub scenarios";

/// Scenarios that need to know which country or network an address belongs to.
const NEED_GEOIP: [&str; 3] = ["impossible-travel", "ccs-by-as", "ccs-by-country"];

struct Attacker {
    test: String,
    address: String,
    scenarios: BTreeSet<String>,
}

/// What stands behind `results[0].Overflow.` in lines like `results[0].Overflow.Sources["192.0.2.1"].IP == …`.
fn results(asserts: &str) -> impl Iterator<Item = (&str, &str)> {
    asserts.lines().filter_map(|line| line.strip_prefix("results[")?.split_once("].Overflow."))
}

fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}

fn attackers(test: &str, asserts: &str) -> Vec<Attacker> {
    let named = |(result, rest): (&'_ str, &'_ str)| {
        let name = rest.strip_prefix("Alert.GetScenario() == ").and_then(quoted)?;
        Some((result.to_owned(), name.to_owned()))
    };
    let scenarios: BTreeMap<String, String> = results(asserts).filter_map(named).collect();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (result, rest) in results(asserts) {
        let Some(source) = rest.strip_prefix("Sources[").and_then(quoted).and_then(address) else { continue };
        found.entry(source).or_default().extend(scenarios.get(result).cloned());
    }
    let attacker = |(address, scenarios)| Attacker { test: test.to_owned(), address, scenarios };
    found.into_iter().map(attacker).collect()
}

impl Attacker {
    fn is(&self, words: &[&str]) -> bool {
        self.scenarios.iter().any(|name| words.iter().any(|word| name.to_ascii_lowercase().contains(word)))
    }

    fn needs_geoip(&self) -> bool {
        self.is(&NEED_GEOIP)
    }
}

/// The logs of one test.
pub fn logs(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect();
    logs.sort();
    logs
}

/// Whom an event is about, and who is in its list.
fn named(event: &Value) -> impl Iterator<Item = &str> {
    let members = event["members"].as_array().into_iter().flatten();
    event["entity"]["src_ip"].as_str().into_iter().chain(members.filter_map(Value::as_str))
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn attackers_that_others_report_are_reported() {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(data("crowdsec-hub/.tests")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let (mut judged, mut quiet) = (Vec::new(), Vec::new());
    for folder in folders.iter().filter(|folder| folder.join("scenario.assert").exists()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let events = soc_events(&logs(folder));
        let reported: BTreeSet<String> = events.iter().flat_map(named).filter_map(address).collect();
        let asserts = fs::read_to_string(folder.join("scenario.assert")).unwrap();
        let attackers = attackers(&name, &asserts);
        // A result without a source is an attacker all the same, whom the test does not name.
        if results(&asserts).next().is_none() {
            let alarms = events.iter().filter(|event| is_false_alarm(event));
            quiet.push((name, alarms.map(|event| event["summary"].to_string()).collect::<Vec<_>>()));
        }
        judged.extend(attackers.into_iter().map(|attacker| (reported.contains(&attacker.address), attacker)));
    }
    judged.retain(|(_, attacker)| !attacker.needs_geoip());
    let mut table = Table::default();
    let show = |attacker: &Attacker| format!("{}: {} {:?}", attacker.test, attacker.address, attacker.scenarios);
    let mut row = |metric, goal, chosen: Vec<(bool, &Attacker)>| {
        let goal = (CORPUS, metric, Goal::AtLeast(goal));
        table.share(goal, &chosen, |(found, _)| *found, |(_, attacker)| show(attacker));
    };
    let of = |chosen: &dyn Fn(&Attacker) -> bool| {
        judged
            .iter()
            .filter(|(_, attacker)| chosen(attacker))
            .map(|(found, attacker)| (*found, attacker))
            .collect::<Vec<_>>()
    };
    row("attackers reported", 0.85, of(&|_| true));
    row("… of guessing", 0.95, of(&|attacker| attacker.is(&["bf", "bruteforce", "enum"])));
    row("… of web requests", 0.85, of(&|attacker| attacker.is(&["http-"])));
    row("… of known vulnerabilities", 0.80, of(&|attacker| attacker.is(&["cve"])));
    let is_quiet = |(_, alarms): &(String, Vec<String>)| alarms.is_empty();
    let show = |(name, alarms): &(String, Vec<String>)| format!("{name}: {alarms:?}");
    table.share((CORPUS, "tests that expect nothing and are quiet", Goal::Shown), &quiet, is_quiet, show);
    quiet.retain(|(name, _)| attack_in(name).is_none());
    table.share((CORPUS, "… of those with no attack in their log", Goal::AtLeast(0.98)), &quiet, is_quiet, show);
    table.finish();
}
