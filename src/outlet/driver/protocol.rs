//! What an outlet is to the driver. Nothing here repeats, waits for its turn or counts: that is the driver's.

use std::future::{pending, ready};
use std::time::Duration;

use super::about::{About, Want};
use crate::event::EventId;
use crate::retry::OutsideError;

/// What an outlet wants of the log, and the way outside.
pub trait Outlet {
    /// What is known of it before the configuration is.
    const ABOUT: About;

    /// The same with its own name, where the configuration has several of its kind.
    fn about(&self) -> About {
        Self::ABOUT
    }

    type Batch: Batch;
    type Lane: Lane<Batch = Self::Batch>;

    /// The stretches of the log that it follows, each by itself. The same at every call.
    fn wants(&self) -> Vec<Want>;

    /// Opens the way outside: one lane for each of [`wants`](Self::wants), in that order.
    ///
    /// # Errors
    /// The outside cannot be reached, or refuses.
    fn connect(&self) -> impl Future<Output = Result<Vec<Self::Lane>, OutsideError>>;

    /// The next events of a lane after `after`, made ready to be written. Runs while the batch before is written.
    ///
    /// # Errors
    /// The hot store cannot be read.
    fn prepare(&self, lane: usize, after: EventId) -> impl Future<Output = Result<Portion<Self::Batch>, OutsideError>>;

    /// How a lane waits for more when everything is outside.
    fn pace(&self, _lane: usize) -> Pace {
        Pace::default()
    }

    /// Resolves when lanes that let events gather are to wait no longer.
    fn hurried(&self) -> impl Future<Output = ()> {
        pending()
    }

    /// What it knows of itself that the driver cannot see.
    fn aside(&self) -> Aside {
        Aside::default()
    }

    /// Resolves when there is something to write that is not on the log.
    fn woken(&self) -> impl Future<Output = ()> {
        pending()
    }
}

/// One open way outside for one of the outlet's wants. After an error that asks for a new connection it is dropped.
pub trait Lane {
    type Batch;

    /// How far the outside is.
    ///
    /// # Errors
    /// The outside does not say, or is where it cannot be.
    fn position(&mut self) -> impl Future<Output = Result<Position, OutsideError>>;

    /// Writes the batch: all of it or nothing, or what a repetition does no harm to.
    ///
    /// # Errors
    /// The outside did not take it, and may later.
    fn write(&mut self, batch: &Self::Batch) -> impl Future<Output = Result<Written, OutsideError>>;

    /// Looks after the outside, about once a second: whether it still has what was written, and what else is due.
    ///
    /// # Errors
    /// The outside does not answer.
    fn look(&mut self) -> impl Future<Output = Result<Look, OutsideError>> {
        ready(Ok(Look::Same))
    }

    /// Everything is outside, and the daemon stops.
    fn end(self) -> impl Future<Output = ()>
    where
        Self: Sized,
    {
        ready(())
    }
}

/// What status shows of an outlet besides what the driver knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aside {
    /// What waits to be taken outside beside events of the log.
    pub waiting: u64,
    /// Why it is not up although the outside answers.
    pub complaint: Option<String>,
}

/// Events made ready for one write.
pub trait Batch: Sized {
    /// How many there are.
    fn events(&self) -> u64;

    /// The last event in it.
    fn through(&self) -> EventId;

    /// Two parts in order, for an outside that refuses the whole; the batch itself when it cannot be cut.
    ///
    /// # Errors
    /// It is one event, or its parts mean nothing by themselves.
    fn halves(self) -> Result<(Self, Self), Self> {
        Err(self)
    }
}

/// A stretch of the log made ready.
#[derive(Debug)]
pub struct Portion<Batch> {
    /// None: there is nothing to write in it.
    pub batch: Option<Batch>,
    /// The outside has everything up to here when it is written.
    pub through: EventId,
    /// There is more behind it already.
    pub more: bool,
}

/// How far the outside is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// It says so itself.
    At(EventId),
    /// It cannot be asked: where the cursor is that the driver keeps.
    AtCursor,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    All,
    /// The outside is not where it was last seen, and nothing was written.
    Moved,
    /// The outside will never take something in it; the rest it may have taken.
    Refused {
        /// The word for metrics.
        kind: &'static str,
        /// What the outside said.
        said: String,
    },
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Same,
    /// The outside is not where it was last seen.
    Moved,
}

/// How a lane that has written everything waits for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Without new events, it looks again after this.
    pub idle: Duration,
    /// The first new event waits so long for others …
    pub gather: Duration,
    /// … or until there are so many; `None`: however many there are, and they are not counted meanwhile.
    pub enough: Option<u64>,
}

impl Default for Pace {
    /// Every event goes at once.
    fn default() -> Self {
        Self { idle: Duration::from_secs(1), gather: Duration::ZERO, enough: None }
    }
}
