//! How far behind Loki is, and what keeps it from having everything: for status, metrics and the log.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backlog::Backlog;
use super::core::{Core, locked};
use super::loki::NAME;
use crate::event::{EventId, Interest};
use crate::observe::metrics;
use crate::observe::notice::Notice;
use crate::outlet::Progress;
use crate::outlet::loki::Trouble;
use crate::server::gateway::OutletStatus;
use crate::store::StoreError;

const TELL_EVERY: Duration = Duration::from_millis(500);
/// Looking reads through all that waits.
const LOOK_FOR_LOSS_EVERY: Duration = Duration::from_secs(5);
/// What Loki refuses is said no more often than this; it is counted at once.
const SAY_REFUSED_EVERY: Duration = Duration::from_secs(60);

pub struct Meter {
    core: Arc<Core>,
    backlog: Backlog,
    up: Cell<bool>,
    notice: RefCell<Notice<Trouble>>,
    progress: RefCell<Option<Progress>>,
    looked_at: Cell<Instant>,
    /// When a refusal was said, and how many events were refused since.
    refused_at: Cell<Option<Instant>>,
    refused: Cell<usize>,
}

impl Meter {
    /// # Errors
    /// The hot store cannot be read.
    pub async fn new(core: Arc<Core>, reads: Interest, passed: EventId) -> Result<Self, StoreError> {
        let backlog = Backlog::count(Arc::clone(&core), reads, passed).await?;
        Ok(Self {
            core,
            backlog,
            up: Cell::new(false),
            notice: RefCell::default(),
            progress: RefCell::default(),
            looked_at: Cell::new(Instant::now()),
            refused_at: Cell::new(None),
            refused: Cell::new(0),
        })
    }

    pub fn is_up(&self) -> bool {
        self.up.get()
    }

    /// Loki has answered a push.
    pub fn well(&self) {
        let was_up = self.up.replace(true);
        let told = self.notice.borrow_mut().is_well();
        if told || !was_up {
            log::info!(target: "dsmil-loki", "Loki takes SOC events, {} wait", self.backlog.events());
        }
    }

    pub fn down(&self, trouble: Trouble) {
        if self.up.replace(false) {
            *self.progress.borrow_mut() = None;
        }
        let text = trouble.to_string();
        if self.notice.borrow_mut().has(trouble, Instant::now()) {
            log::warn!(target: "dsmil-loki", "SOC events wait in the hot store, nothing else does: {text}");
        }
    }

    pub fn passed(&self, events: usize) {
        self.backlog.passed(events);
        if let Some(progress) = self.progress.borrow_mut().as_mut() {
            progress.wrote(events as u64);
        }
    }

    /// Loki will not take these.
    pub fn refused(&self, events: usize, reason: &'static str, said: &str) {
        metrics::dropped(NAME, reason).increment(events as u64);
        self.refused.set(self.refused.get() + events);
        if self.refused_at.get().is_none_or(|at| at.elapsed() >= SAY_REFUSED_EVERY) {
            self.refused_at.set(Some(Instant::now()));
            log::error!(
                target: "dsmil-loki",
                "Loki refused {} SOC events and does not have them, the others go on: {said}; see its limits_config \
                 (what is refused within the next minute is only counted, in dsmil_dropped_total)",
                self.refused.take()
            );
        }
    }

    /// Everything up to `scanned` has been passed on.
    pub async fn caught_up(&self, scanned: EventId) -> Result<(), StoreError> {
        // What was counted and never found, the retention has removed.
        if self.backlog.events() > 0 {
            self.say_lost(self.backlog.lost(scanned).await?);
        }
        if self.progress.take().is_some() {
            log::info!(target: "dsmil-loki", "Loki has every SOC event that is kept");
        }
        Ok(())
    }

    /// Whether the retention has removed what Loki was to have.
    pub async fn look_for_loss(&self, passed: EventId) {
        if self.looked_at.get().elapsed() < LOOK_FOR_LOSS_EVERY {
            return;
        }
        self.looked_at.set(Instant::now());
        match self.backlog.lost(passed).await {
            Ok(lost) => self.say_lost(lost),
            Err(error) => log::debug!(target: "dsmil-loki", "{error}"),
        }
    }

    fn say_lost(&self, lost: u64) {
        if lost > 0 {
            metrics::dropped(NAME, "retention").increment(lost);
            log::error!(
                target: "dsmil-loki",
                "{lost} SOC events were removed from the hot store before Loki took them; raise store.max_size"
            );
        }
    }

    pub async fn keep_telling(&self) {
        loop {
            if let Err(error) = self.backlog.grow().await {
                log::debug!(target: "dsmil-loki", "{error}");
            }
            self.tell();
            tokio::time::sleep(TELL_EVERY).await;
        }
    }

    fn tell(&self) {
        let (up, lag_events) = (self.up.get(), self.backlog.events());
        metrics::loki_up().set(if up { 1.0 } else { 0.0 });
        metrics::loki_lag_events().set(lag_events as f64);
        let last_error = self.notice.borrow().trouble().map(ToString::to_string);
        let progress = self.progress_line(lag_events);
        self.core.set_outlet(OutletStatus { name: NAME.to_owned(), up, lag_events, last_error, progress });
    }

    /// What status shows of a long way to catch up; said in the journal every few seconds too.
    fn progress_line(&self, waiting: u64) -> Option<String> {
        let (now, mut progress) = (Instant::now(), self.progress.borrow_mut());
        if progress.is_none() && self.up.get() {
            *progress = Progress::begin(waiting, now);
        }
        let progress = progress.as_mut()?;
        let line = progress.line(waiting, now);
        if progress.is_due(now) {
            log::info!(target: "dsmil-loki", "Loki: {line}");
        }
        Some(line)
    }

    /// A reload may have ended the outlet for good.
    pub fn end(&self) {
        locked(&self.core.board.outlets).remove(NAME);
        metrics::loki_up().set(0.0);
        metrics::loki_lag_events().set(0.0);
    }
}
