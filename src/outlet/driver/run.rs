//! One run of an outlet: from the cursor that it left behind, over all connections, to an orderly end.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_util::future::{select, try_join_all};
use tokio::time::{Instant, sleep, timeout};

use super::about::About;
use super::log::Log;
use super::meter::{Meter, now};
use super::protocol::{Lane, Outlet};
use crate::event::EventId;
use crate::retry::{Backoff, OutsideError, Retry};
use crate::supervise::TaskContext;

/// A connection that lasted this long, or over which something was written, was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(5);
const REPORT_EVERY: Duration = Duration::from_millis(500);
const CURSOR_EVERY: Duration = Duration::from_secs(3);
/// Looking reads through all that waits.
const LOOK_FOR_LOSS_EVERY: Duration = Duration::from_secs(5);
/// What saving the cursor gets at the end.
const CURSOR_PATIENCE: Duration = Duration::from_millis(500);

/// One run: the outlet, the log that it follows, and what is known of both.
pub struct Driver<O, L> {
    pub(super) context: TaskContext,
    pub(super) about: About,
    pub(super) outlet: O,
    pub(super) log: L,
    pub(super) meter: Meter,
    pub(super) backoff: RefCell<Backoff>,
    /// The cursor that is in the hot store.
    saved: Cell<EventId>,
}

/// Takes committed events outside until it is asked to stop; then what is committed goes outside first, if the outside
/// takes it within [`About::drain`]. What does not, waits for the next start where it is kept.
/// `is_wanted` tells whether the configuration still asks for the outlet.
pub async fn run<O: Outlet, L: Log>(context: TaskContext, outlet: O, log: L, is_wanted: impl Fn() -> bool) {
    let about = outlet.about();
    let meter = Meter::new(about.clone(), outlet.wants(), *log.committed().borrow());
    let backoff = RefCell::new(Backoff::of(&about.name));
    let driver = Driver { context: context.clone(), about, outlet, log, meter, backoff, saved: Cell::default() };
    let Some(()) = context.run_until_stopped(driver.begin()).await else { return };
    {
        let work = select(Box::pin(driver.stay_connected()), Box::pin(driver.keep_reporting()));
        tokio::pin!(work);
        // The work itself may see the stop first, and end by it.
        let has_ended = context.run_until_stopped(&mut work).await.is_some();
        if context.is_superseded() {
            return;
        }
        let waiting = || driver.meter.waiting();
        if !has_ended && timeout(driver.about.drain, work).await.is_err() && waiting() > 0 {
            let (about, waiting) = (&driver.about, waiting());
            log::info!(
                target: about.identifier,
                "stopping with {waiting} {} that {} does not have", about.takes, about.outside
            );
        }
    }
    driver.end(is_wanted()).await;
}

impl<O: Outlet, L: Log> Driver<O, L> {
    /// Finds the cursor, and counts what waits after it even if the outside cannot be reached.
    async fn begin(&self) {
        while let Err(error) = self.find_cursor().await {
            let pause = error.retry.delay(&mut self.backoff.borrow_mut());
            self.meter.fails(error);
            self.meter.report(&self.log);
            sleep(pause).await;
        }
    }

    async fn find_cursor(&self) -> Result<(), OutsideError> {
        if !self.about.has_cursor() {
            return Ok(());
        }
        let saved = self.log.saved(&self.about).await?.unwrap_or_default();
        self.saved.set(saved);
        // What this process knows is newer than what it has saved.
        let cursor = self.log.acknowledged(&self.about).unwrap_or_default().max(saved);
        for lane in &self.meter.lanes {
            lane.backlog.recount(&self.log, cursor).await?;
            lane.position.set(Some(cursor));
        }
        self.acknowledge();
        Ok(())
    }

    /// Over all connections, until everything is outside at a stop.
    async fn stay_connected(&self) {
        while !self.context.is_superseded() {
            let begun = Instant::now();
            let Err(error) = self.connection().await else { return };
            if self.meter.wrote.replace(false) || begun.elapsed() >= GOOD_AFTER {
                self.backoff.borrow_mut().reset();
            }
            // A connection that could not be made is not there to go on with.
            let retry = if error.retry == Retry::Here { Retry::Soon } else { error.retry };
            let pause = retry.delay(&mut self.backoff.borrow_mut());
            self.meter.fails(error);
            self.meter.report(&self.log);
            tokio::select! {
                () = sleep(pause) => {}
                () = self.context.stopped() => return,
            }
        }
    }

    async fn connection(&self) -> Result<(), OutsideError> {
        let mut lanes = self.outlet.connect().await?;
        self.meter.connect();
        let lanes_and_meters = lanes.iter_mut().zip(&self.meter.lanes);
        let end = try_join_all(lanes_and_meters.map(|(lane, meter)| self.follow(lane, meter))).await;
        self.meter.disconnect();
        end?;
        for lane in lanes {
            lane.end().await;
        }
        Ok(())
    }

    /// How far all lanes are: what the hot store need not keep any more.
    pub(super) fn acknowledge(&self) {
        let positions = self.meter.lanes.iter().map(|lane| lane.position.get());
        if self.about.has_cursor()
            && !self.context.is_superseded()
            && let Some(Some(through)) = positions.min()
        {
            self.log.acknowledge(&self.about, through);
        }
    }

    async fn keep_reporting(&self) {
        let (mut saved, mut looked, mut committed) = (now(), now(), self.log.committed());
        loop {
            self.meter.grow(&self.log).await;
            if now().duration_since(looked) >= LOOK_FOR_LOSS_EVERY {
                looked = now();
                self.meter.look_for_loss(&self.log).await;
            }
            self.meter.note(self.outlet.aside());
            self.meter.report(&self.log);
            if now().duration_since(saved) >= CURSOR_EVERY {
                saved = now();
                self.save_cursor().await;
            }
            let has_nothing = self.meter.waiting() == 0;
            tokio::select! {
                () = sleep(REPORT_EVERY) => {}
                // Who has seen that an event is committed must not see that nothing waits.
                Ok(()) = committed.changed(), if has_nothing => {}
            }
        }
    }

    async fn save_cursor(&self) {
        let Some(cursor) = self.log.acknowledged(&self.about).filter(|_| self.about.has_cursor()) else { return };
        if cursor == self.saved.get() || self.context.is_superseded() {
            return;
        }
        match self.log.save(&self.about, cursor).await {
            Ok(()) => self.saved.set(cursor),
            // A full store takes it later; the price is that more is sent again after a crash.
            Err(error) => log::debug!(target: self.about.identifier, "the cursor could not be saved: {error}"),
        }
    }

    async fn end(&self, is_wanted: bool) {
        if self.context.is_superseded() {
            return;
        }
        // Without an answer the cursor of a few seconds ago holds.
        let _ = timeout(CURSOR_PATIENCE, self.save_cursor()).await;
        self.meter.end(&self.log);
        if !is_wanted {
            self.log.forget(&self.about);
        }
    }
}
