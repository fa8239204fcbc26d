//! From a configuration to the stages that run: everything that can be wrong is found here, before anything starts.

use std::collections::BTreeMap;

use super::files;
use crate::config::{Config, Finding};
use crate::device::{self, DEVICES};
use crate::event::stream::FUSION;
use crate::event::{Interest, Stream};
use crate::intake::file::absent;
use crate::layer::graph::Node;
use crate::layer::stage::StageSpec;
use crate::layer::{fusion, graph, l3, l4};
use crate::server;

/// What a configuration comes to.
#[derive(Clone)]
pub struct Plan {
    /// Each after all that it reads from.
    pub stages: Vec<StageSpec>,
    /// Of every stage, also of those that are not enabled: each after all that it reads from.
    pub known: Vec<Node>,
    /// Digests of the files that stages were prepared from, by name of the stage.
    pub files: BTreeMap<&'static str, String>,
    /// What an operator should know but what is no reason to refuse the configuration.
    pub warnings: Vec<Finding>,
}

/// Reads the rules and lists that the configuration names and prepares every enabled stage.
///
/// # Errors
/// All findings at once.
pub fn prepare(config: &Config) -> Result<Plan, Vec<Finding>> {
    let (mut stages, mut warnings, mut findings) = (Vec::new(), Vec::new(), Vec::new());
    if config.l3.enabled {
        match l3::prepare(&config.l3) {
            Ok(prepared) => {
                stages.push(prepared.spec);
                warnings.extend(prepared.warnings);
            }
            Err(found) => findings.extend(found),
        }
    }
    if config.l4.enabled {
        stages.push(l4::prepare(&config.l4));
    }
    if config.fusion.enabled {
        stages.push(fusion::prepare(&config.fusion, config.shrink.as_ref()));
    }
    findings.extend(server::findings(&config.http));
    match device::prepare_all(&config.device) {
        Ok((prepared, found)) => {
            stages.extend(prepared);
            warnings.extend(found);
        }
        Err(found) => findings.extend(found),
    }
    warnings.extend(absent::warnings(&config.intake.file));
    if !findings.is_empty() {
        return Err(findings);
    }
    let known =
        graph::ordered(known()).map_err(|cycle| vec![Finding::new("device", cycle.to_string(), "report this")])?;
    let rank = |spec: &StageSpec| known.iter().position(|(name, ..)| *name == spec.name);
    stages.sort_by_key(rank);
    Ok(Plan { files: files(config), stages, known, warnings })
}

/// As [`prepare`], for the machine that it runs on: what its network cannot do without is never proposed to be blocked.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_here(config: &Config) -> Result<Plan, Vec<Finding>> {
    let mut here = config.clone();
    device::know_this_machine(&mut here.device);
    let mut plan = prepare(&here)?;
    // A reload that finds other addresses starts the device again.
    let known = here.device.get("58").and_then(|table| table.get("machine")).map(ToString::to_string);
    let digest = plan.files.entry("device-58").or_default();
    digest.push_str(&known.unwrap_or_default());
    Ok(plan)
}

/// Reads and writes of every stage there is.
fn known() -> Vec<Node> {
    let none = Interest::NONE;
    let layers = [
        ("l3", none.stream(Stream::L3In), none.stream(Stream::L3Out)),
        ("l4", l4::READS, none.stream(Stream::L4Out)),
        ("fusion", fusion::READS, none.soc(FUSION)),
    ];
    let devices = DEVICES.iter().map(|device| (device.stage, device.reads, none.soc(device.number)));
    layers.into_iter().chain(devices).collect()
}

fn files(config: &Config) -> BTreeMap<&'static str, String> {
    let rules = config.l3.rules.iter().map(|path| toml::Value::String(path.display().to_string())).collect();
    let of_devices = DEVICES.iter().filter_map(|device| {
        let table = config.device.get(&device.number.to_string())?;
        Some((device.stage, files::digest(&toml::Value::Table(table.clone()))?))
    });
    files::digest(&toml::Value::Array(rules)).map(|digest| ("l3", digest)).into_iter().chain(of_devices).collect()
}
