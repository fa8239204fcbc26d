//! From the file of the configuration to the plan of what runs, or to everything that is wrong with it.

use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::components::Components;
use super::plan::{self, Plan};
use crate::config::{self, Config, ConfigError, Finding, Loaded};

/// Exit code for a configuration that cannot be used (EX_CONFIG of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;

/// The configuration and the stages that it comes to, or the findings of both.
///
/// # Errors
/// At least one finding.
pub fn load(path: Option<&Path>) -> Result<(Loaded, Plan), ConfigError> {
    load_by(path, plan::prepare)
}

/// As [`load`], for these components, prepared for the machine that it runs on.
pub(super) fn load_here(components: &Arc<Components>, path: Option<&Path>) -> Result<(Loaded, Plan), ConfigError> {
    load_by(path, |config| plan::prepare_here(Arc::clone(components), config))
}

fn load_by(
    path: Option<&Path>,
    prepare: impl Fn(&Config) -> Result<Plan, Vec<Finding>>,
) -> Result<(Loaded, Plan), ConfigError> {
    let prepared = RefCell::new(None);
    let loaded = config::load_with(path, &|config| match prepare(config) {
        Ok(plan) => {
            prepared.replace(Some(plan));
            Vec::new()
        }
        Err(findings) => findings,
    })?;
    match prepared.take() {
        Some(plan) => Ok((loaded, plan)),
        // Not reached: without findings there is a plan.
        None => Err(ConfigError { source: loaded.source, findings: Vec::new() }),
    }
}

/// What is no reason to refuse the configuration but an operator should know.
pub fn warnings(loaded: &Loaded, plan: &Plan) -> Vec<String> {
    loaded.warnings.iter().cloned().chain(plan.warnings.iter().map(Finding::to_string)).collect()
}

/// Prints the findings; returns the exit code for them.
pub fn refuse(error: &ConfigError) -> ExitCode {
    for finding in &error.findings {
        eprintln!("{}: {finding}", error.source);
    }
    ExitCode::from(EXIT_CONFIG)
}
