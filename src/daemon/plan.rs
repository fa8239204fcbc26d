//! From a configuration to the stages that run: everything that can be wrong is found here, before anything starts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::components::Components;
use crate::bus::{Ledger, Snapshot};
use crate::commit::{ConsumerProgress, Progress};
use crate::config::{Config, Finding, files};
use crate::device;
use crate::event::EventId;
use crate::intake::file::absent;
use crate::intake::{clock, expected, parser};
use crate::knowledge::configured;
use crate::layer::stage::StageSpec;
use crate::parse::{Parser, built_in};
use crate::server;
use crate::store::{HotStore, Recovery};

/// What a configuration comes to.
#[derive(Clone)]
pub struct Plan {
    pub components: Arc<Components>,
    /// Those that are enabled, each after all that it reads from.
    pub stages: Vec<StageSpec>,
    /// Digests of the files that stages were prepared from, by name of the stage.
    pub files: BTreeMap<&'static str, String>,
    /// What an operator should know but what is no reason to refuse the configuration.
    pub warnings: Vec<Finding>,
    /// What lines are parsed with.
    pub parser: Arc<Parser>,
    /// How much of a line's own time is believed.
    pub skew: Duration,
}

impl Plan {
    /// Sources and store parse with its parser from now on, and believe lines by its skew.
    pub fn parse_with(&self, store: Option<&HotStore>) {
        parser::set(Arc::clone(&self.parser));
        clock::set_skew(self.skew);
        if let Some(store) = store {
            store.parse_with(Arc::clone(&self.parser) as _);
        }
    }

    /// A stage that the store does not know begins at the end: it learns from what there is, but says nothing about it.
    pub fn ledger(&self, recovery: &Recovery) -> Ledger {
        let stages = self.components.stages();
        Ledger::new(
            stages.map(|(_, row, stage)| (row.name.to_owned(), stage.reads, stage.writes, recovery.cursor(row.name))),
        )
    }

    /// How far the stages that run are, by what is committed.
    pub fn progress<'a>(&self, recovery: &Recovery, snapshot: impl Fn(&str) -> Option<&'a Snapshot>) -> Progress {
        let of = |spec: &StageSpec| {
            let snapshot = snapshot(spec.name).map_or(EventId::ZERO, |snapshot| snapshot.cursor);
            (spec.name.to_owned(), ConsumerProgress { cursor: recovery.cursor(spec.name), snapshot })
        };
        Progress::new(self.stages.iter().map(of).collect())
    }

    /// The stages that run and that the store does not know.
    pub fn new_stages<'a>(&'a self, recovery: &'a Recovery) -> impl Iterator<Item = &'static str> + 'a {
        let names = self.stages.iter().map(|spec| spec.name);
        names.filter(|name| !recovery.cursors.contains_key(*name))
    }
}

/// Reads the rules and lists that the configuration names and prepares every enabled stage.
///
/// # Errors
/// All findings at once.
pub fn prepare(config: &Config) -> Result<Plan, Vec<Finding>> {
    prepare_with(Arc::default(), config)
}

/// As [`prepare`], for a daemon of these components.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_with(components: Arc<Components>, config: &Config) -> Result<Plan, Vec<Finding>> {
    let sources: Vec<String> = expected(config).into_iter().map(|source| source.name).collect();
    let mut informed = config.clone();
    let knows_sources = device::know_sources(&mut informed.device, &sources);
    let config = &informed;
    let (mut stages, mut files, mut warnings) = (Vec::new(), BTreeMap::<_, String>::new(), Vec::new());
    let mut findings = device::unknown(&config.device, components.devices());
    findings.extend(components.cycle().map(|cycle| Finding::new("device", cycle.to_string(), "report this")));
    for (_, row, stage) in components.stages() {
        match (stage.prepare)(config) {
            Ok(None) => {}
            Ok(Some(prepared)) => {
                warnings.extend(prepared.warnings);
                stages.push(StageSpec {
                    name: row.name,
                    identifier: row.identifier,
                    reads: stage.reads,
                    critical: row.is_critical,
                    make: prepared.make,
                });
                files.extend(files::digest(&(stage.files)(config)).map(|digest| (row.name, digest)));
            }
            Err(found) => findings.extend(found),
        }
    }
    // A reload that reads other sources starts this stage again.
    files.entry(knows_sources).or_default().push_str(&sources.join("\n"));
    findings.extend(server::findings(&config.http));
    warnings.extend(absent::warnings(&config.intake.file));
    let parser = match configured::parser(&config.parse) {
        Ok((parser, diagnostics)) => {
            warnings.extend(diagnostics);
            parser
        }
        Err(found) => {
            findings.extend(found);
            built_in()
        }
    };
    let skew = config.parse.skew_max.get();
    if findings.is_empty() { Ok(Plan { components, stages, files, warnings, parser, skew }) } else { Err(findings) }
}

/// As [`prepare_with`], for the machine that it runs on: what its network cannot do without is never proposed to be blocked.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_here(components: Arc<Components>, config: &Config) -> Result<Plan, Vec<Finding>> {
    let mut here = config.clone();
    device::know_this_machine(&mut here.device);
    let mut plan = prepare_with(components, &here)?;
    // A reload that finds other addresses starts the device again.
    let known = here.device.get("58").and_then(|table| table.get("machine")).map(ToString::to_string);
    let digest = plan.files.entry("device-58").or_default();
    digest.push_str(&known.unwrap_or_default());
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{Stream, Timestamp};
    use crate::intake::entry::from_entry;
    use crate::layer::pipeline::Pipeline;

    const ENTRIES: u64 = 100;

    /// Whatever a sender may choose, each of so many bytes and different from all others.
    fn entries(number: u64, bytes: usize) -> [(Stream, serde_json::Value); 8] {
        let long = format!("{number}{}", "x".repeat(bytes));
        let some = &long[..bytes / 3];
        let syslog =
            |text: String| (Stream::L3In, json!({ "source": "s", "payload": format!("Nov 27 20:00:00 {text}") }));
        let from = format!("203.0.113.{number}");
        [
            syslog(format!("h sshd[{number}]: Failed password for invalid user {long} from {from} port 1 ssh2")),
            syslog(format!("h{long} sshd[{number}]: Failed password for root from {from} port 1 ssh2")),
            syslog(format!("h sudo[{number}]: u{number} : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/{long}")),
            syslog(format!("h p{long}: started")),
            syslog(format!("h dnsmasq[9]: query[A] {long}.example.org from 10.0.0.{number}")),
            syslog(format!(
                "h postfix/smtpd[{number}]: NOQUEUE: reject: RCPT from unknown[{from}]: 554 5.7.1 <{some}>: Relay access denied; from=<{some}@x> to=<y@z> proto=ESMTP helo=<{some}>"
            )),
            (
                Stream::L3In,
                json!({
                    "source": format!("s{number}"), "payload": "x", "action": "login", "outcome": "failure", "src_ip": from,
                    "user": long, "host": long, "process": long, "domain": long, "session": long, "program": long,
                    "command": long, "file": long,
                }),
            ),
            (
                Stream::L4In,
                json!({
                    "payload": "x", "score": 0.9, "reasons.0": long, "reasons.1": long, "attack": long, "model": long,
                    "user": format!("u{number}"),
                }),
            ),
        ]
    }

    fn remembered(bytes: usize) -> Vec<(&'static str, usize)> {
        let mut pipeline = Pipeline::new(prepare(&Config::default()).unwrap().stages);
        for number in 0..ENTRIES {
            let arrival = Timestamp::from_millis(1_795_000_000_000 + number * 1000);
            for (stream, entry) in entries(number, bytes) {
                let entry = entry.as_object().unwrap().clone();
                pipeline.push(from_entry(entry, stream, &Arc::from("http"), arrival).unwrap());
            }
        }
        pipeline.remembered_bytes()
    }

    #[test]
    fn what_senders_call_things_is_remembered_no_longer_than_names_are() {
        for ((stage, bytes), (_, more)) in remembered(5_000).into_iter().zip(remembered(40_000)) {
            assert!(
                more <= bytes + bytes / 10,
                "{stage}: {bytes} bytes of entries of 5 kB, {more} of entries of 40 kB"
            );
        }
    }
}
