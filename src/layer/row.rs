//! What is known of a stage before the configuration is.

use std::sync::Arc;

use super::stage::{Stage, StageFactory};
use crate::config::{Config, Finding};
use crate::event::Interest;

#[derive(Clone)]
pub struct StageRow {
    pub reads: Interest,
    pub writes: Interest,
    pub prepare: PrepareStage,
    /// The part of the configuration whose values may name files that the stage reads.
    pub files: Arc<dyn Fn(&Config) -> toml::Value + Send + Sync>,
}

/// Reads what the configuration names and makes the stage from it; `None` when the configuration disables it.
pub type PrepareStage = Arc<dyn Fn(&Config) -> Result<Option<PreparedStage>, Vec<Finding>> + Send + Sync>;

/// A stage ready to run.
pub struct PreparedStage {
    pub make: StageFactory,
    /// What an operator should know but what is no reason to refuse the configuration; keys as in errors.
    pub warnings: Vec<Finding>,
}

impl PreparedStage {
    /// Without anything that an operator should know.
    pub fn quiet(make: StageFactory) -> Self {
        Self { make, warnings: Vec::new() }
    }

    /// The stage in its first state.
    pub fn stage(&self) -> Box<dyn Stage> {
        (self.make)()
    }
}
