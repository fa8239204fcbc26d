//! What follows from the table of components: the stop order over reloads, what a reload revives, a device that is a file and
//! a line.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dsmild::config::{Config, Finding, Loaded, SourceName, Span};
use dsmild::daemon::{Components, prepare_with};
use dsmild::device::{DEVICES, DeviceSpec};
use dsmild::event::{Body, Category, Draft, Entity, Event, Interest, Severity, Soc, Stream, Times, Timestamp, Verdict};
use dsmild::layer::row::PreparedStage;
use dsmild::layer::stage::{Outbox, Stateful};
use dsmild::limits;
use dsmild::observe::metrics;
use dsmild::server::gateway::{ActorState, Status};
use dsmild::supervise::{ChildSpec, State, Tree};
use futures_util::FutureExt;

use crate::supervision::{Faults, NONE, PANIC_ALWAYS, Run};

const PATIENCE: Duration = Duration::from_secs(10);

/// A child that notes its name when it is asked to stop.
fn noting(name: &str, place: usize, ended: &Arc<Mutex<Vec<String>>>) -> ChildSpec {
    let (noted, ended) = (name.to_owned(), Arc::clone(ended));
    let task = Arc::new(move |context: dsmild::supervise::TaskContext| {
        let (name, ended) = (noted.clone(), Arc::clone(&ended));
        async move {
            context.run_until_stopped(std::future::pending::<()>()).await;
            ended.lock().unwrap().push(name);
            Ok(())
        }
        .boxed_local()
    });
    ChildSpec::task(name.to_owned(), place, PATIENCE, false, task)
}

#[test]
fn children_stop_in_reverse_of_their_places_whenever_they_were_started() {
    actix::System::new().block_on(async {
        let ended = Arc::default();
        let mut tree = Tree::new(Config::default().supervisor);
        for (name, place) in [("outlet", 1), ("writer", 2), ("source", 3), ("second source", 3)] {
            tree.start(noting(name, place, &ended)).unwrap();
        }
        tree.stop(1).await;
        tree.start(noting("outlet again", 1, &ended)).unwrap();
        let names: Vec<_> = tree.children().iter().map(|child| child.name.clone()).collect();
        assert_eq!(names, ["outlet again", "writer", "source", "second source"]);
        tree.stop_all().await;
        assert_eq!(*ended.lock().unwrap(), ["outlet", "second source", "source", "writer", "outlet again"]);
    });
}

/// What a reload without any change of the configuration is given.
async fn reload(run: &mut Run, faults: &Faults, given_up: &[&str]) {
    given_up.iter().for_each(|actor| faults.set(actor, NONE));
    let config = Config::clone(&run.daemon.core.config());
    let plan = prepare_with(Arc::default(), &config).unwrap();
    let loaded = Loaded { config, source: SourceName::BuiltIn, warnings: Vec::new() };
    run.daemon.reload(Ok((loaded, plan))).await.unwrap();
}

async fn until_given_up(run: &mut Run, faults: &Faults, actor: &str) {
    faults.set(actor, PANIC_ALWAYS);
    run.until(&format!("{actor} to be given up"), |daemon| {
        daemon.tree.children().iter().any(|child| child.name == actor && child.state() == State::Failed)
    })
    .await;
}

#[test]
fn a_reload_revives_whatever_was_given_up() {
    actix::System::new().block_on(async {
        let faults = Faults::default();
        let with_boot = |config: &mut Config| config.intake.boot.enabled = true;
        let mut run = Run::start_of(&faults, Components::default(), with_boot).await;
        let actors = ["tick", "intake-boot", "intake-file", "http"];
        for actor in actors {
            until_given_up(&mut run, &faults, actor).await;
        }
        reload(&mut run, &faults, &actors).await;
        let is_up = |status: &Status, name: &str| {
            status.actors.iter().any(|actor| actor.name == name && actor.state == ActorState::Up)
        };
        run.until("all to be up", |daemon| actors.iter().all(|actor| is_up(&daemon.status(), actor))).await;
        run.daemon.stop().await;
    });
}

#[test]
fn what_a_revived_device_had_lost_to_retention_is_counted_and_its_lag_goes_to_zero() {
    actix::System::new().block_on(async {
        let faults = Faults::default();
        let short = |config: &mut Config| config.store.retention = Span::from_millis(1000);
        let mut run = Run::start_of(&faults, Components::default(), short).await;
        // It reads lines, and no ticks.
        faults.set("device-55", PANIC_ALWAYS);
        run.write_chapter();
        until_given_up(&mut run, &faults, "device-55").await;
        run.write_chapter();
        run.until_quiet().await;
        let lag = |status: &Status| {
            let device = status.actors.iter().find(|actor| actor.name == "device-55");
            device.map_or(u64::MAX, |device| device.lag_events)
        };
        let unread = lag(&run.daemon.status());
        assert!(unread >= 20, "{unread}");
        // Until neither memory nor the hot store has what the device did not read.
        let tick = || Draft {
            stream: Stream::Tick,
            times: Times::at(Timestamp::from_millis(1)),
            root: None,
            body: Body::Tick,
        };
        for _ in 0..=limits::BUS_EVENTS_MAX / 1000 {
            run.until("the log to have room", |daemon| daemon.core.bus.has_room()).await;
            run.daemon.core.bus.append("test", (0..1000).map(|_| tick()).collect(), Vec::new(), Vec::new());
        }
        let store = run.daemon.core.store.clone();
        let lines = Interest::NONE.stream(Stream::L3In);
        loop {
            run.until("another look", |_| true).await;
            if store.after(dsmild::event::EventId::ZERO, lines, 1).await.unwrap().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await; // between two looks
        }
        reload(&mut run, &faults, &["device-55"]).await;
        run.until("the device to be through", |daemon| lag(&daemon.status()) == 0).await;
        let series = format!("dsmil_dropped_total{{where=\"device-55\",reason=\"retention\"}} {unread}");
        // A lag that is written off is seen before it is counted.
        run.until(&series, |_| metrics::exporter().render().contains(&series)).await;
        run.write_chapter();
        run.until("new lines to be looked at", |daemon| {
            let consumers = daemon.core.bus.consumers();
            consumers.iter().any(|consumer| consumer.name == "device-55" && consumer.handled >= 20)
        })
        .await;
        run.daemon.stop().await;
    });
}

/// Device 59: speaks of every line as of something that somebody must look at.
#[derive(Default)]
struct Probe {
    state: (),
}

impl Stateful for Probe {
    type State = ();

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        let Body::Raw(raw) = &event.body else { return };
        let is_login = raw.payload.windows(8).any(|part| part == b"Accepted");
        out.emit_soc(Soc {
            src_device: 59,
            decision: Verdict::Malicious,
            score: 0.85,
            severity: Severity::High,
            category: Category::Auth,
            summary: "a probe".to_owned(),
            entity: Entity { src_ip: Some("198.51.100.59".to_owned()), ..Entity::default() },
            flags: vec![if is_login { "PROBED_AT_LAST" } else { "PROBED" }.to_owned()],
            ..Soc::default()
        });
    }

    fn state(&self) -> &() {
        &self.state
    }

    fn state_mut(&mut self) -> &mut () {
        &mut self.state
    }
}

const PROBE: DeviceSpec = DeviceSpec {
    number: 59,
    stage: "device-59",
    identifier: "dsmil-soc-probe",
    reads: Interest::NONE.stream(Stream::L3In),
    prepare: |table| match table.is_empty() {
        true => Ok(PreparedStage::quiet(Arc::new(|| Box::new(Probe::default())))),
        false => Err(vec![Finding::new("key", "is not a key", "remove it")]),
    },
};

#[test]
fn a_new_device_is_a_file_and_a_line() {
    actix::System::new().block_on(async {
        let components = || Components::with_devices(&[DEVICES, &[PROBE]].concat());
        let mut run = Run::start_of(&Faults::default(), components(), |_| ()).await;
        assert!(components().identifiers().contains(&"dsmil-soc-probe"));
        assert_eq!(components().producers().get(&59), Some(&"dsmil-soc-probe"), "what its events are logged under");
        run.write_chapter();
        run.until_quiet().await;
        let status = run.daemon.status();
        assert!(status.actors.iter().any(|actor| actor.name == "device-59" && actor.state == ActorState::Up));
        run.daemon.observe();
        let shown = metrics::exporter().render();
        assert!(shown.contains("dsmil_actor_up{actor=\"device-59\"} 1"), "{shown}");
        assert!(shown.contains("dsmil_stage_events_total{stage=\"device-59\",outcome=\"handled\"} 20"), "{shown}");
        let said: Vec<_> = run.stored(Stream::SocEvents).await.into_iter().filter_map(soc).collect();
        let by = |device, word: &str| {
            said.iter().filter(|soc| soc.src_device == device && soc.summary.contains(word)).count()
        };
        assert_eq!(by(59, "a probe"), 20);
        assert_eq!(by(52, "PROBED"), 1, "an incident about it: {said:#?}");
        assert!(by(58, "198.51.100.59") >= 1, "a proposal about it: {said:#?}");
        let mut config = Config::clone(&run.daemon.core.config());
        config.device.insert("59".to_owned(), toml::toml! { key = 1 });
        let Err(findings) = prepare_with(Arc::new(components()), &config) else { panic!("a wrong key was accepted") };
        assert_eq!(findings[0].key, "device.59.key");
        let changes = components().diff(&run.daemon.core.config(), &config);
        assert_eq!(changes.iter().map(|change| change.name).collect::<Vec<_>>(), ["device-59"]);
        run.daemon.stop().await;
    });
}

fn soc(event: Event) -> Option<Soc> {
    match event.body {
        Body::Soc(soc) => Some(*soc),
        _ => None,
    }
}
