//! The daemon as its users have it: another process appends a mix of the lines of several programs to a file, at a rate or as fast
//! as it can; the program of the release reads and judges them, into Redis and Postgres as well. One row for each way to run it: lines
//! a second, CPU a line, the time from the write of a line to its SOC event in Redis, the most memory. Below it, what it takes of the
//! machine with nothing to do, what other programs do with the same in the same run, and which of them are not installed.
//!
//! `cargo bench --bench whole [-- LINES]`; `DSMILD_TEST_BIN` names another daemon than the one that is built, `DSMIL_DATA` the
//! folder with Sigma's rules in it.

// A bench is a program of its own: what goes wrong ends it.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[allow(dead_code)] // the bench of an overload uses the rest
mod daemon;
#[path = "../input/mod.rs"]
mod input;
mod lines;
mod peers;
#[path = "../postgres/mod.rs"]
mod postgres;
#[path = "../redis/server.rs"]
mod redis;

use daemon::{Daemon, PATIENCE};
use dsmild::redis::Reply;

const LINES: usize = 300_000;
const FEW: usize = 20_000;
const MANY: usize = 1_000_000;
const RULES: usize = 400;
/// How long one is watched that has nothing to do, after as long a time in which it may still do what follows from its start.
const REST: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, PartialEq)]
enum Rules {
    None,
    Own,
    /// And so many of SigmaHQ.
    Many,
}

/// A way to run it.
struct Way {
    name: &'static str,
    /// Lines a second; 0: as fast as they are written.
    rate: usize,
    entities: usize,
    rules: Rules,
    mirror: bool,
    archive: bool,
}

const fn way(name: &'static str, rate: usize, entities: usize, rules: Rules, outlets: (bool, bool)) -> Way {
    Way { name, rate, entities, rules, mirror: outlets.0, archive: outlets.1 }
}

const WAYS: [Way; 8] = [
    way("hot store alone", 0, FEW, Rules::Own, (false, false)),
    way("hot store alone, no rules", 0, FEW, Rules::None, (false, false)),
    way("hot store alone, 400 rules more", 0, FEW, Rules::Many, (false, false)),
    way("hot store alone, 1 M entities", 0, MANY, Rules::Own, (false, false)),
    way("mirror", 0, FEW, Rules::Own, (true, false)),
    way("mirror and archive", 0, FEW, Rules::Own, (true, true)),
    way("mirror, 10,000 lines/s", 10_000, FEW, Rules::Own, (true, false)),
    way("mirror, 50,000 lines/s", 50_000, FEW, Rules::Own, (true, false)),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, command, file, lines, rate, entities] = arguments.as_slice()
        && command == "write"
    {
        let number = |text: &String| text.parse().unwrap();
        return lines::write(Path::new(file), number(lines), number(rate), number(entities));
    }
    let lines = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or_else(|| input::size(LINES));
    let (has_redis, has_postgres) = (redis::installed(), postgres::installed());
    let rules = rules();
    if rules.is_empty() {
        println!("skipped: DSMIL_DATA names no folder with Sigma's rules in it");
    }
    println!("{lines} lines a row");
    println!(
        "{:<34} {:>9} {:>8} {:>26} {:>8}",
        "file -> all stages ->", "lines/s", "us/line", "ms to Redis p50/p99/max", "MiB"
    );
    let can_run = |way: &&Way| {
        (has_redis || !way.mirror) && (has_postgres || !way.archive) && (way.rules != Rules::Many || !rules.is_empty())
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for way in WAYS.iter().filter(can_run) {
        println!("{}", runtime.block_on(run(way, lines, &rules)));
    }
    println!("{}", at_rest(if lines < LINES { Duration::from_secs(1) } else { REST }));
    if has_redis {
        runtime.block_on(peers::file_to_redis(lines));
        runtime.block_on(peers::router(lines));
    }
    peers::rules(lines, &rules);
}

/// Some of SigmaHQ's, the same at every run.
fn rules() -> Vec<PathBuf> {
    let Some(data) = std::env::var_os("DSMIL_DATA") else { return Vec::new() };
    let (mut folders, mut found) = (vec![Path::new(&data).join("sigma")], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "yml") {
                found.push(path);
            }
        }
    }
    found.sort();
    // Those of Linux first, for they look at more of these lines.
    found.sort_by_key(|path| !path.components().any(|part| part.as_os_str() == "linux"));
    found.truncate(RULES);
    found
}

/// The process that writes a log.
fn writer(file: &Path, lines: usize, rate: usize, entities: usize) -> Child {
    let numbers = [lines, rate, entities].map(|number| number.to_string());
    Command::new(std::env::current_exe().unwrap()).arg("write").arg(file).args(numbers).spawn().unwrap()
}

fn settings(way: &Way, file: &Path, rules: &[PathBuf], redis: Option<u16>, postgres: Option<String>) -> String {
    let mut settings = format!("[[intake.file]]\npath = {file:?}\n");
    match way.rules {
        Rules::None => {
            settings.push_str("[l3]\nbuiltin_rules = false\nbuiltin_web = false\n[l4]\nbuiltin_scenarios = false\n")
        }
        Rules::Own => {}
        Rules::Many => write!(settings, "[l3]\nrules = {rules:?}\n").unwrap(),
    }
    if let Some(port) = redis {
        let streams = "{ L3_IN = \"off\", L4_IN = \"off\" }";
        write!(settings, "[redis]\nurl = \"redis://127.0.0.1:{port}\"\nmaxlen = 10000000\nstreams = {streams}\n")
            .unwrap();
    }
    if let Some(url) = postgres {
        write!(settings, "[archive]\nurl = {url:?}\n").unwrap();
    }
    settings
}

async fn run(way: &Way, lines: usize, rules: &[PathBuf]) -> String {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let file = folder.path().join("in.log");
    std::fs::write(&file, "").unwrap();
    let redis = way.mirror.then(|| redis::Server::start(folder.path(), "{}"));
    let postgres = way.archive.then(postgres::Server::start);
    let (port, url) = (redis.as_ref().map(|redis| redis.port), postgres.as_ref().map(postgres::Server::url));
    let daemon = Daemon::start(folder.path(), &settings(way, &file, rules, port, url));
    let waited = Arc::new(Mutex::new(Vec::new()));
    let watching = match &redis {
        Some(redis) => Some(tokio::spawn(watch(redis.link().await, Arc::clone(&waited)))),
        None => None,
    };
    let (begun, cpu) = (Instant::now(), daemon.cpu());
    let mut writer = writer(&file, lines, way.rate, way.entities);
    while !daemon.is_through(lines) {
        tokio::time::sleep(Duration::from_millis(50)).await; // between two looks
        assert!(begun.elapsed() < PATIENCE, "the lines are not through after {PATIENCE:?}");
    }
    let (rate, cpu) = (lines as f64 / begun.elapsed().as_secs_f64(), (daemon.cpu() - cpu) / lines as f64 * 1e6);
    assert!(writer.wait().unwrap().success());
    if let Some(watching) = watching {
        watching.abort();
    }
    let mut waited = std::mem::take(&mut *waited.lock().unwrap());
    waited.sort_by(f64::total_cmp);
    let at = |share: f64| waited.get(((waited.len() as f64 * share) as usize).min(waited.len().saturating_sub(1)));
    let times = match (at(0.5), at(0.99), waited.last()) {
        (Some(half), Some(most), Some(longest)) => format!("{half:.1} / {most:.1} / {longest:.1} of {}", waited.len()),
        _ => "-".to_owned(),
    };
    format!("{:<34} {rate:>9.0} {cpu:>8.1} {times:>26} {:>8}", way.name, daemon.peak_mib())
}

/// A daemon that nobody writes to.
fn at_rest(watched: Duration) -> String {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let begun = Instant::now();
    let daemon = Daemon::start(folder.path(), "");
    let ready = begun.elapsed();
    std::thread::sleep(watched);
    let (begun, cpu) = (Instant::now(), daemon.cpu());
    std::thread::sleep(watched);
    let share = (daemon.cpu() - cpu) / begun.elapsed().as_secs_f64() * 100.0;
    let (milliseconds, resident) = (ready.as_millis(), daemon.resident_bytes() >> 20);
    format!("at rest: ready after {milliseconds} ms, {share:.2} % of a core, {resident} MiB")
}

/// Notes how long each SOC event of a layer has taken from the time that its line was written with, in milliseconds, as it comes.
async fn watch(link: dsmild::redis::Link, waited: Arc<Mutex<Vec<f64>>>) {
    let mut last = "0-0".to_owned();
    loop {
        let arguments = ["BLOCK", "100", "STREAMS", "SOC_EVENTS", &last].map(|text| text.to_owned().into());
        let Ok(answer) = link.call("XREAD", "SOC_EVENTS", arguments.into()).await else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let entries = answer.list().first().and_then(|stream| stream.list().get(1)).map_or(&[][..], Reply::list);
        for entry in entries {
            let [id, fields] = entry.list() else { continue };
            last = id.text().unwrap().to_owned();
            let text = |name: &str| fields.named(name).and_then(|value| value.text()).unwrap_or_default();
            // Of what a device says, the time is not that of the last line.
            if matches!(text("src_layer"), "\"3\"" | "\"4\"") {
                waited.lock().unwrap().push((now - text("ts").parse::<f64>().unwrap()) * 1000.0);
            }
        }
    }
}
