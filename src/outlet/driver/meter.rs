//! How far behind an outlet is and what keeps it from being further: for status, metrics and the log.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::about::{About, Want};
use super::backlog::Backlog;
use super::log::Log;
use super::progress::Progress;
use super::protocol::Aside;
use crate::event::EventId;
use crate::observe::metrics;
use crate::retry::{Notice, OutsideError, Throttle};
use crate::server::gateway::OutletStatus;
use crate::store::StoreError;

/// What is refused is said no more often than this; it is counted at once.
const SAY_REFUSED_EVERY: Duration = Duration::from_secs(60);

/// Of a whole outlet.
pub struct Meter {
    about: About,
    pub lanes: Vec<LaneMeter>,
    pub connected: Cell<bool>,
    /// What concerns all lanes.
    notice: RefCell<Notice>,
    /// The log has heard that the outside takes something.
    introduced: Cell<bool>,
    /// What the outlet says of itself.
    aside: RefCell<Aside>,
    /// Events that were taken outside since it was started.
    taken: Cell<u64>,
    /// Something was written since [`connected`](Self::connected) was set.
    pub wrote: Cell<bool>,
}

/// Of one lane.
pub struct LaneMeter {
    pub index: usize,
    pub label: Option<&'static str>,
    pub want: Want,
    pub backlog: Backlog,
    /// The outside has everything up to here, as last seen.
    pub position: Cell<Option<EventId>>,
    /// The outside was asked for it since the connection was made.
    pub located: Cell<bool>,
    progress: RefCell<Option<Progress>>,
    /// What concerns this lane alone.
    notice: RefCell<Notice>,
    refusals: RefCell<Throttle>,
}

/// The clock of the timers, which tests can move.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Meter {
    /// Before the first connection; everything up to `committed` counts as outside until the outside was asked.
    pub fn new(about: About, wants: Vec<Want>, committed: EventId) -> Self {
        let lanes = wants.into_iter().enumerate().map(|(index, want)| LaneMeter {
            index,
            label: want.label,
            backlog: Backlog::empty(want.reads, committed),
            position: Cell::new(None),
            located: Cell::new(false),
            progress: RefCell::default(),
            notice: RefCell::default(),
            refusals: RefCell::new(Throttle::new(SAY_REFUSED_EVERY)),
            want,
        });
        // Series that are there before the first event show the change from 0 to 1.
        metrics::outlet_events(about.name.clone()).increment(0);
        metrics::dropped(about.name.clone(), "retention").increment(0);
        Self {
            about,
            lanes: lanes.collect(),
            connected: Cell::new(false),
            notice: RefCell::default(),
            introduced: Cell::new(false),
            aside: RefCell::default(),
            taken: Cell::new(0),
            wrote: Cell::new(false),
        }
    }

    /// How many committed events the outside does not have, over all lanes.
    pub fn waiting(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.backlog.events()).sum()
    }

    /// A connection is there; what is wrong with it, each lane finds.
    pub fn connect(&self) {
        self.connected.set(true);
        self.wrote.set(false);
    }

    /// There is no connection any more.
    pub fn disconnect(&self) {
        self.connected.set(false);
        for lane in &self.lanes {
            lane.located.set(false);
            lane.progress.take();
        }
    }

    /// Reports an error that concerns all lanes; repetitions are reported seldom.
    pub fn fails(&self, error: OutsideError) {
        let text = error.to_string();
        if self.notice.borrow_mut().fails(error, now()) {
            log::log!(target: self.about.identifier, self.about.level, "{}: {text}", self.about.meanwhile);
        }
    }

    /// Reports an error that concerns one lane; repetitions are reported seldom.
    pub fn lane_fails(&self, lane: &LaneMeter, error: OutsideError) {
        let text = error.to_string();
        if lane.notice.borrow_mut().fails(error, now()) {
            log::log!(target: self.about.identifier, self.about.level, "{}{}: {text}", lane.prefix(), self.about.meanwhile);
        }
    }

    /// The outside took something of this lane, or has everything. Returns whether that is news.
    pub(super) fn works(&self, lane: &LaneMeter) -> bool {
        let (about, waiting) = (&self.about, self.waiting());
        let recovered = lane.notice.borrow_mut().recovers() | self.notice.borrow_mut().recovers();
        let is_news = !self.introduced.replace(true) || recovered;
        if is_news {
            let (outside, takes) = (&about.outside, about.takes);
            log::info!(target: about.identifier, "{}{outside} takes {takes}, {waiting} wait", lane.prefix());
        }
        is_news
    }

    /// The outside is at `position`: what waits is counted anew.
    pub async fn locate(&self, log: &impl Log, lane: &LaneMeter, position: EventId) -> Result<(), StoreError> {
        if lane.position.get() == Some(position) {
            // What was counted and is not there any more, the retention has removed.
            self.say_lost(lane.backlog.lost(log, position).await?);
        } else {
            lane.backlog.recount(log, position).await?;
            lane.position.set(Some(position));
        }
        lane.located.set(true);
        let waiting = lane.backlog.events();
        if let Some(progress) = Progress::begin(waiting, now()) {
            let (outside, takes) = (&self.about.outside, self.about.takes);
            log::info!(
                target: self.about.identifier,
                "{}{outside} is at {position}: {waiting} {takes} are written there now",
                lane.prefix()
            );
            lane.progress.replace(Some(progress));
        }
        self.report(log);
        Ok(())
    }

    /// The outside took these, or refused what it does not have of them.
    pub fn accepted(&self, log: &impl Log, lane: &LaneMeter) {
        if self.works(lane) {
            self.report(log);
        }
    }

    /// The outside has everything up to `through`, `events` of it new.
    pub fn took(&self, lane: &LaneMeter, through: EventId, events: u64) {
        lane.position.set(Some(through.max(lane.position.get().unwrap_or_default())));
        if events == 0 {
            return;
        }
        self.wrote.set(true);
        lane.backlog.took(events);
        metrics::outlet_events(self.about.name.clone()).increment(events);
        self.taken.set(self.taken.get() + events);
        if let Some(progress) = lane.progress.borrow_mut().as_mut() {
            progress.wrote(events);
        }
    }

    /// The outside will never take these.
    pub fn refused(&self, lane: &LaneMeter, events: u64, kind: &'static str, said: &str) {
        metrics::dropped(self.about.name.clone(), kind).increment(events);
        if let Some(events) = lane.refusals.borrow_mut().add(events, now()) {
            let (outside, takes) = (&self.about.outside, self.about.takes);
            log::error!(
                target: self.about.identifier,
                "{outside} refused {events} {takes} and does not have them, the others go on: {said} (what is refused \
                 within the next minute is only counted, in dsmil_dropped_total)"
            );
        }
    }

    /// Everything that was on the log up to `position` is outside.
    pub async fn caught_up(&self, log: &impl Log, lane: &LaneMeter, position: EventId) -> Result<(), StoreError> {
        lane.backlog.grow(log).await?;
        // What was counted and never found, the retention has removed.
        self.say_lost(lane.backlog.settle(position));
        let waiting = lane.backlog.events();
        if !Progress::is_worth_saying(waiting)
            && let Some(progress) = lane.progress.take()
            && progress.was_logged()
        {
            let line = progress.line(waiting, now());
            log::info!(target: self.about.identifier, "{}{line}: nothing is behind any more", lane.prefix());
        }
        if self.works(lane) {
            self.report(log);
        }
        Ok(())
    }

    /// Whether the retention has removed what the outside was to have, while it cannot be reached.
    pub async fn look_for_loss(&self, log: &impl Log) {
        for lane in self.lanes.iter().filter(|lane| !lane.located.get()) {
            let Some(position) = lane.position.get() else { continue };
            match lane.backlog.lost(log, position).await {
                Ok(lost) => self.say_lost(lost),
                Err(error) => log::debug!(target: self.about.identifier, "{error}"),
            }
        }
    }

    fn say_lost(&self, lost: u64) {
        if lost > 0 {
            metrics::dropped(self.about.name.clone(), "retention").increment(lost);
            let (outside, takes) = (&self.about.outside, self.about.takes);
            log::error!(
                target: self.about.identifier,
                "{lost} {takes} were removed from the hot store before {outside} took them; raise store.max_size or \
                 store.retention"
            );
        }
    }

    pub async fn grow(&self, log: &impl Log) {
        for lane in &self.lanes {
            if let Err(error) = lane.backlog.grow(log).await {
                log::debug!(target: self.about.identifier, "{error}");
            }
        }
    }

    /// What the outlet says of itself, to be shown with the rest.
    pub fn note(&self, aside: Aside) {
        self.aside.replace(aside);
    }

    /// Shows everything in status and metrics.
    pub fn report(&self, log: &impl Log) {
        let about = &self.about;
        let mut notices = std::iter::once(&self.notice).chain(self.lanes.iter().map(|lane| &lane.notice));
        let aside = self.aside.borrow();
        let last_error = notices.find_map(|notice| notice.borrow().error().map(ToString::to_string));
        let last_error = last_error.or_else(|| aside.complaint.clone());
        let up = self.connected.get() && last_error.is_none() && self.lanes.iter().all(|lane| lane.located.get());
        let progress: Vec<String> =
            self.lanes.iter().filter_map(|lane| lane.progress_line(up, about.identifier)).collect();
        set_gauges(about, up, &self.lanes);
        if let Some(lane) = self.lanes.first().filter(|_| aside.waiting > 0) {
            let events = lane.backlog.events() + aside.waiting;
            metrics::outlet_lag_events(about.name.clone(), lane.label.unwrap_or_default()).set(events as f64);
        }
        log.show(OutletStatus {
            name: about.name.clone().into_owned(),
            up,
            events: self.taken.get(),
            lag_events: self.waiting() + aside.waiting,
            last_error,
            progress: (!progress.is_empty()).then(|| progress.join("; ")),
            ..OutletStatus::default()
        });
    }

    /// The outlet ends: nothing of it is shown any more.
    pub fn end(&self, log: &impl Log) {
        log.hide(&self.about);
        set_gauges(&self.about, false, &[]);
        for lane in &self.lanes {
            set_lag(&self.about, lane, 0);
        }
    }
}

fn set_gauges(about: &About, up: bool, lanes: &[LaneMeter]) {
    let value = if up { 1.0 } else { 0.0 };
    metrics::outlet_up(about.name.clone()).set(value);
    if let Some(gauge) = about.up {
        gauge().set(value);
    }
    for lane in lanes {
        set_lag(about, lane, lane.backlog.events());
    }
}

fn set_lag(about: &About, lane: &LaneMeter, events: u64) {
    metrics::outlet_lag_events(about.name.clone(), lane.label.unwrap_or_default()).set(events as f64);
    if let Some(gauge) = about.lag {
        gauge(&lane.want).set(events as f64);
    }
}

impl LaneMeter {
    fn prefix(&self) -> String {
        self.label.map(|label| format!("{label}: ")).unwrap_or_default()
    }

    /// What status shows of a long way to catch up; said in the log every few seconds too.
    fn progress_line(&self, up: bool, identifier: &str) -> Option<String> {
        let (now, waiting, mut progress) = (now(), self.backlog.events(), self.progress.borrow_mut());
        if progress.is_none() && up {
            *progress = Progress::begin(waiting, now);
        }
        let progress = progress.as_mut()?;
        let line = format!("{}{}", self.prefix(), progress.line(waiting, now));
        if progress.is_due(now) {
            log::info!(target: identifier, "{line}");
        }
        Some(line)
    }
}
