//! What the driver needs of the log and of the daemon.

use tokio::sync::watch;

use super::about::About;
use crate::event::{EventId, Interest};
use crate::server::gateway::OutletStatus;
use crate::store::StoreError;

/// The committed log, the cursors of outlets, and where their state is shown.
pub trait Log {
    /// The newest committed id.
    fn committed(&self) -> watch::Receiver<EventId>;

    /// Committed events with `after < id <= upto`, also when the hot store has removed them meanwhile.
    ///
    /// # Errors
    /// The hot store cannot be read.
    fn count(&self, after: EventId, upto: EventId, reads: Interest) -> impl Future<Output = Result<u64, StoreError>>;

    /// Those of them that the hot store still has.
    ///
    /// # Errors
    /// The hot store cannot be read.
    fn count_stored(
        &self,
        after: EventId,
        upto: EventId,
        reads: Interest,
    ) -> impl Future<Output = Result<u64, StoreError>>;

    /// What this process knows of how far the outlet is.
    fn acknowledged(&self, about: &About) -> Option<EventId>;

    /// The outside has everything up to `id`; what comes after, the store keeps as [`About::keep`] says.
    fn acknowledge(&self, about: &About, id: EventId);

    /// The outlet is no longer wanted: nothing is kept for it.
    fn forget(&self, about: &About);

    /// The cursor in the hot store; `None` for an outlet that it has never heard of.
    ///
    /// # Errors
    /// The hot store cannot be read.
    fn saved(&self, about: &About) -> impl Future<Output = Result<Option<EventId>, StoreError>>;

    /// Saves the cursor in the hot store.
    ///
    /// # Errors
    /// The hot store does not take it now.
    fn save(&self, about: &About, cursor: EventId) -> impl Future<Output = Result<(), StoreError>>;

    fn show(&self, status: OutletStatus);

    /// Takes the outlet's state from where it is shown.
    fn hide(&self, about: &About);
}
