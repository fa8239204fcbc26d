//! From a configuration to the stages that run: everything that can be wrong is found here, before anything starts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::component::Component;
use super::components::Components;
use crate::bus::{Ledger, Snapshot};
use crate::commit::{ConsumerProgress, Progress};
use crate::config::{Config, Finding, files};
use crate::device;
use crate::event::{EventId, Interest, Stream};
use crate::intake::file::absent;
use crate::intake::{clock, expected, feed, parser};
use crate::knowledge::configured;
use crate::knowledge::loaded_rules::LoadedRules;
use crate::layer::row::StageRow;
use crate::layer::stage::{StageFactory, StageSpec};
use crate::outlet::notify;
use crate::parse::{Parser, built_in};
use crate::server;
use crate::store::{HotStore, Recovery};

/// The stage that judges each line.
const L3: &str = "l3";

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
    /// What is looked for.
    pub rules: Arc<LoadedRules>,
}

impl Plan {
    /// Sources and store parse with its parser from now on, and believe lines by its skew.
    pub fn parse_with(&self, store: Option<&HotStore>) {
        parser::set(Arc::clone(&self.parser));
        let lines = Interest::NONE.stream(Stream::L3In).stream(Stream::L4In);
        parser::set_asked(self.stages.iter().any(|stage| stage.reads.overlaps(lines)));
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
    inform_of_feeds(&mut informed);
    let config = &informed;
    let (mut stages, mut files, mut warnings) = (Vec::new(), BTreeMap::<_, String>::new(), Vec::new());
    let mut findings = device::unknown(&config.device, components.devices());
    findings.extend(components.cycle().map(|cycle| Finding::new("device", cycle.to_string(), "report this")));
    for (_, row, stage) in components.stages() {
        match (stage.prepare)(config) {
            Ok(None) => {}
            Ok(Some(prepared)) => {
                warnings.extend(prepared.warnings);
                stages.push(spec(row, stage, prepared.make));
                files.extend(files::digest(&(stage.files)(config)).map(|digest| (row.name, digest)));
            }
            Err(found) => findings.extend(found),
        }
    }
    // A reload that reads other sources starts this stage again.
    files.entry(knows_sources).or_default().push_str(&sources.join("\n"));
    findings.extend(server::findings(&config.http));
    findings.extend(notify::findings(&config.notify));
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
    if !findings.is_empty() {
        return Err(findings);
    }
    let l3 = stages.iter().find(|spec| spec.name == L3).map(|spec| Arc::clone(&spec.make));
    let rules = Arc::new(LoadedRules::new(config, Arc::clone(&parser), l3, &warnings));
    Ok(Plan { components, stages, files, warnings, parser, skew, rules })
}

/// Has the device that reads lists read those that are fetched.
fn inform_of_feeds(config: &mut Config) {
    let names = config.intel.feed.iter().map(|feed| feed.name.as_str());
    let lists: Vec<PathBuf> = names.map(|name| feed::list_path(&config.daemon.state_dir, name)).collect();
    device::know_feeds(&mut config.device, &lists);
}

/// The stage that reads fetched lists, prepared from them as they are now; everything else of the plan, with the `rules` that hold,
/// is left as it is.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_for_feeds(
    components: Arc<Components>,
    config: &Config,
    rules: Arc<LoadedRules>,
) -> Result<Plan, Vec<Finding>> {
    let mut informed = config.clone();
    inform_of_feeds(&mut informed);
    let (mut stages, mut files, mut warnings) = (Vec::new(), BTreeMap::new(), Vec::new());
    for (_, row, stage) in components.stages().filter(|(_, row, _)| row.name == device::READS_FEEDS) {
        if let Some(prepared) = (stage.prepare)(&informed)? {
            warnings.extend(prepared.warnings);
            stages.push(spec(row, stage, prepared.make));
            files.extend(files::digest(&(stage.files)(&informed)).map(|digest| (row.name, digest)));
        }
    }
    let (parser, skew) = (parser::current(), config.parse.skew_max.get());
    Ok(Plan { components, stages, files, warnings, parser, skew, rules })
}

fn spec(row: &Component, stage: &StageRow, make: StageFactory) -> StageSpec {
    StageSpec { name: row.name, identifier: row.identifier, reads: stage.reads, critical: row.is_critical, make }
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
