//! A stretch of the log made ready for one transaction.

use std::rc::Rc;

use super::{Rows, Transaction, Window};
use crate::event::EventId;
use crate::outlet::driver;
use crate::retry::OutsideError;
use crate::store::{Checkpoint, TakenEntry};

pub struct Stretch {
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
        self.rows.items.len() as u64
    }

    fn through(&self) -> EventId {
        self.through
    }
}

impl Stretch {
    /// Returns how many events were left out, because another daemon has archived their entries.
    pub(super) async fn write(&self, transaction: &mut Transaction<'_>, window: Window) -> Result<u64, OutsideError> {
        transaction.claim(&self.entries).await?;
        let items = &self.rows.items;
        let left_out = items.iter().filter(|item| transaction.is_duplicate(item.root())).count();
        if left_out == 0 {
            transaction.rows(&self.rows).await?;
        } else {
            let kept = items.iter().filter(|item| !transaction.is_duplicate(item.root())).cloned();
            let rows = Rows::of(kept, transaction.instance, window);
            transaction.rows(&rows).await?;
        }
        Ok(left_out as u64)
    }
}
