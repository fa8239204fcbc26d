//! What is outside of the daemon, and the outlet that leads there, over the driver of all outlets.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::disk::Disk;
use super::random::Random;
use crate::bus::Bus;
use crate::event::{EventId, Interest, Stream};
use crate::outlet::driver::{About, Batch, Keep, Lane, Log, Look, Outlet, Portion, Position, Want, Written};
use crate::retry::{OutsideError, Retry};
use crate::server::gateway::OutletStatus;
use crate::store::StoreError;

pub const STREAM: Stream = Stream::SocEvents;
const BATCH: usize = 7;

/// The ids that are there, in the order in which they came, and what is wrong with it.
pub struct Outside {
    pub ids: RefCell<Vec<EventId>>,
    pub is_away: Cell<bool>,
    pub slow: Cell<Duration>,
    /// One of so many steps fails; none when zero.
    pub fails_one_in: Cell<u64>,
    random: RefCell<Random>,
}

impl Outside {
    pub fn new(random: Random) -> Rc<Self> {
        let (ids, is_away, slow, fails_one_in) = Default::default();
        Rc::new(Self { ids, is_away, slow, fails_one_in, random: RefCell::new(random) })
    }

    fn pass(&self) -> Result<(), OutsideError> {
        let fails = self.fails_one_in.get() > 0 && self.random.borrow_mut().one_in(self.fails_one_in.get());
        if !fails && !self.is_away.get() {
            return Ok(());
        }
        let retry = *self.random.borrow_mut().pick(&[Retry::Here, Retry::Soon]);
        Err(OutsideError::new("simulated", retry, "writing", "it is away", "nothing"))
    }

    fn last(&self) -> EventId {
        self.ids.borrow().last().copied().unwrap_or_default()
    }
}

/// The committed log as the driver sees it.
#[derive(Clone)]
pub struct SeenLog {
    pub bus: Arc<Bus>,
    pub disk: Rc<RefCell<Disk>>,
    acknowledged: Rc<RefCell<BTreeMap<String, EventId>>>,
}

impl SeenLog {
    pub fn new(bus: Arc<Bus>, disk: Rc<RefCell<Disk>>) -> Self {
        Self { bus, disk, acknowledged: Rc::default() }
    }

    /// What retention must leave for outlets.
    pub fn kept(&self) -> EventId {
        self.acknowledged.borrow().values().min().copied().unwrap_or_default()
    }
}

impl Log for SeenLog {
    fn committed(&self) -> watch::Receiver<EventId> {
        self.bus.committed()
    }

    async fn count(&self, after: EventId, upto: EventId, reads: Interest) -> Result<u64, StoreError> {
        match self.bus.count_committed(after, upto, reads) {
            Some(count) => Ok(count),
            None => self.count_stored(after, upto, reads).await,
        }
    }

    async fn count_stored(&self, after: EventId, upto: EventId, reads: Interest) -> Result<u64, StoreError> {
        Ok(self.disk.borrow().count(after, upto, reads))
    }

    fn acknowledged(&self, about: &About) -> Option<EventId> {
        self.acknowledged.borrow().get(&*about.name).copied()
    }

    fn acknowledge(&self, about: &About, id: EventId) {
        self.acknowledged.borrow_mut().insert(about.name.to_string(), id);
    }

    fn forget(&self, about: &About) {
        self.acknowledged.borrow_mut().remove(&*about.name);
    }

    async fn saved(&self, about: &About) -> Result<Option<EventId>, StoreError> {
        Ok(self.disk.borrow().cursors.get(&*about.name).copied())
    }

    async fn save(&self, about: &About, cursor: EventId) -> Result<(), StoreError> {
        self.disk.borrow_mut().cursors.insert(about.name.to_string(), cursor);
        Ok(())
    }

    fn show(&self, _: OutletStatus) {}

    fn hide(&self, _: &About) {}
}

/// Leads one stream to an outside that can be asked how far it is.
pub struct Way {
    pub log: SeenLog,
    pub outside: Rc<Outside>,
}

impl Outlet for Way {
    const ABOUT: About = About {
        name: Cow::Borrowed("simulated"),
        identifier: "dsmil-simulated",
        outside: Cow::Borrowed("the outside"),
        takes: "events",
        meanwhile: "events wait",
        level: log::Level::Debug,
        keep: Keep::Everything,
        drain: Duration::from_secs(2),
        up: None,
        lag: None,
    };
    type Batch = Ids;
    type Lane = OpenWay;

    fn wants(&self) -> Vec<Want> {
        vec![Want { label: None, reads: Interest::NONE.stream(STREAM) }]
    }

    async fn connect(&self) -> Result<Vec<OpenWay>, OutsideError> {
        self.outside.pass()?;
        Ok(vec![OpenWay(Rc::clone(&self.outside))])
    }

    async fn prepare(&self, _: usize, after: EventId) -> Result<Portion<Ids>, OutsideError> {
        let reads = Interest::NONE.stream(STREAM);
        let committed = *self.log.bus.committed().borrow();
        let (ids, scanned): (Vec<EventId>, EventId) = match self.log.bus.committed_after(after, reads, BATCH) {
            Some((events, scanned)) => (events.iter().map(|event| event.id).collect(), scanned),
            None => {
                let found = self.log.disk.borrow().after(after, reads, BATCH);
                let ids: Vec<EventId> = found.iter().map(|event| event.id).collect();
                let scanned = ids.last().copied().unwrap_or(committed);
                (ids, scanned)
            }
        };
        let more = ids.len() == BATCH;
        Ok(Portion { batch: (!ids.is_empty()).then_some(Ids(ids)), through: scanned, more })
    }
}

pub struct Ids(Vec<EventId>);

impl Batch for Ids {
    fn events(&self) -> u64 {
        self.0.len() as u64
    }

    fn through(&self) -> EventId {
        self.0.last().copied().unwrap_or_default()
    }
}

pub struct OpenWay(Rc<Outside>);

impl Lane for OpenWay {
    type Batch = Ids;

    async fn position(&mut self) -> Result<Position, OutsideError> {
        self.0.pass()?;
        Ok(Position::At(self.0.last()))
    }

    /// As the mirror does: what is there already is not written again.
    async fn write(&mut self, batch: &Ids) -> Result<Written, OutsideError> {
        sleep(self.0.slow.get()).await;
        self.0.pass()?;
        let last = self.0.last();
        self.0.ids.borrow_mut().extend(batch.0.iter().filter(|id| **id > last));
        // It is there, and that is not heard of.
        self.0.pass()?;
        Ok(Written::All)
    }

    async fn look(&mut self) -> Result<Look, OutsideError> {
        self.0.pass()?;
        Ok(Look::Same)
    }
}
