//! SIGHUP: the whole file is read and everything new prepared before anything is touched; then what changed is swapped.

use std::path::PathBuf;
use std::sync::Arc;

use super::component::{Component, Run};
use super::components::{Components, Place};
use super::load::{load_here, warnings};
use super::plan::Plan;
use super::start::{Daemon, StartError};
use crate::config::{self, Change, ConfigError, Effect, Loaded};
use crate::event::Timestamp;
use crate::intake::expected;
use crate::locked::locked;
use crate::observe::metrics;
use crate::server::HttpError;

/// Reads and prepares the configuration on a thread of its own, so that reading rules holds nobody up.
pub async fn prepare(components: Arc<Components>, path: Option<PathBuf>) -> Result<(Loaded, Plan), ConfigError> {
    let source = path.clone();
    let reading = tokio::task::spawn_blocking(move || load_here(&components, path.as_deref())).await;
    reading.unwrap_or_else(|error| {
        let key = source.map(|path| path.display().to_string()).unwrap_or_default();
        let finding = config::Finding::new(key, format!("reading it failed: {error}"), "report this");
        Err(ConfigError { source: config::SourceName::BuiltIn, findings: vec![finding] })
    })
}

impl Daemon {
    /// Takes over what was prepared, or keeps everything; says what was done, or why not. Nothing here ends the daemon.
    pub async fn reload(&mut self, prepared: Result<(Loaded, Plan), ConfigError>) -> Result<String, String> {
        let result = match prepared {
            Ok((loaded, plan)) => self.take_over(loaded, plan).await,
            Err(error) => {
                for finding in &error.findings {
                    log::error!(target: "dsmild", "reload refused: {}: {finding}", error.source);
                }
                Err(format!("refused: {} findings, the old configuration stays", error.findings.len()))
            }
        };
        metrics::config_reloads(if result.is_ok() { "success" } else { "failure" }).increment(1);
        let (Ok(said) | Err(said)) = &result;
        log::info!(target: "dsmild", "reload {said}");
        self.core.board.change_config(|shown| shown.last_reload = Some(format!("{} {said}", Timestamp::now())));
        result
    }

    async fn take_over(&mut self, loaded: Loaded, plan: Plan) -> Result<String, String> {
        for warning in warnings(&loaded, &plan) {
            log::warn!(target: "dsmild", "{warning}");
        }
        let old = self.core.config();
        let changes = self.components.diff(&old, &loaded.config);
        let kept = kept_until_next_start(&changes);
        self.core.config.set(loaded.config);
        self.core.intake.configure(expected(&self.core.config()));
        plan.parse_with(Some(&self.core.store));
        self.core.board.change_config(|shown| shown.loaded_at = Timestamp::now().to_string());
        self.tree.reconfigure(&self.core.config().supervisor);
        let mut failures = Vec::new();
        for change in changes.iter().filter(|change| change.effect != Effect::NextStart) {
            if let Err(error) = self.apply(change, &plan).await {
                log::error!(target: "dsmild", "reload: {} could not be changed: {error}", change.name);
                failures.push(format!("{}: {error}", change.name));
            }
        }
        if let Err(error) = self.reload_http_files() {
            log::error!(target: "dsmild", "reload: tokens and certificate stay as they were: {error}");
            failures.push(format!("http: {error}"));
        }
        self.swap_stages_with_new_files(&plan).await;
        self.revive(&plan).await;
        self.core.board.set_children(self.tree.children());
        if !failures.is_empty() {
            return Err(format!("done in part: {}", failures.join("; ")));
        }
        let applied = changes.iter().filter(|change| change.effect != Effect::NextStart);
        let summaries: Vec<_> =
            applied.map(|change| change.summary.clone()).chain((!kept.is_empty()).then_some(kept)).collect();
        Ok(match summaries.is_empty() {
            true => "done: nothing changed".to_owned(),
            false => format!("done: {} parts changed: {}", changes.len(), summaries.join("; ")),
        })
    }

    async fn apply(&mut self, change: &Change, plan: &Plan) -> Result<(), StartError> {
        let components = Arc::clone(&self.components);
        let Some(row) = components.get(change.place) else { return Ok(()) };
        match (change.effect, row.take_over) {
            (Effect::Restarts, _) => self.restart(change.place, row, plan).await,
            (Effect::TakenOver, Some(take_over)) => take_over(&self.core).await.map_err(StartError::Component),
            (Effect::TakenOver | Effect::Ignored | Effect::NextStart, _) => Ok(()),
        }
    }

    /// Ends what runs of a component in order and starts what the configuration asks for now.
    async fn restart(&mut self, place: Place, row: &Component, plan: &Plan) -> Result<(), StartError> {
        match &row.run {
            Run::Nothing => Ok(()),
            Run::Tasks(make) => {
                self.tree.stop(place).await;
                self.start_tasks(place, row, make).await
            }
            Run::Stage(_) => self.swap_stage(place, row, plan).await,
        }
    }

    /// Tokens and certificates are renewed in the files that are named already.
    fn reload_http_files(&self) -> Result<(), HttpError> {
        let config = self.core.config();
        let server = locked(&self.core.server);
        server.as_ref().map_or(Ok(()), |server| server.reload(&config.http, config.intake.http.enabled))
    }

    /// Rules and lists may have changed though the configuration has not.
    async fn swap_stages_with_new_files(&mut self, plan: &Plan) {
        let components = Arc::clone(&self.components);
        for (place, row, _) in components.stages() {
            let runs = plan.stages.iter().any(|spec| spec.name == row.name);
            if runs && self.running_files.get(row.name) != plan.files.get(row.name) {
                log::info!(target: "dsmild", "reload: {} reads changed files", row.name);
                if let Err(error) = self.swap_stage(place, row, plan).await {
                    log::error!(target: "dsmild", "reload: {} could not be changed: {error}", row.name);
                }
            }
        }
    }

    /// A reload is how an operator asks for another try of what was given up.
    async fn revive(&mut self, plan: &Plan) {
        let components = Arc::clone(&self.components);
        for place in self.tree.failed() {
            let Some(row) = components.get(place) else { continue };
            if let Err(error) = self.restart(place, row, plan).await {
                log::error!(target: "dsmild", "reload: {} could not be started again: {error}", row.name);
            }
        }
    }

    /// Ends a stage after the transaction that it is in, which saves its state, and starts the new one with that state at
    /// that place; or only ends it, when it is no longer wanted.
    async fn swap_stage(&mut self, place: Place, row: &Component, plan: &Plan) -> Result<(), StartError> {
        let wanted = plan.stages.iter().find(|spec| spec.name == row.name).cloned();
        self.tree.stop(place).await;
        self.running_files.remove(row.name);
        let ran = self.shells.remove(row.name);
        let Some(spec) = wanted else {
            self.detach(row);
            return Ok(());
        };
        let snapshot = match &ran {
            Some(shell) => shell.snapshot(),
            None => self.core.store.snapshot(row.name).await?,
        };
        if let (None, Some(consumer)) = (ran, self.core.bus.consumer(row.name)) {
            self.core.bus.skip_to_end(consumer);
        }
        if let Some(digest) = plan.files.get(row.name) {
            self.running_files.insert(row.name, digest.clone());
        }
        self.start_stage(place, row, spec, snapshot)
    }
}

/// What the running process cannot take over.
fn kept_until_next_start(changes: &[Change]) -> String {
    let keys: Vec<_> = changes
        .iter()
        .filter(|change| change.effect == Effect::NextStart)
        .flat_map(|change| change.keys.clone())
        .collect();
    if keys.is_empty() { String::new() } else { format!("{} changes at the next start only", keys.join(", ")) }
}
