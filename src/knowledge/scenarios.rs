//! `dsmild rules test`: the samples beside scenarios, run through the parser and Layer 4.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use super::exit::{EXIT_BAD, EXIT_CONFIG, EXIT_INPUT};
use crate::config::{L3, L4};
use crate::detect::scenario::sample::{Sample, samples};
use crate::detect::sigma::normal;
use crate::event::{Body, Decision, Event, EventId, Format, Raw, Record, Stream, Times, Timestamp};
use crate::layer::l4;
use crate::layer::rule_files::{self, Wanted, YAML};
use crate::layer::stage::{Outbox, Stage};
use crate::parse::{built_in, record};

/// Runs the samples of the files. `strangers`: so many other clients come between two lines of a sample.
///
/// # Errors
/// Writing fails.
pub fn test(paths: &[PathBuf], strangers: u32, out: &mut impl Write) -> io::Result<u8> {
    let files = match (Wanted { key: "PATH", endings: YAML, builtin: Vec::new(), paths }).read() {
        Ok(files) => files,
        Err(findings) => {
            findings.iter().for_each(|finding| eprintln!("dsmild: {}", finding.problem));
            return Ok(EXIT_INPUT);
        }
    };
    let config = L4 { scenarios: paths.to_vec(), ..L4::default() };
    let rules = rule_files::read(&L3::default()).map(|rules| rules.texts).unwrap_or_default();
    let prepared = match l4::prepare(&config, &rules) {
        Ok(prepared) => prepared,
        Err(findings) => {
            findings.iter().try_for_each(|finding| writeln!(out, "{}", finding.problem))?;
            return Ok(EXIT_CONFIG);
        }
    };
    let samples = match samples(&files.texts) {
        Ok(samples) => samples,
        Err(mistakes) => {
            mistakes.iter().try_for_each(|mistake| writeln!(out, "{mistake}"))?;
            return Ok(EXIT_CONFIG);
        }
    };
    prepared.warnings.iter().try_for_each(|warning| writeln!(out, "{}", warning.problem))?;
    let mut failed = 0;
    for sample in &samples {
        if let Err(problem) = run(sample, &mut *prepared.stage(), strangers) {
            failed += 1;
            writeln!(out, "{}: `{}`, {}: {problem}", sample.file, sample.scenario, sample.name)?;
        }
    }
    writeln!(out, "{} samples: {failed} fail; {} mistakes in files", samples.len(), prepared.warnings.len())?;
    Ok(match (prepared.warnings.is_empty(), failed) {
        (false, _) => EXIT_CONFIG,
        (true, 0) => 0,
        (true, _) => EXIT_BAD,
    })
}

/// When the first line of each sample comes.
const BEGIN: Timestamp = Timestamp::ZERO;
const YEARS: Duration = Duration::from_secs(50 * 365 * 86_400);

/// Names no line of a sample can have.
const STRANGER: &str = "stranger-";

fn run(sample: &Sample, stage: &mut dyn Stage, strangers: u32) -> Result<(), String> {
    let mut time = BEGIN.plus(YEARS);
    let mut alarms = Vec::new();
    let mut met: u32 = 0;
    for line in &sample.lines {
        let read = record(line.as_bytes(), Format::Auto, &[]);
        alarms.extend(step(stage, read.clone(), time));
        for _ in 0..strangers {
            met += 1;
            step(stage, stranger(&read, met), time);
        }
        time = time.plus(Duration::from_secs(sample.every_seconds));
    }
    // However often one is reported while it grows.
    let mut reported = BTreeSet::new();
    alarms.retain(|alarm| {
        let is_first = alarm.alarm.as_ref().is_none_or(|alarm| reported.insert(alarm.id.clone()));
        is_first && alarm.reasons.iter().any(|reason| sample.reasons.contains(reason))
    });
    let expected = &sample.expected;
    if alarms.len() != expected.alerts {
        let said: Vec<&str> = alarms.iter().map(|alarm| alarm.summary.as_str()).collect();
        return Err(format!("{} alerts instead of {}: {said:?}", alarms.len(), expected.alerts));
    }
    let Some(first) = alarms.first() else { return Ok(()) };
    let about = Record { entity: first.entity.clone(), ..Record::default() };
    for (name, value) in &expected.fields {
        let is = normal::field(&about, name);
        if is.as_deref() != Some(value) {
            return Err(format!("{name} is {:?} instead of `{value}`", is.as_deref().unwrap_or("absent")));
        }
    }
    Ok(())
}

/// The same line of somebody else.
fn stranger(line: &Record, number: u32) -> Record {
    let mut other = line.clone();
    let [_, second, third, fourth] = number.to_be_bytes();
    // 100.64.0.0/10 is nobody's, RFC 6598.
    other.entity.src_ip = Some(format!("100.{}.{third}.{fourth}", 64 + second % 64));
    other.entity.user = Some(format!("{STRANGER}{number}"));
    other.entity.host = Some(format!("{STRANGER}{number}"));
    other.pid = None;
    other
}

fn step(stage: &mut dyn Stage, record: Record, time: Timestamp) -> Vec<Decision> {
    let raw = Raw::new("sample".into(), "".into(), Format::Auto, "".into(), Vec::new(), built_in()).with_record(record);
    let id = EventId::new(time.millis(), 0);
    let event = Event { id, stream: Stream::L3In, times: Times::at(time), root: id, body: Body::Raw(raw) };
    let mut out = Outbox::default();
    out.begin(&event);
    stage.step(&event, &mut out);
    let decision = |body| match body {
        Body::Decision(decision) => Some(*decision),
        _ => None,
    };
    out.take().into_iter().filter_map(|draft| decision(draft.body)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_samples_of_all_scenarios_that_come_with_the_daemon_hold_with_and_without_strangers() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/scenarios");
        for strangers in [0, 50] {
            let mut out = Vec::new();
            let code = test(std::slice::from_ref(&folder), strangers, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_eq!(code, 0, "{text}");
            assert!(!text.starts_with("0 samples"), "{text}");
        }
    }

    #[test]
    fn a_sample_that_does_not_hold_is_named_with_what_came_instead() {
        let folder = tempfile::tempdir().unwrap();
        let yaml = "title: T\nid: own\ncorrelation:\n  type: event_count\n  rules: [failed_login]\n  group-by: [source.ip]\n  \
                    timespan: 1m\n  condition: {gte: 2}\ndsmil: {reason: own}\nsamples:\n  - name: two\n    repeat: 2\n    lines:\n      \
                    - 'Nov 10 10:00:00 h sshd[{n}]: Failed password for root from 192.0.2.1 port 4 ssh2'\n    expect: {alerts: 0}\n";
        std::fs::write(folder.path().join("own.yml"), yaml).unwrap();
        let mut out = Vec::new();
        assert_eq!(test(&[folder.path().to_owned()], 0, &mut out).unwrap(), EXIT_BAD);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("own.yml: `T`, two: 1 alerts instead of 0"), "{text}");
    }
}
