//! The writer with a real hot store, and nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::{Announcer, Progress, Resources, run};
use crate::bus::{Bus, Ledger};
use crate::config::Config;
use crate::event::{Body, Draft, Event, EventId, Format, Raw, Stream, Times, Timestamp};
use crate::intake::IntakeLog;
use crate::observe::metrics;
use crate::outlet::CommittedLog;
use crate::outlet::driver::{Log, Outlet};
use crate::outlet::loki::Loki;
use crate::parse::built_in;
use crate::server::Board;
use crate::server::gateway::ConfigStatus;
use crate::store::positions::Positions;
use crate::store::{self, HotStore};
use crate::supervise::TaskContext;

struct Scene {
    folder: tempfile::TempDir,
    has: Resources,
}

impl Scene {
    async fn new(is_power_durable: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { store: store::tests::config(&folder), ..Config::default() };
        config.daemon.state_dir = folder.path().to_owned();
        let (store, _) = HotStore::open(&config.store).await.unwrap();
        let bus = Arc::new(Bus::new(Ledger::default(), EventId::ZERO));
        let config = Arc::new(config);
        let has = Resources {
            outlets: Arc::new(CommittedLog::new(Arc::clone(&bus), store.clone(), Handle::current(), Vec::new())),
            intake: Arc::new(IntakeLog::new(Arc::clone(&bus), BTreeMap::new(), bus.committed())),
            bus,
            store,
            progress: Arc::new(Progress::new(BTreeMap::new())),
            announcer: Arc::new(Announcer::new(BTreeMap::new(), Arc::default())),
            board: Arc::new(Board::new(ConfigStatus::default())),
            config: Arc::new(move || Arc::clone(&config)),
            is_power_durable,
            io: Handle::current(),
        };
        Self { folder, has }
    }

    fn append(&self, stream: Stream, payload: String) {
        let body = match stream {
            Stream::Tick => Body::Tick,
            _ => Body::Raw(Raw::new("s".into(), "c".into(), Format::Text, payload.into(), Vec::new(), built_in())),
        };
        let draft = Draft { stream, times: Times::at(Timestamp::now()), root: None, body };
        self.has.bus.append("http", vec![draft], Vec::new(), Vec::new());
    }

    /// As at a stop: what is left is committed.
    async fn end(&self) {
        let (task, supervisor) = TaskContext::under_test();
        supervisor.stop();
        run(task, self.has.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn how_far_the_log_was_is_noted_when_something_came_in_and_only_then() {
    use Stream::{L3In, L4In, Tick};
    for (streams, is_noted) in [(&[L3In, Tick][..], true), (&[L4In], true), (&[Tick, Tick], false)] {
        for is_power_durable in [false, true] {
            let scene = Scene::new(is_power_durable).await;
            streams.iter().for_each(|stream| scene.append(*stream, "x".to_owned()));
            scene.end().await;
            let noted = Positions::read(scene.folder.path()).map(|noted| noted.saved_id);
            // Otherwise the archive notes it.
            let expected = (is_noted && !is_power_durable).then(|| scene.has.bus.last());
            assert_eq!(noted, expected, "{streams:?}, power: {is_power_durable}");
        }
    }
}

#[tokio::test]
async fn much_at_once_is_followed_by_a_look_at_what_is_old_without_a_wait() {
    let scene = Scene::new(false).await;
    (0..40).for_each(|_| scene.append(Stream::L3In, "x".repeat(64 * 1024)));
    scene.end().await;
    assert!(scene.has.board.store_size().is_some());
}

#[tokio::test]
async fn what_an_outlet_without_a_claim_has_not_taken_goes_before_the_store_is_full() {
    let scene = Scene::new(false).await;
    scene.has.outlets.acknowledge(&Loki::ABOUT, EventId::ZERO);
    let (task, supervisor) = TaskContext::under_test();
    let max_bytes = scene.has.store.max_bytes();
    let fill = async {
        for _ in 0..64 {
            let portion = usize::try_from(max_bytes / 64).unwrap();
            (0..16).for_each(|_| scene.append(Stream::L3In, "x".repeat(portion / 16)));
            let last = scene.has.bus.last();
            scene.has.bus.committed().wait_for(|id| *id >= last).await.unwrap();
            let size = scene.has.board.store_size();
            assert!(!size.is_some_and(|size| size.is_near_max()), "{size:?}");
        }
        supervisor.stop();
    };
    let (ended, ()) = tokio::join!(run(task, scene.has.clone()), fill);
    ended.unwrap();
    assert!(scene.has.store.size().await.unwrap().used_bytes < max_bytes);
}

#[test]
fn the_time_from_a_line_to_what_is_made_of_it_is_in_seconds() {
    let sum = || {
        let text = metrics::exporter().render();
        let line = text.lines().find_map(|line| line.strip_prefix("dsmil_end_to_end_seconds_sum ")).map(str::to_owned);
        line.map_or(0.0, |sum| sum.parse::<f64>().unwrap())
    };
    let before = sum();
    let root = EventId::new(Timestamp::now().millis() - 100_000, 0);
    let body = Body::Soc(Box::default());
    let soc = Event { id: root.next(0), stream: Stream::SocEvents, times: Times::at(Timestamp::now()), root, body };
    Announcer::new(BTreeMap::new(), Arc::default()).announce(&[soc], true);
    let passed = sum() - before;
    assert!((100.0..10_000.0).contains(&passed), "{passed}");
}
