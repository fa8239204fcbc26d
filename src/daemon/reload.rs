//! SIGHUP: the whole file is read and everything new prepared before anything is touched; then what changed is swapped.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::component::{Component, Run};
use super::components::{Components, Place};
use super::load::{load_here, warnings};
use super::plan::{self, Plan};
use super::start::{Daemon, StartError};
use crate::config::{self, Change, Config, ConfigError, Effect, Loaded};
use crate::event::Timestamp;
use crate::intake::expected;
use crate::knowledge::loaded_rules::LoadedRules;
use crate::locked::locked;
use crate::observe::metrics;
use crate::server::HttpError;

/// What a reload gets to read and prepare everything new.
const READ_WITHIN: Duration = Duration::from_secs(60);
/// Threads that read for reloads which were given up: what they wait for, a network's file system perhaps, may never answer.
const GIVEN_UP_MAX: usize = 4;

/// Held by each such thread.
static READING: LazyLock<Arc<()>> = LazyLock::new(Arc::default);

/// Reads and prepares the configuration on a thread of its own, so that reading rules holds nobody up: neither what goes on, nor
/// the next reload, nor the end of the process.
pub async fn prepare(components: Arc<Components>, path: Option<PathBuf>) -> Result<(Loaded, Plan), ConfigError> {
    let source = path.clone();
    let failed = |problem: String, remedy: &str| {
        let key = source.map(|path| path.display().to_string()).unwrap_or_default();
        let finding = config::Finding::new(key, problem, remedy);
        Err(ConfigError { source: config::SourceName::BuiltIn, findings: vec![finding] })
    };
    let read = within(READ_WITHIN, move || load_here(&components, path.as_deref()));
    match read.await {
        Ok(loaded) => loaded,
        Err(problem) => failed(problem, "look at the files that it names, and at the file systems that they are on"),
    }
}

/// Prepares what reads fetched lists, on a thread of its own as well.
pub async fn prepare_for_feeds(
    components: Arc<Components>,
    config: Arc<Config>,
    rules: Arc<LoadedRules>,
) -> Result<Plan, Vec<config::Finding>> {
    let read = within(READ_WITHIN, move || plan::prepare_for_feeds(components, &config, rules));
    let failed = |problem| vec![config::Finding::new("intel.feed", problem, "the lists before it stay in use")];
    read.await.unwrap_or_else(|problem| Err(failed(problem)))
}

/// The result of reading something on a thread of its own, which is left behind if it takes too long.
async fn within<Read: Send + 'static>(
    patience: Duration,
    read: impl FnOnce() -> Read + Send + 'static,
) -> Result<Read, String> {
    let held = Arc::clone(&READING);
    if Arc::strong_count(&held) > 2 + GIVEN_UP_MAX {
        return Err(format!("{GIVEN_UP_MAX} reloads before this one still wait for a file that cannot be read"));
    }
    let (answer, result) = tokio::sync::oneshot::channel();
    let reading = move || {
        let read = read();
        drop(held);
        // Nobody waits for it any more if it was given up.
        let _ = answer.send(read);
    };
    let thread = std::thread::Builder::new().name("reload".to_owned()).spawn(reading);
    thread.map_err(|error| format!("no thread could be started to read it: {error}"))?;
    match tokio::time::timeout(patience, result).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(_)) => Err("reading it failed, which should not happen: report this".to_owned()),
        Err(_) => Err(format!("reading it took longer than {} s", patience.as_secs())),
    }
}

impl Daemon {
    /// Takes over what was prepared, or keeps everything; says what was done, or why not. Nothing here ends the daemon.
    pub async fn reload(&mut self, prepared: Result<(Loaded, Plan), ConfigError>) -> Result<String, String> {
        let mut findings = Vec::new();
        let result = match prepared {
            Ok((loaded, plan)) => self.take_over(loaded, plan).await,
            Err(error) => {
                for finding in &error.findings {
                    log::error!(target: "dsmild", "reload refused: {}: {finding}", error.source);
                    findings.push(finding.to_string());
                }
                Err(format!("refused: {} findings, the old configuration stays", error.findings.len()))
            }
        };
        metrics::config_reloads(if result.is_ok() { "success" } else { "failure" }).increment(1);
        let (Ok(said) | Err(said)) = &result;
        log::info!(target: "dsmild", "reload {said}");
        let last_reload = Some(format!("{} {said}", Timestamp::now()));
        self.core.board.change_config(|shown| (shown.last_reload, shown.findings) = (last_reload, findings));
        result
    }

    /// Takes fetched lists over; where that is not possible, those before them stay in use.
    pub async fn renew(&mut self, prepared: Result<Plan, Vec<config::Finding>>) {
        match prepared {
            Ok(plan) => {
                plan.warnings.iter().for_each(|warning| log::warn!(target: "dsmild", "{warning}"));
                self.swap_stages_with_new_files(&plan).await;
            }
            Err(findings) => {
                findings.iter().for_each(|finding| log::error!(target: "dsmild", "fetched lists: {finding}"));
            }
        }
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
        self.core.set_rules(Arc::clone(&plan.rules));
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
                log::info!(target: "dsmild", "{} reads changed files", row.name);
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_reload_that_waits_for_a_file_ends_and_keeps_the_next_from_nothing() {
        let mut stuck = Vec::new();
        for _ in 0..=GIVEN_UP_MAX {
            let (end, wait) = mpsc::channel::<()>();
            let given_up = within(Duration::ZERO, move || wait.recv().is_err()).await;
            assert!(given_up.is_err_and(|problem| problem.contains("took longer")));
            stuck.push(end);
            if stuck.len() == 1 {
                assert_eq!(within(READ_WITHIN, || 7).await, Ok(7));
            }
        }
        let refused = within(READ_WITHIN, || 7).await;
        assert!(refused.is_err_and(|problem| problem.contains("still wait")), "threads are bounded");
    }
}
