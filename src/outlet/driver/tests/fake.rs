//! A log in memory and an outside that does what each test wants, on a clock that jumps.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::super::{About, Batch, Keep, Lane, Log, Look, Outlet, Pace, Portion, Position, Want, Written};
use crate::event::{EventId, Interest, Stream};
use crate::retry::{OutsideError, Retry};
use crate::server::gateway::OutletStatus;
use crate::store::StoreError;

pub const STREAMS: [Stream; 2] = [Stream::L3Out, Stream::SocEvents];
const BATCH: usize = 10;

/// The committed log, of which the retention may have removed a part.
pub struct FakeLog {
    events: RefCell<Vec<(EventId, Stream)>>,
    removed_through: Cell<EventId>,
    committed: watch::Sender<EventId>,
    pub acknowledged: Cell<Option<EventId>>,
    pub saved: Cell<Option<EventId>>,
    pub status: RefCell<Option<OutletStatus>>,
}

impl FakeLog {
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            events: RefCell::default(),
            removed_through: Cell::default(),
            committed: watch::Sender::new(EventId::ZERO),
            acknowledged: Cell::new(None),
            saved: Cell::new(None),
            status: RefCell::default(),
        })
    }

    /// Commits so many more events of each stream.
    pub fn commit(&self, count: u64) {
        for _ in 0..count {
            for stream in STREAMS {
                let ms = self.events.borrow().len() as u64 + 1;
                self.events.borrow_mut().push((EventId::new(ms, 0), stream));
            }
        }
        self.committed.send_replace(self.events.borrow().last().unwrap().0);
    }

    pub fn remove_all(&self) {
        self.removed_through.set(*self.committed.borrow());
    }

    fn find(&self, after: EventId, upto: EventId, reads: Interest) -> Vec<EventId> {
        let events = self.events.borrow();
        let found = events
            .iter()
            .filter(|(id, stream)| *id > after && *id <= upto && reads.overlaps(Interest::NONE.stream(*stream)));
        found.map(|(id, _)| *id).collect()
    }

    pub fn ids(&self, stream: Stream) -> Vec<EventId> {
        self.find(EventId::ZERO, EventId::MAX, Interest::NONE.stream(stream))
    }

    pub fn shown(&self) -> OutletStatus {
        self.status.borrow().clone().unwrap_or_default()
    }
}

impl Log for Rc<FakeLog> {
    fn committed(&self) -> watch::Receiver<EventId> {
        self.committed.subscribe()
    }

    async fn count(&self, after: EventId, upto: EventId, reads: Interest) -> Result<u64, StoreError> {
        Ok(self.find(after, upto, reads).len() as u64)
    }

    async fn count_stored(&self, after: EventId, upto: EventId, reads: Interest) -> Result<u64, StoreError> {
        self.count(after.max(self.removed_through.get()), upto, reads).await
    }

    fn acknowledged(&self, _: &About) -> Option<EventId> {
        self.acknowledged.get()
    }

    fn acknowledge(&self, _: &About, id: EventId) {
        self.acknowledged.set(Some(id));
    }

    fn forget(&self, _: &About) {
        self.acknowledged.set(None);
    }

    async fn saved(&self, _: &About) -> Result<Option<EventId>, StoreError> {
        Ok(self.saved.get())
    }

    async fn save(&self, _: &About, cursor: EventId) -> Result<(), StoreError> {
        self.saved.set(Some(cursor));
        Ok(())
    }

    fn show(&self, status: OutletStatus) {
        self.status.replace(Some(status));
    }

    fn hide(&self, _: &About) {
        self.status.take();
    }
}

/// Where something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Connect,
    Position,
    Write,
    /// The batch is taken, and the answer is lost.
    Answer,
    Look,
}

pub const STEPS: [Step; 5] = [Step::Connect, Step::Position, Step::Write, Step::Answer, Step::Look];

/// What is outside: for each lane, the ids in the order in which they came.
#[derive(Default)]
pub struct Outside {
    pub lanes: [RefCell<Vec<EventId>>; 2],
    pub connections: Cell<u32>,
    pub writes: Cell<u32>,
    /// Fails this often at this step, and asks for that.
    fault: Cell<Option<(Step, u32, Retry)>>,
    /// … in this lane alone.
    pub faulty_lane: Cell<Option<usize>>,
    pub write_takes: Cell<Duration>,
    /// Called with every write.
    pub on_write: RefCell<Option<Box<dyn Fn()>>>,
    /// Another one than by default.
    pub pace: Cell<Option<Pace>>,
    pub hurry: Notify,
    /// Never takes a batch with one of these.
    pub refused: RefCell<BTreeSet<EventId>>,
}

impl Outside {
    pub fn fail(&self, step: Step, times: u32, retry: Retry) {
        self.fault.set(Some((step, times, retry)));
    }

    fn pass(&self, step: Step, lane: usize) -> Result<(), OutsideError> {
        match self.fault.get() {
            Some((at, times, retry))
                if at == step && times > 0 && self.faulty_lane.get().is_none_or(|faulty| faulty == lane) =>
            {
                self.fault.set(Some((at, times - 1, retry)));
                Err(OutsideError::new("fake", retry, &format!("{step:?}"), "told to fail", "nothing"))
            }
            _ => Ok(()),
        }
    }

    pub fn wipe(&self) {
        self.lanes.iter().for_each(|lane| lane.borrow_mut().clear());
    }
}

/// With a cursor that the driver keeps for an outside that cannot be asked; or without, for one that can.
pub struct Fake<const CURSOR: bool> {
    pub log: Rc<FakeLog>,
    pub outside: Rc<Outside>,
    pub lanes: usize,
}

impl<const CURSOR: bool> Outlet for Fake<CURSOR> {
    const ABOUT: About = About {
        name: Cow::Borrowed("fake"),
        identifier: "dsmil-fake",
        outside: Cow::Borrowed("the fake"),
        takes: "events",
        meanwhile: "events wait",
        level: log::Level::Warn,
        keep: if CURSOR { Keep::WhileRoom } else { Keep::Nothing },
        drain: Duration::from_secs(2),
        up: None,
        lag: None,
    };
    type Batch = Ids;
    type Lane = FakeLane<CURSOR>;

    fn wants(&self) -> Vec<Want> {
        let want = |stream: Stream| Want { label: Some(stream.name()), reads: Interest::NONE.stream(stream) };
        STREAMS.into_iter().take(self.lanes).map(want).collect()
    }

    fn pace(&self, _: usize) -> Pace {
        self.outside.pace.get().unwrap_or_default()
    }

    fn hurried(&self) -> impl Future<Output = ()> {
        self.outside.hurry.notified()
    }

    async fn connect(&self) -> Result<Vec<FakeLane<CURSOR>>, OutsideError> {
        self.outside.connections.set(self.outside.connections.get() + 1);
        self.outside.pass(Step::Connect, 0)?;
        Ok((0..self.lanes).map(|lane| FakeLane { lane, outside: Rc::clone(&self.outside) }).collect())
    }

    async fn prepare(&self, lane: usize, after: EventId) -> Result<Portion<Ids>, OutsideError> {
        let committed = *self.log.committed.borrow();
        let after_removed = after.max(self.log.removed_through.get());
        let mut ids = self.log.find(after_removed, committed, Interest::NONE.stream(STREAMS[lane]));
        let more = ids.len() > BATCH;
        ids.truncate(BATCH);
        let through = if more { *ids.last().unwrap() } else { committed };
        Ok(Portion { batch: (!ids.is_empty()).then_some(Ids(ids)), through, more })
    }
}

pub struct Ids(Vec<EventId>);

impl Batch for Ids {
    fn events(&self) -> u64 {
        self.0.len() as u64
    }

    fn through(&self) -> EventId {
        *self.0.last().unwrap()
    }

    fn halves(mut self) -> Result<(Self, Self), Self> {
        if self.0.len() < 2 {
            return Err(self);
        }
        let second = self.0.split_off(self.0.len() / 2);
        Ok((self, Self(second)))
    }
}

pub struct FakeLane<const CURSOR: bool> {
    lane: usize,
    outside: Rc<Outside>,
}

impl<const CURSOR: bool> FakeLane<CURSOR> {
    fn last(&self) -> EventId {
        self.outside.lanes[self.lane].borrow().last().copied().unwrap_or_default()
    }
}

impl<const CURSOR: bool> Lane for FakeLane<CURSOR> {
    type Batch = Ids;

    async fn position(&mut self) -> Result<Position, OutsideError> {
        self.outside.pass(Step::Position, self.lane)?;
        Ok(if CURSOR { Position::AtCursor } else { Position::At(self.last()) })
    }

    async fn write(&mut self, batch: &Ids) -> Result<Written, OutsideError> {
        self.outside.writes.set(self.outside.writes.get() + 1);
        sleep(self.outside.write_takes.get()).await;
        if let Some(on_write) = &*self.outside.on_write.borrow() {
            on_write();
        }
        self.outside.pass(Step::Write, self.lane)?;
        if batch.0.iter().any(|id| self.outside.refused.borrow().contains(id)) {
            return Ok(Written::Refused { kind: "refused", said: "not that one".to_owned() });
        }
        self.outside.lanes[self.lane].borrow_mut().extend(&batch.0);
        self.outside.pass(Step::Answer, self.lane)?;
        Ok(Written::All)
    }

    async fn look(&mut self) -> Result<Look, OutsideError> {
        self.outside.pass(Step::Look, self.lane)?;
        let is_wiped = !CURSOR && self.outside.lanes[self.lane].borrow().is_empty();
        Ok(if is_wiped { Look::Moved } else { Look::Same })
    }
}
