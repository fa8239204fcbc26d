//! The mirror's actor: keeps streams in Redis equal to the log, whatever happens to Redis meanwhile.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join, select, try_join_all};
use tokio::runtime::Handle;

use super::core::{Core, locked};
use crate::config::{self, StreamRole};
use crate::event::{EventId, Interest, Stream};
use crate::limits;
use crate::observe::metrics;
use crate::outlet::Progress;
use crate::outlet::mirror::{Batch, Target, Top};
use crate::redis::{Link, Notice, Trouble};
use crate::server::gateway::OutletStatus;
use crate::store::StoreError;
use crate::supervise::TaskContext;

const NAME: &str = "mirror";
/// Between two attempts to connect; doubles.
const CONNECT_AGAIN: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// A connection that lasted this long was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(5);
/// Before Redis is asked again for what it refused.
const REFUSED_AGAIN: Duration = Duration::from_secs(1);
/// How often a stream with nothing to write looks whether Redis still has what was written.
const CHECK_EVERY: Duration = Duration::from_secs(1);
const TELL_EVERY: Duration = Duration::from_millis(500);
/// What a stop gives it to write the last events.
const DRAIN_PATIENCE: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The body of the mirror's actor.
pub async fn run(task: TaskContext, core: Arc<Core>, io: Handle) -> Result<(), String> {
    let Some(config) = core.config().redis.clone() else { return Err("no [redis] section".to_owned()) };
    let mirror = Mirror::new(core, config, io);
    let work = join(mirror.stay_connected(), mirror.keep_telling());
    tokio::pin!(work);
    task.run_until_stopped(&mut work).await;
    // After an orderly stop Redis has what was committed before it; what it lacks waits for the next start.
    if mirror.connected.get() && !task.is_superseded() {
        let complete = mirror.complete();
        tokio::pin!(complete);
        let _ = tokio::time::timeout(DRAIN_PATIENCE, select(work, complete)).await;
    }
    // A reload may have ended it for good.
    locked(&mirror.core.board.outlets).remove(NAME);
    metrics::mirror_up().set(0.0);
    Ok(())
}

/// The streams that `[redis.streams]` mirrors.
pub fn mirrored(config: &config::Redis) -> Vec<Stream> {
    Stream::ALL.into_iter().filter(|stream| config.role(*stream) == StreamRole::Mirror).collect()
}

struct Mirror {
    core: Arc<Core>,
    config: config::Redis,
    io: Handle,
    streams: Vec<Mirrored>,
    connected: Cell<bool>,
    /// About the connection, which all streams share.
    notice: RefCell<Notice>,
}

/// One stream.
struct Mirrored {
    stream: Stream,
    reads: Interest,
    target: Target,
    /// Where Redis ends, as last seen.
    top: Cell<Option<EventId>>,
    /// Committed events up to `counted` that Redis does not have; below zero while more was written than counted.
    missing: Cell<i64>,
    counted: Cell<EventId>,
    progress: RefCell<Option<Progress>>,
    /// About this stream alone.
    notice: RefCell<Notice>,
}

/// A stretch of the log made ready to be written.
struct Ready {
    batch: Option<Batch>,
    /// The log has been looked through up to here.
    scanned: EventId,
}

impl Mirror {
    fn new(core: Arc<Core>, config: config::Redis, io: Handle) -> Self {
        let committed = *core.bus.committed().borrow();
        let streams = mirrored(&config)
            .into_iter()
            .map(|stream| Mirrored {
                stream,
                reads: Interest::NONE.stream(stream),
                target: Target::new(format!("{}{stream}", config.key_prefix), config.maxlen),
                top: Cell::new(None),
                missing: Cell::new(0),
                counted: Cell::new(committed),
                progress: RefCell::default(),
                notice: RefCell::default(),
            })
            .collect();
        Self { core, config, io, streams, connected: Cell::new(false), notice: RefCell::default() }
    }

    async fn stay_connected(&self) {
        let [first, last] = CONNECT_AGAIN;
        let mut pause = first;
        loop {
            let begun = Instant::now();
            let trouble = match Link::connect(&self.config, &self.io).await {
                Ok(link) => {
                    self.connected.set(true);
                    match try_join_all(self.streams.iter().map(|mirrored| self.follow(&link, mirrored))).await {
                        Err(trouble) => trouble,
                        // Not reached: following a stream has no end.
                        Ok(_) => return,
                    }
                }
                Err(trouble) => trouble,
            };
            self.connected.set(false);
            if self.notice.borrow_mut().has(trouble.clone(), Instant::now()) {
                log::warn!(target: "dsmil-mirror", "events stay in the hot store, not in Redis: {trouble}");
            }
            pause = if begun.elapsed() >= GOOD_AFTER { first } else { (pause * 2).min(last) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Writes one stream until the connection is lost. What Redis refuses, it is asked again.
    async fn follow(&self, link: &Link, mirrored: &Mirrored) -> Result<Infallible, Trouble> {
        loop {
            let Err(trouble) = self.write(link, mirrored).await;
            if trouble.lost {
                return Err(trouble);
            }
            if mirrored.notice.borrow_mut().has(trouble.clone(), Instant::now()) {
                log::warn!(target: "dsmil-mirror", "{} is not mirrored: {trouble}", mirrored.stream);
            }
            tokio::time::sleep(REFUSED_AGAIN).await;
        }
    }

    async fn write(&self, link: &Link, mirrored: &Mirrored) -> Result<Infallible, Trouble> {
        let mut committed = self.core.bus.committed();
        let mut top = self.position(link, mirrored).await?;
        let mut ready = self.prepare(mirrored, top).await?;
        let mut checked = Instant::now();
        loop {
            let Some(batch) = &ready.batch else {
                self.caught_up(mirrored, ready.scanned).await?;
                // An error would mean that the bus is gone; then the timeout decides.
                let _ = tokio::time::timeout(CHECK_EVERY, committed.changed()).await;
                if checked.elapsed() >= CHECK_EVERY {
                    checked = Instant::now();
                    if mirrored.target.top(link).await? != Top::At(top) {
                        top = self.position(link, mirrored).await?;
                        ready.scanned = top;
                    }
                }
                committed.borrow_and_update();
                ready = self.prepare(mirrored, ready.scanned).await?;
                continue;
            };
            // While Redis works on one batch, the next is made ready.
            let (ends, following) =
                join(mirrored.target.append(link, top, batch), self.prepare(mirrored, batch.last)).await;
            if ends? == Top::At(batch.last) {
                top = batch.last;
                mirrored.wrote(batch);
                ready = following?;
                self.well(mirrored);
            } else {
                top = self.position(link, mirrored).await?;
                ready = self.prepare(mirrored, top).await?;
            }
        }
    }

    /// Asks where Redis ends and counts what is missing there.
    async fn position(&self, link: &Link, mirrored: &Mirrored) -> Result<EventId, Trouble> {
        let top = match mirrored.target.top(link).await? {
            Top::At(id) if self.is_ours(mirrored, id).await? => id,
            Top::At(id) => return Err(self.foreign(mirrored, &id.to_string())),
            Top::Alien(id) => return Err(self.foreign(mirrored, &id)),
        };
        let committed = *self.core.bus.committed().borrow();
        let missing = self.core.store.count(top, committed, mirrored.reads).await?;
        mirrored.counted.set(committed);
        mirrored.missing.set(i64::try_from(missing).unwrap_or(i64::MAX));
        mirrored.top.set(Some(top));
        let progress = Progress::begin(missing, Instant::now());
        if progress.is_some() {
            log::info!(target: "dsmil-mirror", "{} ends at {top} in Redis: {missing} events are written there now", mirrored.target.key);
        }
        mirrored.progress.replace(progress);
        Ok(top)
    }

    /// Whether nothing is left out by going on after this id: it is zero, our own, older than all that is still kept, or of
    /// an event that a loss of power took: those come again with new ids.
    async fn is_ours(&self, mirrored: &Mirrored, id: EventId) -> Result<bool, Trouble> {
        if id == EventId::ZERO || mirrored.top.get() == Some(id) {
            return Ok(true);
        }
        if id > *self.core.bus.committed().borrow() {
            return Ok(false);
        }
        let store = &self.core.store;
        if store.event(id).await?.is_some_and(|event| event.stream == mirrored.stream) {
            return Ok(true);
        }
        let restored = if id > self.core.restored { self.core.restored } else { EventId::ZERO };
        let oldest = store.after(restored, mirrored.reads, 1).await?;
        Ok(oldest.first().is_none_or(|event| event.id > id))
    }

    fn foreign(&self, mirrored: &Mirrored, top: &str) -> Trouble {
        let (key, newest) = (&mirrored.target.key, *self.core.bus.committed().borrow());
        let text = format!(
            "the last id of {key} in Redis is {top}, which this daemon did not write (its newest event is {newest}), and \
             Redis takes no id before that one; stop the other writer and delete the key (`redis-cli DEL {key}`), which \
             is then filled again, or set redis.key_prefix"
        );
        Trouble::unexpected("foreign", text)
    }

    async fn prepare(&self, mirrored: &Mirrored, after: EventId) -> Result<Ready, Trouble> {
        let found = self.core.committed_after(after, mirrored.reads, limits::MIRROR_BATCH_EVENTS_MAX).await;
        let (events, scanned) = found?;
        Ok(Ready { batch: Batch::of(events.iter().map(|event| &**event)), scanned })
    }

    /// Everything up to `scanned` is in Redis; what was counted and never found, the retention has removed meanwhile.
    async fn caught_up(&self, mirrored: &Mirrored, scanned: EventId) -> Result<(), Trouble> {
        self.tally(mirrored).await?;
        let missing = mirrored.missing.get();
        if mirrored.counted.get() == scanned && missing > 0 {
            mirrored.missing.set(0);
            metrics::dropped("mirror", "retention").increment(missing.unsigned_abs());
            log::error!(
                target: "dsmil-mirror",
                "{missing} events of {} were removed from the hot store before Redis took them; raise store.max_size or store.retention",
                mirrored.stream
            );
        }
        if mirrored.progress.take().is_some() {
            log::info!(target: "dsmil-mirror", "{} is complete in Redis", mirrored.target.key);
        }
        self.well(mirrored);
        Ok(())
    }

    fn well(&self, mirrored: &Mirrored) {
        if mirrored.notice.borrow_mut().is_well() {
            log::info!(target: "dsmil-mirror", "{} is mirrored again", mirrored.stream);
        }
        if self.notice.borrow_mut().is_well() {
            log::info!(target: "dsmil-mirror", "Redis takes events again");
        }
    }

    /// Counts what was committed since the last time.
    async fn tally(&self, mirrored: &Mirrored) -> Result<(), Trouble> {
        let (counted, committed) = (mirrored.counted.get(), *self.core.bus.committed().borrow());
        if committed <= counted {
            return Ok(());
        }
        let (more, upto) = match self.core.bus.committed_after(counted, mirrored.reads, usize::MAX) {
            Some((events, scanned)) => (events.len() as u64, scanned),
            None => {
                let count = self.core.store.count(counted, committed, mirrored.reads).await;
                (count?, committed)
            }
        };
        // Another count may have gone ahead while the store was asked.
        if mirrored.counted.get() == counted {
            mirrored.counted.set(upto);
            mirrored.missing.set(mirrored.missing.get().saturating_add_unsigned(more));
        }
        Ok(())
    }

    async fn keep_telling(&self) {
        loop {
            for mirrored in &self.streams {
                if let Err(trouble) = self.tally(mirrored).await {
                    log::debug!(target: "dsmil-mirror", "{trouble}");
                }
            }
            self.tell();
            tokio::time::sleep(TELL_EVERY).await;
        }
    }

    /// Until Redis has every event that is committed now.
    async fn complete(&self) {
        let committed = *self.core.bus.committed().borrow();
        for mirrored in &self.streams {
            while self.tally(mirrored).await.is_err() || mirrored.counted.get() < committed || mirrored.lag() > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    fn tell(&self) {
        let troubles: Vec<String> = std::iter::once(&self.notice)
            .chain(self.streams.iter().map(|mirrored| &mirrored.notice))
            .filter_map(|notice| notice.borrow().trouble().map(ToString::to_string))
            .collect();
        let up = self.connected.get() && troubles.is_empty();
        metrics::mirror_up().set(if up { 1.0 } else { 0.0 });
        let mut lag_events = 0;
        for mirrored in &self.streams {
            metrics::mirror_lag_events(mirrored.stream).set(mirrored.lag() as f64);
            lag_events += mirrored.lag();
        }
        let progress: Vec<String> = self.streams.iter().filter_map(Mirrored::progress_line).collect();
        self.core.set_outlet(OutletStatus {
            name: NAME.to_owned(),
            up,
            lag_events,
            last_error: troubles.into_iter().next(),
            progress: (!progress.is_empty()).then(|| progress.join("; ")),
        });
    }
}

impl Mirrored {
    fn wrote(&self, batch: &Batch) {
        self.top.set(Some(batch.last));
        self.missing.set(self.missing.get() - batch.events as i64);
        if let Some(progress) = self.progress.borrow_mut().as_mut() {
            progress.wrote(batch.events as u64);
        }
    }

    fn lag(&self) -> u64 {
        u64::try_from(self.missing.get()).unwrap_or(0)
    }

    /// What status shows of a refill; said in the journal every few seconds too.
    fn progress_line(&self) -> Option<String> {
        let (now, mut progress) = (Instant::now(), self.progress.borrow_mut());
        let progress = progress.as_mut()?;
        let line = format!("{}: {}", self.target.key, progress.line(self.lag(), now));
        if progress.is_due(now) {
            log::info!(target: "dsmil-mirror", "{line}");
        }
        Some(line)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::unexpected("store", error.to_string())
    }
}
