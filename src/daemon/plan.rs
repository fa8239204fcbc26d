//! From a configuration to the stages that run: everything that can be wrong is found here, before anything starts.

use crate::config::{Config, Finding};
use crate::device;
use crate::layer::stage::StageSpec;
use crate::layer::{fusion, graph, l3, l4};

/// What a configuration comes to.
#[derive(Clone)]
pub struct Plan {
    /// Each after all that it reads from.
    pub stages: Vec<StageSpec>,
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
        collect(l4::prepare(&config.l4).map(|spec| vec![spec]), &mut stages, &mut findings);
    }
    if config.fusion.enabled {
        stages.push(fusion::prepare(&config.fusion, config.shrink.as_ref()));
    }
    match device::prepare_all(&config.device) {
        Ok(prepared) => stages.extend(prepared),
        Err(found) => findings.extend(found),
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let stages = graph::ordered(stages)
        .map_err(|cycle| vec![Finding::new("device", cycle.to_string(), "disable one of them")])?;
    Ok(Plan { stages, warnings })
}

fn collect(prepared: Result<Vec<StageSpec>, Vec<Finding>>, stages: &mut Vec<StageSpec>, findings: &mut Vec<Finding>) {
    match prepared {
        Ok(specs) => stages.extend(specs),
        Err(found) => findings.extend(found),
    }
}
