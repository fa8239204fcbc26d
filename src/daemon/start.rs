//! Brings the parts up in order and down in reverse.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::{Arc, Mutex, RwLock};

use super::component::{Component, MakeTasks, Run};
use super::components::{Components, Place};
use super::core::Core;
use super::plan::Plan;
use crate::bus::{Bus, Snapshot};
use crate::commit::Announcer;
use crate::config::{Config, CurrentConfig, Durability};
use crate::event::{EventId, Interest, Timestamp};
use crate::intake::{IntakeLog, expected};
use crate::layer::actor;
use crate::layer::shell::Shell;
use crate::layer::stage::StageSpec;
use crate::limits;
use crate::observe::history::Keeper;
use crate::observe::memory::Memory;
use crate::observe::metrics;
use crate::outlet::archive;
use crate::outlet::driver::Log;
use crate::outlet::{CommittedLog, OUTLETS};
use crate::retry::OutsideError;
use crate::server::gateway::{ConfigStatus, Gateway, Status};
use crate::server::{Board, Waiting};
use crate::store::positions::Positions;
use crate::store::{HotStore, StoreError};
use crate::supervise::{ChildSpec, NamedTask, State, Task, Tree};

/// Parts that are down, of which one line for systemd has room for the names.
const WARNINGS_SHOWN: usize = 3;

pub struct Daemon {
    pub core: Arc<Core>,
    pub tree: Tree,
    /// Ends with it, without waiting.
    pub(super) io: Io,
    pub(super) components: Arc<Components>,
    hooks: Hooks,
    /// Of the stages that run.
    pub(super) shells: BTreeMap<&'static str, Arc<Shell>>,
    /// Digests of the files that they were prepared from.
    pub(super) running_files: BTreeMap<&'static str, String>,
    history: Keeper,
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
    Component(String),
}

impl Daemon {
    /// # Errors
    /// The hot store, a thread or the listener could not be had.
    pub async fn start(config: Config, source: String, plan: Plan, hooks: Hooks) -> Result<Self, StartError> {
        metrics::exporter();
        plan.components.stages().for_each(|(_, row, _)| metrics::register_stage(row.name));
        let state_dir = &config.daemon.state_dir;
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(state_dir)
            .map_err(|source| StartError::StateDir { path: state_dir.display().to_string(), source })?;
        let saved = Positions::read(state_dir).map_or(EventId::ZERO, |saved| saved.last_id);
        let (store, recovery) = HotStore::open_after(&config.store, saved).await?;
        plan.parse_with(Some(&store));
        let io = Io::new()?;
        let mut waiting = Waiting::new(&config, io.handle()?);
        let stages: Vec<&str> = plan.stages.iter().map(|spec| spec.name).collect();
        let on_wait = async |error: &OutsideError| waiting.tell(error).await;
        let recovery = archive::begin(&config, &store, recovery, &stages, on_wait).await?;
        waiting.end().await;
        let bus = Arc::new(Bus::new(plan.ledger(&recovery), recovery.last_id));
        bus.fit_to_store(store.max_bytes());
        let mut snapshots = snapshots(&store, &plan.stages).await?;
        let progress = plan.progress(&recovery, |name| snapshots.get(name));
        let restored = archive::restored(&recovery.cursors);
        let outlets = Arc::new(CommittedLog::new(Arc::clone(&bus), store.clone(), io.handle()?, restored));
        let keeper = Keeper::open(&config.daemon.state_dir);
        let is_power_durable = config.store.durability == Durability::Power;
        let durable = if is_power_durable { outlets.archived() } else { bus.committed() };
        let core = Arc::new(Core {
            bus: Arc::clone(&bus),
            store,
            intake: Arc::new(IntakeLog::new(Arc::clone(&bus), recovery.positions.clone(), durable)),
            outlets,
            progress: Arc::new(progress),
            announcer: Arc::new(Announcer::new(plan.components.producers(), keeper.history())),
            board: Arc::new(Board::new(ConfigStatus {
                path: Some(source),
                loaded_at: Timestamp::now().to_string(),
                ..ConfigStatus::default()
            })),
            history: keeper.history(),
            server: Mutex::default(),
            config: CurrentConfig::new(config),
            rules: Arc::new(RwLock::new(Arc::clone(&plan.rules))),
            is_power_durable,
        });
        core.intake.configure(expected(&core.config()));
        recover(&core).await?;
        // Those that were saved before a boot, so that the store has all of them from now on.
        bus.enqueue_positions("positions", recovery.positions.clone().into_iter().collect());
        // Before anything else is committed, so that a stage which dies before its first transaction still begins
        // there.
        bus.begin_at(plan.new_stages(&recovery));

        let config = core.config();
        let mut daemon = Self {
            core,
            tree: Tree::new(config.supervisor.clone()),
            io,
            components: plan.components,
            hooks,
            shells: BTreeMap::new(),
            running_files: plan.files,
            history: keeper,
        };
        // Before the writer, which removes what is old.
        for about in OUTLETS.iter().filter(|spec| spec.about.has_cursor()).flat_map(|spec| spec.wanted(&config)) {
            let cursor = recovery.cursors.get(&*about.name).copied().unwrap_or_default();
            daemon.core.outlets.acknowledge(&about, cursor);
        }
        daemon.core.outlets.set_archived(recovery.cursors.get(archive::NAME).copied().unwrap_or_default());
        for place in daemon.components.places() {
            if let Err(error) = daemon.start_component(place, &plan.stages, &mut snapshots).await {
                // In order, so that the reason is all that is said.
                daemon.tree.stop_all().await;
                return Err(error);
            }
        }
        daemon.core.board.set_children(daemon.tree.children());
        log::info!(target: "dsmild", "up: http://{} serves the console, /metrics and /api/v1/status", config.http.listen);
        Ok(daemon)
    }

    /// Starts what the configuration asks for of this component; perhaps nothing.
    async fn start_component(
        &mut self,
        place: Place,
        stages: &[StageSpec],
        snapshots: &mut BTreeMap<&'static str, Snapshot>,
    ) -> Result<(), StartError> {
        let components = Arc::clone(&self.components);
        let Some(row) = components.get(place) else { return Ok(()) };
        match (&row.run, stages.iter().find(|spec| spec.name == row.name)) {
            (Run::Nothing, _) => Ok(()),
            (Run::Tasks(make), _) => self.start_tasks(place, row, make).await,
            (Run::Stage(_), Some(spec)) => self.start_stage(place, row, spec.clone(), snapshots.remove(row.name)),
            (Run::Stage(_), None) => {
                self.detach(row);
                Ok(())
            }
        }
    }

    pub(super) async fn start_tasks(
        &mut self,
        place: Place,
        row: &Component,
        make: &MakeTasks,
    ) -> Result<(), StartError> {
        let tasks = make(Arc::clone(&self.core), self.io.handle()?).await.map_err(StartError::Component)?;
        for NamedTask { name, task } in tasks {
            let task = (self.hooks.task)(&name, task);
            self.tree.start(ChildSpec::task(name, place, row.drain, row.is_critical, task))?;
        }
        Ok(())
    }

    pub(super) fn start_stage(
        &mut self,
        place: Place,
        row: &Component,
        spec: StageSpec,
        snapshot: Option<Snapshot>,
    ) -> Result<(), StartError> {
        let Some(consumer) = self.core.bus.consumer(row.name) else { return Ok(()) };
        let shell = Shell::new((self.hooks.stage)(spec), consumer, Arc::clone(&self.core.bus), snapshot);
        self.shells.insert(row.name, Arc::clone(&shell));
        self.tree.start(actor::child(&shell, self.core.store.clone(), place, row.drain))?;
        Ok(())
    }

    /// A stage that the configuration disables holds nobody up.
    pub(super) fn detach(&self, row: &Component) {
        if let Some(consumer) = self.core.bus.consumer(row.name) {
            self.core.bus.detach(consumer);
        }
    }

    /// One line for `systemctl status`.
    pub fn summary(&self) -> String {
        let config = self.core.config();
        let children = self.tree.children();
        let up = children.iter().filter(|child| child.state() == State::Up).count();
        let Status { sources, outlets, warnings, .. } = self.status();
        let sources_up = sources.iter().filter(|source| source.up).count();
        let outlets_up = outlets.iter().filter(|outlet| outlet.up).count();
        let more = warnings.len().saturating_sub(WARNINGS_SHOWN);
        let mut text = format!(
            "{up} of {} actors run, {sources_up} of {} sources and {outlets_up} of {} outlets are up, http://{}",
            children.len(),
            sources.len(),
            outlets.len(),
            config.http.listen
        );
        text.extend(warnings.into_iter().take(WARNINGS_SHOWN).map(|warning| format!("; {warning}")));
        if more > 0 {
            text += &format!("; {more} more are down");
        }
        text
    }

    /// What `/api/v1/status` shows.
    pub fn status(&self) -> Status {
        self.core.for_server().status()
    }

    /// Has sources wait while the process holds more memory than it may. Call it a few times a second.
    pub(super) fn watch_memory(&self, memory: &mut Memory) {
        let error = memory.look(self.core.config().daemon.memory_max.get());
        self.core.bus.set_full(error.is_some());
        self.core.board.set_memory_error(error);
    }

    /// Brings the gauges up to date; about once a second.
    pub fn observe(&mut self) {
        for child in self.tree.children() {
            metrics::actor_up(child.name.clone()).set(if child.state() == State::Up { 1.0 } else { 0.0 });
        }
        for consumer in self.core.bus.consumers() {
            metrics::stage_lag_events(consumer.name.clone()).set(consumer.in_flight() as f64);
        }
        self.core.intake.measure(&self.tree.children());
        metrics::exporter().run_upkeep();
        let status = self.status();
        if let Ok(io) = self.io.handle() {
            self.history.look(&status, &io);
        }
    }

    /// Stops everything in reverse of the start order; what was accepted is committed.
    pub async fn stop(mut self) {
        self.tree.stop_all().await;
        let (progress, outlets) = (&self.core.progress, &self.core.outlets);
        let (stages, taken) = (progress.floor(&self.core.bus, true), outlets.kept_while_room());
        if let Err(error) = Positions::conclude(&self.core.config().daemon.state_dir, stages, taken) {
            log::warn!(target: "dsmild", "what outlets have taken at the end could not be noted: {error}");
        }
        self.history.end().await;
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
