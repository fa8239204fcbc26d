//! fail2ban's samples: which lines are failures, and whose.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dsmild::event::Format;
use dsmild::parse::{Calendar, LogTime, Parsed, parse};
use serde_json::Value;

use crate::replayed::{Decided, decisions};
use crate::table::{Goal, Table};
use crate::{address, data};

const CORPUS: &str = "fail2ban";

struct Sample {
    file: String,
    line: String,
    expected: Value,
    /// The comments before it say that somebody tries to be taken for another.
    is_injection: bool,
}

/// Every log line that follows a `# failJSON:` comment.
fn samples(folder: &Path) -> Vec<Sample> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut samples = Vec::new();
    for path in paths.iter().filter(|path| path.is_file()) {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let mut expected = None;
        let mut is_injection = false;
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix('#') {
                is_injection |= comment.to_ascii_lowercase().contains("inject");
                let json = comment.trim_start().strip_prefix("failJSON:");
                if let Some(json) = json {
                    expected = serde_json::from_str(json).ok();
                }
            } else {
                if let Some(expected) = expected.take() {
                    let file = path.file_name().unwrap().to_string_lossy().into_owned();
                    samples.push(Sample { file, line: line.to_owned(), expected, is_injection });
                }
                is_injection = false;
            }
        }
    }
    assert!(samples.len() > 300, "only {} samples read", samples.len());
    samples
}

struct Judged {
    sample: Sample,
    decided: Decided,
    /// The attacker's address, if the line has it.
    source: Option<String>,
}

impl Judged {
    fn claimed(&self) -> Option<&str> {
        self.decided.entity("src_ip")
    }

    fn is_wrong(&self) -> bool {
        self.claimed().is_some_and(|claimed| self.source.as_deref() != Some(claimed))
    }

    fn show(&self) -> String {
        let (source, claimed) = (&self.source, self.claimed());
        format!("{}: {:?} {claimed:?} of {source:?}: {}", self.sample.file, self.decided.reasons, self.sample.line)
    }
}

/// The lines that fail2ban takes for no failure.
pub fn no_failures() -> Vec<String> {
    no_failures_by_file().into_values().flatten().collect()
}

/// The same by the file that they stand in.
pub fn no_failures_by_file() -> BTreeMap<String, Vec<String>> {
    let samples = samples(&data("fail2ban/fail2ban/tests/files/logs"));
    let mut by_file: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for sample in samples.into_iter().filter(|sample| sample.expected["match"] != Value::Bool(true)) {
        by_file.entry(sample.file).or_default().push(sample.line);
    }
    by_file
}

pub fn measure(table: &mut Table) {
    let samples = samples(&data("fail2ban/fail2ban/tests/files/logs"));
    let lines: Vec<&str> = samples.iter().map(|sample| sample.line.as_str()).collect();
    let decided = decisions(&lines);
    let (mut failures, mut others) = (Vec::new(), Vec::new());
    for (sample, decided) in samples.into_iter().zip(decided) {
        let named = ["host", "ip4", "ip6"].iter().find_map(|key| sample.expected[key].as_str());
        let host = named.and_then(address);
        let source = host.filter(|host| sample.line.contains(host.as_str()));
        let is_failure = sample.expected["match"] == Value::Bool(true);
        if is_failure { &mut failures } else { &mut others }.push(Judged { sample, decided, source });
    }
    let recognised = |judged: &Judged| judged.decided.is_noticed();
    table.share((CORPUS, "failures recognised", Goal::AtLeast(0.95)), &failures, recognised, Judged::show);
    let failed = |judged: &Judged| judged.decided.is_failure();
    table.share((CORPUS, "failures said to be failures", Goal::Shown), &failures, failed, Judged::show);
    // Hosts given by name are no addresses, and some addresses stand in an earlier line only.
    let (named, unnamed): (Vec<_>, Vec<_>) = failures.into_iter().partition(|judged| judged.source.is_some());
    let right = |judged: &Judged| judged.claimed() == judged.source.as_deref();
    table.share((CORPUS, "source address", Goal::AtLeast(0.97)), &named, right, Judged::show);
    table.none((CORPUS, "wrong source address"), &named, Judged::is_wrong, Judged::show);
    table.none((CORPUS, "source address where there is none"), &unnamed, Judged::is_wrong, Judged::show);
    let forged: Vec<Judged> = named.into_iter().filter(|judged| judged.sample.is_injection).collect();
    table.share((CORPUS, "injection cases", Goal::AtLeast(1.0)), &forged, right, Judged::show);
    let not_login = |judged: &Judged| !judged.decided.reasons.iter().any(|reason| reason == "failed_login");
    table.share((CORPUS, "other lines that are no failed login", Goal::Shown), &others, not_login, Judged::show);
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn fail2ban_times_are_read() {
    let instant = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let stamp = |time: jiff::Timestamp| dsmild::event::Timestamp::from_micros(time.as_microsecond());
    let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    // The corpus is written as if read in August 2005; lines with a year are newer than that.
    let old = Calendar { zone: zone.clone(), reference: stamp(instant("2005-08-14T10:00:00Z")) };
    let new = Calendar { zone: zone.clone(), reference: stamp(instant("2030-01-01T00:00:00Z")) };
    let (mut right, mut total) = (0, 0);
    for Sample { file, line, expected, .. } in samples(&data("fail2ban/fail2ban/tests/files/logs")) {
        let Some(civil) = expected["time"].as_str().and_then(|time| time.parse::<jiff::civil::DateTime>().ok()) else {
            continue;
        };
        let Parsed { time, .. } = parse(line.as_bytes(), Format::Auto, &[]);
        let calendar = if matches!(time, LogTime::Yearless { .. }) { &old } else { &new };
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
