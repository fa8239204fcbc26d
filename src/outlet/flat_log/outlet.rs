//! The flat log as an outlet: its events are the entries of the journal, so that it wants nothing of the log.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::Mutex;

use super::{FlatLog, FlatLogError};
use crate::config;
use crate::event::{EventId, Interest};
use crate::observe::metrics;
use crate::observe::problem::Problem;
use crate::outlet::driver::{About, Batch, Keep, Lane, Look, Outlet, Portion, Position, Want, Written};
use crate::outlet::{Configured, Resources};
use crate::retry::{Notices, OutsideError, Retry};

/// The outlet as the driver sees it.
pub struct FlatLogOutlet {
    config: super::Config,
    state_dir: PathBuf,
    /// Open while there is a connection. Reading the journal and writing the file take turns.
    open: Rc<Mutex<Option<FlatLog>>>,
    notices: RefCell<Notices>,
}

impl Configured for FlatLogOutlet {
    const NAME: &'static str = "flat-log";
    const SECTIONS: &'static [&'static str] = &["flat_log"];

    fn is_wanted(config: &config::Config) -> bool {
        config.flat_log.is_some()
    }

    fn from_config(config: &config::Config, _: &Resources) -> Option<Self> {
        let (section, state_dir) = (config.flat_log.clone()?, config.daemon.state_dir.clone());
        Some(Self { config: section, state_dir, open: Rc::default(), notices: RefCell::default() })
    }
}

impl Outlet for FlatLogOutlet {
    const ABOUT: About = About {
        name: Cow::Borrowed("flat-log"),
        identifier: "dsmil-tail",
        outside: Cow::Borrowed("the flat log"),
        takes: "lines",
        meanwhile: "lines wait in the journal",
        level: log::Level::Error,
        keep: Keep::Nothing,
        drain: Duration::from_secs(1),
        up: None,
        lag: None,
    };
    type Batch = Lines;
    type Lane = FileLane;

    fn wants(&self) -> Vec<Want> {
        vec![Want { label: None, reads: Interest::NONE }]
    }

    async fn connect(&self) -> Result<Vec<FileLane>, OutsideError> {
        let log = FlatLog::open(&self.config, &self.state_dir)?;
        self.open.lock().await.replace(log);
        Ok(vec![FileLane { open: Rc::clone(&self.open) }])
    }

    /// What the journal has now.
    async fn prepare(&self, _: usize, after: EventId) -> Result<Portion<Lines>, OutsideError> {
        let mut open = self.open.lock().await;
        let has_taken = open.as_mut().is_some_and(|log| {
            self.report(&log.collect().now_or_never().unwrap_or_default());
            log.has_taken()
        });
        Ok(Portion { batch: has_taken.then_some(Lines), through: after, more: has_taken })
    }

    /// Resolves when the journal has something.
    async fn woken(&self) {
        match &mut *self.open.lock().await {
            Some(log) => self.report(&log.collect().await),
            None => std::future::pending().await,
        }
    }
}

impl FlatLogOutlet {
    fn report(&self, problems: &[Problem]) {
        for problem in problems {
            if self.notices.borrow_mut().fails(&problem.source, problem.reason, &problem.text, Instant::now()) {
                log::warn!(target: Self::ABOUT.identifier, "{}", problem.text);
            }
            if problem.lost > 0 {
                metrics::dropped(Self::ABOUT.name, problem.reason).increment(problem.lost);
            }
        }
    }
}

/// What the open flat log holds that is not in the file yet.
pub struct Lines;

impl Batch for Lines {
    fn events(&self) -> u64 {
        0
    }

    fn through(&self) -> EventId {
        EventId::MAX
    }
}

/// Its one lane: lines of the journal. It follows nothing on the log.
pub struct FileLane {
    open: Rc<Mutex<Option<FlatLog>>>,
}

impl Lane for FileLane {
    type Batch = Lines;

    /// No event on the log is one for it. Asked after every error: a file that cannot be made is found before anything says
    /// that the flat log works, though the old one under its new name can still be written.
    async fn position(&mut self) -> Result<Position, OutsideError> {
        self.look().await?;
        Ok(Position::At(EventId::MAX))
    }

    /// What cannot be written is kept for the next attempt.
    async fn write(&mut self, _: &Lines) -> Result<Written, OutsideError> {
        if let Some(log) = &mut *self.open.lock().await {
            log.write()?;
        }
        Ok(Written::All)
    }

    async fn look(&mut self) -> Result<Look, OutsideError> {
        if let Some(log) = &mut *self.open.lock().await {
            log.look()?;
        }
        Ok(Look::Same)
    }

    async fn end(mut self) {
        if let Err(error) = self.look().await {
            log::warn!(target: FlatLogOutlet::ABOUT.identifier, "{error}");
        }
    }
}

impl From<FlatLogError> for OutsideError {
    fn from(error: FlatLogError) -> Self {
        Self { kind: "file", retry: Retry::Here, text: error.to_string() }
    }
}
