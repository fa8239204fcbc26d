//! One lane: takes the events of one want outside, batch after batch, for as long as its connection lasts.

use std::future::pending;
use std::time::Duration;

use futures_util::future::join;
use tokio::time::{Instant, sleep};

use super::log::Log;
use super::meter::LaneMeter;
use super::protocol::{Batch, Lane, Look, Outlet, Portion, Position, Written};
use super::run::Driver;
use crate::event::EventId;
use crate::limits;
use crate::retry::{OutsideError, Retry};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whether the outside is where it was left.
enum Outcome {
    Taken,
    Moved,
}

impl<O: Outlet, L: Log> Driver<O, L> {
    /// Until the connection is lost, or everything is outside at a stop. What the outside refuses, it is asked again.
    pub(super) async fn follow(&self, lane: &mut O::Lane, meter: &LaneMeter) -> Result<(), OutsideError> {
        loop {
            match self.pass_on(lane, meter).await {
                Err(error) if error.retry == Retry::Here => {
                    let pause = error.retry.delay(&mut self.backoff.borrow_mut());
                    self.meter.lane_fails(meter, error);
                    self.meter.report(&self.log);
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = self.context.stopped() => return Ok(()),
                    }
                }
                end => return end,
            }
        }
    }

    async fn pass_on(&self, lane: &mut O::Lane, meter: &LaneMeter) -> Result<(), OutsideError> {
        let mut at = self.position(lane, meter).await?;
        let mut looked = Instant::now();
        let mut is_last = self.context.is_stopping();
        let mut portion = self.outlet.prepare(meter.index, at).await?;
        while !self.context.is_superseded() {
            if let Some(batch) = portion.batch {
                let (through, more) = (portion.through, portion.more);
                // While the outside works on one batch, the next is made ready.
                let following =
                    async { if more { Some(self.outlet.prepare(meter.index, through).await) } else { None } };
                let (outcome, following) = join(self.write(lane, meter, batch), following).await;
                portion = match (outcome?, following) {
                    (Outcome::Moved, _) => {
                        at = self.position(lane, meter).await?;
                        self.outlet.prepare(meter.index, at).await?
                    }
                    (Outcome::Taken, following) => {
                        at = through;
                        self.advance(meter, at, 0);
                        following.unwrap_or(Ok(Portion { batch: None, through, more: false }))?
                    }
                };
            } else {
                at = portion.through;
                self.advance(meter, at, 0);
                if !portion.more {
                    self.meter.caught_up(&self.log, meter, at).await?;
                    if is_last {
                        return Ok(());
                    }
                    self.wait_for_more(meter, at).await;
                    is_last = self.context.is_stopping();
                }
                if self.is_moved(lane, &mut looked).await? {
                    at = self.position(lane, meter).await?;
                }
                portion = self.outlet.prepare(meter.index, at).await?;
                continue;
            }
            if self.is_moved(lane, &mut looked).await? {
                at = self.position(lane, meter).await?;
                portion = self.outlet.prepare(meter.index, at).await?;
            }
        }
        Ok(())
    }

    async fn position(&self, lane: &mut O::Lane, meter: &LaneMeter) -> Result<EventId, OutsideError> {
        let at = match lane.position().await? {
            Position::At(id) => id,
            Position::AtCursor => self.log.acknowledged(&self.about).unwrap_or_default(),
        };
        self.meter.locate(&self.log, meter, at).await?;
        self.acknowledge();
        Ok(at)
    }

    async fn is_moved(&self, lane: &mut O::Lane, looked: &mut Instant) -> Result<bool, OutsideError> {
        if looked.elapsed() < LOOK_EVERY {
            return Ok(false);
        }
        *looked = Instant::now();
        Ok(lane.look().await? == Look::Moved)
    }

    /// Until the outside has all of it, or has refused what it does not have. A batch that is refused is cut in two, again
    /// and again, so that what the outside will never take does not keep back what it will.
    async fn write(&self, lane: &mut O::Lane, meter: &LaneMeter, batch: O::Batch) -> Result<Outcome, OutsideError> {
        let (mut waiting, mut cuts) = (vec![batch], 0);
        while let Some(batch) = waiting.pop() {
            if self.context.is_superseded() {
                return Ok(Outcome::Taken);
            }
            match lane.write(&batch).await? {
                Written::All => self.wrote(meter, &batch),
                Written::Moved => return Ok(Outcome::Moved),
                Written::Refused { kind, said } => match cut(batch, &mut cuts) {
                    Ok((first, second)) => waiting.extend([second, first]),
                    Err(batch) => {
                        self.meter.refused(meter, batch.events(), kind, &said);
                        self.wrote(meter, &batch);
                    }
                },
            }
        }
        Ok(Outcome::Taken)
    }

    fn wrote(&self, meter: &LaneMeter, batch: &O::Batch) {
        self.meter.accepted(&self.log, meter);
        self.advance(meter, batch.through(), batch.events());
    }

    /// Everything up to `through` is outside, `events` of it new.
    fn advance(&self, meter: &LaneMeter, through: EventId, events: u64) {
        if !self.context.is_superseded() {
            self.meter.took(meter, through, events);
            self.acknowledge();
        }
    }

    /// Waits for the first new event, and then for others to come with it.
    async fn wait_for_more(&self, meter: &LaneMeter, at: EventId) {
        let pace = self.outlet.pace(meter.index);
        let mut committed = self.log.committed();
        // From now on: it may come with the first event.
        let hurried = self.outlet.hurried();
        tokio::select! {
            // An error would mean that the log is gone; then the timer decides.
            Ok(_) = committed.wait_for(|id| *id > at) => {}
            () = sleep(pace.idle) => return,
            () = self.outlet.woken() => return,
            () = self.context.stopped() => return,
        }
        if pace.gather.is_zero() {
            return;
        }
        let enough = async {
            let Some(enough) = pace.enough else { return pending().await };
            while meter.backlog.grow(&self.log).await.is_err() || meter.backlog.events() < enough {
                if committed.changed().await.is_err() {
                    return pending().await;
                }
            }
        };
        tokio::select! {
            () = enough => {}
            () = sleep(pace.gather) => {}
            () = hurried => {}
            () = self.context.stopped() => {}
        }
    }
}

fn cut<B: Batch>(batch: B, cuts: &mut usize) -> Result<(B, B), B> {
    if *cuts >= limits::OUTLET_CUTS_MAX {
        return Err(batch);
    }
    *cuts += 1;
    batch.halves()
}
