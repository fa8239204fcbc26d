//! How long files wait for each other.

use std::fs::{self, File};
use std::time::Duration;

use super::tests::Bench;
use crate::event::Timestamp;
use crate::limits::FILES_MAX;

/// Lines of a full batch.
const FULL: usize = 32;
/// Full batches after which nobody waits any more, whatever stands elsewhere.
const BOUND: usize = 130;

fn site(names: &[&str]) -> Bench {
    let mut bench = Bench::new(names);
    bench.batch_lines = FULL;
    bench.restart();
    bench
}

fn stamp(time: Timestamp) -> String {
    time.to_string()
}

fn now() -> String {
    stamp(Timestamp::now())
}

fn hours_ago(hours: u64) -> String {
    stamp(Timestamp::now().minus(Duration::from_secs(hours * 3600)))
}

/// Lines of the other file, more than one poll takes.
fn write_faster_than_is_read(bench: &Bench, time: &str) {
    bench.append("evil.log", format!("{time} h app[1]: evil\n").repeat(2 * FULL));
}

fn polls_until(bench: &mut Bench, text: &str, mut meanwhile: impl FnMut(&Bench)) -> usize {
    for poll in 1..=BOUND {
        meanwhile(bench);
        bench.poll(FULL);
        if bench.lines.iter().any(|line| line.contains(text)) {
            return poll;
        }
        bench.lines.clear();
    }
    panic!("`{text}` waits after {BOUND} polls");
}

#[test]
fn a_live_line_never_waits_for_a_file_that_is_behind_and_grows_faster_than_it_is_read() {
    let mut bench = site(&["evil.log", "good.log"]);
    let old = hours_ago(24);
    for round in 0..5 {
        write_faster_than_is_read(&bench, &old);
        bench.append("good.log", format!("{} h sshd[1]: live {round}\n", now()));
        let text = format!("live {round}");
        assert_eq!(polls_until(&mut bench, &text, |bench| write_faster_than_is_read(bench, &old)), 1);
    }
}

#[test]
fn a_file_that_grows_faster_than_it_is_read_keeps_no_other_waiting_for_long_whatever_its_lines_claim() {
    // Of the flood, of the other file; how old.
    for (evil, good) in [(24, 1), (0, 1), (24, 2), (1, 1)] {
        let mut bench = site(&["evil.log", "good.log"]);
        let good = hours_ago(good);
        bench.append("good.log", format!("{good} h app[1]: first\n"));
        polls_until(&mut bench, "first", |_| ());
        bench.append("good.log", format!("{good} h app[1]: waits\n"));
        let polls = polls_until(&mut bench, "waits", |bench| write_faster_than_is_read(bench, &hours_ago(evil)));
        assert!(polls <= 10, "{polls}");
        let more: String = (0..5 * FULL).map(|line| format!("{good} h app[1]: more {line}\n")).collect();
        bench.append("good.log", more);
        let last = format!("more {}", 5 * FULL - 1);
        let polls = polls_until(&mut bench, &last, |bench| write_faster_than_is_read(bench, &hours_ago(evil)));
        assert!(polls <= 40, "{polls}: a share of every batch");
    }
}

#[test]
fn a_backlog_waits_for_older_ones_but_not_without_end() {
    let mut bench = site(&["evil.log", "good.log"]);
    bench.append("good.log", format!("{} h app[1]: newer\n", hours_ago(1)));
    let older = format!("{} h app[1]: older\n", hours_ago(2));
    bench.append("evil.log", older.repeat(20 * FULL));
    bench.restart();
    let old = hours_ago(2);
    let polls = polls_until(&mut bench, "newer", |_| ());
    assert_eq!(polls, 21, "in order of time");
    bench.append("good.log", format!("{} h app[1]: newest\n", hours_ago(1)));
    bench.restart();
    assert!(polls_until(&mut bench, "newest", |bench| write_faster_than_is_read(bench, &old)) <= BOUND);
}

#[test]
fn however_many_files_wait_each_has_its_turn() {
    let mut bench = site(&["evil.log", "good*.log"]);
    let good = hours_ago(1);
    for file in 0..40 {
        bench.append(&format!("good{file}.log"), format!("{good} h app[1]: first\n"));
    }
    while bench.poll(FULL) {}
    for file in 0..40 {
        bench.append(&format!("good{file}.log"), format!("{good} h app[1]: of {file}\n").repeat(3));
    }
    bench.lines.clear();
    let mut found = Vec::new();
    for _ in 0..30 {
        write_faster_than_is_read(&bench, &hours_ago(24));
        bench.poll(FULL);
        found.extend(bench.lines.drain(..).filter(|line| line.contains(": of ")));
    }
    assert_eq!(found.len(), 120);
}

#[test]
fn a_line_without_end_or_a_hole_keeps_no_other_file_waiting() {
    let mut bench = site(&["endless.log", "hole.log", "old-hole.log", "good.log"]);
    bench.append("endless.log", "x".repeat(40 * 1024 * 1024));
    File::create(bench.path("hole.log")).unwrap().set_len(1 << 40).unwrap();
    bench.append("old-hole.log", "one\n");
    bench.poll(FULL);
    bench.lines.clear();
    File::options().write(true).open(bench.path("old-hole.log")).unwrap().set_len(1 << 40).unwrap();
    for round in 0..3 {
        bench.append("good.log", format!("{} h app[1]: good {round}\n", now()));
        assert_eq!(polls_until(&mut bench, &format!("good {round}"), |_| ()), 1);
    }
    bench.append("hole.log", "behind the hole\n");
    bench.append("endless.log", "\nnext\n");
    let mut lines = bench.read();
    lines.retain(|line| !line.contains("good"));
    lines.iter_mut().for_each(|line| line.truncate(20));
    lines.sort();
    assert_eq!(lines, ["behind the hole", "next", "xxxxxxxxxxxxxxxxxxxx"]);
    bench.restart();
    bench.append("old-hole.log", "behind it too\n");
    assert_eq!(bench.read(), ["behind it too"], "and nothing twice");
}

#[test]
fn a_restart_in_the_middle_loses_and_doubles_nothing() {
    let mut bench = site(&["evil.log", "good.log", "other.log"]);
    let mut expected = Vec::new();
    for (name, hours) in [("evil", 24), ("good", 1), ("other", 0)] {
        let lines: Vec<_> = (0..3000).map(|line| format!("{} h app[1]: {name} {line}", hours_ago(hours))).collect();
        bench.append(&format!("{name}.log"), lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        expected.extend(lines);
    }
    for poll in 0.. {
        if !bench.poll(97) {
            break;
        }
        if poll % 7 == 0 {
            bench.restart();
        }
    }
    let mut lines = bench.read();
    lines.sort();
    expected.sort();
    assert_eq!(lines, expected);
}

#[test]
fn names_that_match_one_pattern_keep_the_files_of_another_from_nothing() {
    let mut bench = site(&["evil/*.log", "good/*.log"]);
    ["evil", "good"].iter().for_each(|name| fs::create_dir(bench.path(name)).unwrap());
    (0..FILES_MAX + 100).for_each(|file| bench.append(&format!("evil/{file}.log"), ""));
    bench.append("good/a.log", "a\n");
    assert_eq!(bench.read(), ["a"]);
    bench.append("good/b.log", "b\n");
    assert_eq!(bench.read(), ["b"]);
    let said: Vec<_> = bench.problems.iter().map(|problem| problem.reason).collect();
    assert_eq!(said, ["unreadable", "unreadable", "too_many_files"]);
    assert!(bench.set.followed.len() <= FILES_MAX);
}
