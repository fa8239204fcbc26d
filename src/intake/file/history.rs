//! Random histories of log files, and of a daemon that reads them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::Value;

use super::tests::{Bench, text_of};
use crate::config::IntakeFile;
use crate::event::Stream;
use crate::intake::multiline::Multiline;
use crate::intake::replay::{ReplayInput, merged};

/// What may happen to a log between two polls.
#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    /// Half of the next line; the next append writes the rest first.
    Half,
    Rename,
    /// Into the file that was renamed last, by a writer that has it open.
    Late,
    CopyTruncate,
    Poll(usize),
    /// From the positions of an earlier commit: 0 is the last.
    Restart(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_usize..6).prop_map(Step::Append),
        2 => Just(Step::Half),
        2 => Just(Step::Rename),
        1 => Just(Step::Late),
        1 => Just(Step::CopyTruncate),
        4 => (1_usize..8).prop_map(Step::Poll),
        2 => (0_usize..6).prop_map(Step::Restart),
    ]
}

/// A log with numbered lines, its rotations, and a daemon that commits and forgets.
struct History {
    bench: Bench,
    written: Vec<String>,
    half: Option<String>,
    renamed: Option<File>,
    commits: Vec<(BTreeMap<String, Value>, usize)>,
    lines: Vec<String>,
    /// Given to each change in turn: the clock of a file system is too coarse for what follows in a moment.
    modified: SystemTime,
}

impl History {
    fn new(quiet_after: Duration, record_wait: Duration) -> Self {
        let mut bench = Bench::new(&["app.log"]);
        bench.quiet_after = quiet_after;
        bench.record_wait = record_wait;
        bench.config[0].multiline = Multiline::Indented;
        bench.restart();
        let modified = SystemTime::now();
        let (written, half, renamed, commits, lines) = Default::default();
        let mut history = Self { bench, written, half, renamed, commits, lines, modified };
        history.apply(&Step::Append(1));
        history.apply(&Step::Poll(1));
        history
    }

    fn next_line(&mut self) -> String {
        let indent = if self.written.len() % 3 == 2 { "\t" } else { "" };
        let line = format!("{indent}{:06} a line that is long enough to tell files apart", self.written.len());
        self.written.push(line.clone());
        format!("{line}\n")
    }

    fn touch(&mut self, name: &str) {
        self.modified += Duration::from_secs(1);
        File::open(self.bench.path(name)).unwrap().set_modified(self.modified).unwrap();
    }

    fn write(&mut self, text: &str) {
        self.bench.append("app.log", text);
        self.touch("app.log");
    }

    fn complete(&mut self) {
        if let Some(rest) = self.half.take() {
            self.write(&rest);
        }
    }

    fn shift(&mut self) {
        for n in (1..30).rev() {
            let _ =
                fs::rename(self.bench.path(&format!("app.log.{n}")), self.bench.path(&format!("app.log.{}", n + 1)));
        }
    }

    fn poll(&mut self, max_events: usize) -> bool {
        let more = self.bench.poll(max_events);
        let records = std::mem::take(&mut self.bench.lines);
        self.lines.extend(records.iter().flat_map(|record| record.split('\n')).map(str::to_owned));
        self.commits.push((self.bench.positions.clone(), self.lines.len()));
        more
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Append(count) => {
                self.complete();
                let text: String = (0..*count).map(|_| self.next_line()).collect();
                self.write(&text);
            }
            Step::Half => {
                self.complete();
                let line = self.next_line();
                let (half, rest) = line.split_at(line.len() / 2);
                self.write(half);
                self.half = Some(rest.to_owned());
            }
            Step::Rename => {
                self.complete();
                self.shift();
                self.renamed = OpenOptions::new().append(true).open(self.bench.path("app.log")).ok();
                self.bench.rename("app.log", "app.log.1");
                self.write("");
            }
            // A file that is closed as soon as it is drained has no late lines.
            Step::Late if self.bench.quiet_after.is_zero() => {}
            Step::Late => {
                let line = self.renamed.is_some().then(|| self.next_line());
                if let (Some(file), Some(line)) = (&mut self.renamed, line) {
                    file.write_all(line.as_bytes()).unwrap();
                    self.modified += Duration::from_secs(1);
                    file.set_modified(self.modified).unwrap();
                }
            }
            Step::CopyTruncate => self.copy_and_truncate(),
            Step::Poll(max_events) => drop(self.poll(*max_events)),
            Step::Restart(back) => {
                let index = self.commits.len().saturating_sub(1 + back);
                self.commits.truncate(index + 1);
                let (positions, count) = self.commits[index].clone();
                self.lines.truncate(count);
                self.bench.positions = positions;
                self.bench.restart();
            }
        }
    }

    fn copy_and_truncate(&mut self) {
        self.complete();
        while self.poll(1000) {}
        // Who has read nothing of a file yet cannot know its copy.
        self.commits
            .retain(|(positions, _)| !positions.values().any(|value| value.to_string().contains("\"bytes\":0")));
        if self.commits.is_empty() {
            self.commits.push((self.bench.positions.clone(), self.lines.len()));
            return;
        }
        self.shift();
        fs::copy(self.bench.path("app.log"), self.bench.path("app.log.1")).unwrap();
        self.touch("app.log.1");
        File::options().write(true).open(self.bench.path("app.log")).unwrap().set_len(0).unwrap();
        self.touch("app.log");
    }
}

proptest! {
    #[test]
    fn every_line_comes_once_whatever_happens_to_the_file_and_the_daemon(
        steps in prop::collection::vec(step(), 1..25),
        closes_at_once: bool,
        waits_for_records: bool,
    ) {
        let wait = |is_long: bool| if is_long { Duration::from_secs(3600) } else { Duration::ZERO };
        let mut history = History::new(wait(!closes_at_once), wait(waits_for_records));
        steps.iter().for_each(|step| history.apply(step));
        history.complete();
        history.bench.wait_no_more();
        for _ in 0..3 {
            while history.poll(1000) {}
        }
        let mut lines = history.lines.clone();
        lines.sort_by(|one, two| one.trim_start().cmp(two.trim_start()));
        prop_assert_eq!(lines, history.written, "{:?}", history.bench.problems);
    }

    #[test]
    fn the_daemon_and_replay_give_the_same_lines_in_the_same_order(
        files in prop::collection::vec(prop::collection::vec((0_u32..60, 0_usize..3), 0..30), 1..5),
        sizes in prop::collection::vec(1_usize..7, 1..6),
        restarts: bool,
    ) {
        let names = ["a.log", "b.log", "c.log", "d.log"];
        let mut bench = Bench::new(names.get(..files.len()).unwrap());
        let start = SystemTime::now() - Duration::from_secs(3600);
        for (name, seconds) in names.iter().zip(&files) {
            let line = |(n, (second, more)): (usize, &(u32, usize))| {
                format!("2025-11-23T00:00:{second:02}Z host app: {name} {n}\n{}", "\tat a place\n".repeat(*more))
            };
            bench.append(name, seconds.iter().enumerate().map(line).collect::<String>());
            let modified = start + Duration::from_secs(seconds.len() as u64 % 3);
            File::open(bench.path(name)).unwrap().set_modified(modified).unwrap();
        }
        bench.config.iter_mut().for_each(|file| file.multiline = Multiline::Indented);
        bench.restart();
        for size in sizes.iter().cycle() {
            if !bench.poll(*size) {
                break;
            }
            if restarts {
                bench.restart();
            }
        }
        prop_assert_eq!(&bench.lines, &replayed(&bench.config));
    }
}

fn replayed(config: &[IntakeFile]) -> Vec<String> {
    let open = |file: &IntakeFile| {
        let zone = jiff::tz::TimeZone::UTC;
        let input = ReplayInput::open(&file.path, Stream::L3In, file.format, &file.compartment, zone).unwrap();
        ReplayInput { multiline: file.multiline, ..input }
    };
    merged(config.iter().map(open).collect()).map(|item| text_of(item.unwrap())).collect()
}
