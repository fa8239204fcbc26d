//! The daemon under twice the load that it can take, from a file that is rotated, a stream of Redis, HTTP and syslog at once. What it
//! reads itself may wait and must all be there afterwards, once and in order; who posts is told to come back, and finds everything that was
//! taken. Memory stays below its bound, and when the load ends, the daemon gets over it by itself.
//!
//! `cargo bench --bench overload [-- SECONDS]`; `… -- endure SECONDS [ENTITIES]` instead: a file alone, as fast as it is read, and what
//! memory that takes over the time. `DSMILD_TEST_BIN` names another daemon than the one that is built.

// A bench is a program of its own: what goes wrong ends it.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, clippy::panic)]

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use dsmild::config::Config;
use dsmild::redis::Link;

#[path = "../whole/daemon.rs"]
mod daemon;
mod endure;
#[path = "../input/mod.rs"]
mod input;
#[path = "../whole/lines.rs"]
mod lines;
mod load;
mod numbers;
#[path = "../redis/server.rs"]
#[allow(dead_code)] // other benches use the rest
mod redis;
mod seen;

use daemon::Daemon;
use load::{Load, Posted};
use numbers::{From, Numbers};
use seen::Seen;

const SECONDS: f64 = 60.0;
/// To find out what the daemon can take.
const TRIED: usize = 600_000;
/// What comes from each place, as a part of what the daemon can take: twice that in all.
const SHARES: [(From, f64); 4] = [(From::File, 0.9), (From::Redis, 0.4), (From::Http, 0.55), (From::Syslog, 0.15)];
/// It has come over the load when it has handled all that waited at a part of its speed, and this.
const PART_OF_SPEED: f64 = 4.0;
const MOMENT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let numbers: Vec<f64> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let seconds = numbers.first().copied().unwrap_or_else(|| input::size(SECONDS as usize * 50) as f64 / 50.0);
    let lasts = Duration::from_secs_f64(seconds.max(2.0));
    if arguments.iter().any(|argument| argument == "endure") {
        return endure::run(lasts, numbers.get(1).map_or(endure::ENTITIES, |number| *number as usize));
    }
    if !redis::installed() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let reachable = runtime.block_on(reachable());
    println!("reachable: {reachable:.0} lines/s from a file into hot store and Redis");
    runtime.block_on(overload(reachable, lasts));
    runtime.shutdown_background();
}

/// Lines a second.
async fn reachable() -> f64 {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let server = redis::Server::start(folder.path(), "{}");
    let daemon = Daemon::start(folder.path(), &settings(folder.path(), server.port, 0));
    let (begun, lines) = (Instant::now(), input::size(TRIED).max(5000));
    let file = folder.path().join("in.log");
    let writer = tokio::task::spawn_blocking(move || lines::write(&file, lines, 0, 20_000));
    while !daemon.is_through(lines) {
        assert!(begun.elapsed() < daemon::PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await; // between two looks
    }
    writer.await.unwrap();
    lines as f64 / begun.elapsed().as_secs_f64()
}

fn settings(folder: &Path, redis: u16, syslog: u16) -> String {
    let file = folder.join("in.log");
    std::fs::write(&file, "").unwrap();
    let streams = "{ L3_IN = \"ingest\", L4_IN = \"off\" }";
    let syslog = if syslog == 0 {
        String::new()
    } else {
        format!("[[intake.syslog]]\nlisten = \"tcp://127.0.0.1:{syslog}\"\nrate = 1000000\n")
    };
    format!(
        "[[intake.file]]\npath = {file:?}\n{syslog}[redis]\nurl = \"redis://127.0.0.1:{redis}\"\nmaxlen = 200000\nstreams = {streams}\n"
    )
}

/// What one run has shown.
struct Run {
    daemon: Daemon,
    link: Link,
    seen: Seen,
    /// Each stream with its events in the hot store and those that Redis was ever given.
    added: Vec<(&'static str, u64, u64)>,
    peak: u64,
    /// The longest that /healthz took to answer.
    health: Duration,
}

async fn overload(reachable: f64, lasts: Duration) {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let server = redis::Server::start(folder.path(), "{}");
    let syslog = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let daemon = Daemon::start(folder.path(), &settings(folder.path(), server.port, syslog));
    let start = lines::now();
    let all = SHARES.map(|(from, share)| Numbers::new(from, start, share * reachable));
    let [file, redis, http, messages] = all.map(|numbers| Load { numbers, lasts });
    let (path, port, api) = (folder.path().join("in.log"), server.port, daemon.port);
    let spawn = tokio::task::spawn_blocking::<Box<dyn FnOnce() -> usize + Send>, usize>;
    let writers = [
        spawn(Box::new(move || load::file(&path, file))),
        spawn(Box::new(move || load::redis(port, redis))),
        spawn(Box::new(move || load::syslog(syslog, messages))),
    ];
    let posting = tokio::task::spawn_blocking(move || load::http(api, http));
    let seen = Seen::new(&folder.path().join("hot/hotpath.db"), all.to_vec());
    let mut run = Run { link: server.link().await, daemon, seen, added: Vec::new(), peak: 0, health: Duration::ZERO };
    let begun = Instant::now();
    while !posting.is_finished() || !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        run.look().await;
        assert!(begun.elapsed() < 2 * lasts + daemon::PATIENCE, "whoever writes is not through");
    }
    let (took, during) = (begun.elapsed(), run.seen.stored());
    let mut written = Vec::new();
    for writer in writers {
        written.push(writer.await.unwrap());
    }
    let posted = posting.await.unwrap();
    let [file, redis, syslog] = written[..] else { unreachable!() };
    let written = [(From::File, file), (From::Redis, redis), (From::Syslog, syslog)];
    let all = written.iter().map(|(_, count)| *count as u64).sum::<u64>() + posted.accepted.count;
    let waiting = all.saturating_sub(during);
    println!(
        "load of {:.1} s: {:.0} lines/s taken of {:.0} written, {waiting} wait",
        took.as_secs_f64(),
        during as f64 / took.as_secs_f64(),
        (all + posted.refused.count + posted.in_part.count) as f64 / took.as_secs_f64()
    );
    let patience = MOMENT + Duration::from_secs_f64(PART_OF_SPEED * waiting as f64 / reachable);
    let recovered = run.recovers(&written, &posted, http, patience).await;
    println!("over it {:.1} s after its end (bound {:.0} s)", recovered.as_secs_f64(), patience.as_secs_f64());
    run.settles().await;
    run.check(&written, &posted);
    run.check_ledger();
}

impl Run {
    async fn look(&mut self) {
        self.seen.read_store().await;
        self.peak = self.peak.max(self.daemon.own_bytes());
        let asked = Instant::now();
        assert!(self.daemon.get("/healthz").starts_with("HTTP/1.1 200"), "the process is not healthy");
        self.health = self.health.max(asked.elapsed());
        self.trim().await;
        tokio::time::sleep(LOOK_EVERY).await; // between two looks
    }

    /// Removes from the stream what was acknowledged, as whoever fills it may do.
    async fn trim(&self) {
        let call = async |command, arguments| self.link.call(command, "L3_IN", arguments).await;
        let Ok(groups) = call("XINFO", vec!["GROUPS".into(), "L3_IN".into()]).await else { return };
        let Some(group) = groups.list().first() else { return };
        let name = group.named("name").and_then(|name| name.text()).unwrap().to_owned();
        let pending = call("XPENDING", vec!["L3_IN".into(), name.into()]).await.unwrap();
        let oldest =
            pending.list().get(1).and_then(|id| id.text()).or_else(|| group.named("last-delivered-id")?.text());
        if let Some(oldest) = oldest {
            let arguments = vec!["L3_IN".into(), "MINID".into(), "~".into(), oldest.to_owned().into()];
            call("XTRIM", arguments).await.unwrap();
        }
    }

    /// Until everything is where it belongs and the daemon says so.
    async fn recovers(
        &mut self,
        written: &[(From, usize)],
        posted: &Posted,
        http: Load,
        patience: Duration,
    ) -> Duration {
        let begun = Instant::now();
        let must: u64 = written.iter().map(|(_, count)| *count as u64).sum::<u64>() + posted.accepted.count;
        loop {
            self.look().await;
            let is_through = self.daemon.is_through(must as usize);
            if is_through && self.daemon.get("/readyz").starts_with("HTTP/1.1 200") {
                break;
            }
            assert!(begun.elapsed() < patience, "after {patience:?} it is not over it: {}", self.daemon.get("/readyz"));
        }
        let recovered = begun.elapsed();
        let asked = Instant::now();
        let answer = load::post(&mut load::connect(self.daemon.port), &load::body(http, [http.count()]));
        assert_eq!(answer.code, 200, "it takes again what is posted");
        println!("what is posted then is taken within {:.0} ms", asked.elapsed().as_secs_f64() * 1e3);
        recovered
    }

    /// Until Redis has what the hot store has: a tick may have led to something at the last moment.
    async fn settles(&mut self) {
        let begun = Instant::now();
        loop {
            self.look().await;
            self.added.clear();
            for (stream, layer) in [("L3_OUT", 3), ("L4_OUT", 4), ("SOC_EVENTS", 8)] {
                let arguments = vec!["STREAM".into(), stream.into()];
                let info = self.link.call("XINFO", stream, arguments).await.ok();
                let added = info.as_ref().and_then(|info| info.named("entries-added")?.number()).unwrap_or(0);
                let rows = self.seen.outputs.get(&layer).copied().unwrap_or(0);
                self.added.push((stream, rows, added));
            }
            if self.added.iter().all(|(_, rows, added)| rows == added) || begun.elapsed() > MOMENT {
                return;
            }
        }
    }

    fn check(&self, written: &[(From, usize)], posted: &Posted) {
        println!("{:<8} {:>10} {:>10} {:>10}", "", "written", "taken", "503");
        for (from, count) in written {
            let lines = &self.seen.lines[from];
            println!("{:<8} {count:>10} {:>10} {:>10}", from.name(), lines.stored.count, "-");
            assert_eq!(lines.stored.count, *count as u64, "every line from {} is in the hot store", from.name());
            assert_eq!((lines.twice, lines.out_of_order), (0, 0), "once, and in order");
        }
        self.check_posted(posted);
        let bound = Config::default().daemon.memory_max.get();
        println!(
            "at most {} MiB held (RssAnon; daemon.memory_max is {} MiB), {} MiB with files and the hot store's pages (VmHWM); /healthz took at most {:.0} ms",
            self.peak >> 20,
            bound >> 20,
            self.daemon.peak_mib(),
            self.health.as_secs_f64() * 1e3
        );
        assert!(self.peak < bound, "memory stays below its bound");
    }

    fn check_posted(&self, posted: &Posted) {
        let lines = &self.seen.lines[&From::Http];
        let Posted { accepted, refused, in_part } = posted;
        let written = accepted.count + refused.count + in_part.count;
        let answered = refused.count + in_part.count;
        println!("{:<8} {written:>10} {:>10} {answered:>10}", From::Http.name(), lines.stored.count);
        let lost: Vec<usize> = accepted.numbers().filter(|number| !lines.stored.has(*number)).take(10).collect();
        assert!(lost.is_empty(), "answered 200 and not in the hot store: {lost:?}");
        let taken: Vec<usize> = refused.numbers().filter(|number| lines.stored.has(*number)).take(10).collect();
        assert!(taken.is_empty(), "refused as a whole and in the hot store: {taken:?}");
        assert_eq!(lines.twice, 0, "once");
    }

    /// By the daemon's own account, and by that of Redis.
    fn check_ledger(&self) {
        let lines = self.seen.stored();
        assert_eq!(self.seen.outputs[&3], lines, "every line has one decision of Layer 3");
        for (stream, rows, added) in &self.added {
            println!("{stream}: {rows} in the hot store, {added} added in Redis");
            assert_eq!(added, rows, "everything in {stream} was taken to Redis once");
        }
        let metrics = self.daemon.get("/metrics");
        assert_eq!(daemon::sum(&metrics, "dsmil_stage_events_total{stage=\"l3\",outcome=\"handled\"}"), lines as f64);
        let dropped: Vec<&str> = metrics.lines().filter(|line| line.starts_with("dsmil_dropped_total{")).collect();
        println!("dropped: {dropped:?}");
        let is_refusal = |line: &&&str| line.contains("where=\"http\",reason=\"busy\"");
        let others = dropped.iter().filter(|line| !is_refusal(line) && !line.ends_with(" 0")).count();
        assert_eq!(others, 0, "nothing else was dropped");
        assert!(daemon::sum(&metrics, "dsmil_stage_events_total{stage=\"fusion\"") > 0.0, "stages are counted");
        let quarantined =
            metrics.lines().filter(|line| line.contains("outcome=\"quarantined\"") && !line.ends_with(" 0"));
        assert_eq!(quarantined.count(), 0, "no stage has failed on anything");
        assert_eq!(daemon::sum(&metrics, "dsmil_actor_restarts_total{"), 0.0, "no part was restarted");
    }
}
