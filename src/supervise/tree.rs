//! The children in the order of their places: stopped in reverse, the frozen ones abandoned and replaced.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Arbiter;
use tokio::sync::watch;

use super::child::{Cause, Child, OnFailure, State, TaskContext};
use super::guard::GaveUp;
use super::policy::Decision;
use crate::config;

/// Starts one run of an actor on the arbiter.
pub type Start = Arc<dyn Fn(&Arbiter, TaskContext, GaveUp) + Send + Sync>;

/// How one actor is started, and what follows from its failures.
#[derive(Clone)]
pub struct ChildSpec {
    /// In status and metrics.
    pub name: String,
    /// Where its component stands in the start order. Children are stopped in reverse of this, whenever they were started.
    pub place: usize,
    /// What it gets to end in order.
    pub drain: Duration,
    /// When it is given up, the process ends for systemd to start it again.
    pub critical: bool,
    /// Called with the cause and the reason of each failure, before the actor is started again.
    pub on_failure: OnFailure,
    /// Called when it is past its restart intensity.
    pub on_give_up: Arc<dyn Fn() + Send + Sync>,
    pub start: Start,
}

struct Running {
    spec: ChildSpec,
    child: Arc<Child>,
    stop: watch::Sender<bool>,
    arbiter: Option<Arbiter>,
    /// When a frozen one is to be started again.
    restart_at: Option<Instant>,
}

/// Lives on the thread of the actix system.
pub struct Tree {
    config: config::Supervisor,
    /// Whether systemd ends the process when a critical actor is frozen.
    watched: bool,
    /// By place.
    running: Vec<Running>,
    fatal: watch::Sender<Option<String>>,
}

impl Tree {
    /// Without children.
    pub fn new(config: config::Supervisor) -> Self {
        Self { config, watched: false, running: Vec::new(), fatal: watch::Sender::new(None) }
    }

    /// Says why when a critical actor was given up.
    pub fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.fatal.subscribe()
    }

    /// In the order of their places.
    pub fn children(&self) -> Vec<Arc<Child>> {
        self.running.iter().map(|running| Arc::clone(&running.child)).collect()
    }

    /// For what starts or is looked at from now on.
    pub fn reconfigure(&mut self, config: &config::Supervisor) {
        self.config = config.clone();
    }

    /// systemd restarts the process when a critical actor is frozen. To replace it here would race with that, and leave a
    /// thread behind of which nobody knows what it holds.
    pub fn leave_critical_to_watchdog(&mut self) {
        self.watched = true;
    }

    /// Starts a child. It will be stopped before all of lesser places, and before those of its own that were started earlier.
    ///
    /// # Errors
    /// No thread could be started for it.
    pub fn start(&mut self, spec: ChildSpec) -> std::io::Result<Arc<Child>> {
        let child = Child::new(&spec.name, spec.critical, &self.config, Arc::clone(&spec.on_failure));
        let mut running = Running {
            spec,
            child: Arc::clone(&child),
            stop: watch::Sender::new(false),
            arbiter: None,
            restart_at: None,
        };
        running.begin(&self.fatal)?;
        let index = self.running.partition_point(|other| other.spec.place <= running.spec.place);
        self.running.insert(index, running);
        Ok(child)
    }

    /// Whether no critical actor is late: then systemd's watchdog may be fed.
    pub fn healthy(&self, late_after: Duration) -> bool {
        self.running
            .iter()
            .filter(|running| running.child.critical)
            .all(|running| running.child.silence() < late_after && running.child.state() != State::Failed)
    }

    /// Looks once for frozen actors and replaces them. Call it a few times a second.
    pub fn look(&mut self) {
        let frozen_after = self.config.frozen_after.get();
        for running in &mut self.running {
            if running.restart_at.is_some_and(|at| at <= Instant::now()) {
                running.restart_at = None;
                if let Err(error) = running.begin(&self.fatal) {
                    log::error!(target: "dsmild", "starting a thread for actor {} failed: {error}", running.spec.name);
                    running.restart_at = Some(Instant::now() + self.config.backoff.max.get());
                }
            }
            let silence = running.child.silence();
            let left_to_watchdog = self.watched && running.child.critical;
            if silence >= frozen_after && !left_to_watchdog {
                running.abandon(silence, &self.fatal);
            }
        }
    }

    /// The places at which some child has been given up.
    pub fn failed(&self) -> BTreeSet<usize> {
        let failed = self.running.iter().filter(|running| running.child.state() == State::Failed);
        failed.map(|running| running.spec.place).collect()
    }

    /// Stops the children of this place, last first, and forgets them.
    pub async fn stop(&mut self, place: usize) {
        while let Some(index) = self.running.iter().rposition(|running| running.spec.place == place) {
            self.running.remove(index).end().await;
        }
    }

    /// Stops all children, last first.
    pub async fn stop_all(&mut self) {
        while let Some(running) = self.running.pop() {
            running.end().await;
        }
    }
}

impl Running {
    fn begin(&mut self, fatal: &watch::Sender<Option<String>>) -> std::io::Result<()> {
        let arbiter = Arbiter::try_new()?;
        let generation = self.child.supersede();
        let task = TaskContext { child: Arc::clone(&self.child), generation, stop: self.stop.subscribe() };
        // From now on it is expected to send heartbeats, even if its thread never comes to it.
        self.child.set_up();
        (self.spec.start)(&arbiter, task, gave_up(&self.spec, fatal));
        self.arbiter = Some(arbiter);
        Ok(())
    }

    /// A thread cannot be killed: it is left behind, and what it may still say is refused.
    fn abandon(&mut self, silence: Duration, fatal: &watch::Sender<Option<String>>) {
        self.child.supersede();
        if let Some(arbiter) = self.arbiter.take() {
            arbiter.stop();
        }
        let reason = format!("no heartbeat for {} ms", silence.as_millis());
        match self.child.failed(Cause::Frozen, &reason) {
            Decision::GiveUp => gave_up(&self.spec, fatal)(&self.child, &reason),
            Decision::RestartAfter(delay) => {
                log::warn!(target: "dsmild", "actor {} is frozen ({reason}); another takes its place in {delay:?}", self.spec.name);
                self.restart_at = Some(Instant::now() + delay);
            }
        }
    }

    async fn end(mut self) {
        const LOOK_EVERY: Duration = Duration::from_millis(5);
        self.stop.send_replace(true);
        let deadline = Instant::now() + self.spec.drain;
        while matches!(self.child.state(), State::Up | State::Restarting)
            && self.restart_at.is_none()
            && Instant::now() < deadline
        {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.child.supersede();
        if let Some(arbiter) = self.arbiter.take() {
            arbiter.stop();
        }
    }
}

fn gave_up(spec: &ChildSpec, fatal: &watch::Sender<Option<String>>) -> GaveUp {
    let (critical, on_give_up, fatal) = (spec.critical, Arc::clone(&spec.on_give_up), fatal.clone());
    Arc::new(move |child, reason| {
        log::error!(target: "dsmild", "actor {} failed too often and is given up; last: {reason}", child.name);
        on_give_up();
        if critical {
            fatal.send_replace(Some(format!("critical actor {} failed too often; last: {reason}", child.name)));
        }
    })
}
