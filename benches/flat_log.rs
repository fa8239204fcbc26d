//! Lines a second from the journal into the flat log, next to `journalctl -o short-iso` of the same journal in the same run
//! (goal: as fast as that).
//!
//! `cargo bench --bench flat_log`, as root: a journald of its own fills the journal.

// A bench is a program of its own: what goes wrong ends it.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use dsmild::config;
use dsmild::outlet::flat_log::FlatLog;

use journald::Journald;

mod input;

mod harness {
    use std::time::Duration;

    pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
        println!("waiting for {what}");
        while !condition() {
            std::thread::sleep(Duration::from_millis(100)); // between two looks
        }
    }
}

#[path = "../tests/daemon/journald.rs"]
#[allow(dead_code)] // the tests use the rest
mod journald;

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

static ENTRIES: LazyLock<u64> = LazyLock::new(|| input::size(300_000) as u64);
const ROUNDS: usize = 3;

/// What everybody else would do.
fn journalctl(directory: &Path) -> Duration {
    let begun = Instant::now();
    let mut command = Command::new("journalctl");
    command.args(["--output=short-iso", "--quiet", "--directory"]).arg(directory).stdout(Stdio::null());
    assert!(command.status().unwrap().success());
    begun.elapsed()
}

/// From an empty file to the last line.
async fn flat_log(directory: &Path) -> Duration {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = folder.path().join("dsmil.log");
    let config =
        config::FlatLog { path: path.clone(), directory: Some(directory.to_owned()), ..config::FlatLog::default() };
    let begun = Instant::now();
    let mut log = FlatLog::open(&config, folder.path()).unwrap();
    let mut lines = 0;
    let mut size = 0;
    while lines < *ENTRIES {
        let problems = log.collect().await;
        assert!(problems.is_empty(), "{problems:?}");
        log.write().unwrap();
        let now = std::fs::metadata(&path).unwrap().len();
        lines += count(&path, size, now);
        size = now;
    }
    begun.elapsed()
}

/// Lines in a part of the file.
fn count(path: &Path, from: u64, to: u64) -> u64 {
    use std::os::unix::fs::FileExt;
    let mut part = vec![0; (to - from) as usize];
    std::fs::File::open(path).unwrap().read_exact_at(&mut part, from).unwrap();
    memchr::memchr_iter(b'\n', &part).count() as u64
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Some(mut journald) = Journald::start() else { return };
    journald.count("dsmil-bench", 1, *ENTRIES);
    harness::wait_for("the journal to be filled", || {
        let last = journald.journalctl(&["-o", "cat", "-n", "1", "-t", "dsmil-bench"]);
        last.trim_end() == format!("number={}", *ENTRIES)
    });
    let directory = journald.directory();
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    // Interleaved, so that what else the machine does falls on both.
    for _ in 0..ROUNDS {
        theirs.push(journalctl(&directory));
        ours.push(flat_log(&directory).await);
    }
    let (theirs, ours) = (*ENTRIES as f64 / median(theirs), *ENTRIES as f64 / median(ours));
    println!("{} entries, median of {ROUNDS} rounds", *ENTRIES);
    println!("journalctl -o short-iso  {theirs:>9.0} entries/s");
    println!("flat log                 {ours:>9.0} entries/s, {:.2} of that", ours / theirs);
}
