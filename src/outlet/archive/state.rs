//! What the archive is called, what it is configured with, and what its reading and its writing side know of each other.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Config, Progress, Window};
use crate::event::Timestamp;
use crate::observe::audit::{Head, Kept};
use crate::observe::metrics;
use crate::outlet::driver::{About, Keep};
use crate::store::Checkpoint;

pub const NAME: &str = "archive";

pub const ABOUT: About = About {
    name: Cow::Borrowed(NAME),
    identifier: "dsmil-archive",
    outside: Cow::Borrowed("Postgres"),
    takes: "events",
    meanwhile: "events wait in the hot store, nothing else does",
    level: log::Level::Warn,
    keep: Keep::Everything,
    drain: Duration::from_secs(3),
    up: Some(metrics::archive_up),
    lag: Some(|_| metrics::archive_lag_events()),
};

/// What the configuration says.
pub struct Settings {
    pub archive: Config,
    pub instance: String,
    pub state_dir: PathBuf,
    /// Whether `store.durability` is `power`; asked again each time.
    pub is_power_durable: Box<dyn Fn() -> bool>,
}

/// What the reading and the writing side know of each other.
#[derive(Default)]
pub struct State {
    pub progress: Cell<Progress>,
    /// The commit up to which events are being taken.
    pub round: RefCell<Option<Rc<Checkpoint>>>,
    /// The last one that is in Postgres, without states.
    pub archived: RefCell<Option<Checkpoint>>,
    /// The newest head of the audit log that is in Postgres.
    pub audit_head: RefCell<Option<Head>>,
    /// When saved states were written last.
    pub states_at: Cell<Option<Instant>>,
}

impl Settings {
    pub fn window(&self) -> Window {
        Window::at(Timestamp::now(), self.archive.retention.get())
    }
}

impl State {
    /// A new connection knows nothing of what the last one did.
    pub fn reset(&self) {
        self.archived.take();
        self.states_at.take();
        self.leave_round();
    }

    /// The head of the audit log as of this commit, if it is newer than the one in Postgres.
    pub fn new_head(&self, checkpoint: &Checkpoint) -> Option<Head> {
        let head = Kept::read(checkpoint.positions.get(Kept::NAME)?)?.head;
        let archived = self.audit_head.borrow().as_ref().map_or(0, |archived| archived.lines);
        (head.lines > archived).then_some(head)
    }

    pub fn leave_round(&self) {
        self.round.take();
    }
}
