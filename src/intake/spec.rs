//! What the daemon has to know of a source, and what a source is given to run.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{Expected, IntakeLog};
use crate::config::Config;
use crate::supervise::{NamedTask, TaskContext};

/// One line of the table of sources.
pub struct SourceSpec {
    /// In status, metrics and messages.
    pub name: &'static str,
    /// SYSLOG_IDENTIFIER of what is said about it.
    pub identifier: &'static str,
    /// Keys and sections of the configuration that it is made from.
    pub sections: &'static [&'static str],
    /// Keys of these sections that it does not read.
    pub ignored: &'static [&'static str],
    /// What it is to read, as status names it.
    pub expected: fn(&Config) -> Vec<Expected>,
    /// As many tasks as the configuration asks for now.
    pub tasks: fn(&Resources) -> Vec<NamedTask>,
}

/// What the daemon has for sources.
#[derive(Clone)]
pub struct Resources {
    pub log: Arc<IntakeLog>,
    /// As it is now; a reload changes it.
    pub config: Arc<dyn Fn() -> Arc<Config> + Send + Sync>,
    /// Threads for what must go on when an actor is abandoned.
    pub io: Handle,
}

impl Resources {
    pub fn config(&self) -> Arc<Config> {
        (self.config)()
    }

    /// One task of this name, where `is_wanted`.
    pub fn task<Running>(&self, name: &str, is_wanted: bool, run: fn(TaskContext, Self) -> Running) -> Vec<NamedTask>
    where
        Running: Future<Output = Result<(), String>> + 'static,
    {
        let resources = self.clone();
        let task = is_wanted.then(|| NamedTask::new(name, move |context| run(context, resources.clone())));
        task.into_iter().collect()
    }
}
