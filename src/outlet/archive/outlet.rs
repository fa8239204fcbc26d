//! Postgres as an outlet: what it wants of the log, in rounds that each end at one commit of the hot store.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::item::Item;
use super::lane::ArchiveLane;
use super::state::{ABOUT, Settings, State};
use super::stretch::Stretch;
use super::{Link, Rows};
use crate::config::{Config, Durability};
use crate::event::{EventId, Interest};
use crate::outlet::driver::{About, Log, Outlet, Pace, Portion, Want};
use crate::outlet::{CommittedLog, Configured, Resources};
use crate::retry::OutsideError;
use crate::store::Checkpoint;

const STATES_EVERY: Duration = Duration::from_secs(30);
/// The bus hears of a commit a moment after the hot store has it.
const BUS_PATIENCE: Duration = Duration::from_millis(200);

/// The outlet as the driver sees it.
pub struct Archive {
    log: Arc<CommittedLog>,
    settings: Rc<Settings>,
    state: Rc<State>,
}

impl Configured for Archive {
    const NAME: &'static str = super::NAME;
    const SECTIONS: &'static [&'static str] = &["archive"];

    fn is_wanted(config: &Config) -> bool {
        config.archive.is_some()
    }

    fn from_config(config: &Config, resources: &Resources) -> Option<Self> {
        let now = Arc::clone(&resources.config);
        let settings = Settings {
            archive: config.archive.clone()?,
            instance: config.daemon.instance.clone(),
            state_dir: config.daemon.state_dir.clone(),
            is_power_durable: Box::new(move || now().store.durability == Durability::Power),
        };
        Some(Self { log: Arc::clone(&resources.log), settings: Rc::new(settings), state: Rc::default() })
    }
}

impl Archive {
    /// The commit to which events are taken; none while Postgres has everything of the newest one.
    async fn round(&self) -> Result<Option<Rc<Checkpoint>>, OutsideError> {
        if let Some(round) = self.state.round.borrow().clone() {
            return Ok(Some(round));
        }
        let is_power_durable = (self.settings.is_power_durable)();
        let with_states = is_power_durable && self.state.states_at.get().is_none_or(|at| at.elapsed() >= STATES_EVERY);
        let checkpoint = self.log.store.checkpoint(with_states).await?;
        let progress = self.state.progress.get();
        let is_old = checkpoint.id <= progress.rows
            && checkpoint.letters <= progress.letters
            && self.state.new_head(&checkpoint).is_none();
        if is_old && (!is_power_durable || self.state.archived.borrow().as_ref() == Some(&checkpoint)) {
            return Ok(None);
        }
        self.wait_for_bus(checkpoint.id).await;
        let round = Rc::new(checkpoint);
        self.state.round.replace(Some(Rc::clone(&round)));
        Ok(Some(round))
    }

    async fn wait_for_bus(&self, id: EventId) {
        let mut committed = self.log.committed();
        let known = committed.wait_for(|committed| *committed >= id);
        // Without an answer the stretches end where the bus is, and the next round goes on.
        let _ = tokio::time::timeout(BUS_PATIENCE, known).await;
    }

    /// What is committed after `after`: from memory, or from the hot store as the rows that it is there.
    async fn after(&self, after: EventId) -> Result<(Vec<Item>, EventId), OutsideError> {
        let count = self.settings.archive.batch;
        match self.log.bus.committed_after(after, Interest::ALL, count) {
            Some((events, scanned)) => Ok((events.into_iter().map(Item::from).collect(), scanned)),
            None => {
                let (rows, scanned) = self.log.store.rows_after(after, count).await?;
                Ok((rows.into_iter().map(Item::Stored).collect(), scanned))
            }
        }
    }

    /// What comes after `after`, as far as one transaction takes it.
    async fn stretch(&self, after: EventId, round: Rc<Checkpoint>) -> Result<Stretch, OutsideError> {
        let (items, scanned) = if after < round.id { self.after(after).await? } else { (Vec::new(), round.id) };
        let (read, known) = (items.len(), items.partition_point(|item| item.id() <= round.id));
        let rows = Rows::of(items.into_iter().take(known), &self.settings.instance, self.settings.window());
        let all_taken = rows.items.len() == known;
        let is_last = all_taken && (known < read || scanned >= round.id);
        let through = if is_last { round.id } else { rows.through().unwrap_or(scanned) };
        let entries = self.log.store.taken_entries(after, through).await?;
        // Without events and without an end the bus is behind the store: the next round goes on.
        let ends_round = is_last || (rows.items.is_empty() && scanned < round.id);
        Ok(Stretch { rows, entries, through: through.max(after), round, is_last, ends_round })
    }
}

impl Outlet for Archive {
    const ABOUT: About = ABOUT;
    type Batch = Stretch;
    type Lane = ArchiveLane;

    fn wants(&self) -> Vec<Want> {
        vec![Want { label: None, reads: Interest::ALL }]
    }

    async fn connect(&self) -> Result<Vec<ArchiveLane>, OutsideError> {
        let mut link = Link::open(&self.settings.archive, &self.settings.instance).await?;
        if !(self.settings.is_power_durable)() {
            link.forget_checkpoint().await?;
        }
        self.state.reset();
        Ok(vec![ArchiveLane::new(link, Arc::clone(&self.log), Rc::clone(&self.settings), Rc::clone(&self.state))])
    }

    async fn prepare(&self, _: usize, after: EventId) -> Result<Portion<Stretch>, OutsideError> {
        let Some(round) = self.round().await? else {
            return Ok(Portion { batch: None, through: after, more: false });
        };
        let stretch = self.stretch(after, round).await?;
        if stretch.ends_round {
            self.state.leave_round();
        }
        Ok(Portion { through: stretch.through, more: !stretch.ends_round, batch: Some(stretch) })
    }

    fn pace(&self, _: usize) -> Pace {
        let every = self.settings.archive.every.get();
        Pace { idle: every, gather: every, enough: Some(self.settings.archive.batch as u64) }
    }
}
