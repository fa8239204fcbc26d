//! The table of components. What starts in which order, what a reload restarts, the names in status and metrics and the log
//! identifiers all follow from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::component::{Component, DRAIN, Phase, Run};
use super::{take_over, web};
use crate::commit;
use crate::config::Effect::{Ignored, NextStart, Restarts, TakenOver};
use crate::config::{Change, Config, Effect, Key, diff};
use crate::device::{DEVICES, DeviceSpec};
use crate::event::stream::FUSION;
use crate::intake::{SOURCES, SourceSpec};
use crate::layer::graph::{Cycle, Node, ordered};
use crate::layer::row::StageRow;
use crate::layer::table::{FUSION_IDENTIFIER, LayerSpec, layers};
use crate::locked::locked;
use crate::outlet::{OUTLETS, OutletSpec};
use crate::server::{self, Server};
use crate::supervise::NamedTask;

/// Where a component stands in the start order.
pub type Place = usize;

/// The identifier of whatever belongs to no component in particular.
const DAEMON: &str = "dsmild";

/// The table as a value: tests build the daemon from another one.
pub struct Components {
    rows: Vec<Component>,
    devices: Vec<DeviceSpec>,
    cycle: Option<Cycle>,
}

impl Default for Components {
    /// Those of every installation.
    fn default() -> Self {
        Self::with_devices(DEVICES)
    }
}

impl Components {
    /// The usual ones with these devices.
    pub fn with_devices(devices: &[DeviceSpec]) -> Self {
        let rows = settings().into_iter().chain(OUTLETS.iter().map(outlet)).chain([store()]).chain(layers().map(layer));
        let rows = rows
            .chain(devices.iter().map(device))
            .chain([server()])
            .chain(SOURCES.iter().map(source))
            .chain([respond()]);
        Self::new(rows.collect(), devices.to_vec())
    }

    /// Rows of one phase keep their order, except that a stage comes after all that it reads from.
    fn new(mut rows: Vec<Component>, devices: Vec<DeviceSpec>) -> Self {
        let (graph, cycle) = match ordered(rows.iter().filter_map(node).collect()) {
            Ok(graph) => (graph, None),
            Err(cycle) => (Vec::new(), Some(cycle)),
        };
        rows.sort_by_key(|row| (row.phase, graph.iter().position(|(name, ..)| *name == row.name)));
        Self { rows, devices, cycle }
    }

    pub fn places(&self) -> std::ops::Range<Place> {
        0..self.rows.len()
    }

    pub fn devices(&self) -> &[DeviceSpec] {
        &self.devices
    }

    /// In start order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Place, &Component)> {
        self.rows.iter().enumerate()
    }

    pub fn get(&self, place: Place) -> Option<&Component> {
        self.rows.get(place)
    }

    /// The stages, each after all that it reads from.
    pub fn stages(&self) -> impl Iterator<Item = (Place, &Component, &StageRow)> {
        self.iter().filter_map(|(place, row)| match &row.run {
            Run::Stage(stage) => Some((place, row, stage)),
            Run::Nothing | Run::Tasks(_) => None,
        })
    }

    /// Stages that read each other's output in a circle, which no order can be found for.
    pub fn cycle(&self) -> Option<&Cycle> {
        self.cycle.as_ref()
    }

    /// Every SYSLOG_IDENTIFIER once; the first is for whatever belongs to no component in particular.
    pub fn identifiers(&self) -> Vec<&'static str> {
        let mut identifiers = vec![DAEMON];
        for row in &self.rows {
            if !identifiers.contains(&row.identifier) {
                identifiers.push(row.identifier);
            }
        }
        identifiers
    }

    /// The identifier of every producer of SOC events.
    pub fn producers(&self) -> BTreeMap<u16, &'static str> {
        let devices = self.devices.iter().map(|device| (device.number, device.identifier));
        devices.chain([(FUSION, FUSION_IDENTIFIER)]).collect()
    }

    /// What the difference of two configurations means for each component, in start order.
    pub fn diff(&self, old: &Config, new: &Config) -> Vec<Change> {
        let readers: Vec<_> = self.rows.iter().map(|row| (row.name, row.keys.as_slice())).collect();
        diff(old, new, &readers)
    }
}

fn node(row: &Component) -> Option<Node> {
    match &row.run {
        Run::Stage(stage) => Some((row.name, stage.reads, stage.writes)),
        Run::Nothing | Run::Tasks(_) => None,
    }
}

fn keys<const N: usize>(keys: [(&'static str, Effect); N]) -> Vec<Key> {
    keys.into_iter().map(|(key, effect)| (key.into(), effect)).collect()
}

fn sections(sections: &[&'static str]) -> Vec<Key> {
    sections.iter().map(|section| ((*section).into(), Restarts)).collect()
}

/// What runs nothing of its own.
fn settings() -> [Component; 4] {
    let process = keys([
        ("daemon", NextStart),
        ("daemon.print_events", Ignored),
        ("daemon.memory_max", TakenOver),
        ("log", NextStart),
        ("log.level", Ignored),
    ]);
    let log = keys([("log.level", TakenOver)]);
    let row = |name, keys| Component::new(name, DAEMON, Phase::Settings, keys, Run::Nothing);
    [
        row("process", process),
        Component { take_over: Some(take_over::log), ..row("log", log) },
        row("parse", keys([("parse", TakenOver)])),
        row("supervisor", keys([("supervisor", TakenOver)])),
    ]
}

fn outlet(spec: &'static OutletSpec) -> Component {
    let about = &spec.about;
    let run = Run::tasks(move |core, io| {
        let resources = core.for_outlets(io);
        let task = |name: String| {
            let (resources, task_name) = (resources.clone(), name.clone());
            NamedTask::new(task_name, move |context| (spec.run)(context, resources.clone(), name.clone()))
        };
        (spec.names)(&core.config()).into_iter().map(task).collect()
    });
    // After the outside has had its time, the outlet saves how far it is.
    let drain = about.drain + DRAIN / 2;
    Component { drain, ..Component::new(spec.name, about.identifier, Phase::Outlet, sections(spec.sections), run) }
}

fn store() -> Component {
    let touched = keys([("store", NextStart), ("store.max_size", TakenOver), ("store.retention", TakenOver)]);
    let run = Run::tasks(|core, io| {
        let resources = core.for_writer(io);
        vec![NamedTask::new("store", move |context| commit::run(context, resources.clone()))]
    });
    let row = Component::new("store", DAEMON, Phase::Commit, touched, run);
    Component { is_critical: true, take_over: Some(take_over::store), ..row }
}

fn source(spec: &'static SourceSpec) -> Component {
    let run = Run::tasks(|core, io| (spec.tasks)(&core.for_sources(io)));
    let ignored = spec.ignored.iter().map(|key| ((*key).into(), Ignored));
    let touched = sections(spec.sections).into_iter().chain(ignored).collect();
    Component::new(spec.name, spec.identifier, Phase::Source, touched, run)
}

fn layer(spec: LayerSpec) -> Component {
    let row = Component::new(spec.name, spec.identifier, Phase::Stage, sections(spec.sections), Run::Stage(spec.stage));
    Component { is_critical: true, ..row }
}

fn device(spec: &DeviceSpec) -> Component {
    let touched = vec![
        (format!("device.{}", spec.number).into(), Restarts),
        ("shrink.stale_after".into(), Restarts),
        ("silence".into(), Restarts),
    ];
    Component::new(spec.stage, spec.identifier, Phase::Stage, touched, Run::Stage(spec.row()))
}

fn server() -> Component {
    let touched = keys([("http", Restarts), ("intake.http", Restarts)]);
    Component::new("http", "dsmil-http", Phase::Server, touched, Run::Tasks(Arc::new(web::tasks)))
}

/// Writes to the log, so that it ends with the sources.
fn respond() -> Component {
    let run = Run::tasks(|core, _| {
        let (finder, outlets) = (Arc::clone(core), Arc::clone(&core.outlets));
        let find = Arc::new(move || locked(&finder.server).as_ref().map(Server::responder));
        let show = Arc::new(move |status| outlets.show_beside(server::RESPOND, status));
        vec![NamedTask::new(server::RESPOND, move |context| server::respond(context, find.clone(), show.clone()))]
    });
    Component::new(server::RESPOND, "dsmil-respond", Phase::Source, keys([("respond", TakenOver)]), run)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use toml::Value;

    use super::*;
    use crate::config::documented::{full, uncommented};
    use crate::config::keys_of;

    fn names(components: &Components) -> Vec<&'static str> {
        components.iter().map(|(_, row)| row.name).collect()
    }

    #[test]
    fn the_commit_point_starts_after_the_outlets_and_sources_start_last() {
        let components = Components::default();
        let phases: Vec<Phase> = components.iter().map(|(_, row)| row.phase).collect();
        assert!(phases.is_sorted(), "{phases:?}");
        assert!(Phase::Outlet < Phase::Commit && Phase::Commit < Phase::Stage && Phase::Server < Phase::Source);
        assert_eq!(components.cycle(), None);
    }

    #[test]
    fn a_stage_starts_after_all_that_it_reads_from() {
        let components = Components::default();
        let stages: Vec<_> = components.stages().collect();
        for (index, (_, row, stage)) in stages.iter().enumerate() {
            let early = stages.iter().skip(index).find(|(.., later)| later.writes.overlaps(stage.reads));
            assert!(early.is_none(), "{} starts before {}", row.name, early.unwrap().1.name);
        }
        assert_eq!(stages.last().map(|(_, row, _)| row.name), Some("device-58"));
    }

    #[test]
    fn names_are_given_once_and_no_identifier_that_filters_know_is_missing() {
        let components = Components::default();
        let mut names = names(&components);
        names.sort_unstable();
        assert!(names.is_sorted_by(|left, right| left < right), "{names:?}");
        let contract = "dsmild dsmil-l3 dsmil-l4 dsmil-soc-router dsmil-soc-advml dsmil-soc-analytics dsmil-soc-crypto \
            dsmil-soc-intel dsmil-soc-biometrics dsmil-soc-enclave dsmil-soc-network dsmil-soc-soar dsmil-tail \
            dsmil-shrink dsmil-mirror dsmil-archive dsmil-http dsmil-loki";
        let identifiers: BTreeSet<_> = components.identifiers().into_iter().collect();
        let missing: Vec<_> = contract.split_whitespace().filter(|name| !identifiers.contains(name)).collect();
        assert!(missing.is_empty(), "people filter the journal by these names, which stay: {missing:?}");
        let strange: Vec<_> = identifiers.iter().filter(|name| !name.starts_with("dsmil")).collect();
        assert!(strange.is_empty(), "an identifier begins with `dsmil`: {strange:?}");
    }

    /// Another value of the same type, where there is one that the key accepts.
    fn other(tree: &Value, key: &str) -> Config {
        let pointer: Vec<&str> = key.split('.').collect();
        let texts = [
            "77s",
            "77MiB",
            "127.0.0.1:77",
            "debug",
            "stderr",
            "power",
            "off",
            "mirror",
            "approve",
            "text",
            "HIGH",
            "zzz",
        ];
        let candidates = texts.iter().map(|text| Value::from(*text)).chain([
            Value::from(77),
            Value::from(77.5),
            Value::from(false),
            Value::from(true),
            Value::Array(vec![]),
            Value::Array(vec![Value::from("zzz")]),
            Value::Array(vec![Value::from("192.0.2.0/24")]),
        ]);
        for candidate in candidates {
            let mut changed = tree.clone();
            let place = pointer.iter().fold(&mut changed, |place, step| &mut place[*step]);
            let replaced = std::mem::replace(place, candidate.clone());
            if replaced != candidate
                && let Ok(config) = changed.try_into()
            {
                return config;
            }
        }
        panic!("no other value for {key}");
    }

    #[test]
    fn every_key_of_the_commented_file_is_read_by_some_component() {
        let (components, old) = (Components::default(), full());
        let tree = Value::try_from(&old).unwrap();
        // Of the commented file, which has every key of the schema: one that does not serialise is missed otherwise.
        let written = keys_of(Value::Table(uncommented()));
        assert!(written.len() > 60, "{written:#?}");
        for key in written {
            let changes = components.diff(&old, &other(&tree, &key));
            assert!(!changes.is_empty(), "{key}");
            for change in changes {
                assert_eq!(change.keys, [key.as_str()]);
                assert!(change.summary.contains(&key), "{}", change.summary);
            }
        }
    }

    #[test]
    fn a_changed_key_restarts_everything_that_reads_it() {
        let (components, old) = (Components::default(), full());
        let tree = Value::try_from(&old).unwrap();
        let restarted = |key: &str| -> Vec<&str> {
            let changes = components.diff(&old, &other(&tree, key)).into_iter();
            changes.filter(|change| change.effect == Effect::Restarts).map(|change| change.name).collect()
        };
        assert_eq!(restarted("redis.key_prefix"), ["mirror", "intake-redis"]);
        assert_eq!(restarted("redis.maxlen"), ["mirror"]);
        let names = restarted("shrink.stale_after");
        assert_eq!((names.len(), names.last()), (1 + components.devices().len() + 1, Some(&"shrink")), "{names:?}");
        assert_eq!(restarted("l3.builtin_rules"), ["l3", "l4", "fusion"]);
        assert_eq!(restarted("l4.half_life"), ["l4"]);
        assert_eq!(restarted("archive.url"), ["archive"]);
    }

    #[test]
    fn every_key_of_the_table_is_in_the_commented_file() {
        let tree = Value::Table(uncommented());
        for (_, row) in Components::default().iter() {
            for (key, _) in &row.keys {
                let found = key.split('.').try_fold(&tree, |table, step| table.get(step));
                assert!(found.is_some(), "{} reads {key}, which config/dsmil.toml does not have", row.name);
            }
        }
    }
}
