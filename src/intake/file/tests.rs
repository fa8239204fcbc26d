//! Files as writers and rotations treat them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use super::FileSet;
use crate::config::IntakeFile;
use crate::event::{Body, Draft, Format};
use crate::intake::Problem;
use crate::intake::multiline::Multiline;
use crate::limits::{LINE_BYTES_MAX, TRANSACTION_EVENTS_MAX};

/// A directory, a set that follows files in it, and what was committed of it.
pub struct Bench {
    directory: TempDir,
    pub config: Vec<IntakeFile>,
    pub set: FileSet,
    pub quiet_after: Duration,
    pub record_wait: Duration,
    pub batch_lines: usize,
    pub lines: Vec<String>,
    pub positions: BTreeMap<String, Value>,
    pub problems: Vec<Problem>,
}

fn config(path: PathBuf) -> IntakeFile {
    let (compartment, time_zone) = (String::new(), Some("UTC".into()));
    IntakeFile { path, format: Format::Auto, compartment, time_zone, multiline: Multiline::Auto }
}

fn append(path: &Path, text: impl AsRef<[u8]>) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_ref()).unwrap();
}

pub fn text_of(draft: Draft) -> String {
    let Body::Raw(raw) = draft.body else { panic!("a raw event") };
    String::from_utf8_lossy(&raw.payload).into_owned()
}

impl Bench {
    pub fn new(names: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config: Vec<_> = names.iter().map(|name| config(directory.path().join(name))).collect();
        let set = FileSet::open(&config, &BTreeMap::new());
        let (lines, positions, problems) = Default::default();
        let (quiet_after, record_wait) = (Duration::from_secs(3600), Duration::ZERO);
        let batch_lines = TRANSACTION_EVENTS_MAX;
        let mut bench =
            Self { directory, config, set, quiet_after, record_wait, batch_lines, lines, positions, problems };
        bench.restart();
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        append(&self.path(name), text);
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub fn restart(&mut self) {
        self.set = FileSet::open(&self.config, &self.positions);
        self.set.quiet_after = self.quiet_after;
        self.set.record_wait = self.record_wait;
        self.set.batch_lines = self.batch_lines;
        self.set.list_every = Duration::ZERO;
    }

    /// Takes every record for whole.
    pub fn wait_no_more(&mut self) {
        self.set.record_wait = Duration::ZERO;
    }

    pub fn poll(&mut self, max_events: usize) -> bool {
        let polled = self.set.poll(max_events, &|| ());
        assert!(polled.batch.drafts.len() <= max_events);
        self.lines.extend(polled.batch.drafts.into_iter().map(text_of));
        self.positions.extend(polled.batch.positions);
        self.problems.extend(polled.problems);
        polled.more
    }

    /// What is new since the last call, read to the end.
    pub fn read(&mut self) -> Vec<String> {
        while self.poll(1000) {}
        // The last line of whatever a poll closes comes in the next.
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
    let polled = bench.set.poll(10, &|| ());
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
    fs::set_permissions(bench.path("app.log"), fs::Permissions::from_mode(0o000)).unwrap();
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
    assert_eq!(
        bench.problems.iter().map(|problem| (problem.reason, problem.lost)).next_back(),
        Some(("line_too_long", 1))
    );
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

#[test]
fn a_batch_shows_that_it_goes_on_while_it_is_read() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "a line\n".repeat(1000));
    let beats = std::cell::Cell::new(0);
    let polled = bench.set.poll(1000, &|| beats.set(beats.get() + 1));
    assert_eq!((polled.batch.drafts.len(), beats.get() >= 10), (1000, true), "{}", beats.get());
}

#[test]
fn a_line_dated_more_than_a_day_ahead_keeps_its_time_and_is_not_believed() {
    let mut bench = Bench::new(&["app.log"]);
    bench.poll(10);
    bench.append(
        "app.log",
        "2200-01-01T00:00:00Z atlas app[1]: late\n2200-01-01T00:00:00Z atlas app[1]: later\nno time\n",
    );
    let drafts = bench.set.poll(10, &|| ()).batch.drafts;
    let doubted: Vec<bool> = drafts.iter().map(|draft| draft.times.is_doubted()).collect();
    assert_eq!(doubted, [true, true, false]);
    assert!(drafts[0].times.ts.to_string().starts_with("2200-01-01"), "{}", drafts[0].times.ts);
    assert!(drafts.iter().all(|draft| draft.times.believed <= draft.times.arrival.plus(Duration::from_secs(120))));
}
