//! How many events Postgres does not have yet, and what keeps it from having them: for status, metrics and the log.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::archive::NAME;
use super::core::{Core, locked};
use crate::event::EventId;
use crate::observe::metrics;
use crate::outlet::Progress;
use crate::outlet::archive::Trouble;
use crate::server::gateway::OutletStatus;
use crate::store::StoreError;

/// Another reason is logged no sooner than this after the last one …
const SAY_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// … and the same one is repeated this often.
const REPEAT_AFTER: Duration = Duration::from_secs(600);

pub struct Meter {
    core: Arc<Core>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    up: bool,
    trouble: Option<String>,
    said: Option<(Instant, String)>,
    /// Events that waited when the counters below were zero.
    backlog: u64,
    /// What the bus had committed then.
    committed: u64,
    sent: u64,
    /// While it is far behind.
    progress: Option<Progress>,
}

impl Meter {
    pub fn new(core: Arc<Core>) -> Self {
        Self { core, inner: Mutex::default() }
    }

    /// Counts anew what waits after `passed`.
    pub async fn recount(&self, passed: EventId) -> Result<(), StoreError> {
        let (_, committed) = self.core.bus.committed_count();
        let backlog = self.core.store.count_after(passed).await?;
        let mut inner = locked(&self.inner);
        (inner.backlog, inner.committed, inner.sent) = (backlog, committed, 0);
        inner.progress = Progress::begin(backlog, Instant::now());
        Ok(())
    }

    pub fn lag(&self) -> u64 {
        let (_, committed) = self.core.bus.committed_count();
        let inner = locked(&self.inner);
        (inner.backlog + committed.saturating_sub(inner.committed)).saturating_sub(inner.sent)
    }

    pub fn sent(&self, events: u64) {
        let (lag, now) = (self.lag(), Instant::now());
        let mut inner = locked(&self.inner);
        inner.sent += events;
        if inner.progress.is_none() {
            inner.progress = Progress::begin(lag, now);
        }
        let Some(progress) = &mut inner.progress else { return };
        progress.wrote(events);
        let line = progress.line(lag.saturating_sub(events), now);
        if progress.is_due(now) {
            log::info!(target: "dsmil-archive", "{line}");
        }
    }

    /// Everything that was known of is in Postgres, and what has come meanwhile waits.
    pub fn caught_up(&self) {
        let lag = self.lag();
        let mut inner = locked(&self.inner);
        if !Progress::is_worth_saying(lag)
            && let Some(progress) = inner.progress.take()
            && progress.was_told()
        {
            log::info!(target: "dsmil-archive", "{}", progress.line(lag, Instant::now()));
        }
    }

    /// Events that another daemon has archived already.
    pub fn left_out(&self, events: u64) {
        if events > 0 {
            metrics::dropped("archive", "duplicate").increment(events);
            log::info!(
                target: "dsmil-archive",
                "{events} events are left out: another daemon took their stream entries first and archived them"
            );
        }
    }

    /// Postgres took everything up to `through`.
    pub fn up(&self, through: EventId) {
        let (newest, committed) = self.core.bus.committed_count();
        let lag = self.lag();
        let mut inner = locked(&self.inner);
        if newest <= through {
            (inner.backlog, inner.committed, inner.sent) = (0, committed, 0);
        }
        inner.trouble = None;
        if !std::mem::replace(&mut inner.up, true) {
            inner.said = None;
            log::info!(target: "dsmil-archive", "Postgres takes events, {lag} wait");
        }
    }

    /// Whether it was up before.
    pub fn down(&self, trouble: &Trouble) -> bool {
        let text = trouble.to_string();
        let mut inner = locked(&self.inner);
        let due = inner
            .said
            .as_ref()
            .is_none_or(|(at, said)| at.elapsed() >= if *said == text { REPEAT_AFTER } else { SAY_AGAIN_AFTER });
        if due {
            log::warn!(target: "dsmil-archive", "{text}; events wait in the hot store, nothing else does");
            inner.said = Some((Instant::now(), text.clone()));
        }
        (inner.trouble, inner.progress) = (Some(text), None);
        let was_up = std::mem::replace(&mut inner.up, false);
        drop(inner);
        self.report();
        was_up
    }

    /// There is no archive any more.
    pub fn end(&self) {
        locked(&self.core.board.outlets).remove(NAME);
        metrics::archive_up().set(0.0);
        metrics::archive_lag_events().set(0.0);
    }

    pub fn report(&self) {
        let lag_events = self.lag();
        let (up, last_error, progress) = {
            let inner = locked(&self.inner);
            let progress = inner.progress.as_ref().map(|progress| progress.line(lag_events, Instant::now()));
            (inner.up, inner.trouble.clone(), progress)
        };
        metrics::archive_up().set(if up { 1.0 } else { 0.0 });
        metrics::archive_lag_events().set(lag_events as f64);
        self.core.set_outlet(OutletStatus { name: NAME.to_owned(), up, lag_events, last_error, progress });
    }
}
