//! Redis as an outlet: several streams, each over its own connection and asked by itself where it ends.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::{Appender, Batch, Target, Top};
use crate::config::{self, StreamRole};
use crate::event::{EventId, Interest, Stream, Timestamp};
use crate::limits;
use crate::observe::metrics;
use crate::outlet::driver::{About, Keep, Lane, Look, Outlet, Pace, Portion, Position, Want, Written};
use crate::outlet::{CommittedLog, Configured, Resources};
use crate::redis::Link;
use crate::retry::OutsideError;

/// How long what nobody waits for gathers, if no SOC event comes: it may refer to that.
const GATHER: Duration = Duration::from_millis(5);

/// The outlet as the driver sees it: one lane for each mirrored stream, over a connection of its own.
pub struct Mirror {
    log: Arc<CommittedLog>,
    config: config::Redis,
    /// For the tasks of the connections.
    io: Handle,
    streams: Vec<Mirrored>,
    /// There is a SOC event to write, and what it may refer to is to be there soon.
    hurry: Notify,
}

/// One stream.
#[derive(Clone)]
struct Mirrored {
    stream: Stream,
    target: Target,
    /// Where Redis ended when it was seen last, over whatever connection.
    top: Rc<Cell<Option<EventId>>>,
}

/// The streams that `[redis.streams]` mirrors.
fn mirrored(config: &config::Redis) -> impl Iterator<Item = Stream> {
    Stream::ALL.into_iter().filter(|stream| config.role(*stream) == StreamRole::Mirror)
}

impl Configured for Mirror {
    const NAME: &'static str = "mirror";
    const SECTIONS: &'static [&'static str] = &["redis"];

    fn is_wanted(config: &config::Config) -> bool {
        config.redis.as_ref().is_some_and(|redis| mirrored(redis).next().is_some())
    }

    fn from_config(config: &config::Config, resources: &Resources) -> Option<Self> {
        Some(Self::new(config.redis.clone()?, Arc::clone(&resources.log), resources.io.clone()))
    }
}

impl Mirror {
    fn new(config: config::Redis, log: Arc<CommittedLog>, io: Handle) -> Self {
        let streams = mirrored(&config).map(|stream| Mirrored {
            stream,
            target: Target { key: config.key(stream), maxlen: config.maxlen },
            top: Rc::default(),
        });
        Self { streams: streams.collect(), log, config, io, hurry: Notify::new() }
    }
}

impl Mirrored {
    fn reads(&self) -> Interest {
        Interest::NONE.stream(self.stream)
    }

    fn holds_soc_events(&self) -> bool {
        self.stream == Stream::SocEvents
    }
}

impl Outlet for Mirror {
    const ABOUT: About = About {
        name: Cow::Borrowed("mirror"),
        identifier: "dsmil-mirror",
        outside: Cow::Borrowed("Redis"),
        takes: "events",
        meanwhile: "events stay in the hot store, not in Redis",
        level: log::Level::Warn,
        keep: Keep::Nothing,
        drain: Duration::from_secs(1),
        up: Some(metrics::mirror_up),
        lag: Some(|want| metrics::mirror_lag_events(want.label.unwrap_or_default())),
    };
    type Batch = Batch;
    type Lane = MirrorLane;

    fn wants(&self) -> Vec<Want> {
        let want = |mirrored: &Mirrored| Want { label: Some(mirrored.stream.name()), reads: mirrored.reads() };
        self.streams.iter().map(want).collect()
    }

    async fn connect(&self) -> Result<Vec<MirrorLane>, OutsideError> {
        let mut lanes = Vec::with_capacity(self.streams.len());
        for mirrored in &self.streams {
            // What is watched over a connection, any transaction over the same ends.
            let link = Link::connect(&self.config, &self.io).await?;
            let appender = Appender::new(link, mirrored.target.clone());
            lanes.push(MirrorLane { appender, log: Arc::clone(&self.log), mirrored: mirrored.clone() });
        }
        Ok(lanes)
    }

    async fn prepare(&self, lane: usize, after: EventId) -> Result<Portion<Batch>, OutsideError> {
        let Some(mirrored) = self.streams.get(lane) else {
            return Ok(Portion { batch: None, through: after, more: false });
        };
        let count = limits::MIRROR_BATCH_EVENTS_MAX;
        let (events, scanned) = self.log.after(after, mirrored.reads(), count).await?;
        let head = mirrored.holds_soc_events().then(|| self.log.audit_head()).flatten();
        if mirrored.holds_soc_events() && !events.is_empty() {
            self.hurry.notify_waiters();
        }
        let batch = Batch::with_head(&mirrored.target, events.iter().map(|event| &**event), head.as_ref());
        let short = batch.as_ref().filter(|batch| batch.events < events.len()).map(|batch| batch.last);
        let more = short.is_some() || events.len() == count;
        Ok(Portion { batch, through: short.unwrap_or(scanned), more })
    }

    /// SOC events are waited for. Of the others there are as many as there are lines, and to write once costs Redis and the daemon
    /// as much as some of them.
    fn pace(&self, lane: usize) -> Pace {
        if self.streams.get(lane).is_none_or(Mirrored::holds_soc_events) {
            Pace::default()
        } else {
            Pace { gather: GATHER, ..Pace::default() }
        }
    }

    fn hurried(&self) -> impl Future<Output = ()> {
        self.hurry.notified()
    }
}

/// One mirrored stream.
pub struct MirrorLane {
    appender: Appender,
    log: Arc<CommittedLog>,
    mirrored: Mirrored,
}

impl Lane for MirrorLane {
    type Batch = Batch;

    async fn position(&mut self) -> Result<Position, OutsideError> {
        let top = match self.appender.top().await? {
            Top::At(id) if self.is_ours(id).await? => id,
            Top::At(id) => return Err(self.foreign(&id.to_string())),
            Top::Alien(id) => return Err(self.foreign(&id)),
        };
        self.mirrored.top.set(Some(top));
        Ok(Position::At(top))
    }

    async fn write(&mut self, batch: &Batch) -> Result<Written, OutsideError> {
        let top = self.mirrored.top.get().unwrap_or_default();
        if self.appender.append(top, batch).await? != Top::At(batch.last) {
            return Ok(Written::Moved);
        }
        self.mirrored.top.set(Some(batch.last));
        Ok(Written::All)
    }

    /// Redis may have been emptied.
    async fn look(&mut self) -> Result<Look, OutsideError> {
        let top = self.mirrored.top.get().unwrap_or_default();
        Ok(if self.appender.top().await? == Top::At(top) { Look::Same } else { Look::Moved })
    }
}

impl MirrorLane {
    /// Whether nothing is left out by going on after this id: it is zero, our own, older than all that is still kept, or of
    /// an event that a loss of power took: those come again with new ids.
    async fn is_ours(&self, id: EventId) -> Result<bool, OutsideError> {
        if id == EventId::ZERO || self.mirrored.top.get() == Some(id) {
            return Ok(true);
        }
        // After a loss of power ids go on from the clock, but a daemon that is killed before its first commit does not
        // remember that: what it wrote before the loss is then later than all that it knows of.
        let was_taken = !self.log.restored.is_empty() && id.ms() < Timestamp::now().millis();
        if id > *self.log.bus.committed().borrow() && !was_taken {
            return Ok(false);
        }
        if self.log.store.event(id).await?.is_some_and(|event| event.stream == self.mirrored.stream) {
            return Ok(true);
        }
        let restored = self.log.restored.iter().copied().filter(|restored| *restored < id).max().unwrap_or_default();
        let oldest = self.log.store.after(restored, self.mirrored.reads(), 1).await?;
        Ok(oldest.first().is_none_or(|event| event.id > id))
    }

    fn foreign(&self, top: &str) -> OutsideError {
        let (key, newest) = (&self.mirrored.target.key, *self.log.bus.committed().borrow());
        let text = format!(
            "the last id of {key} in Redis is {top}, which this daemon did not write (its newest event is {newest}), and \
             Redis takes no id before that one; stop the other writer and delete the key (`redis-cli DEL {key}`), which \
             is then filled again, or set redis.key_prefix"
        );
        OutsideError::unexpected("foreign", text)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::bus::{Bus, Ledger};
    use crate::event::{Body, Draft, Soc, Times};
    use crate::outlet::driver::Batch as _;
    use crate::store::HotStore;
    use crate::store::tests::config as store_config;

    async fn mirror() -> (tempfile::TempDir, Arc<Bus>, Mirror) {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = HotStore::open(&store_config(&folder)).await.unwrap();
        let bus = Arc::new(Bus::new(Ledger::default(), EventId::ZERO));
        let log = Arc::new(CommittedLog::new(Arc::clone(&bus), store, Handle::current(), Vec::new()));
        let mirror = Mirror::new(toml::from_str("url = \"redis://h\"").unwrap(), log, Handle::current());
        (folder, bus, mirror)
    }

    fn lane(mirror: &Mirror, stream: Stream) -> usize {
        mirror.streams.iter().position(|mirrored| mirrored.stream == stream).unwrap()
    }

    fn commit_soc_events(bus: &Bus, count: usize, bytes: usize) {
        let soc = Soc { summary: "x".repeat(bytes), ..Soc::default() };
        let body = Body::Soc(Box::new(soc));
        let draft = Draft { stream: Stream::SocEvents, times: Times::default(), root: None, body };
        bus.append("source", vec![draft; count], Vec::new(), Vec::new());
        while bus.uncommitted_transactions() > 0 {
            bus.confirm(&bus.pending(usize::MAX));
        }
    }

    #[tokio::test]
    async fn what_does_not_fit_into_one_batch_is_in_the_next() {
        let (_folder, bus, mirror) = mirror().await;
        let lane = lane(&mirror, Stream::SocEvents);
        let large = limits::MIRROR_BATCH_BYTES_MAX / 10;
        for (count, bytes) in [(25, large), (2 * limits::MIRROR_BATCH_EVENTS_MAX + 1, 10), (3, 10)] {
            let begin = bus.last();
            commit_soc_events(&bus, count, bytes);
            let (mut at, mut events, mut goes_on) = (begin, 0, true);
            while goes_on {
                let portion = mirror.prepare(lane, at).await.unwrap();
                events += portion.batch.map_or(0, |batch| batch.events());
                (at, goes_on) = (portion.through, portion.more);
            }
            assert_eq!((events, at), (count as u64, bus.last()), "{count} of {bytes} bytes");
        }
    }

    #[tokio::test]
    async fn soc_events_go_to_redis_at_once_and_decisions_together_or_with_the_next_soc_event() {
        let (_folder, bus, mirror) = mirror().await;
        let gathers = |stream| !mirror.pace(lane(&mirror, stream)).gather.is_zero();
        assert!(!gathers(Stream::SocEvents) && gathers(Stream::L3Out) && gathers(Stream::L4Out));
        let begin = bus.last();
        let hurried = mirror.hurried();
        tokio::pin!(hurried);
        mirror.prepare(lane(&mirror, Stream::SocEvents), begin).await.unwrap();
        assert!(hurried.as_mut().now_or_never().is_none(), "there is none yet");
        commit_soc_events(&bus, 1, 10);
        mirror.prepare(lane(&mirror, Stream::SocEvents), begin).await.unwrap();
        assert!(hurried.now_or_never().is_some());
    }
}
