//! Lines a second through all built-in formats (goal: at most 2 µs a line, none slower than 20 µs), as a ratio to a scan of
//! the same lines for UTF-8 and line ends in the same run. With the daemon's allocator.
//!
//! Of hostile lines those are counted that take longer than 20 µs and, for what they are longer than 4 KiB, such a scan.
//!
//! `cargo bench --bench formats`

// A bench is a program of its own: what goes wrong ends it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::time::Duration;

use dsmild::formats::{Input, Library, Line, builtin};

const ROUNDS: usize = 20;
const SLOWEST: Duration = Duration::from_micros(20);
/// Lines of this length are ordinary.
const ORDINARY_BYTES: usize = 4096;

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct Case {
    program: Option<String>,
    message: String,
}

/// The samples of all formats, and lines of programs that nobody knows.
fn ordinary(library: &Library) -> Vec<Case> {
    let mut cases = Vec::new();
    for format in library.formats() {
        let first = format.programs.iter().find_map(|program| program.example());
        for sample in format.messages.iter().flat_map(|message| &message.samples) {
            if let Input::Message(message) = &sample.input {
                let program = sample.program.clone().or_else(|| first.clone());
                cases.push(Case { program, message: message.clone() });
            }
        }
    }
    for at in 0..cases.len() / 4 {
        let message = format!("worker {at} took {} ms for job {at:x}, queue has {at} more", at * 7);
        cases.push(Case { program: Some("portal".to_owned()), message });
    }
    cases
}

/// Words of templates over and over: what somebody writes who wants the search to take long.
fn hostile(library: &Library) -> Vec<Case> {
    let mut cases = Vec::new();
    for format in library.formats() {
        let program = format.programs.iter().find_map(|program| program.example());
        for sample in format.messages.iter().flat_map(|message| &message.samples) {
            let Input::Message(message) = &sample.input else { continue };
            let (head, tail) = message.split_at(message.floor_char_boundary(message.len() / 2));
            for message in [
                format!("{head}{}", tail.repeat(40)),
                format!("{}{tail}", head.repeat(40)),
                format!("{head}{}{tail}", " from 198.51.100.66 port 1 ssh2: x, user=[a] \"b\" (c) 'd'".repeat(30)),
            ] {
                cases.push(Case { program: program.clone(), message });
            }
        }
    }
    cases
}

fn understand(library: &Library, case: &Case) -> bool {
    let line = Line { program: case.program.as_deref(), message: black_box(&case.message), fields: &[] };
    black_box(library.understand(line)).understood.is_some()
}

/// Processor time of this thread: what else the machine does is not the search.
fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

fn main() {
    let (library, diagnostics) = builtin::library();
    println!("{} formats, {} broken", library.formats().len(), diagnostics.len());
    let cases = ordinary(library);
    let lines = cases.len() * ROUNDS;
    let bytes: usize = cases.iter().map(|case| case.message.len()).sum();

    let start = now();
    for _ in 0..ROUNDS {
        for case in &cases {
            let text = black_box(case.message.as_bytes());
            black_box((std::str::from_utf8(text).is_ok(), memchr::memchr(b'\n', text)));
        }
    }
    let scan = now() - start;

    let start = now();
    let mut understood = 0;
    for _ in 0..ROUNDS {
        understood += cases.iter().filter(|case| understand(library, case)).count();
    }
    let taken = now() - start;
    let each = |taken: Duration, lines: usize| taken.as_nanos() as f64 / lines.max(1) as f64;
    println!(
        "{lines} lines of {} bytes, {} % with a template",
        bytes / cases.len().max(1),
        100 * understood / lines.max(1)
    );
    println!("scan for UTF-8 and line ends {:>9.0} ns a line", each(scan, lines));
    println!(
        "formats                      {:>9.0} ns a line, {:.1} times the scan",
        each(taken, lines),
        taken.as_secs_f64() / scan.as_secs_f64()
    );

    let scan_of = |length: usize| scan.mul_f64(length as f64 / (bytes * ROUNDS) as f64);
    let hostile = hostile(library);
    let mut slowest = (Duration::ZERO, "");
    let mut above = 0;
    for case in &hostile {
        // The best of three: the first finds the tree outside the processor's caches.
        let taken = (0..3).map(|_| {
            let start = now();
            understand(library, case);
            now() - start
        });
        let taken = taken.min().unwrap_or_default();
        let more = scan_of(case.message.len().saturating_sub(ORDINARY_BYTES));
        above += usize::from(taken > SLOWEST + more);
        slowest = slowest.max((taken, &case.message));
    }
    println!(
        "{} hostile lines: {above} above {SLOWEST:?}, the slowest {:?} for {} bytes: {:.80}",
        hostile.len(),
        slowest.0,
        slowest.1.len(),
        slowest.1
    );
}
