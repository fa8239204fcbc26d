//! The committed log as outlets see it, and what they tell the rest of the daemon: how far each is, and how it does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::driver::{About, Keep, Log};
use crate::bus::{Bus, EventRef, Transaction};
use crate::event::{Event, EventId, Interest};
use crate::locked::locked;
use crate::observe::audit::{Head, Kept};
use crate::server::gateway::OutletStatus;
use crate::store::{HotStore, StoreError};

/// One for all outlets.
pub struct CommittedLog {
    pub bus: Arc<Bus>,
    pub store: HotStore,
    /// Where the hot store is written: an actor that is abandoned in the middle of that does not hold it.
    io: Handle,
    /// The checkpoints from which hot stores were filled after losses of power.
    pub restored: Vec<EventId>,
    /// By outlet: the outside has everything up to there, and how long the rest is kept.
    acknowledged: Mutex<BTreeMap<String, (Keep, EventId)>>,
    archived: watch::Sender<EventId>,
    shown: Mutex<BTreeMap<String, OutletStatus>>,
    /// Where the audit log ends, as of the last commit.
    audit_head: Mutex<Option<Head>>,
}

impl CommittedLog {
    /// `restored`: the checkpoints from which hot stores were filled after losses of power, newest first.
    pub fn new(bus: Arc<Bus>, store: HotStore, io: Handle, restored: Vec<EventId>) -> Self {
        Self {
            bus,
            store,
            io,
            restored,
            acknowledged: Mutex::default(),
            archived: watch::Sender::new(EventId::ZERO),
            shown: Mutex::default(),
            audit_head: Mutex::default(),
        }
    }

    /// Committed events after `after`, from memory or from the hot store, at most `count`; and the id up to which the
    /// log has been looked through.
    ///
    /// # Errors
    /// The hot store cannot be read.
    pub async fn after(
        &self,
        after: EventId,
        reads: Interest,
        count: usize,
    ) -> Result<(Vec<EventRef>, EventId), StoreError> {
        if let Some(found) = self.bus.committed_after(after, reads, count) {
            return Ok(found);
        }
        let committed = *self.bus.committed().borrow();
        let events: Arc<[Event]> = self.store.after(after, reads, count).await?.into();
        let scanned = events.last().map_or(committed, |event| event.id);
        Ok((EventRef::all(&events).collect(), scanned))
    }

    /// The id up to which Postgres has everything; with `durability = "power"` also what to go on from.
    pub fn archived(&self) -> watch::Receiver<EventId> {
        self.archived.subscribe()
    }

    /// Postgres has everything up to here.
    pub fn set_archived(&self, id: EventId) {
        self.archived.send_if_modified(|archived| std::mem::replace(archived, id) != id);
    }

    /// The oldest event that the store keeps for outlets, whatever happens.
    pub fn kept(&self) -> EventId {
        self.least(|keep| keep == Keep::Everything)
    }

    /// The oldest event that the store keeps for outlets while it has room.
    pub fn kept_while_room(&self) -> EventId {
        self.least(|_| true)
    }

    fn least(&self, counts: impl Fn(Keep) -> bool) -> EventId {
        let acknowledged = locked(&self.acknowledged);
        let ids = acknowledged.values().filter(|(keep, _)| counts(*keep)).map(|(_, id)| *id);
        ids.min().unwrap_or(EventId::MAX)
    }

    /// Where the audit log ends; nothing before its first line.
    pub fn audit_head(&self) -> Option<Head> {
        locked(&self.audit_head).clone().filter(|head| head.lines > 0)
    }

    /// It is committed that the audit log ends there.
    pub fn set_audit_head(&self, kept: &Value) {
        if let Some(kept) = Kept::read(kept) {
            *locked(&self.audit_head) = Some(kept.head);
        }
    }

    /// What every outlet shows of itself.
    pub fn shown(&self) -> Vec<OutletStatus> {
        locked(&self.shown).values().cloned().collect()
    }

    /// Shows what is no outlet, but something that the daemon asks outside, beside them; or takes it from there.
    pub fn show_beside(&self, name: &str, status: Option<OutletStatus>) {
        match status {
            Some(status) => locked(&self.shown).insert(name.to_owned(), status),
            None => locked(&self.shown).remove(name),
        };
    }

    /// Whether the outlet of this name runs and its outside answers.
    pub fn is_up(&self, outlet: &str) -> bool {
        locked(&self.shown).get(outlet).is_some_and(|status| status.up)
    }
}

impl Log for Arc<CommittedLog> {
    fn committed(&self) -> watch::Receiver<EventId> {
        self.bus.committed()
    }

    async fn count(&self, after: EventId, upto: EventId, reads: Interest) -> Result<u64, StoreError> {
        match self.bus.count_committed(after, upto, reads) {
            Some(count) => Ok(count),
            None => self.store.count(after, upto, reads).await,
        }
    }

    async fn count_stored(&self, after: EventId, upto: EventId, reads: Interest) -> Result<u64, StoreError> {
        self.store.count(after, upto, reads).await
    }

    fn acknowledged(&self, about: &About) -> Option<EventId> {
        locked(&self.acknowledged).get(&*about.name).map(|(_, id)| *id)
    }

    fn acknowledge(&self, about: &About, id: EventId) {
        locked(&self.acknowledged).insert(about.name.to_string(), (about.keep, id));
    }

    fn forget(&self, about: &About) {
        locked(&self.acknowledged).remove(&*about.name);
    }

    async fn saved(&self, about: &About) -> Result<Option<EventId>, StoreError> {
        Ok(self.store.checkpoint(false).await?.cursors.get(&*about.name).copied())
    }

    async fn save(&self, about: &About, cursor: EventId) -> Result<(), StoreError> {
        let transaction =
            Transaction { consumer: about.name.to_string(), cursor: Some(cursor), ..Transaction::default() };
        let store = self.store.clone();
        match self.io.spawn(async move { store.commit(&[Arc::new(transaction)]).await }).await {
            Ok(committed) => committed.map(|_| ()),
            // Only a daemon that ends takes its threads away.
            Err(_) => Ok(()),
        }
    }

    fn show(&self, status: OutletStatus) {
        locked(&self.shown).insert(status.name.clone(), status);
    }

    fn hide(&self, about: &About) {
        locked(&self.shown).remove(&*about.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Ledger;
    use crate::outlet::driver::Outlet;
    use crate::outlet::loki::Loki;
    use crate::store::tests::config;

    #[tokio::test]
    async fn an_outlet_is_shown_as_it_last_said_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = HotStore::open(&config(&folder)).await.unwrap();
        let bus = Arc::new(Bus::new(Ledger::default(), EventId::ZERO));
        let log = Arc::new(CommittedLog::new(bus, store, Handle::current(), Vec::new()));
        let name = Loki::ABOUT.name;
        for up in [true, false, true] {
            let status = OutletStatus { name: name.to_string(), up, lag_events: 7, ..OutletStatus::default() };
            log.show(status.clone());
            assert_eq!((log.shown(), log.is_up(&name)), (vec![status], up));
        }
        log.hide(&Loki::ABOUT);
        assert_eq!((log.shown(), log.is_up(&name)), (Vec::new(), false));
    }
}
