//! The body of the flat log's actor.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use crate::intake::Problem;
use crate::observe::metrics;
use crate::outlet::flat_log::{FlatLog, FlatLogError};
use crate::server::gateway::OutletStatus;
use crate::supervise::TaskContext;

/// SYSLOG_IDENTIFIER of what is said here.
const IDENTIFIER: &str = "dsmil-tail";
const LOOK_EVERY: Duration = Duration::from_secs(1);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Writes until told to stop. What cannot be written waits in the journal.
pub async fn run(task: TaskContext, core: Arc<Core>) -> Result<(), String> {
    let config = core.config();
    let Some(section) = &config.flat_log else { return Err("no [flat_log] section".to_owned()) };
    let mut report = Report { core: Arc::clone(&core), trouble: None };
    let mut log = loop {
        match FlatLog::open(section, &config.daemon.state_dir) {
            Ok(log) => break log,
            Err(error) => report.failed(&error),
        }
        if task.run_until_stopped(tokio::time::sleep(RETRY_AFTER)).await.is_none() {
            return Ok(());
        }
    };
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut reopened = core.reopened();
    loop {
        let is_time_to_look = task.run_until_stopped(async {
            tokio::select! {
                _ = reopened.changed() => true,
                _ = look.tick() => true,
                problems = log.collect() => {
                    problems.iter().for_each(|problem| report.problem(problem));
                    false
                }
            }
        });
        let Some(is_time_to_look) = is_time_to_look.await else { break };
        while let Err(error) = step(&mut log, is_time_to_look) {
            report.failed(&error);
            if task.run_until_stopped(tokio::time::sleep(RETRY_AFTER)).await.is_none() {
                return Ok(());
            }
        }
        report.works();
    }
    step(&mut log, true).map_err(|error| error.to_string())
}

fn step(log: &mut FlatLog, is_time_to_look: bool) -> Result<(), FlatLogError> {
    log.write()?;
    if is_time_to_look { log.look() } else { Ok(()) }
}

struct Report {
    core: Arc<Core>,
    /// `None`: nothing has been told yet. Told when it changes.
    trouble: Option<Option<String>>,
}

impl Report {
    fn failed(&mut self, error: &FlatLogError) {
        let text = error.to_string();
        if self.trouble.as_ref() != Some(&Some(text.clone())) {
            log::error!(target: IDENTIFIER, "{text}");
            self.tell(Some(text));
        }
    }

    fn works(&mut self) {
        match &self.trouble {
            Some(None) => return,
            Some(Some(_)) => log::info!(target: IDENTIFIER, "the flat log is written again"),
            None => {}
        }
        self.tell(None);
    }

    fn tell(&mut self, trouble: Option<String>) {
        self.core.set_outlet(OutletStatus {
            name: "flat-log".to_owned(),
            up: trouble.is_none(),
            lag_events: 0,
            last_error: trouble.clone(),
            progress: None,
        });
        self.trouble = Some(trouble);
    }

    fn problem(&self, problem: &Problem) {
        log::warn!(target: IDENTIFIER, "{}", problem.text);
        if problem.lost > 0 {
            metrics::dropped("flat-log", problem.reason).increment(problem.lost);
        }
    }
}
