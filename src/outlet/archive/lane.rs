//! One connection of the archive: writes stretches, and tends the tables from time to time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::state::{ABOUT, NAME, Settings, State};
use super::stretch::Stretch;
use super::{Link, Progress};
use crate::event::Timestamp;
use crate::limits;
use crate::observe::{audit, metrics};
use crate::outlet::CommittedLog;
use crate::outlet::driver::{Lane, Log, Look, Position, Written};
use crate::retry::{Notices, OutsideError};
use crate::store::{Checkpoint, positions::Positions};

const POSITIONS_EVERY: Duration = Duration::from_secs(1);
const TEND_EVERY: Duration = Duration::from_secs(3600);

/// Its one lane: everything on the log.
pub struct ArchiveLane {
    link: Link,
    log: Arc<CommittedLog>,
    settings: Rc<Settings>,
    state: Rc<State>,
    tended_at: Option<Instant>,
    positions_at: Cell<Option<Instant>>,
    notices: RefCell<Notices>,
}

impl ArchiveLane {
    pub(super) fn new(link: Link, log: Arc<CommittedLog>, settings: Rc<Settings>, state: Rc<State>) -> Self {
        Self { link, log, settings, state, tended_at: None, positions_at: Cell::default(), notices: RefCell::default() }
    }

    async fn tend_if_due(&mut self) -> Result<(), OutsideError> {
        if self.tended_at.is_none_or(|at| at.elapsed() >= TEND_EVERY) {
            let dropped = self.link.tend(Timestamp::now(), self.settings.window()).await?;
            if !dropped.is_empty() {
                log::info!(target: "dsmil-archive", "past archive.retention and dropped: {}", dropped.join(", "));
            }
            self.tended_at = Some(Instant::now());
        }
        Ok(())
    }

    /// Postgres has everything up to this commit of the hot store.
    fn end_round(&self, round: &Checkpoint) {
        if !round.snapshots.is_empty() {
            self.state.states_at.set(Some(Instant::now()));
        }
        self.log.set_archived(round.id);
        if (self.settings.is_power_durable)() {
            self.save_positions(round);
        }
        self.state.archived.replace(Some(Checkpoint { snapshots: Vec::new(), ..round.clone() }));
    }

    /// Whoever changed the audit log together with all that is remembered of it here could not change what is remembered there.
    fn compare_audit_log(&self) {
        let Some(head) = self.state.audit_head.borrow().clone() else { return };
        if let Err(error) = audit::verify(&self.settings.state_dir.join(audit::FILE), Some(&head)) {
            let text = format!(
                "the audit log is not the one that Postgres remembers ({error}). Where another one was begun on purpose, delete \
                 this instance's rows of dsmil_audit_heads"
            );
            self.warn_of("audit log", "audit", &text);
        }
    }

    fn warn_of(&self, name: &str, kind: &'static str, text: &str) {
        if self.notices.borrow_mut().fails(name, kind, text, std::time::Instant::now()) {
            log::warn!(target: "dsmil-archive", "{text}");
        }
    }

    /// With `durability = "power"` the file follows Postgres: no line is behind it that a loss of power could take.
    fn save_positions(&self, round: &Checkpoint) {
        if self.positions_at.get().is_some_and(|at| at.elapsed() < POSITIONS_EVERY) {
            return;
        }
        self.positions_at.set(Some(Instant::now()));
        let (last_id, positions) = (round.id, round.positions.clone());
        // An empty hot store is filled from Postgres, whatever became of the one before.
        let positions = Positions { last_id, saved_id: last_id, positions, handled: None, hot_store: None };
        if let Err(error) = positions.save(&self.settings.state_dir) {
            self.warn_of("positions", "positions", &format!("positions could not be saved: {error}"));
        }
    }
}

impl Lane for ArchiveLane {
    type Batch = Stretch;

    /// A hot store without this outlet's cursor is not the one that Postgres speaks of: everything in it is offered again,
    /// and what is there already is left as it is.
    async fn position(&mut self) -> Result<Position, OutsideError> {
        let is_known = self.log.saved(&ABOUT).await?.is_some();
        let progress = self.link.progress().await?.filter(|_| is_known).unwrap_or_default();
        self.state.progress.set(progress);
        self.state.leave_round();
        self.state.audit_head.replace(self.link.newest_head().await?);
        self.compare_audit_log();
        Ok(Position::At(progress.rows))
    }

    /// One transaction.
    async fn write(&mut self, stretch: &Stretch) -> Result<Written, OutsideError> {
        self.tend_if_due().await?;
        let mut progress = Progress { rows: stretch.through, ..self.state.progress.get() };
        self.link.prepare_for(&stretch.rows).await?;
        let mut transaction = self.link.transaction().await?;
        let left_out = stretch.write(&mut transaction, self.settings.window()).await?;
        if stretch.is_last {
            while progress.letters < stretch.round.letters {
                let (after, through) = (progress.letters, stretch.round.letters);
                let letters = self.log.store.letter_rows(after, through, limits::ARCHIVE_LETTERS_MAX).await?;
                transaction.letters(&letters).await?;
                progress.letters = letters.last().map_or(through, |letter| letter.number);
            }
        }
        let head = self.state.new_head(&stretch.round).filter(|_| stretch.is_last);
        if let Some(head) = &head {
            transaction.head(head).await?;
        }
        let is_power_durable = (self.settings.is_power_durable)();
        transaction.commit(progress, (stretch.is_last && is_power_durable).then_some(&*stretch.round)).await?;
        self.state.progress.set(progress);
        if head.is_some() {
            self.state.audit_head.replace(head);
        }
        if left_out > 0 {
            metrics::dropped(NAME, "duplicate").increment(left_out);
            log::info!(
                target: "dsmil-archive",
                "{left_out} events are left out: another daemon took their stream entries first and archived them"
            );
        }
        if stretch.is_last {
            self.end_round(&stretch.round);
        } else if !is_power_durable {
            self.log.set_archived(progress.rows);
        }
        Ok(Written::All)
    }

    async fn look(&mut self) -> Result<Look, OutsideError> {
        self.tend_if_due().await?;
        Ok(Look::Same)
    }

    async fn end(self) {
        self.link.close().await;
    }
}
