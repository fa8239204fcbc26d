//! What status is told of patterns and files.

use std::fs;
use std::time::Duration;

use super::tests::Bench;

/// Source, the pattern that found it, and why it is down, names without the folder.
type State = (String, Option<String>, Option<String>);

fn states(bench: &mut Bench) -> Vec<State> {
    while bench.poll(1000) {}
    let folder = bench.path("").display().to_string();
    let name = |source: &str| source.replace(&folder, "");
    let states = bench.set.states();
    states.map(|file| (name(file.source), file.found_by.map(name), file.failure.map(str::to_owned))).collect()
}

fn is_down(bench: &mut Bench, source: &str) -> bool {
    let states = states(bench);
    let (.., failure) =
        states.iter().find(|(name, ..)| name == source).unwrap_or_else(|| panic!("{source}: {states:?}"));
    failure.is_some()
}

#[test]
fn a_file_is_down_while_it_is_missing_a_folder_or_deleted_and_up_again_by_itself() {
    let mut bench = Bench::new(&["app.log"]);
    bench.set.absent_after = Duration::ZERO;
    assert!(is_down(&mut bench, "file:app.log"), "missing");
    fs::create_dir(bench.path("app.log")).unwrap();
    assert!(is_down(&mut bench, "file:app.log"), "a folder");
    fs::remove_dir(bench.path("app.log")).unwrap();
    bench.append("app.log", "one\n");
    assert!(!is_down(&mut bench, "file:app.log"), "there");
    fs::remove_file(bench.path("app.log")).unwrap();
    assert!(is_down(&mut bench, "file:app.log"), "deleted");
    bench.append("app.log", "two\n");
    assert!(!is_down(&mut bench, "file:app.log"), "there again");
    assert_eq!(bench.lines, ["one", "two"]);
    let said: Vec<_> =
        bench.problems.iter().map(|problem| (problem.reason, problem.source.ends_with("app.log"))).collect();
    assert_eq!(said, [("missing", true), ("unreadable", true), ("deleted", true)]);
}

#[test]
fn a_path_that_cannot_be_examined_is_not_taken_for_one_at_which_nothing_stands() {
    let mut bench = Bench::new(&["app.log/inner.log"]);
    bench.append("app.log", "one\n");
    assert!(is_down(&mut bench, "file:app.log/inner.log"));
    assert_eq!(bench.problems.iter().map(|problem| problem.reason).collect::<Vec<_>>(), ["unreadable"]);
}

#[test]
fn a_rotation_that_makes_the_new_file_at_once_is_not_reported() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "one\n");
    assert!(!is_down(&mut bench, "file:app.log"));
    bench.rename("app.log", "app.log.1");
    assert!(!is_down(&mut bench, "file:app.log"), "between the two");
    bench.append("app.log", "two\n");
    assert!(!is_down(&mut bench, "file:app.log"));
    assert_eq!(bench.problems, []);
}

#[test]
fn a_pattern_is_down_while_nothing_matches_and_each_file_that_it_found_is_told_by_itself() {
    let mut bench = Bench::new(&["*.log"]);
    bench.set.absent_after = Duration::ZERO;
    assert!(is_down(&mut bench, "file:*.log"));
    bench.append("a.log", "one\n");
    let found = |name: &str| (format!("file:{name}.log"), Some("file:*.log".to_owned()), None);
    assert_eq!(states(&mut bench), [("file:*.log".to_owned(), None, None), found("a")]);
    bench.append("b.log", "two\n");
    fs::remove_file(bench.path("a.log")).unwrap();
    assert!(is_down(&mut bench, "file:a.log") && !is_down(&mut bench, "file:b.log"));
    bench.set.quiet_after = Duration::ZERO;
    states(&mut bench);
    assert_eq!(states(&mut bench), [("file:*.log".to_owned(), None, None), found("b")], "it was read to its end");
}

#[test]
fn a_file_that_is_read_under_another_path_is_not_down() {
    let mut bench = Bench::new(&["a.log", "b.log"]);
    bench.append("a.log", "one\n");
    std::os::unix::fs::symlink("a.log", bench.path("b.log")).unwrap();
    assert!(!is_down(&mut bench, "file:a.log") && !is_down(&mut bench, "file:b.log"));
    assert_eq!((bench.lines, bench.problems[0].reason), (vec!["one".to_owned()], "alias"));
}

#[test]
fn what_can_be_read_is_seen_while_nothing_is_read_and_what_waits_is_told() {
    let mut bench = Bench::new(&["app.log"]);
    bench.set.absent_after = Duration::ZERO;
    bench.append("app.log", "one\n");
    while bench.poll(1000) {}
    let state = |bench: &Bench| {
        let state = bench.set.states().next().unwrap();
        (state.failure.is_some(), state.is_at_end)
    };
    assert_eq!(state(&bench), (false, true));
    bench.append("app.log", "two\n");
    bench.set.look_around();
    assert_eq!(state(&bench), (false, false), "a line waits");
    fs::remove_file(bench.path("app.log")).unwrap();
    bench.set.look_around();
    bench.set.look_around();
    assert_eq!(state(&bench), (true, false), "it was deleted with a line that waits");
    while bench.poll(1000) {}
    assert_eq!((bench.lines.pop().as_deref(), state(&bench)), (Some("two"), (true, true)));
}

#[test]
fn a_pattern_that_matches_only_what_is_no_file_is_down() {
    let mut bench = Bench::new(&["*.log", "folder"]);
    fs::create_dir(bench.path("a.log")).unwrap();
    fs::create_dir(bench.path("folder")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(bench.path("b.log")).status().unwrap().success());
    assert!(is_down(&mut bench, "file:*.log") && is_down(&mut bench, "file:folder"));
    assert_eq!(bench.lines, Vec::<String>::new());
}
