//! One supervised actor as the rest of the process sees it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

use super::config::HEARTBEAT_EVERY;
use super::policy::{Decision, RestartPolicy};
use crate::config::Supervisor;
use crate::observe::metrics;
use crate::retry::Backoff;

/// What an actor does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It runs.
    Up,
    /// It ended, and waits out its backoff.
    Restarting,
    /// Given up: past its restart intensity.
    Failed,
    /// It has ended because it was asked to, or was never started.
    Stopped,
}

/// Why a run of an actor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It panicked.
    Panic,
    /// It ended by itself, with or without an error.
    Exit,
    /// No heartbeat for too long.
    Frozen,
}

impl Cause {
    /// As in metrics and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Exit => "error",
            Self::Frozen => "frozen",
        }
    }
}

/// Told of every failure before the actor is started again: (cause, reason).
pub type OnFailure = Arc<dyn Fn(Cause, &str) + Send + Sync>;

/// One supervised actor: its state, its heartbeat and its failures. Shared between the supervisor, the actor and status.
pub struct Child {
    /// In status and metrics.
    pub name: String,
    /// When it is given up, the process ends for systemd to start it again.
    pub critical: bool,
    condition: Mutex<Condition>,
    /// Raised at every replacement: an abandoned run finds that another has taken its place.
    generation: AtomicU64,
    restarts: AtomicU32,
    /// Milliseconds since `epoch` of the last heartbeat.
    heartbeat_ms: AtomicU64,
    epoch: Instant,
    on_failure: OnFailure,
    /// The error that the actor reported before it ended.
    reported_error: Mutex<Option<String>>,
}

struct Condition {
    state: State,
    last_error: Option<String>,
    /// What does not work for it now, though it runs.
    shown_error: Option<String>,
    policy: RestartPolicy,
}

impl Child {
    /// An actor that has not been started yet.
    pub fn new(name: &str, critical: bool, config: &Supervisor, on_failure: OnFailure) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            critical,
            condition: Mutex::new(Condition {
                state: State::Stopped,
                last_error: None,
                shown_error: None,
                policy: RestartPolicy::new(config.clone(), Backoff::of(name)),
            }),
            generation: AtomicU64::new(0),
            restarts: AtomicU32::new(0),
            heartbeat_ms: AtomicU64::new(0),
            epoch: Instant::now(),
            on_failure,
            reported_error: Mutex::new(None),
        })
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it does now.
    pub fn state(&self) -> State {
        self.condition().state
    }

    /// What does not work for it now; else why its last run failed, with the cause; `None` while none has.
    pub fn last_error(&self) -> Option<String> {
        let condition = self.condition();
        condition.shown_error.clone().or_else(|| condition.last_error.clone())
    }

    /// How often it was started again since the start of the process.
    pub fn restarts(&self) -> u32 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Notes that it is alive.
    pub fn heartbeat(&self) {
        self.heartbeat_ms.store(self.elapsed_ms(), Ordering::Relaxed);
    }

    /// Time since the last heartbeat of an actor that should send some; zero while it is not up.
    pub fn silence(&self) -> Duration {
        if self.state() != State::Up {
            return Duration::ZERO;
        }
        Duration::from_millis(self.elapsed_ms().saturating_sub(self.heartbeat_ms.load(Ordering::Relaxed)))
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The number of the run that counts; a run with another number was replaced.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// A new run begins in place of all earlier ones.
    pub(super) fn supersede(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The error that its run reported before it ended, once.
    pub(super) fn take_reported_error(&self) -> Option<String> {
        self.reported_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Its run has begun.
    pub(super) fn set_up(&self) {
        self.heartbeat();
        self.condition().state = State::Up;
    }

    /// Its run has ended as it was asked to.
    pub(super) fn set_stopped(&self) {
        self.condition().state = State::Stopped;
    }

    /// Notes a failure and decides what follows from it.
    pub(super) fn failed(&self, cause: Cause, reason: &str) -> Decision {
        (self.on_failure)(cause, reason);
        let now = self.epoch.elapsed();
        let mut condition = self.condition();
        condition.last_error = Some(format!("{}: {reason}", cause.name()));
        condition.shown_error = None;
        let decision = condition.policy.failed(now);
        condition.state = match decision {
            Decision::RestartAfter(_) => State::Restarting,
            Decision::GiveUp => State::Failed,
        };
        drop(condition);
        if let Decision::RestartAfter(_) = decision {
            self.restarts.fetch_add(1, Ordering::Relaxed);
            metrics::actor_restarts(self.name.clone(), cause.name()).increment(1);
        }
        decision
    }
}

/// What one run of an actor is given: its heartbeat, its stop signal, and whether it has been replaced.
#[derive(Clone)]
pub struct TaskContext {
    pub(super) child: Arc<Child>,
    pub(super) generation: u64,
    pub(super) stop: watch::Receiver<bool>,
}

impl TaskContext {
    /// Says that the actor is alive; a heartbeat is due well within `supervisor.frozen_after`.
    pub fn heartbeat(&self) {
        self.child.heartbeat();
    }

    /// Says why it is about to end.
    pub fn report_error(&self, reason: String) {
        *self.child.reported_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// Shows in status what does not work for it though it runs; `None`: everything does.
    pub fn shows_error(&self, error: Option<String>) {
        if !self.is_superseded() {
            self.child.condition().shown_error = error;
        }
    }

    /// Whether it has been replaced: it should end without touching anything.
    pub fn is_superseded(&self) -> bool {
        self.child.generation() != self.generation
    }

    /// Whether it has been asked to end.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Resolves when the actor should end.
    pub async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // An error means that the supervisor is gone: that is a stop too.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Waits for the future, sending heartbeats meanwhile: for waits that are meant, such as for input.
    /// `None` when the actor should end instead.
    pub async fn run_until_stopped<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(future);
        loop {
            self.heartbeat();
            tokio::select! {
                biased;
                () = self.stopped() => return None,
                value = &mut future => return Some(value),
                () = tokio::time::sleep(HEARTBEAT_EVERY) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_ends_the_silence_before_it() {
        let child = Child::new("x", true, &Supervisor::default(), Arc::new(|_, _| {}));
        while child.elapsed_ms() < 3 {
            std::hint::spin_loop();
        }
        child.heartbeat();
        assert!(child.heartbeat_ms.load(Ordering::Relaxed) >= 3);
    }
}
