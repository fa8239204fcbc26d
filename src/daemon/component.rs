//! One row of the table of components: what the daemon has to know of a source, a stage, a device, an outlet or a server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::runtime::Handle;

use super::core::Core;
use crate::config::Key;
use crate::layer::row::StageRow;
use crate::supervise::NamedTask;

/// What a task gets to end in order, where its component needs no longer.
pub const DRAIN: Duration = Duration::from_secs(2);

/// The order in which components start; they stop in the reverse order, however often each was restarted meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Runs nothing of its own.
    Settings,
    /// Ends after the commit point: when nothing more is committed, it takes the last events outside.
    Outlet,
    /// The commit point. When it ends, all who write to the log have ended: it commits what is left.
    Commit,
    /// In the order of the graph: each after all that it reads from.
    Stage,
    Server,
    Source,
}

#[derive(Clone)]
pub struct Component {
    /// In status, metrics and messages: `archive`, `device-51`.
    pub name: &'static str,
    /// SYSLOG_IDENTIFIER of its log lines.
    pub identifier: &'static str,
    pub phase: Phase,
    /// Given up, it takes the whole process down, for systemd to start it again.
    pub is_critical: bool,
    /// What its tasks get to end in order.
    pub drain: Duration,
    /// What it reads of the configuration, and what a change of that means for it.
    pub keys: Vec<Key>,
    /// Takes new values over while it runs, where it does not look at the configuration anyway.
    pub take_over: Option<TakeOver>,
    pub run: Run,
}

pub type TakeOver = fn(&Arc<Core>) -> LocalBoxFuture<'static, Result<(), String>>;

/// What runs for a component.
#[derive(Clone)]
pub enum Run {
    Nothing,
    /// Loops over IO, as many as the configuration asks for.
    Tasks(MakeTasks),
    Stage(StageRow),
}

/// Makes the tasks that the configuration asks for now; may open what has to be there before anything depends on it.
pub type MakeTasks =
    Arc<dyn Fn(Arc<Core>, Handle) -> LocalBoxFuture<'static, Result<Vec<NamedTask>, String>> + Send + Sync>;

impl Component {
    pub fn new(name: &'static str, identifier: &'static str, phase: Phase, keys: Vec<Key>, run: Run) -> Self {
        Self { name, identifier, phase, is_critical: false, drain: DRAIN, keys, take_over: None, run }
    }
}

impl Run {
    /// Tasks that need nothing opened before they start.
    pub fn tasks(make: impl Fn(&Arc<Core>, &Handle) -> Vec<NamedTask> + Send + Sync + 'static) -> Self {
        Self::Tasks(Arc::new(move |core, io| {
            let tasks = make(&core, &io);
            async move { Ok(tasks) }.boxed_local()
        }))
    }
}
