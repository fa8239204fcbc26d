//! The start with `store.durability = "power"`: an empty hot store is filled from Postgres before anything else starts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::state::NAME;
use super::{Config, Link};
use crate::bus::{Snapshot, Transaction};
use crate::config::{self, Durability};
use crate::event::{EventId, Timestamp};
use crate::intake::clock::arrival::boot_id;
use crate::limits;
use crate::retry::OutsideError;
use crate::store::positions::{Place, Positions};
use crate::store::{Checkpoint, HotStore, Recovery, StoreError};

/// What the names of cursors begin with that are checkpoints from which a hot store was filled.
const RESTORED: &str = "restored";

const RETRY_EVERY: Duration = Duration::from_secs(1);
/// A stage whose state was not saved, or by another version, is rebuilt from so much of the log.
const REBUILT_FROM: Duration = Duration::from_secs(600);

/// The checkpoints from which hot stores were filled after losses of power, the newest ones. What was committed after one
/// of them and was lost with the power, some outlet may have.
pub fn restored(cursors: &BTreeMap<String, EventId>) -> Vec<EventId> {
    cursors.iter().filter(|(name, _)| name.starts_with(RESTORED)).map(|(_, id)| *id).collect()
}

/// The cursors of a checkpoint from which a hot store is filled now.
fn with_restore(checkpoint: &Checkpoint) -> BTreeMap<String, EventId> {
    let mut known = restored(&checkpoint.cursors);
    known.push(checkpoint.id);
    known.sort_unstable_by(|a, b| b.cmp(a));
    known.dedup();
    let others = checkpoint.cursors.iter().filter(|(name, _)| !name.starts_with(RESTORED));
    let others = others.map(|(name, cursor)| (name.clone(), *cursor));
    let newest = known.into_iter().take(limits::RESTORES_REMEMBERED_MAX).enumerate();
    others.chain(newest.map(|(age, id)| (format!("{RESTORED}-{age}"), id))).collect()
}

/// What the daemon goes on from. Waits until Postgres can be asked, where it has to be; `on_wait` hears why.
///
/// # Errors
/// The hot store does not take what Postgres has.
pub async fn begin(
    config: &config::Config,
    store: &HotStore,
    found: Recovery,
    stages: &[&str],
    mut on_wait: impl AsyncFnMut(&OutsideError),
) -> Result<Recovery, StoreError> {
    let mut saved = Positions::load(&config.daemon.state_dir);
    if found.created {
        // Ids follow the clock, and some outlet may have newer ones than were saved.
        saved.last_id = saved.last_id.max(EventId::new(Timestamp::now().millis(), 0));
    }
    let here = Place::new(boot_id(), &config.store.path);
    let Some(archive) = config.archive.as_ref().filter(|_| config.store.durability == Durability::Power) else {
        return Ok(found.or_saved(&saved, here.as_ref()));
    };
    if found.cursors.contains_key(NAME) {
        return Ok(found.or_saved(&saved, here.as_ref()));
    }
    let restore = Restore { config: archive, instance: &config.daemon.instance, store, stages, here: here.as_ref() };
    loop {
        match restore.attempt(&found, &saved).await {
            Ok(recovery) => return Ok(recovery),
            Err(Failure::Store(error)) => return Err(error),
            Err(Failure::Postgres(error)) => on_wait(&error).await,
        }
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

enum Failure {
    Postgres(OutsideError),
    Store(StoreError),
}

impl From<OutsideError> for Failure {
    fn from(error: OutsideError) -> Self {
        Self::Postgres(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

struct Restore<'start> {
    config: &'start Config,
    instance: &'start str,
    store: &'start HotStore,
    stages: &'start [&'start str],
    here: Option<&'start Place>,
}

impl Restore<'_> {
    /// May be broken off at any moment and done again: only the last commit writes the cursor that says that it is
    /// done.
    async fn attempt(&self, found: &Recovery, saved: &Positions) -> Result<Recovery, Failure> {
        let mut link = Link::open(self.config, self.instance).await?;
        let state = link.state().await?;
        // Ids are not given twice, even to events that are taken back: some outlet may have them.
        let last_id = found.last_id.max(state.last_id).max(saved.last_id);
        // A store that holds newer events went on without the archive: its own word is the newer one.
        let recovery = match state.checkpoint.filter(|checkpoint| found.last_id <= checkpoint.id) {
            Some(mut checkpoint) => {
                link.take_back(checkpoint.id).await?;
                checkpoint.cursors = with_restore(&checkpoint);
                self.fill(&mut link, &checkpoint).await?;
                let Checkpoint { cursors, positions, .. } = checkpoint;
                Recovery { cursors, positions, ..found.clone() }
            }
            None => {
                self.mark(EventId::ZERO, Vec::new(), Vec::new()).await?;
                found.clone().or_saved(saved, self.here)
            }
        };
        link.close().await;
        Ok(Recovery { last_id, ..recovery })
    }

    async fn fill(&self, link: &mut Link, checkpoint: &Checkpoint) -> Result<(), Failure> {
        let (mut after, mut count) = (self.oldest_needed(checkpoint), 0);
        let parser = self.store.parser();
        while let Some((events, scanned)) =
            link.events(after, checkpoint.id, limits::STORE_PAGE_EVENTS_MAX, &parser).await?
        {
            (after, count) = (scanned, count + events.len());
            let transaction =
                Transaction { consumer: NAME.to_owned(), events: events.into(), ..Transaction::default() };
            self.store.commit(&[Arc::new(transaction)]).await?;
        }
        let transactions = checkpoint.cursors.iter().map(|(consumer, cursor)| {
            let saved = checkpoint.snapshots.iter().find(|saved| saved.consumer == *consumer && saved.is_readable());
            let snapshot = saved.map(|saved| Snapshot { cursor: saved.cursor, state: saved.state.clone().into() });
            Arc::new(Transaction {
                consumer: consumer.clone(),
                cursor: Some(*cursor),
                snapshot,
                ..Transaction::default()
            })
        });
        let positions: Vec<_> = checkpoint.positions.clone().into_iter().collect();
        let sources = positions.len();
        self.mark(checkpoint.id, positions, transactions.collect()).await?;
        log::info!(
            target: "dsmil-archive",
            "the hot store was empty and goes on from event {} as Postgres has it: {count} events, {sources} positions",
            checkpoint.id
        );
        Ok(())
    }

    /// Everything that the stages have not handled, and what came after their saved states.
    fn oldest_needed(&self, checkpoint: &Checkpoint) -> EventId {
        let rebuilt_ms = u64::try_from(REBUILT_FROM.as_millis()).unwrap_or(u64::MAX);
        let rebuilt_from = EventId::new(checkpoint.id.ms().saturating_sub(rebuilt_ms), 0);
        let needed = self.stages.iter().copied().filter_map(|stage| {
            let cursor = *checkpoint.cursors.get(stage)?;
            let saved = checkpoint.snapshots.iter().find(|saved| saved.consumer == stage && saved.is_readable());
            Some(cursor.min(saved.map_or(rebuilt_from, |saved| saved.cursor)))
        });
        needed.min().unwrap_or(checkpoint.id)
    }

    /// From now on this store is the one that Postgres speaks of, up to `archived`. Whoever dies now finds it filled, so how far
    /// the sources were read must be in it as well.
    async fn mark(
        &self,
        archived: EventId,
        positions: Vec<(String, Value)>,
        mut transactions: Vec<Arc<Transaction>>,
    ) -> Result<(), StoreError> {
        let (consumer, cursor) = (NAME.to_owned(), Some(archived));
        transactions.push(Arc::new(Transaction { consumer, cursor, positions, ..Transaction::default() }));
        self.store.commit(&transactions).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_of_power_is_remembered_not_only_the_last() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.cursors.insert("l3".to_owned(), EventId::new(3, 0));
        for ms in 1..=limits::RESTORES_REMEMBERED_MAX as u64 + 5 {
            checkpoint.id = EventId::new(ms, 0);
            checkpoint.cursors = with_restore(&checkpoint);
            // Once more after it was broken off.
            checkpoint.cursors = with_restore(&checkpoint);
        }
        let mut found = restored(&checkpoint.cursors);
        found.sort_unstable();
        let expected: Vec<_> = (6..=limits::RESTORES_REMEMBERED_MAX as u64 + 5).map(|ms| EventId::new(ms, 0)).collect();
        assert_eq!(found, expected);
        assert_eq!(checkpoint.cursors["l3"], EventId::new(3, 0));
    }
}
