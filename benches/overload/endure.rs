//! A file alone, written as fast as it is read for a long time, by many entities: the memory that this takes is bounded, and does not grow.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::daemon::Daemon;
use super::lines::{self, Mix};

pub const ENTITIES: usize = 1_000_000;
/// Lines that the writer is ahead: enough for the daemon never to wait for it.
const AHEAD: u64 = 200_000;
const PORTION: u64 = 100;
/// Lines of one file; the one before it is removed then.
const LINES_OF_FILE: u64 = 2_000_000;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Of the time, before what is held is expected to stay the same.
const FILLING: f64 = 0.25;

/// # Panics
/// The lines are not read.
pub fn run(lasts: Duration, entities: usize) {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let file = folder.path().join("in.log");
    std::fs::write(&file, "").unwrap();
    let daemon = Daemon::start(folder.path(), &format!("[[intake.file]]\npath = {file:?}\n"));
    let (taken, ends, begun) = (AtomicU64::new(0), AtomicBool::new(false), Instant::now());
    std::thread::scope(|scope| {
        scope.spawn(|| write(&file, entities, &taken, &ends));
        let (mut samples, mut said) = (Vec::new(), 0);
        while begun.elapsed() < lasts {
            std::thread::sleep(LOOK_EVERY.min(lasts / 20)); // between two looks
            taken.store(daemon.taken(), Ordering::Relaxed);
            let sample =
                Sample { at: begun.elapsed().as_secs_f64(), own: daemon.own_bytes(), all: daemon.resident_bytes() };
            if sample.at as u64 / 60 >= said {
                said = sample.at as u64 / 60 + 1;
                println!("{sample}, {} lines", taken.load(Ordering::Relaxed));
            }
            samples.push(sample);
        }
        ends.store(true, Ordering::Relaxed);
        report(&samples, &daemon, begun.elapsed());
    });
}

struct Sample {
    at: f64,
    /// Without files and the hot store.
    own: u64,
    all: u64,
}

impl std::fmt::Display for Sample {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:>6.0} s: {} MiB held, {} MiB resident", self.at, self.own >> 20, self.all >> 20)
    }
}

fn report(samples: &[Sample], daemon: &Daemon, took: Duration) {
    let later: Vec<(f64, f64)> = samples
        .iter()
        .filter(|sample| sample.at > took.as_secs_f64() * FILLING)
        .map(|sample| (sample.at / 60.0, sample.all as f64 / f64::from(1 << 20)))
        .collect();
    let most = later.iter().map(|(_, mib)| *mib).fold(0.0, f64::max);
    println!(
        "{:.0} lines/s, {:.1} us of CPU a line; peak {} MiB resident; after the first {:.0} %: at most {most:.0} MiB, {:+.2} MiB a minute",
        daemon.taken() as f64 / took.as_secs_f64(),
        daemon.cpu() / daemon.taken() as f64 * 1e6,
        daemon.peak_mib(),
        FILLING * 100.0,
        slope(&later)
    );
}

/// Of the straight line that fits best.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (over, under) = points
        .iter()
        .fold((0.0, 0.0), |(over, under), point| (over + (point.0 - x) * (point.1 - y), under + (point.0 - x).powi(2)));
    over / under
}

fn write(path: &Path, entities: usize, taken: &AtomicU64, ends: &AtomicBool) {
    let open = || File::options().create(true).append(true).open(path).unwrap();
    let (mut file, mut mix, mut text, mut written) = (open(), Mix::new(entities), String::new(), 0);
    while !ends.load(Ordering::Relaxed) {
        if written > taken.load(Ordering::Relaxed) + AHEAD {
            std::thread::sleep(Duration::from_millis(1)); // until the daemon has read more
            continue;
        }
        text.clear();
        (written..written + PORTION).for_each(|number| mix.line(&mut text, number as usize, lines::now()));
        file.write_all(text.as_bytes()).unwrap();
        written += PORTION;
        if written % LINES_OF_FILE == 0 {
            std::fs::rename(path, path.with_extension("log.1")).unwrap();
            file = open();
        }
    }
}
