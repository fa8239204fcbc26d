//! Reads one stream from Redis: takes entries, and acknowledges them when what came of them is safe.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{Either, join, select};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::{Claimed, Entry, EntryId, Group, Member, Pace, Place, Progress, Taken, Unacknowledged};
use crate::bus::TakenEntries;
use crate::config;
use crate::event::Stream;
use crate::intake::clock::arrival;
use crate::intake::{IntakeLog, Resources, Said};
use crate::limits;
use crate::observe::metrics;
use crate::redis::Link;
use crate::retry::{Backoff, Notice, OutsideError, Retry, Throttle};
use crate::supervise::TaskContext;

pub const NAME: &str = "intake-redis";
const GOOD_AFTER: Duration = Duration::from_secs(5);
/// How long Redis holds a question for new entries.
const BLOCK: Duration = Duration::from_secs(1);
/// How often a reader looks for consumers that are gone and for entries that it missed, and, while it may not read,
/// shows that it is alive.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A consumer that was not heard of for this long is gone. Several times what a live one lets pass.
const DEAD_AFTER: Duration = Duration::from_secs(6);
/// It takes at most one part in so many of the time to ask how far the group is.
const PROGRESS_PAUSES: u32 = 20;
const SAY_EVERY: Duration = Duration::from_secs(60);

/// The name of a stream's source, of its position and of its line in status: `redis:L3_IN`.
pub fn source_of(config: &config::Redis, stream: Stream) -> String {
    format!("redis:{}", config.key(stream))
}

pub struct Ingest {
    task: TaskContext,
    log: Arc<IntakeLog>,
    config: config::Redis,
    io: Handle,
    stream: Stream,
    group: Group,
    /// Of the stream, prefix included.
    key: Arc<str>,
    /// As by [`source_of`].
    source: Arc<str>,
    place: RefCell<Place>,
    claimed: RefCell<Claimed>,
    unacknowledged: RefCell<VecDeque<Unacknowledged>>,
    /// Something was added to `unacknowledged`, or taken from it.
    moved: Notify,
    pace: Pace,
    looked: Cell<Option<Instant>>,
    progress: Cell<Option<Progress>>,
    /// When Redis is asked again how far the group is.
    progress_due: Cell<Option<Instant>>,
    notice: RefCell<Notice>,
    too_large: RefCell<Throttle>,
}

impl Ingest {
    pub fn new(task: &TaskContext, resources: &Resources, config: &config::Redis, stream: Stream) -> Self {
        let (key, source) = (config.key(stream), source_of(config, stream));
        let log = Arc::clone(&resources.log);
        let positions = log.positions();
        let from = format!("{} {key}", config::redact(&config.url));
        Self {
            task: task.clone(),
            log,
            config: config.clone(),
            io: resources.io.clone(),
            stream,
            key: Arc::from(key.as_str()),
            group: Group::new(key, &resources.config().daemon.instance),
            place: RefCell::new(Place::load(from, positions.get(&source))),
            claimed: RefCell::new(Claimed::load(positions.get(&claimed_position(&source)))),
            source: Arc::from(source),
            unacknowledged: RefCell::default(),
            moved: Notify::new(),
            pace: Pace::default(),
            looked: Cell::new(None),
            progress: Cell::new(None),
            progress_due: Cell::new(None),
            notice: RefCell::default(),
            too_large: RefCell::new(Throttle::new(SAY_EVERY)),
        }
    }

    pub async fn stay_connected(&self) {
        let mut backoff = Backoff::of(&self.source);
        loop {
            let begun = Instant::now();
            let Err(error) = self.session().await else { return };
            if begun.elapsed() >= GOOD_AFTER {
                backoff.reset();
            }
            // A refusal says nothing about how large the entries are.
            if error.retry != Retry::Here {
                self.pace.reset();
            }
            let pause = error.retry.delay(&mut backoff);
            let text = error.to_string();
            self.log.say(&self.source, Said::Down(text.clone()));
            if self.notice.borrow_mut().fails(error, Instant::now()) {
                log::warn!(target: "dsmild", "{}: entries wait in Redis: {text}", self.source);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Until the first error; without one, until this run has been replaced.
    async fn session(&self) -> Result<(), OutsideError> {
        let reading = Link::connect(&self.config, &self.io).await?;
        let acknowledging = Link::connect(&self.config, &self.io).await?;
        self.unacknowledged.borrow_mut().clear();
        self.looked.set(None);
        self.progress_due.set(None);
        let joined = self.group.join(&reading).await?;
        if self.place.borrow_mut().ends_at(joined) {
            let end = joined.end;
            if joined.is_new {
                self.claimed.take();
            }
            log::warn!(
                target: "dsmild",
                "{}: the stream ends at {end} in Redis, before what was taken from it: Redis has lost entries or was emptied",
                self.source
            );
        }
        self.recovered();
        let (read, acknowledge) = (self.read(&reading), self.acknowledge(&acknowledging));
        tokio::pin!(read, acknowledge);
        match select(read, acknowledge).await {
            Either::Left((end, _)) | Either::Right((end, _)) => end,
        }
    }

    async fn read(&self, link: &Link) -> Result<(), OutsideError> {
        for member in [Member::Reader, Member::Successor] {
            let mut after = EntryId::ZERO;
            loop {
                self.wait_for_room(link).await?;
                let entries = self.group.read_own(link, member, after, self.pace.count()).await?;
                let (entries, _) = self.pace.with_room(entries);
                let Some(last) = entries.last() else { break };
                after = last.id;
                self.take(member, entries);
            }
        }
        let mut ahead = None;
        while !self.task.is_superseded() {
            let count = self.pace.count();
            let entries = match ahead.take() {
                Some(entries) => entries,
                None => {
                    self.wait_for_room(link).await?;
                    self.look_round(link).await?;
                    self.group.read_new(link, count, Some(BLOCK)).await?
                }
            };
            let is_full = entries.len() == count;
            let (entries, more) = self.pace.with_room(entries);
            if let Some(first) = entries.first() {
                self.take_strays(link, first.id).await?;
            }
            // While these are taken, Redis is asked for the next.
            let next = async {
                let asks = is_full && !more && self.has_room_ahead();
                if asks { self.group.read_new(link, self.pace.count(), None).await.map(Some) } else { Ok(None) }
            };
            let (next, ()) = join(next, async { self.take(Member::Reader, entries) }).await;
            ahead = next?;
            if more {
                self.take_held(link, EntryId::LAST).await?;
            }
        }
        Ok(())
    }

    /// Whether there is room, without waiting, for what is being taken and for as much again, and nothing else is due.
    fn has_room_ahead(&self) -> bool {
        let is_soon = self.looked.get().is_some_and(|looked| looked.elapsed() < LOOK_EVERY);
        let waiting = self.unacknowledged.borrow().len();
        is_soon && waiting + 1 < limits::REDIS_TRANSACTIONS_MAX && self.log.bus.admission().now_or_never().is_some()
    }

    /// Takes what Redis has given to this daemon, before this id, and it never got: a question that was sent on a connection
    /// since lost may be answered late. Redis gives such entries to nobody again, and once later ones are taken they would
    /// count as taken too.
    async fn take_strays(&self, link: &Link, before: EntryId) -> Result<(), OutsideError> {
        let strays = self.take_held(link, before).await?;
        if strays > 0 {
            log::info!(target: "dsmild", "{}: {strays} entries were given to this daemon on a connection that was lost", self.source);
        }
        Ok(())
    }

    /// Takes what Redis holds for this daemon before this id and after what was taken. Returns how many entries.
    async fn take_held(&self, link: &Link, before: EntryId) -> Result<usize, OutsideError> {
        let mut count = 0;
        loop {
            let last = self.place.borrow().last();
            if !self.group.holds_between(link, last, before).await? {
                return Ok(count);
            }
            self.wait_for_room(link).await?;
            let held = self.group.read_own(link, Member::Reader, last, self.pace.count()).await?;
            let (mut held, _) = self.pace.with_room(held);
            held.retain(|entry| entry.id < before);
            if held.is_empty() {
                return Ok(count);
            }
            count += held.len();
            self.take(Member::Reader, held);
        }
    }

    /// Waits until the log has room and not too much waits for its commit. The group hears of this daemon meanwhile.
    async fn wait_for_room(&self, link: &Link) -> Result<(), OutsideError> {
        let room = async {
            self.log.bus.admission().await;
            while self.unacknowledged.borrow().len() >= limits::REDIS_TRANSACTIONS_MAX {
                self.moved.notified().await;
            }
        };
        tokio::pin!(room);
        while tokio::time::timeout(LOOK_EVERY, &mut room).await.is_err() {
            self.group.heartbeat(link).await?;
        }
        Ok(())
    }

    /// From time to time: takes over what dead consumers hold, and counts what was trimmed before anybody read it.
    async fn look_round(&self, link: &Link) -> Result<(), OutsideError> {
        if self.looked.get().is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        self.looked.set(Some(Instant::now()));
        self.take_strays(link, EntryId::LAST).await?;
        if self.unacknowledged.borrow().iter().any(|waiting| waiting.member == Member::Successor) {
            self.group.heartbeat(link).await?;
        } else {
            // The same holds for what was taken over; of these ids it is known exactly which were taken.
            let strays = self.group.read_own(link, Member::Successor, EntryId::ZERO, self.pace.count()).await?;
            self.take(Member::Successor, self.pace.with_room(strays).0);
        }
        let progress = self.progress(link).await?;
        let (entries, gone) = self.group.claim(link, DEAD_AFTER, self.pace.count()).await?;
        // Those without room are strays the next time.
        let (entries, _) = self.pace.with_room(entries);
        if !entries.is_empty() {
            log::info!(target: "dsmild", "{}: {} entries of a consumer that is gone are taken over", self.source, entries.len());
        }
        self.take(Member::Successor, entries);
        let trimmed = gone.iter().filter(|id| progress.first.is_none_or(|first| **id < first)).count();
        self.lost(trimmed as u64, "of a consumer that is gone were trimmed before they could be taken over");
        Ok(())
    }

    /// How far the group is. Redis answers with the first and the last entry of the stream: where they are large, it is
    /// asked less often.
    async fn progress(&self, link: &Link) -> Result<Progress, OutsideError> {
        let begun = Instant::now();
        let is_due = self.progress_due.get().is_none_or(|due| begun >= due);
        if let Some(known) = self.progress.get().filter(|_| !is_due) {
            return Ok(known);
        }
        let progress = self.group.progress(link).await?;
        self.progress.set(Some(progress));
        self.progress_due.set(Some(Instant::now() + begun.elapsed() * PROGRESS_PAUSES));
        let news = self.place.borrow_mut().counts(progress.given, progress.missed);
        self.lost(news, "were trimmed from the stream before anybody read them; raise its MAXLEN");
        Ok(progress)
    }

    /// Appends what came of the entries, with the place after them, as one transaction.
    fn take(&self, member: Member, entries: Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        let is_new = |id| match member {
            Member::Reader => self.place.borrow_mut().take(id),
            Member::Successor => self.claimed.borrow_mut().take(id),
        };
        let taken = Taken::from(entries, is_new, (self.stream, &self.source), arrival::now());
        self.lost(taken.trimmed, "were trimmed from the stream after they had been given to this daemon");
        self.left_out(taken.too_large);
        // What was taken before is in the log already.
        let mut after = self.log.bus.last();
        if taken.news {
            let position = match member {
                Member::Reader => (self.source.to_string(), self.place.borrow().save()),
                Member::Successor => (claimed_position(&self.source), self.claimed.borrow().save()),
            };
            self.log.advance(&self.task, || {
                let entries = TakenEntries { stream: Arc::clone(&self.key), keys: taken.keys };
                let (drafts, letters) = (taken.drafts, taken.dead_letters);
                let bus = &self.log.bus;
                self.log.judged(&self.source, &self.source, drafts, |drafts, mut positions| {
                    positions.push(position);
                    after = bus.append_taken(NAME, drafts, positions.clone(), letters, Some(entries));
                    positions
                })
            });
        }
        if !self.task.is_superseded() {
            self.unacknowledged.borrow_mut().push_back(Unacknowledged { member, ids: taken.ids, after });
            self.moved.notify_waiters();
        }
    }

    /// Acknowledges in order what is safe.
    async fn acknowledge(&self, link: &Link) -> Result<(), OutsideError> {
        let mut durable = self.log.durable();
        loop {
            let Some(after) = self.unacknowledged.borrow().front().map(|first| first.after) else {
                self.moved.notified().await;
                continue;
            };
            if durable.wait_for(|durable| *durable >= after).await.is_err() {
                return Ok(()); // the bus is gone
            }
            let upto = *durable.borrow();
            let mut ids = Vec::new();
            let mut waiting = self.unacknowledged.borrow().iter().take_while(|waiting| waiting.after <= upto).count();
            while waiting > 0 {
                waiting -= 1;
                ids.extend(self.unacknowledged.borrow_mut().pop_front().into_iter().flat_map(|done| done.ids));
            }
            self.group.acknowledge(link, &ids).await?;
            self.moved.notify_waiters();
        }
    }

    fn lost(&self, entries: u64, how: &str) {
        if entries > 0 {
            metrics::dropped("redis", "trimmed").increment(entries);
            log::error!(target: "dsmild", "{}: {entries} entries {how}", self.source);
        }
    }

    fn left_out(&self, entries: u64) {
        if entries == 0 {
            return;
        }
        metrics::dropped("redis", "too_large").increment(entries);
        if let Some(count) = self.too_large.borrow_mut().add(entries, Instant::now()) {
            log::warn!(
                target: "dsmild",
                "{}: {count} entries were too large to be taken; dead_letters has their ids and sizes. This is said at most once a minute",
                self.source
            );
        }
    }

    fn recovered(&self) {
        if self.notice.borrow_mut().recovers() {
            log::info!(target: "dsmild", "{}: Redis answers again", self.source);
        }
        self.log.say(&self.source, Said::Up);
    }
}

fn claimed_position(source: &str) -> String {
    format!("{source}:claimed")
}
