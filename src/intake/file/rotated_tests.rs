//! What was rotated while nobody read: packed, dated, numbered, or behind a link that points elsewhere.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::tests::Bench;
use crate::limits::ROTATED_FILES_MAX;

const FIRST: &str = "2026-11-26T10:00:00Z web app: the first line, which tells this file from others\n";

/// Gives each change a time of its own: the clock of a file system is too coarse for what follows in a moment.
fn touch(bench: &Bench, name: &str, second: u64) {
    let time = SystemTime::now() + Duration::from_secs(second);
    File::open(bench.path(name)).unwrap().set_modified(time).unwrap();
}

fn run(bench: &Bench, command: &str) -> bool {
    let mut shell = Command::new("sh");
    shell.args(["-ec", command]).current_dir(bench.path("")).status().is_ok_and(|status| status.success())
}

/// The packers that are here, each with the ending of its files.
fn packers(bench: &Bench) -> Vec<(&'static str, &'static str)> {
    let all = [("gzip -q", "gz"), ("zstd -q --rm", "zst"), ("xz -q", "xz")];
    all.into_iter().filter(|(packer, _)| run(bench, &format!("{} --version >/dev/null", &packer[..4]))).collect()
}

fn reasons(bench: &Bench) -> Vec<&'static str> {
    bench.problems.iter().map(|problem| problem.reason).collect()
}

#[test]
fn a_file_that_was_packed_while_nobody_read_is_gone_on_with_exactly_where_it_was_left() {
    for (packer, ending) in packers(&Bench::new(&[])) {
        let mut bench = Bench::new(&["app.log"]);
        bench.append("app.log", FIRST);
        assert_eq!(bench.read(), [FIRST.trim_end()]);
        bench.append("app.log", "two\nthree\n");
        bench.rename("app.log", "app.log.2");
        bench.append("app.log.1", "four\nfive\n");
        touch(&bench, "app.log.2", 1);
        touch(&bench, "app.log.1", 2);
        assert!(run(&bench, &format!("{packer} app.log.2 app.log.1")));
        assert!(bench.path(&format!("app.log.2.{ending}")).exists());
        bench.append("app.log", "six\n");
        bench.restart();
        assert_eq!(bench.read(), ["two", "three", "four", "five", "six"], "{packer}: {:?}", bench.problems);
        bench.restart();
        assert!(bench.read().is_empty(), "nothing twice");
        assert_eq!(bench.problems, []);
    }
}

#[test]
fn a_daemon_that_is_killed_in_the_middle_of_a_packed_file_goes_on_there() {
    for (packer, ending) in packers(&Bench::new(&[])) {
        let mut bench = Bench::new(&["app.log"]);
        bench.append("app.log", FIRST);
        bench.read();
        let lines: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
        bench.append("app.log", lines.join("\n") + "\n");
        bench.rename("app.log", "app.log-20261126");
        assert!(run(&bench, &format!("{packer} app.log-20261126")));
        bench.append("app.log", "last\n");
        bench.restart();
        for n in 0..21 {
            bench.poll(1);
            // The rotation goes on meanwhile.
            if n == 7 {
                bench.rename(&format!("app.log-20261126.{ending}"), &format!("app.log-20261125.{ending}"));
            }
            bench.restart();
        }
        assert_eq!(bench.lines, [lines, vec!["last".to_owned()]].concat(), "{packer}: {:?}", bench.problems);
        assert!(
            {
                bench.lines.clear();
                bench.read()
            }
            .is_empty()
        );
    }
}

#[test]
fn what_was_read_is_not_read_again_when_it_is_packed_whatever_time_the_packer_gives_it() {
    for keeps_time in [true, false] {
        let mut bench = Bench::new(&["app.log"]);
        bench.quiet_after = Duration::ZERO;
        bench.restart();
        for n in 0..4 {
            bench.append("app.log", format!("{FIRST}line {n}\n"));
            touch(&bench, "app.log", n);
            assert_eq!(bench.read().len(), 2, "keeps_time: {keeps_time}, {n}");
            for number in (1..4).rev() {
                let (from, to) = (bench.path(&format!("app.log.{number}.gz")), format!("app.log.{}.gz", number + 1));
                let _ = fs::rename(from, bench.path(&to));
            }
            bench.rename("app.log", "app.log.1");
            let pack =
                if keeps_time { "gzip app.log.1" } else { "gzip -c app.log.1 >x; mv x app.log.1.gz; rm app.log.1" };
            assert!(run(&bench, pack));
            bench.append("app.log", "");
            if n % 2 == 0 {
                bench.restart();
            }
            assert!(bench.read().is_empty(), "keeps_time: {keeps_time}, {n}");
        }
        assert_eq!(bench.problems, []);
    }
}

#[test]
fn a_copy_that_was_packed_before_anybody_looked_is_read_to_its_end() {
    for restart in [false, true] {
        let mut bench = Bench::new(&["app.log"]);
        bench.append("app.log", FIRST);
        bench.read();
        bench.append("app.log", "unread\n");
        assert!(run(&bench, "cp app.log app.log.1; gzip app.log.1"));
        fs::write(bench.path("app.log"), "new\n").unwrap();
        if restart {
            bench.restart();
        }
        assert_eq!(bench.read(), ["unread", "new"], "restart: {restart}: {:?}", bench.problems);
        assert_eq!(bench.problems, []);
    }
}

#[test]
fn chains_of_dates_are_read_in_the_order_of_their_dates_also_in_front_of_the_extension() {
    for form in ["app.log-DATE", "app.log.DATE", "app-DATE.log"] {
        for dates in [["20261124", "20261125", "20261126"], ["2026-11-24", "2026-11-25", "2026-11-26"]] {
            let mut bench = Bench::new(&["app.log"]);
            bench.append("app.log", FIRST);
            bench.read();
            let names = dates.map(|date| form.replace("DATE", date));
            bench.append("app.log", "one\n");
            bench.rename("app.log", &names[0]);
            bench.append(&names[1], "two\n");
            bench.append(&names[2], "three\n");
            bench.append("app-worker.log", "another log\n");
            // Packed the other way round, by a packer that does not keep the time.
            for (name, second) in [(&names[2], 1), (&names[1], 2), (&names[0], 3)] {
                assert!(run(&bench, &format!("gzip {name}")));
                touch(&bench, &format!("{name}.gz"), second);
            }
            bench.append("app.log", "four\n");
            bench.restart();
            assert_eq!(bench.read(), ["one", "two", "three", "four"], "{form}: {:?}", bench.problems);
        }
    }
}

#[test]
fn a_link_that_is_pointed_at_a_new_file_has_all_its_files_read_to_their_ends() {
    for restart in [false, true] {
        let mut bench = Bench::new(&["current"]);
        fs::create_dir(bench.path("data")).unwrap();
        let file = |day: u32| format!("data/app-2026-11-{day}.log");
        let point = |bench: &Bench, day: u32| assert!(run(bench, &format!("ln -sfn {} current", file(day))));
        bench.append(&file(24), FIRST);
        point(&bench, 24);
        assert_eq!(bench.read().len(), 1);
        bench.append(&file(24), "one\n");
        if restart {
            // While nobody looked, the link pointed at another one in between.
            bench.append(&file(25), "two\n");
            touch(&bench, &file(25), 1);
            assert!(run(&bench, &format!("gzip {}", file(25))));
        }
        bench.append(&file(23), "older than all\n");
        bench.append(&file(26), "three\n");
        point(&bench, 26);
        if restart {
            bench.restart();
            assert_eq!(bench.read(), ["one", "two", "three"], "{:?}", bench.problems);
        } else {
            assert_eq!(bench.read(), ["one", "three"], "{:?}", bench.problems);
        }
        bench.append(&file(24), "late\n");
        assert_eq!(bench.read(), ["late"]);
        bench.append(&file(26), "four\n");
        bench.restart();
        assert_eq!(bench.read(), ["four"]);
        assert_eq!(bench.problems, []);
    }
}

#[test]
fn the_file_behind_a_link_may_be_rotated_in_its_own_folder() {
    let mut bench = Bench::new(&["pod.log"]);
    fs::create_dir(bench.path("pod")).unwrap();
    bench.append("pod/0.log", FIRST);
    symlink(bench.path("pod/0.log"), bench.path("pod.log")).unwrap();
    assert_eq!(bench.read().len(), 1);
    bench.append("pod/0.log", "one\n");
    bench.rename("pod/0.log", "pod/0.log.20261126-100000");
    assert!(run(&bench, "gzip pod/0.log.20261126-100000"));
    bench.append("pod/0.log", "two\n");
    bench.restart();
    assert_eq!(bench.read(), ["one", "two"], "{:?}", bench.problems);
}

#[test]
fn more_files_than_can_be_open_at_once_are_read_one_after_the_other_and_none_is_given_up() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", FIRST);
    bench.read();
    let count = 2 * ROTATED_FILES_MAX + 5;
    bench.rename("app.log", &format!("app.log.{count}"));
    for number in (1..count).rev() {
        let name = format!("app.log.{number}");
        bench.append(&name, format!("of {number:03}\n"));
        touch(&bench, &name, (count - number) as u64);
    }
    bench.append("app.log", "last\n");
    bench.quiet_after = Duration::ZERO;
    bench.restart();
    let mut expected: Vec<String> = (1..count).rev().map(|number| format!("of {number:03}")).collect();
    expected.push("last".to_owned());
    let mut lines = Vec::new();
    for _ in 0..5 {
        lines.extend(bench.read());
    }
    assert_eq!(lines, expected);
    assert_eq!(bench.problems, []);
}

#[test]
fn what_cannot_be_recovered_is_said_with_its_bytes_and_nothing_else_is() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", format!("{FIRST}unread, but seen\n"));
    bench.poll(1);
    bench.lines.clear();
    bench.rename("app.log", "app.log.1");
    assert!(run(&bench, "rm app.log.1"));
    bench.append("app.log", "new\n");
    bench.restart();
    assert_eq!(bench.read(), ["new"]);
    assert_eq!(reasons(&bench), ["gone"]);
    assert!(bench.problems[0].text.contains("17 bytes") && bench.problems[0].lost == 1, "{:?}", bench.problems);
}

#[test]
fn a_file_that_was_empty_when_it_was_last_seen_is_not_called_lost() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "");
    bench.read();
    bench.poll(1);
    bench.append("app.log", "one\n");
    touch(&bench, "app.log", 1);
    bench.rename("app.log", "app.log.1");
    assert!(run(&bench, "gzip app.log.1"));
    bench.append("app.log", "two\n");
    bench.restart();
    assert_eq!(bench.read(), ["one", "two"], "{:?}", bench.problems);
    assert_eq!(bench.problems, []);
}

#[test]
fn a_file_that_is_packed_in_a_foreign_way_is_said_to_be_missing() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", FIRST);
    bench.read();
    bench.rename("app.log", "app.log.2");
    bench.append("app.log.1.bz2", "BZh9");
    bench.append("app.log", "new\n");
    bench.restart();
    assert_eq!(bench.read(), ["new"]);
    assert_eq!(reasons(&bench), ["lost"]);
    assert!(bench.problems[0].text.contains("app.log.1.bz2"), "{:?}", bench.problems);
}

#[test]
fn a_packed_file_that_is_still_being_written_is_waited_for_and_a_damaged_one_is_given_up_and_said() {
    for (packer, ending) in packers(&Bench::new(&[])) {
        for is_finished in [true, false] {
            let mut bench = Bench::new(&["app.log"]);
            bench.append("app.log", FIRST);
            bench.read();
            let text: String = (0..9999).map(|n| format!("{} line {n}\n", n * 7919 % 10007)).collect();
            bench.append("app.log", &text);
            bench.rename("app.log", "app.log.1");
            assert!(run(&bench, &format!("{packer} app.log.1")));
            let name = format!("app.log.1.{ending}");
            let whole = fs::read(bench.path(&name)).unwrap();
            fs::write(bench.path(&name), &whole[..whole.len() - 9]).unwrap();
            bench.append("app.log", "new\n");
            bench.restart();
            let mut lines = bench.read();
            assert!(!lines.contains(&"new".to_owned()), "{packer}: nothing newer goes before it");
            if is_finished {
                bench.append(&name, &whole[whole.len() - 9..]);
                lines.extend(bench.read());
                assert_eq!(lines.len(), 10_000, "{packer}");
                assert!(bench.problems.iter().all(|problem| problem.lost == 0), "{:?}", bench.problems);
            } else {
                bench.quiet_after = Duration::ZERO;
                bench.set.quiet_after = Duration::ZERO;
                lines.extend(bench.read());
                assert_eq!(lines.last().map(String::as_str), Some("new"), "{packer}");
                let last = bench.problems.last().map(|problem| (problem.reason, problem.text.contains(&name)));
                assert_eq!(last, Some(("lost", true)), "{:?}", bench.problems);
            }
        }
    }
}

#[test]
fn a_bomb_is_said_and_not_followed() {
    let mut bench = Bench::new(&["app.log"]);
    if !run(&bench, "xz --version >/dev/null") {
        eprintln!("skipped: xz is not here");
        return;
    }
    bench.append("app.log", FIRST);
    bench.read();
    bench.rename("app.log", "app.log.2");
    assert!(run(
        &bench,
        "head -c 60000000 /dev/zero | tr '\\0' x >app.log.1; touch -d '+1 hour' app.log.1; xz -1 app.log.1"
    ));
    bench.append("app.log", "new\n");
    bench.restart();
    let lines = bench.read();
    assert_eq!(lines.last().map(String::as_str), Some("new"), "{:?}", bench.problems);
    let lost: Vec<_> = bench.problems.iter().filter(|problem| problem.reason == "lost").collect();
    assert!(lost.len() == 1 && lost[0].text.contains("times its size"), "{:?}", bench.problems);
}

#[test]
fn a_pattern_does_not_read_what_was_packed_of_its_own_files_again() {
    let mut bench = Bench::new(&["app.log*"]);
    bench.append("app.log", FIRST);
    assert_eq!(bench.read().len(), 1);
    bench.append("app.log", "unread\n");
    bench.rename("app.log", "app.log.1");
    assert!(run(&bench, "gzip app.log.1"));
    bench.append("app.log", "new\n");
    bench.restart();
    assert_eq!(bench.read(), ["unread", "new"], "{:?}", bench.problems);
}

#[test]
fn an_inode_that_is_used_again_is_no_proof_that_a_file_is_the_same() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "");
    bench.read();
    bench.append("app.log", "one\n");
    assert!(run(&bench, "gzip -c app.log >app.log.1.gz; rm app.log"));
    // What stands in its inode now is of no consequence where the file system tells when a file was made.
    bench.append("app.log", "two\n");
    bench.restart();
    let lines = bench.read();
    assert!(lines == ["one", "two"] || fs::metadata(bench.path("app.log")).unwrap().created().is_err(), "{lines:?}");
}
