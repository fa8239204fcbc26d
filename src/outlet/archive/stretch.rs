//! A stretch of the log made ready for one transaction.

use std::rc::Rc;

use super::{Rows, Transaction, Window};
use crate::bus::EventRef;
use crate::event::EventId;
use crate::outlet::driver;
use crate::retry::OutsideError;
use crate::store::{Checkpoint, TakenEntry};

pub struct Stretch {
    /// From the front, `rows.events` of them are in `rows`.
    pub(super) events: Vec<EventRef>,
    pub(super) rows: Rows,
    pub(super) entries: Vec<TakenEntry>,
    /// Postgres is so far when it is written.
    pub(super) through: EventId,
    /// The commit of the hot store up to which its round goes.
    pub(super) round: Rc<Checkpoint>,
    /// It ends where the round does.
    pub(super) is_last: bool,
    pub(super) ends_round: bool,
}

impl driver::Batch for Stretch {
    fn events(&self) -> u64 {
        self.rows.events
    }

    fn through(&self) -> EventId {
        self.through
    }
}

impl Stretch {
    /// Returns how many events were left out, because another daemon has archived their entries.
    pub(super) async fn write(&self, transaction: &mut Transaction<'_>, window: Window) -> Result<u64, OutsideError> {
        transaction.claim(&self.entries).await?;
        let taken = self.events.iter().take(usize::try_from(self.rows.events).unwrap_or(usize::MAX));
        let left_out = taken.clone().filter(|event| transaction.is_duplicate(event.root)).count();
        if left_out == 0 {
            transaction.rows(&self.rows).await?;
        } else {
            let kept: Vec<_> = taken.filter(|event| !transaction.is_duplicate(event.root)).collect();
            transaction.rows(&Rows::of(kept.into_iter().map(|event| &**event), window)).await?;
        }
        Ok(left_out as u64)
    }
}
