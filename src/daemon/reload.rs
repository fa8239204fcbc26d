//! SIGHUP: the whole file is read and everything new prepared before anything is touched; then what changed is swapped.

use std::path::PathBuf;
use std::time::Duration;

use super::core::locked;
use super::plan::Plan;
use super::start::{Daemon, StartError};
use super::{parts, warnings};
use crate::config::{self, Change, ConfigError, Effect, Loaded, Part};
use crate::device::DEVICES;
use crate::event::Timestamp;
use crate::layer::stage::StageSpec;
use crate::observe::{log as journal, metrics};
use crate::server::HttpError;
use crate::supervise::State;

/// What a changed child gets to end in order.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads and prepares the configuration on a thread of its own, so that reading rules holds nobody up.
pub async fn prepare(path: Option<PathBuf>) -> Result<(Loaded, Plan), ConfigError> {
    let source = path.clone();
    let reading = tokio::task::spawn_blocking(move || super::load_here(path.as_deref())).await;
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
        locked(&self.core.board.config).last_reload = Some(format!("{} {said}", Timestamp::now()));
        result
    }

    async fn take_over(&mut self, loaded: Loaded, plan: Plan) -> Result<String, String> {
        for warning in warnings(&loaded, &plan) {
            log::warn!(target: "dsmild", "{warning}");
        }
        let old = self.core.config();
        let changes = config::diff(&old, &loaded.config);
        let kept = kept_until_next_start(&changes);
        self.core.set_config(loaded.config);
        locked(&self.core.board.config).loaded_at = Timestamp::now().to_string();
        let mut failures = Vec::new();
        for change in changes.iter().filter(|change| change.effect != Effect::NextStart) {
            if let Err(error) = self.apply(change.part, &plan).await {
                log::error!(target: "dsmild", "reload: {} could not be changed: {error}", change.part);
                failures.push(format!("{}: {error}", change.part));
            }
        }
        if let Err(error) = self.reload_http_files() {
            log::error!(target: "dsmild", "reload: tokens and certificate stay as they were: {error}");
            failures.push(format!("http: {error}"));
        }
        self.swap_stages_with_new_files(&plan).await;
        self.revive(&plan).await;
        *locked(&self.core.board.children) = self.tree.children();
        if !failures.is_empty() {
            return Err(format!("done in part: {}", failures.join("; ")));
        }
        let told = changes.iter().filter(|change| change.effect != Effect::NextStart);
        let told: Vec<_> =
            told.map(|change| change.summary.clone()).chain((!kept.is_empty()).then_some(kept)).collect();
        Ok(match told.is_empty() {
            true => "done: nothing changed".to_owned(),
            false => format!("done: {} parts changed: {}", changes.len(), told.join("; ")),
        })
    }

    async fn apply(&mut self, part: Part, plan: &Plan) -> Result<(), StartError> {
        let config = self.core.config();
        match part {
            Part::Log => journal::reconfigure(&config.log, &config.daemon.instance)
                .map_err(|error| StartError::Part(error.to_string())),
            Part::Store => {
                self.core.store.reconfigure(&config.store).await?;
                self.core.bus.fit_to_store(self.core.store.max_bytes());
                Ok(())
            }
            Part::Supervisor => {
                self.tree.reconfigure(&config.supervisor);
                Ok(())
            }
            Part::L3 => self.swap_stage("l3", plan).await,
            Part::L4 => self.swap_stage("l4", plan).await,
            Part::Fusion => self.swap_stage("fusion", plan).await,
            Part::Device(number) => match DEVICES.iter().find(|device| device.number == number) {
                Some(device) => self.swap_stage(device.stage, plan).await,
                None => Ok(()),
            },
            Part::Process => Ok(()),
            other => self.restart_part(other).await,
        }
    }

    /// Tokens and certificates are renewed in the files that are named already.
    fn reload_http_files(&self) -> Result<(), HttpError> {
        let config = self.core.config();
        let server = locked(&self.server);
        server.as_ref().map_or(Ok(()), |server| server.reload(&config.http, config.intake.http.enabled))
    }

    /// Rules and lists may have changed though the configuration has not.
    async fn swap_stages_with_new_files(&mut self, plan: &Plan) {
        for spec in &plan.stages {
            if self.running_files.get(spec.name) != plan.files.get(spec.name) {
                log::info!(target: "dsmild", "reload: {} reads changed files", spec.name);
                if let Err(error) = self.swap_stage(spec.name, plan).await {
                    log::error!(target: "dsmild", "reload: {} could not be changed: {error}", spec.name);
                }
            }
        }
    }

    /// A reload is how an operator asks for another try of what was given up.
    async fn revive(&mut self, plan: &Plan) {
        let failed = self.tree.children().into_iter().filter(|child| child.state() == State::Failed);
        for name in failed.map(|child| child.name.clone()).collect::<Vec<_>>() {
            let result = match plan.stages.iter().find(|spec| spec.name == name) {
                Some(spec) => self.swap_stage(spec.name, plan).await,
                None => match parts::of_actor(&name) {
                    Some(part) => self.restart_part(part).await,
                    None => Ok(()),
                },
            };
            if let Err(error) = result {
                log::error!(target: "dsmild", "reload: {name} could not be started again: {error}");
            }
        }
    }

    /// Ends a stage after the transaction that it is in, which saves its state, and starts the new one with that state
    /// at that place; or only ends it, when it is no longer wanted.
    async fn swap_stage(&mut self, name: &'static str, plan: &Plan) -> Result<(), StartError> {
        let wanted: Option<StageSpec> = plan.stages.iter().find(|spec| spec.name == name).cloned();
        self.tree.stop(name, PATIENCE).await;
        self.running_files.remove(name);
        let ran = self.shells.remove(name);
        let snapshot = match &ran {
            Some(shell) => shell.snapshot(),
            None => self.core.store.snapshot(name).await?,
        };
        match wanted {
            Some(spec) => {
                if let (None, Some(consumer)) = (ran, self.core.bus.consumer(name)) {
                    self.core.bus.skip_to_end(consumer);
                }
                if let Some(digest) = plan.files.get(name) {
                    self.running_files.insert(name, digest.clone());
                }
                self.start_stage(spec, snapshot)
            }
            None => {
                if let Some(consumer) = self.core.bus.consumer(name) {
                    self.core.bus.detach(consumer);
                }
                Ok(())
            }
        }
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
