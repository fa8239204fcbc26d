//! Files as writers and rotations treat them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

use super::FileSet;
use crate::config::IntakeFile;
use crate::event::{Body, Draft, Stream};
use crate::intake::Problem;
use crate::intake::replay::{ReplayInput, merged};
use crate::limits::LINE_BYTES_MAX;
use crate::parse::Format;

/// A directory, a set that follows files in it, and what was committed of it.
struct Bench {
    directory: TempDir,
    config: Vec<IntakeFile>,
    set: FileSet,
    quiet_after: Duration,
    lines: Vec<String>,
    positions: BTreeMap<String, Value>,
    problems: Vec<Problem>,
}

fn config(path: PathBuf) -> IntakeFile {
    IntakeFile { path, format: Format::Auto, compartment: String::new(), time_zone: Some("UTC".into()) }
}

fn append(path: &Path, text: impl AsRef<[u8]>) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_ref()).unwrap();
}

fn text_of(draft: Draft) -> String {
    let Body::Raw(raw) = draft.body else { panic!("a raw event") };
    String::from_utf8_lossy(&raw.payload).into_owned()
}

impl Bench {
    fn new(names: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config: Vec<_> = names.iter().map(|name| config(directory.path().join(name))).collect();
        let set = FileSet::open(&config, &BTreeMap::new());
        let (lines, positions, problems) = Default::default();
        let mut bench =
            Self { directory, config, set, quiet_after: Duration::from_secs(3600), lines, positions, problems };
        bench.restart();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        append(&self.path(name), text);
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn restart(&mut self) {
        self.set = FileSet::open(&self.config, &self.positions);
        self.set.quiet_after = self.quiet_after;
        self.set.list_every = Duration::ZERO;
    }

    fn poll(&mut self, max_events: usize) -> bool {
        let polled = self.set.poll(max_events);
        assert!(polled.batch.drafts.len() <= max_events);
        self.lines.extend(polled.batch.drafts.into_iter().map(text_of));
        self.positions.extend(polled.batch.positions);
        self.problems.extend(polled.problems);
        polled.more
    }

    /// What is new since the last call, read to the end.
    fn read(&mut self) -> Vec<String> {
        while self.poll(1000) {}
        // Whatever a poll closes gives its last line in the next.
        while self.poll(1000) {}
        std::mem::take(&mut self.lines)
    }
}

#[test]
fn a_file_that_appears_later_is_read_from_its_beginning() {
    let mut bench = Bench::new(&["app.log"]);
    assert!(bench.read().is_empty());
    assert_eq!(bench.problems.iter().map(|problem| problem.reason).collect::<Vec<_>>(), ["missing"], "said once");
    bench.append("app.log", "one\ntwo\n");
    assert_eq!(bench.read(), ["one", "two"]);
}

#[test]
fn half_a_line_waits_for_its_other_half() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "one\ntw");
    assert_eq!(bench.read(), ["one"]);
    bench.restart();
    bench.append("app.log", b"o\r\n\n\xff");
    assert_eq!(bench.read(), ["two"]);
}

#[test]
fn bytes_that_are_not_text_survive_as_they_are() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", b"a\0b\xff\xfe\r\n\r\n\nend\n");
    let polled = bench.set.poll(10);
    let payloads = polled.batch.drafts.into_iter().map(|draft| match draft.body {
        Body::Raw(raw) => raw.payload,
        _ => panic!("a raw event"),
    });
    assert_eq!(payloads.collect::<Vec<_>>(), [&b"a\0b\xff\xfe"[..], b"end"]);
}

#[test]
fn only_what_was_handed_out_counts_as_read() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", (0..10).map(|n| format!("{n}\n")).collect::<String>());
    for expected in 0..10 {
        bench.poll(1);
        assert_eq!(bench.lines, [expected.to_string()]);
        bench.lines.clear();
        bench.restart();
    }
    assert!(bench.read().is_empty());
}

#[test]
fn a_renamed_file_is_read_on_until_it_is_quiet_and_its_last_line_needs_no_newline() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "one\n");
    assert_eq!(bench.read(), ["one"]);
    bench.rename("app.log", "app.log.1");
    bench.append("app.log.1", "two\n");
    bench.append("app.log", "four\n");
    assert_eq!(bench.read(), ["two", "four"]);
    bench.append("app.log.1", "three\nlast");
    assert_eq!(bench.read(), ["three"]);
    bench.set.quiet_after = Duration::ZERO;
    assert_eq!(bench.read(), ["last"]);
    bench.append("app.log.1", "too late\n");
    assert!(bench.read().is_empty());
}

#[test]
fn a_file_that_was_deleted_and_made_again_is_read_whole() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "one\n");
    assert_eq!(bench.read(), ["one"]);
    bench.append("app.log", "two\n");
    fs::remove_file(bench.path("app.log")).unwrap();
    assert_eq!(bench.read(), ["two"]);
    bench.append("app.log", "one\n");
    assert_eq!(bench.read(), ["one"]);
}

#[test]
fn a_truncated_file_is_read_from_its_beginning_whatever_its_size_is_then() {
    for text in ["new\n", "another line1\n", "a line that is longer than before\n"] {
        let mut bench = Bench::new(&["app.log"]);
        bench.append("app.log", "the first one\n");
        assert_eq!(bench.read(), ["the first one"]);
        fs::write(bench.path("app.log"), text).unwrap();
        assert_eq!(bench.read(), [text.trim_end()]);
    }
}

#[test]
fn a_file_that_was_replaced_while_the_daemon_was_down_is_read_from_its_beginning() {
    for text in ["new\n", "another line1\n", "a line that is longer than before\n"] {
        let mut bench = Bench::new(&["app.log"]);
        bench.append("app.log", "the first one\n");
        assert_eq!(bench.read(), ["the first one"]);
        // The same inode, as when the number of a deleted file is used again.
        fs::write(bench.path("app.log"), text).unwrap();
        bench.restart();
        assert_eq!(bench.read(), [text.trim_end()]);
    }
}

#[test]
fn the_hole_before_the_text_of_a_writer_that_did_not_notice_a_truncation_is_passed_over() {
    let mut bench = Bench::new(&["app.log"]);
    let mut writer = File::create(bench.path("app.log")).unwrap();
    writer.write_all(&b"x".repeat(300_000)).unwrap();
    writer.write_all(b"\n").unwrap();
    assert_eq!(bench.read().len(), 1);
    writer.set_len(0).unwrap();
    writer.seek(SeekFrom::Start(300_001)).unwrap();
    writer.write_all(b"after the hole\n").unwrap();
    assert_eq!(bench.read(), ["after the hole"]);
}

#[test]
fn what_a_copytruncate_took_away_unread_is_read_from_the_copy() {
    for restart in [false, true] {
        let mut bench = Bench::new(&["app.log"]);
        bench.append("app.log", "a first line that tells this file from others\n");
        assert_eq!(bench.read().len(), 1);
        bench.append("app.log", "unread\n");
        fs::copy(bench.path("app.log"), bench.path("app.log.1")).unwrap();
        fs::write(bench.path("app.log"), "new\n").unwrap();
        if restart {
            bench.restart();
        }
        assert_eq!(bench.read(), ["unread", "new"], "restart: {restart}");
    }
}

#[test]
fn rotations_while_the_daemon_was_down_lose_nothing() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "one\n");
    assert_eq!(bench.read(), ["one"]);
    bench.append("app.log", "two\n");
    let later = |seconds| SystemTime::now() + Duration::from_secs(seconds);
    let touch = |name, seconds| File::open(bench.path(name)).unwrap().set_modified(later(seconds)).unwrap();
    touch("app.log", 1);
    bench.rename("app.log", "app.log.2");
    bench.append("app.log.1", "three\nfour\n");
    touch("app.log.1", 2);
    bench.append("app.log", "five\n");
    touch("app.log", 3);
    bench.append("app.log.bak", "not a generation\n");
    bench.restart();
    assert_eq!(bench.read(), ["two", "three", "four", "five"]);
}

#[test]
fn a_file_that_may_not_be_read_is_said_once_and_read_when_it_may() {
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: root may read every file");
        return;
    }
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "one\n");
    fs::set_permissions(bench.path("app.log"), fs::Permissions::from_mode(0)).unwrap();
    assert!(bench.read().is_empty());
    assert_eq!(bench.problems.iter().map(|problem| problem.reason).collect::<Vec<_>>(), ["unreadable"]);
    fs::set_permissions(bench.path("app.log"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(bench.read(), ["one"]);
}

#[test]
fn a_file_that_cannot_be_opened_at_a_restart_is_gone_on_with_when_it_can() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "one\n");
    assert_eq!(bench.read(), ["one"]);
    bench.append("app.log", "two\n");
    bench.rename("app.log", "elsewhere");
    // Even root cannot open a link to itself.
    std::os::unix::fs::symlink(bench.path("app.log"), bench.path("app.log")).unwrap();
    bench.restart();
    assert!(bench.read().is_empty());
    assert_eq!(bench.problems.iter().map(|problem| problem.reason).collect::<Vec<_>>(), ["unreadable"], "said once");
    bench.rename("elsewhere", "app.log");
    assert_eq!(bench.read(), ["two"]);
}

#[test]
fn what_is_no_regular_file_is_said_and_never_waited_for() {
    let mut bench = Bench::new(&["directory", "pipe"]);
    fs::create_dir(bench.path("directory")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(bench.path("pipe")).status().unwrap();
    assert!(made.success());
    assert!(bench.read().is_empty());
    assert_eq!(bench.problems.iter().filter(|problem| problem.reason == "unreadable").count(), 2);
}

#[test]
fn an_overlong_line_is_cut_and_counted() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "x".repeat(10 * 1024 * 1024));
    assert!(bench.read().is_empty());
    bench.append("app.log", "\nnext\n");
    let lines = bench.read();
    assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [LINE_BYTES_MAX, 4]);
    assert_eq!(bench.problems.iter().map(|problem| (problem.reason, problem.lost)).last(), Some(("line_too_long", 1)));
}

#[test]
fn a_pattern_finds_new_files_and_follows_a_rotation_within_it() {
    let mut bench = Bench::new(&["*.log*"]);
    bench.append("a.log", "a1\n");
    bench.append("other.txt", "not ours\n");
    assert_eq!(bench.read(), ["a1"]);
    bench.append("b.log", "b1\n");
    bench.rename("a.log", "a.log.1");
    bench.append("a.log.1", "a2\n");
    bench.append("a.log", "a3\n");
    let mut lines = bench.read();
    lines.sort();
    assert_eq!(lines, ["a2", "a3", "b1"]);
    bench.restart();
    assert!(bench.read().is_empty(), "nothing twice");
    bench.quiet_after = Duration::ZERO;
    fs::remove_file(bench.path("b.log")).unwrap();
    bench.restart();
    bench.read();
    assert_eq!(bench.positions[bench.path("b.log").to_str().unwrap()], Value::Null, "forgotten");
}

#[test]
fn one_file_under_two_names_is_read_once() {
    let mut bench = Bench::new(&["a.log", "b.log"]);
    bench.append("a.log", "one\n");
    std::os::unix::fs::symlink(bench.path("a.log"), bench.path("b.log")).unwrap();
    assert_eq!(bench.read(), ["one"]);
    assert_eq!(bench.problems.iter().filter(|problem| problem.reason == "alias").count(), 1);
}

#[test]
fn a_position_that_cannot_be_read_is_said() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "one\n");
    bench.positions.insert(bench.path("app.log").to_str().unwrap().into(), Value::from(7));
    bench.restart();
    assert_eq!(bench.read(), ["one"]);
    assert_eq!(bench.problems[0].reason, "position");
}

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
    fn new(quiet_after: Duration) -> Self {
        let mut bench = Bench::new(&["app.log"]);
        bench.quiet_after = quiet_after;
        bench.restart();
        let modified = SystemTime::now();
        let (written, half, renamed, commits, lines) = Default::default();
        let mut history = Self { bench, written, half, renamed, commits, lines, modified };
        history.apply(&Step::Append(1));
        history.apply(&Step::Poll(1));
        history
    }

    fn next_line(&mut self) -> String {
        let line = format!("{:06} a line that is long enough to tell one file from another", self.written.len());
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
        self.lines.append(&mut self.bench.lines);
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
    ) {
        let quiet_after = if closes_at_once { Duration::ZERO } else { Duration::from_secs(3600) };
        let mut history = History::new(quiet_after);
        steps.iter().for_each(|step| history.apply(step));
        history.complete();
        for _ in 0..3 {
            while history.poll(1000) {}
        }
        let mut lines = history.lines.clone();
        lines.sort();
        prop_assert_eq!(lines, history.written, "{:?}", history.bench.problems);
    }

    #[test]
    fn the_daemon_and_replay_give_the_same_lines_in_the_same_order(
        files in prop::collection::vec(prop::collection::vec(0_u32..60, 0..30), 1..5),
        sizes in prop::collection::vec(1_usize..7, 1..6),
        restarts: bool,
    ) {
        let names = ["a.log", "b.log", "c.log", "d.log"];
        let mut bench = Bench::new(names.get(..files.len()).unwrap());
        let start = SystemTime::now() - Duration::from_secs(3600);
        for (name, seconds) in names.iter().zip(&files) {
            let line = |(n, second): (usize, &u32)| format!("2025-11-23T00:00:{second:02}Z host app: {name} {n}\n");
            bench.append(name, seconds.iter().enumerate().map(line).collect::<String>());
            let modified = start + Duration::from_secs(seconds.len() as u64 % 3);
            File::open(bench.path(name)).unwrap().set_modified(modified).unwrap();
        }
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
        ReplayInput::open(&file.path, Stream::L3In, file.format, &file.compartment, jiff::tz::TimeZone::UTC).unwrap()
    };
    merged(config.iter().map(open).collect()).map(|item| text_of(item.unwrap())).collect()
}
