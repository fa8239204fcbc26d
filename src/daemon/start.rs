//! Brings the parts up in order and down in reverse.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;

use super::core::{ConsumerProgress, Core, locked};
use super::parts::{OUTLET_PARTS, SOURCES};
use super::plan::Plan;
use super::waiting::Waiting;
use super::{sources, web, writer};
use crate::bus::{Bus, Ledger, Snapshot};
use crate::config::Config;
use crate::event::{EventId, Interest, Timestamp};
use crate::layer::actor;
use crate::layer::graph::Node;
use crate::layer::shell::Shell;
use crate::layer::stage::StageSpec;
use crate::limits;
use crate::observe::metrics;
use crate::outlet::archive::{self, Archive};
use crate::outlet::driver::{Log, Outlet};
use crate::outlet::{CommittedLog, OUTLETS};
use crate::retry::OutsideError;
use crate::server::Server;
use crate::server::gateway::ConfigStatus;
use crate::store::positions::Positions;
use crate::store::{HotStore, Recovery, StoreError};
use crate::supervise::{ChildSpec, State, Task, TaskContext, Tree};

/// What a child gets to end in order.
const PATIENCE: Duration = Duration::from_secs(2);

pub struct Daemon {
    pub core: Arc<Core>,
    pub tree: Tree,
    /// Ends with it, without waiting.
    pub(super) io: Io,
    hooks: Hooks,
    /// The HTTP server that runs.
    pub(super) server: Arc<Mutex<Option<Server>>>,
    /// Of the stages that run.
    pub(super) shells: BTreeMap<&'static str, Arc<Shell>>,
    /// Digests of the files that they were prepared from.
    pub(super) running_files: BTreeMap<&'static str, String>,
}

/// The threads of what must go on when an actor is abandoned: HTTP, Redis, and the hot store's transactions.
pub(super) struct Io(Option<tokio::runtime::Runtime>);

impl Io {
    fn new() -> std::io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Ok(Self(Some(builder.worker_threads(2).thread_name("io").enable_all().build()?)))
    }

    pub(super) fn handle(&self) -> std::io::Result<tokio::runtime::Handle> {
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

/// Called with an actor's name and its task.
pub type WrapTask = Arc<dyn Fn(&str, Task) -> Task>;

/// Wraps parts before they run; tests put faults in with it.
#[derive(Clone)]
pub struct Hooks {
    pub stage: Arc<dyn Fn(StageSpec) -> StageSpec>,
    pub task: WrapTask,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { stage: Arc::new(|spec| spec), task: Arc::new(|_, task| task) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("starting threads: {0}")]
    Threads(#[from] std::io::Error),
    #[error("daemon.state_dir {path} could not be made: {source}; make it for this user, or name another")]
    StateDir { path: String, source: std::io::Error },
    #[error("{0}")]
    Part(String),
}

impl Daemon {
    /// # Errors
    /// The hot store, a thread or the listener could not be had.
    pub async fn start(config: Config, source: String, plan: Plan, hooks: Hooks) -> Result<Self, StartError> {
        metrics::exporter();
        let state_dir = &config.daemon.state_dir;
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(state_dir)
            .map_err(|source| StartError::StateDir { path: state_dir.display().to_string(), source })?;
        let saved = Positions::read(state_dir).map_or(EventId::ZERO, |saved| saved.last_id);
        let (store, recovery) = HotStore::open_after(&config.store, saved).await?;
        let io = Io::new()?;
        let mut waiting = Waiting::new(&config, io.handle()?);
        let stages: Vec<&str> = plan.stages.iter().map(|spec| spec.name).collect();
        let on_wait = async |error: &OutsideError| waiting.tell(error).await;
        let recovery = archive::begin(&config, &store, recovery, &stages, on_wait).await?;
        waiting.end().await;
        let bus = Arc::new(Bus::new(ledger(&plan, &recovery), recovery.last_id));
        bus.fit_to_store(store.max_bytes());
        let snapshots = snapshots(&store, &plan.stages).await?;
        let progress = plan.stages.iter().map(|spec| {
            let cursor = recovery.cursors.get(spec.name).copied().unwrap_or(recovery.last_id);
            let snapshot = snapshots.get(spec.name).map_or(EventId::ZERO, |snapshot| snapshot.cursor);
            (spec.name.to_owned(), ConsumerProgress { cursor, snapshot })
        });
        let restored = archive::restored(&recovery.cursors);
        let outlets = CommittedLog::new(Arc::clone(&bus), store.clone(), io.handle()?, restored);
        let core = Core::new(Arc::clone(&bus), store, config, recovery.positions.clone(), progress.collect(), outlets);
        *locked(&core.board.config) =
            ConfigStatus { path: Some(source), loaded_at: Timestamp::now().to_string(), last_reload: None };
        recover(&core).await?;
        // Before anything else is committed, so that a stage which dies before its first transaction still begins
        // there.
        bus.begin_at(plan.stages.iter().map(|spec| spec.name).filter(|name| !recovery.cursors.contains_key(*name)));

        let config = core.config();
        let mut daemon = Self {
            core,
            tree: Tree::new(config.supervisor.clone()),
            io,
            hooks,
            server: Arc::default(),
            shells: BTreeMap::new(),
            running_files: plan.files,
        };
        // Before the writer, which removes what is old.
        let wanted = OUTLETS.iter().filter(|spec| spec.about.has_cursor() && (spec.is_wanted)(&config));
        for about in wanted.map(|spec| &spec.about) {
            let cursor = recovery.cursors.get(about.name).copied().unwrap_or_default();
            daemon.core.outlets.acknowledge(about, cursor);
        }
        daemon.core.outlets.set_archived(recovery.cursors.get(Archive::ABOUT.name).copied().unwrap_or_default());
        // They end after the writer: when nothing more is committed, each takes the last events outside.
        for part in OUTLET_PARTS {
            daemon.start_part(part).await?;
        }
        let threads = daemon.io.handle()?;
        daemon.start_task("store", true, move |task, core| writer::run(task, core, threads.clone()))?;
        daemon.start_stages(&plan.known, plan.stages, snapshots)?;
        daemon.start_http().await?;
        for part in SOURCES {
            daemon.start_part(part).await?;
        }
        daemon.start_task("tick", false, sources::tick)?;
        if config.intake.boot.enabled {
            daemon.start_task("intake-boot", false, sources::boot)?;
        }
        *locked(&daemon.core.board.children) = daemon.tree.children();
        log::info!(target: "dsmild", "up: http://{} serves the console, /metrics and /api/v1/status", config.http.listen);
        Ok(daemon)
    }

    pub(super) fn start_task<Run, Running>(&mut self, name: &str, critical: bool, run: Run) -> Result<(), StartError>
    where
        Run: Fn(TaskContext, Arc<Core>) -> Running + Send + Sync + 'static,
        Running: Future<Output = Result<(), String>> + 'static,
    {
        let core = Arc::clone(&self.core);
        let task: Task = Arc::new(move |context| run(context, Arc::clone(&core)).boxed_local());
        self.tree.start(ChildSpec::task(name, critical, (self.hooks.task)(name, task)))?;
        Ok(())
    }

    fn start_stages(
        &mut self,
        known: &[Node],
        stages: Vec<StageSpec>,
        mut snapshots: BTreeMap<&'static str, Snapshot>,
    ) -> Result<(), StartError> {
        for (name, ..) in known.iter().filter(|(name, ..)| !stages.iter().any(|spec| spec.name == *name)) {
            if let Some(consumer) = self.core.bus.consumer(name) {
                self.core.bus.detach(consumer);
            }
        }
        for spec in stages {
            let snapshot = snapshots.remove(spec.name);
            self.start_stage(spec, snapshot)?;
        }
        Ok(())
    }

    pub(super) fn start_stage(&mut self, spec: StageSpec, snapshot: Option<Snapshot>) -> Result<(), StartError> {
        let Some(consumer) = self.core.bus.consumer(spec.name) else { return Ok(()) };
        let name = spec.name;
        let (bus, store) = (Arc::clone(&self.core.bus), self.core.store.clone());
        let shell = Shell::new((self.hooks.stage)(spec), consumer, bus, store, snapshot);
        self.shells.insert(name, Arc::clone(&shell));
        self.tree.start(actor::child(&shell))?;
        Ok(())
    }

    /// The first server is opened before anything depends on it: an address that is taken ends the start.
    pub(super) async fn start_http(&mut self) -> Result<(), StartError> {
        let io = self.io.handle()?;
        let first =
            io.spawn(web::serve(Arc::clone(&self.core))).await.map_err(|error| StartError::Part(error.to_string()))?;
        let first = first.map_err(|error| StartError::Part(error.to_string()))?;
        web::show_link(&first);
        // Kept outside of any run: a frozen one would hold the port for ever.
        let slot = Arc::clone(&self.server);
        locked(&slot).replace(first);
        let fresh = Arc::new(AtomicBool::new(true));
        self.start_task("http", false, move |task, core| {
            let (slot, io, keep) = (Arc::clone(&slot), io.clone(), fresh.swap(false, Ordering::AcqRel));
            async move {
                if !keep {
                    drop(locked(&slot).take());
                    let started = io.spawn(web::serve(core)).await.map_err(|error| error.to_string())?;
                    let server = started.map_err(|error| error.to_string())?;
                    locked(&slot).replace(server);
                }
                task.run_until_stopped(std::future::pending::<()>()).await;
                let server = locked(&slot).take();
                if let Some(server) = server {
                    // Open requests get a moment; what is still open then is cut off.
                    let _ = tokio::time::timeout(PATIENCE / 2, server.stop()).await;
                }
                Ok(())
            }
        })
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
        for source in locked(&self.core.board.sources).values() {
            metrics::intake_up(source.name.clone()).set(if source.up { 1.0 } else { 0.0 });
        }
        metrics::exporter().run_upkeep();
    }

    /// Stops everything, last started first; what was accepted is committed.
    pub async fn stop(mut self) {
        let drain = |name: &str| OUTLETS.iter().find(|spec| spec.about.name == name).map(|spec| spec.about.drain);
        // After that, an outlet saves its cursor.
        self.tree.stop_all(|name| drain(name).map_or(PATIENCE, |drain| drain + PATIENCE / 2)).await;
        self.core.store.clone().close().await;
    }
}

async fn snapshots(store: &HotStore, stages: &[StageSpec]) -> Result<BTreeMap<&'static str, Snapshot>, StoreError> {
    let mut snapshots = BTreeMap::new();
    for spec in stages {
        if let Some(snapshot) = store.snapshot(spec.name).await? {
            snapshots.insert(spec.name, snapshot);
        }
    }
    Ok(snapshots)
}

/// A stage that the store does not know begins at the end: it learns from what there is, but says nothing about it.
fn ledger(plan: &Plan, recovery: &Recovery) -> Ledger {
    let cursor = |name: &str| recovery.cursors.get(name).copied().unwrap_or(recovery.last_id);
    Ledger::new(plan.known.iter().map(|(name, reads, writes)| ((*name).to_owned(), *reads, *writes, cursor(name))))
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
