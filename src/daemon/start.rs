//! Brings the parts up in order and down in reverse.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;

use super::core::{Core, locked};
use super::plan::Plan;
use super::waiting::Waiting;
use super::{archive, restore, sources, web, writer};
use crate::bus::{Bus, Ledger};
use crate::config::Config;
use crate::event::{Interest, Timestamp};
use crate::layer::actor;
use crate::layer::shell::Shell;
use crate::layer::stage::StageSpec;
use crate::limits;
use crate::observe::{gateway::ConfigStatus, metrics};
use crate::store::{HotStore, Recovery, StoreError};
use crate::supervise::{Body, ChildSpec, Life, State, Tree};

/// What a child gets to end in order.
const PATIENCE: Duration = Duration::from_secs(2);

pub struct Daemon {
    pub core: Arc<Core>,
    pub tree: Tree,
    /// Ends with it, without waiting.
    io: Io,
}

/// The threads of what is no actor: the HTTP server.
struct Io(Option<tokio::runtime::Runtime>);

impl Io {
    fn new() -> std::io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Ok(Self(Some(builder.worker_threads(2).thread_name("io").enable_all().build()?)))
    }

    fn handle(&self) -> std::io::Result<tokio::runtime::Handle> {
        let runtime = self.0.as_ref().ok_or_else(|| std::io::Error::other("the daemon has been stopped"))?;
        Ok(runtime.handle().clone())
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        // Its own drop would wait, which is not allowed on the thread of the actors.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Wraps parts before they run; tests put faults in with it.
#[derive(Clone)]
pub struct Hooks {
    pub stage: Arc<dyn Fn(StageSpec) -> StageSpec>,
    /// Called with the actor's name.
    pub body: Arc<dyn Fn(&str, Body) -> Body>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { stage: Arc::new(|spec| spec), body: Arc::new(|_, body| body) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("starting threads: {0}")]
    Threads(#[from] std::io::Error),
    #[error("{0}")]
    Http(String),
}

impl Daemon {
    /// # Errors
    /// The hot store, a thread or the listener could not be had.
    pub async fn start(config: Config, source: String, plan: Plan, hooks: Hooks) -> Result<Self, StartError> {
        metrics::exporter();
        let (store, recovery) = HotStore::open(&config.store).await?;
        let io = Io::new()?;
        let mut waiting = Waiting::new(&config, io.handle()?);
        let recovery = restore::begin(&config, &store, recovery, &plan.stages, &mut waiting).await?;
        waiting.end().await;
        let bus = Arc::new(Bus::new(ledger(&plan.stages, &recovery), recovery.last_id));
        let core = Core::new(Arc::clone(&bus), store, config, recovery.positions.clone());
        *locked(&core.board.config) =
            ConfigStatus { path: Some(source), loaded_at: Timestamp::now().to_string(), last_reload: None };
        recover(&core).await?;

        let config = core.config();
        let mut daemon = Self { core, tree: Tree::new(config.supervisor.clone()), io };
        if config.archive.is_some() {
            let archived = recovery.cursors.get(archive::NAME).copied().unwrap_or_default();
            daemon.core.set_passed(archive::NAME, archived);
            daemon.core.set_archived(archived);
            daemon.start_host(&hooks, archive::NAME, false, archive::run)?;
        }
        daemon.start_host(&hooks, "store", true, writer::run)?;
        daemon.start_stages(&hooks, plan.stages).await?;
        daemon.start_http(&hooks).await?;
        daemon.start_sources(&hooks)?;
        *locked(&daemon.core.board.children) = daemon.tree.children();
        log::info!(target: "dsmild", "up: http://{} serves the console, /metrics and /api/v1/status", config.http.listen);
        Ok(daemon)
    }

    fn start_host<Run, Running>(
        &mut self,
        hooks: &Hooks,
        name: &str,
        critical: bool,
        run: Run,
    ) -> Result<(), StartError>
    where
        Run: Fn(Life, Arc<Core>) -> Running + Send + Sync + 'static,
        Running: Future<Output = Result<(), String>> + 'static,
    {
        let core = Arc::clone(&self.core);
        let body: Body = Arc::new(move |life| run(life, Arc::clone(&core)).boxed_local());
        self.tree.start(ChildSpec::host(name, critical, (hooks.body)(name, body)))?;
        Ok(())
    }

    async fn start_stages(&mut self, hooks: &Hooks, stages: Vec<StageSpec>) -> Result<(), StartError> {
        for spec in stages {
            let Some(consumer) = self.core.bus.consumer(spec.name) else { continue };
            let snapshot = self.core.store.snapshot(spec.name).await?;
            let shell = Shell::new(
                (hooks.stage)(spec),
                consumer,
                Arc::clone(&self.core.bus),
                self.core.store.clone(),
                snapshot,
            );
            locked(&self.core.board.shells).push(Arc::clone(&shell));
            self.tree.start(actor::child(&shell))?;
        }
        Ok(())
    }

    /// The first server is opened before anything depends on it: an address that is taken ends the start.
    async fn start_http(&mut self, hooks: &Hooks) -> Result<(), StartError> {
        let io = self.io.handle()?;
        let first =
            io.spawn(web::serve(Arc::clone(&self.core))).await.map_err(|error| StartError::Http(error.to_string()))?;
        let first = Arc::new(Mutex::new(Some(first.map_err(|error| StartError::Http(error.to_string()))?)));
        self.start_host(hooks, "http", false, move |life, core| {
            let (first, io) = (locked(&first).take(), io.clone());
            async move {
                let server = match first {
                    Some(server) => server,
                    None => {
                        let started = io.spawn(web::serve(core)).await.map_err(|error| error.to_string())?;
                        started.map_err(|error| error.to_string())?
                    }
                };
                life.wait(std::future::pending::<()>()).await;
                // Open requests get a moment; what is still open then is cut off.
                let _ = tokio::time::timeout(PATIENCE / 2, server.stop()).await;
                Ok(())
            }
        })
    }

    fn start_sources(&mut self, hooks: &Hooks) -> Result<(), StartError> {
        let config = self.core.config();
        self.start_host(hooks, "tick", false, sources::tick)?;
        if config.shrink.is_some() {
            self.start_host(hooks, "shrink", false, sources::shrink)?;
        }
        if !config.intake.file.is_empty() {
            self.start_host(hooks, "intake-file", false, sources::files)?;
        }
        for (index, journal) in config.intake.journal.iter().enumerate() {
            let (name, journal) = (format!("intake-journal-{index}"), journal.clone());
            let position = format!("journal-{index}");
            self.start_host(hooks, &name, false, move |life, core| {
                sources::journal(life, core, position.clone(), journal.clone())
            })?;
        }
        Ok(())
    }

    /// One line for `systemctl status`.
    pub fn summary(&self) -> String {
        let config = self.core.config();
        let children = self.tree.children();
        let up = children.iter().filter(|child| child.state() == State::Up).count();
        let sources = config.intake.file.len() + config.intake.journal.len();
        format!("{up} of {} actors up, {sources} sources, http://{}", children.len(), config.http.listen)
    }

    /// Brings the gauges up to date; about once a second.
    pub fn observe(&self) {
        for child in self.tree.children() {
            metrics::actor_up(child.name.clone()).set(if child.state() == State::Up { 1.0 } else { 0.0 });
        }
        for consumer in self.core.bus.consumers() {
            metrics::stage_lag_events(consumer.name.clone()).set(consumer.in_flight() as f64);
        }
        metrics::exporter().run_upkeep();
    }

    /// Stops everything, last started first; what was accepted is committed.
    pub async fn stop(mut self) {
        self.tree.stop_all(|name| if name == archive::NAME { archive::STOP_PATIENCE } else { PATIENCE }).await;
        self.core.store.clone().close().await;
    }
}

/// A stage that the store does not know begins at the end: it learns from what there is, but says nothing about it.
fn ledger(stages: &[StageSpec], recovery: &Recovery) -> Ledger {
    let cursor = |name: &str| recovery.cursors.get(name).copied().unwrap_or(recovery.last_id);
    Ledger::new(stages.iter().map(|spec| (spec.name.to_owned(), spec.reads, spec.writes, cursor(spec.name))))
}

/// Counts what each stage had before it when the last process ended, so that the ledger adds up.
async fn recover(core: &Core) -> Result<(), StoreError> {
    let consumers = core.bus.consumers();
    let cursors: BTreeMap<_, _> = consumers.iter().map(|consumer| (consumer.name.as_str(), consumer.cursor)).collect();
    let Some(mut after) = cursors.values().min().copied() else { return Ok(()) };
    loop {
        let events = core.store.after(after, Interest::ALL, limits::STORE_PAGE_EVENTS_MAX).await?;
        let Some(last) = events.last() else { return Ok(()) };
        after = last.id;
        for id in cursors.keys().filter_map(|name| core.bus.consumer(name)) {
            core.bus.recover(id, &events);
        }
    }
}
