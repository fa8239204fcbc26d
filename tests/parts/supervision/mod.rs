//! A crash stays where it happened: every actor in turn panics, hangs or crashes in a loop, in the running daemon.

mod stages;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dsmild::config::Config;
use dsmild::daemon::{Components, Daemon, Hooks, prepare, prepare_with};
use dsmild::event::{Body, Event, EventId, Interest, Stream};
use dsmild::layer::pipeline::Pipeline;
use dsmild::layer::stage::{Outbox, Stage, StageSpec, StateError};
use dsmild::supervise::State;
use futures_util::FutureExt;

pub const NONE: u8 = 0;
const PANIC: u8 = 1;
const HANG: u8 = 2;
pub const PANIC_ALWAYS: u8 = 3;

/// One switch an actor; who meets it set panics or hangs.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<BTreeMap<String, Arc<AtomicU8>>>>);

impl Faults {
    fn of(&self, actor: &str) -> Arc<AtomicU8> {
        Arc::clone(self.0.lock().unwrap().entry(actor.to_owned()).or_default())
    }

    pub fn set(&self, actor: &str, fault: u8) {
        self.of(actor).store(fault, Ordering::SeqCst);
    }
}

fn strike(fault: &AtomicU8) {
    if fault.load(Ordering::SeqCst) == PANIC_ALWAYS {
        panic!("always");
    }
    match fault.swap(NONE, Ordering::SeqCst) {
        PANIC => panic!("once"),
        HANG => loop {
            std::thread::sleep(Duration::from_secs(3600)); // frozen for good
        },
        _ => {}
    }
}

struct Faulty {
    inner: Box<dyn Stage>,
    fault: Arc<AtomicU8>,
}

impl Stage for Faulty {
    fn step(&mut self, event: &Event, out: &mut Outbox) {
        strike(&self.fault);
        self.inner.step(event, out);
    }

    fn save(&self) -> Result<Vec<u8>, StateError> {
        self.inner.save()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.inner.load(bytes)
    }
}

fn hooks(faults: &Faults) -> Hooks {
    let (stages, tasks) = (faults.clone(), faults.clone());
    Hooks {
        stage: Arc::new(move |spec: StageSpec| {
            let (make, fault) = (Arc::clone(&spec.make), stages.of(spec.name));
            let make =
                Arc::new(move || Box::new(Faulty { inner: make(), fault: Arc::clone(&fault) }) as Box<dyn Stage>);
            StageSpec { make, ..spec }
        }),
        task: Arc::new(move |name, task| {
            let fault = tasks.of(name);
            Arc::new(move |context| {
                let (inner, fault) = (task(context), Arc::clone(&fault));
                async move {
                    let trigger = async {
                        loop {
                            strike(&fault);
                            tokio::time::sleep(Duration::from_millis(10)).await; // between two looks
                        }
                    };
                    tokio::select! {
                        end = inner => end,
                        () = trigger => Ok(()),
                    }
                }
                .boxed_local()
            })
        }),
    }
}

fn config(dir: &Path) -> Config {
    let text = format!(
        "[daemon]\nstate_dir = \"{0}/state\"\n[http]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"{0}/hotpath.db\"\n\
         [intake.boot]\nenabled = false\n[[intake.file]]\npath = \"{0}/in.log\"\ntime_zone = \"UTC\"\n[supervisor]\nfrozen_after = \"2s\"\n\
         backoff = {{ min = \"10ms\", max = \"50ms\" }}\n",
        dir.display()
    );
    toml::from_str(&text).unwrap()
}

/// Lines that make every stage do something: an address guesses passwords and gets in.
fn chapter(number: u32) -> String {
    let mut lines = String::new();
    for second in 0..20 {
        let what = if second < 19 { "Failed" } else { "Accepted" };
        lines += &format!(
            "2026-11-20T{:02}:{:02}:{second:02}.000000+00:00 atlas sshd[{}]: {what} password for user{number} from 203.0.113.{} port 40022 ssh2\n",
            10 + number / 60,
            number % 60,
            1000 + number,
            number + 1,
        );
    }
    lines
}

async fn daemon(dir: &Path, hooks: Hooks) -> Daemon {
    let config = config(dir);
    let plan = prepare(&config).unwrap();
    Daemon::start(config, "test".to_owned(), plan, hooks).await.unwrap()
}

pub struct Run {
    pub daemon: Daemon,
    pub dir: tempfile::TempDir,
    chapters: u32,
}

impl Run {
    async fn start(faults: &Faults) -> Self {
        Self::start_with(hooks(faults)).await
    }

    async fn start_with(hooks: Hooks) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("in.log"), "").unwrap();
        let daemon = daemon(dir.path(), hooks).await;
        Self { daemon, dir, chapters: 0 }
    }

    /// Stops the daemon and starts another in its place.
    async fn restart_with(self, hooks: Hooks) -> Self {
        self.daemon.stop().await;
        Self { daemon: daemon(self.dir.path(), hooks).await, ..self }
    }

    /// A daemon of these components, with a changed configuration.
    pub async fn start_of(faults: &Faults, components: Components, change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("in.log"), "").unwrap();
        let mut config = config(dir.path());
        change(&mut config);
        let plan = prepare_with(Arc::new(components), &config).unwrap();
        let daemon = Daemon::start(config, "test".to_owned(), plan, hooks(faults)).await.unwrap();
        Self { daemon, dir, chapters: 0 }
    }

    pub fn write_chapter(&mut self) {
        let mut file = std::fs::File::options().append(true).open(self.dir.path().join("in.log")).unwrap();
        file.write_all(chapter(self.chapters).as_bytes()).unwrap();
        self.chapters += 1;
    }

    pub async fn until(&mut self, what: &str, mut condition: impl FnMut(&Daemon) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !condition(&self.daemon) {
            assert!(Instant::now() < deadline, "waited for {what}");
            self.daemon.tree.look();
            tokio::time::sleep(Duration::from_millis(10)).await; // between two looks
        }
    }

    fn write_chapters(&mut self, count: u32) {
        (0..count).for_each(|_| self.write_chapter());
    }

    /// Until this stage has handled so many events since the start of the daemon, and nothing waits for a commit.
    async fn until_handled(&mut self, stage: &str, count: u64) {
        self.until("a stage to have handled its events", |daemon| {
            let consumers = daemon.core.bus.consumers();
            consumers.iter().any(|consumer| consumer.name == stage && consumer.handled >= count)
                && consumers.iter().all(|consumer| consumer.in_flight() == 0)
                && daemon.core.bus.uncommitted_transactions() == 0
        })
        .await;
    }

    pub async fn until_quiet(&mut self) {
        let lines = u64::from(self.chapters) * 20;
        self.until("every line to have gone through every stage", |daemon| {
            let consumers = daemon.core.bus.consumers();
            let l3 = consumers.iter().find(|consumer| consumer.name == "l3").unwrap();
            let attached = || consumers.iter().filter(|consumer| consumer.attached);
            l3.handled + l3.quarantined == lines
                && attached().all(|consumer| consumer.in_flight() == 0)
                && daemon.core.bus.uncommitted_transactions() == 0
        })
        .await;
    }

    fn restarts(&self) -> BTreeMap<String, u32> {
        self.daemon.tree.children().iter().map(|child| (child.name.clone(), child.restarts())).collect()
    }

    pub async fn stored(&self, stream: Stream) -> Vec<Event> {
        let (mut events, mut after) = (Vec::new(), EventId::ZERO);
        loop {
            let page = self.daemon.core.store.after(after, Interest::NONE.stream(stream), 1000).await.unwrap();
            let Some(last) = page.last() else { return events };
            after = last.id;
            events.extend(page);
        }
    }
}

/// What an event says, without the ids that depend on when it arrived.
fn said(event: &Event) -> String {
    match &event.body {
        Body::Soc(soc) => {
            let mut soc = soc.clone();
            soc.input_ref.clear();
            soc.proposal = None;
            // The alarm of an incident is called as the incident, which is by its first event.
            if soc.incident_id.take().is_some() {
                soc.alarm = None;
                soc.reasons.retain(|reason| !reason.starts_with("similar:"));
            }
            format!("{} {}", event.ts(), serde_json::to_string(&soc).unwrap())
        }
        Body::Decision(decision) => {
            format!("{} {:?} {} {:?}", event.ts(), decision.verdict, decision.score, decision.reasons)
        }
        _ => String::new(),
    }
}

/// The same lines through the stages on one thread, without any fault.
fn expected(run: &Run, stream: Stream) -> Vec<String> {
    let config = config(run.dir.path());
    let mut pipeline = Pipeline::new(prepare(&config).unwrap().stages);
    let file = &config.intake.file[0];
    let input =
        dsmild::intake::replay::ReplayInput::open(&file.path, Stream::L3In, file.format, "", jiff::tz::TimeZone::UTC);
    dsmild::intake::replay::merged(vec![input.unwrap()])
        .flat_map(|line| pipeline.push(line.unwrap()))
        .filter(|event| event.stream == stream)
        .map(|event| said(&event))
        .collect()
}

async fn check_nothing_lost(run: &Run) {
    for stream in [Stream::L3Out, Stream::L4Out, Stream::SocEvents] {
        let (mut stored, mut expected): (Vec<_>, Vec<_>) =
            (run.stored(stream).await.iter().map(said).collect(), expected(run, stream));
        assert!(!expected.is_empty(), "{stream}: the chapters say nothing there");
        stored.sort();
        expected.sort();
        assert_eq!(stored, expected, "{stream}: the same as without faults, each once");
    }
}

/// Every actor in turn meets the fault once; only it restarts, and nothing is lost, repeated or forgotten.
fn each_actor_in_turn(fault: u8) {
    actix::System::new().block_on(async {
        let faults = Faults::default();
        let mut run = Run::start(&faults).await;
        run.write_chapter();
        run.until_quiet().await;
        let actors: Vec<String> = run.restarts().into_keys().collect();
        assert!(actors.len() >= 15, "{actors:?}");
        for actor in actors {
            let before = run.restarts();
            faults.set(&actor, fault);
            run.write_chapter();
            run.until(&format!("{actor} to be started again"), |daemon| {
                daemon
                    .tree
                    .children()
                    .iter()
                    .any(|child| child.name == actor && child.restarts() > before[&actor] && child.state() == State::Up)
            })
            .await;
            run.until_quiet().await;
            let mut after = run.restarts();
            *after.get_mut(&actor).unwrap() -= 1;
            assert_eq!(after, before, "only {actor} was started again");
        }
        check_nothing_lost(&run).await;
        run.daemon.stop().await;
    });
}

#[test]
fn a_panic_in_any_actor_restarts_that_actor_alone_with_its_state() {
    each_actor_in_turn(PANIC);
}

#[test]
fn a_frozen_actor_is_replaced_alone_with_its_state() {
    each_actor_in_turn(HANG);
}

#[test]
fn a_device_that_crashes_in_a_loop_is_given_up_and_the_others_go_on() {
    actix::System::new().block_on(async {
        let faults = Faults::default();
        let mut run = Run::start(&faults).await;
        faults.set("device-53", PANIC_ALWAYS);
        run.write_chapter();
        run.until("device 53 to be given up", |daemon| {
            daemon.tree.children().iter().any(|child| child.name == "device-53" && child.state() == State::Failed)
        })
        .await;
        for _ in 0..12 {
            run.write_chapter();
        }
        run.until_quiet().await;
        let others = run
            .restarts()
            .into_iter()
            .filter(|(name, _)| name != "device-53")
            .map(|(_, restarts)| restarts)
            .sum::<u32>();
        assert_eq!(others, 0);
        assert!(run.daemon.tree.fatal().borrow().is_none(), "a device is not worth the process");
        check_nothing_lost(&run).await;
        run.daemon.stop().await;
    });
}

#[test]
fn a_critical_actor_that_crashes_in_a_loop_ends_the_process() {
    actix::System::new().block_on(async {
        let faults = Faults::default();
        let mut run = Run::start(&faults).await;
        faults.set("l3", PANIC_ALWAYS);
        run.write_chapter();
        let fatal = run.daemon.tree.fatal();
        run.until("the daemon to give up", |_| fatal.borrow().is_some()).await;
        run.daemon.stop().await;
    });
}

#[test]
fn a_frozen_critical_actor_is_left_to_the_watchdog_where_there_is_one() {
    const LATE: Duration = Duration::from_secs(1);
    actix::System::new().block_on(async {
        let faults = Faults::default();
        let mut run = Run::start(&faults).await;
        run.daemon.tree.leave_critical_to_watchdog();
        faults.set("l3", HANG);
        faults.set("device-53", HANG);
        run.write_chapter();
        run.until("the device to be replaced", |daemon| {
            daemon.tree.children().iter().any(|child| child.name == "device-53" && child.restarts() == 1)
        })
        .await;
        run.until("the critical one to be late", |daemon| {
            daemon.tree.children().iter().any(|child| child.name == "l3" && child.silence() > 3 * LATE)
        })
        .await;
        assert!(!run.daemon.tree.healthy(LATE), "systemd hears nothing");
        assert_eq!(run.restarts()["l3"], 0);
        run.daemon.stop().await;
    });
}
