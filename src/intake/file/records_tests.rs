//! Records of several lines, as writers write them while somebody reads.

use std::time::Duration;

use super::tests::Bench;
use crate::intake::multiline::Multiline;

const FIRST: &str = "2026-11-10 10:00:00,123 ERROR [main] c.e.App - boom\n";
const TRACE: &str = "java.lang.IllegalStateException: x\n\tat c.e.App.main(App.java:1)\n";
const NEXT: &str = "2026-11-10 10:00:01,000 INFO [main] c.e.App - on\n";
const LONG: Duration = Duration::from_secs(3600);

fn whole(record: &str) -> &str {
    record.trim_end()
}

#[test]
fn a_record_waits_for_its_other_lines_and_is_read_again_after_a_crash() {
    let mut bench = Bench::new(&["app.log"]);
    bench.record_wait = LONG;
    bench.restart();
    bench.append("app.log", FIRST);
    assert!(bench.read().is_empty());
    bench.append("app.log", TRACE);
    assert!(bench.read().is_empty());
    // Nothing of it was committed.
    bench.restart();
    assert!(bench.read().is_empty());
    bench.append("app.log", "2026-11-10 10:00:01,000 INFO [main] c.e.App - on\n");
    let record = format!("{FIRST}{TRACE}");
    assert_eq!(bench.read(), [whole(&record)]);
    bench.restart();
    bench.wait_no_more();
    assert_eq!(bench.read(), ["2026-11-10 10:00:01,000 INFO [main] c.e.App - on"]);
}

#[test]
fn a_record_that_has_just_grown_waits_however_old_its_file_claims_to_be() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", NEXT);
    bench.record_wait = LONG;
    bench.restart();
    assert!(bench.read().is_empty());
    bench.append("app.log", FIRST);
    let old = std::time::SystemTime::now() - 2 * LONG;
    std::fs::File::options().append(true).open(bench.path("app.log")).unwrap().set_modified(old).unwrap();
    assert_eq!(bench.read(), [whole(NEXT)]);
    bench.append("app.log", TRACE);
    bench.append("app.log", NEXT);
    assert_eq!(bench.read(), [whole(&format!("{FIRST}{TRACE}"))]);
}

#[test]
fn a_time_of_quiet_closes_a_record_and_what_comes_later_stands_for_itself() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", FIRST);
    assert_eq!(bench.read(), [whole(FIRST)]);
    bench.append("app.log", TRACE);
    assert_eq!(bench.read(), TRACE.lines().collect::<Vec<_>>());
    assert!(bench.read().is_empty());
}

#[test]
fn what_cannot_go_on_is_handed_out_at_once() {
    let mut bench = Bench::new(&["auth.log", "app.log"]);
    bench.record_wait = LONG;
    bench.config[1].multiline = Multiline::Off;
    bench.restart();
    let line = "2026-11-10T10:00:00+00:00 web sshd[7]: hello\n";
    bench.append("auth.log", line);
    bench.append("app.log", FIRST);
    let mut lines = bench.read();
    lines.sort();
    assert_eq!(lines, [whole(FIRST), whole(line)]);
}

#[test]
fn a_record_that_a_rotation_cut_in_two_is_one_record_also_over_an_outage_and_a_crash() {
    for (is_copied, restarts) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut bench = Bench::new(&["app.log"]);
        bench.record_wait = LONG;
        bench.restart();
        bench.append("app.log", format!("{NEXT}{FIRST}"));
        assert_eq!(bench.read(), [whole(NEXT)]);
        if is_copied {
            std::fs::copy(bench.path("app.log"), bench.path("app.log.1")).unwrap();
            std::fs::write(bench.path("app.log"), format!("{TRACE}{NEXT}{NEXT}")).unwrap();
        } else {
            bench.rename("app.log", "app.log.1");
            bench.append("app.log", format!("{TRACE}{NEXT}{NEXT}"));
        }
        let expected = [whole(&format!("{FIRST}{TRACE}")), whole(NEXT)].map(str::to_owned);
        for expected in expected {
            if restarts {
                bench.record_wait = Duration::ZERO;
                bench.restart();
            }
            bench.poll(1);
            assert_eq!(std::mem::take(&mut bench.lines), [expected], "copied: {is_copied}, restarts: {restarts}");
        }
        bench.wait_no_more();
        assert_eq!(bench.read(), [whole(NEXT)]);
    }
}

#[test]
fn a_new_file_that_begins_with_a_record_leaves_the_last_of_the_old_one_as_it_is() {
    let mut bench = Bench::new(&["app.log"]);
    bench.record_wait = LONG;
    bench.restart();
    bench.append("app.log", FIRST);
    assert!(bench.read().is_empty());
    bench.rename("app.log", "app.log.1");
    bench.append("app.log", NEXT);
    assert_eq!(bench.read(), [whole(FIRST)], "the new file tells that it is whole");
    bench.append("app.log", TRACE);
    bench.wait_no_more();
    assert_eq!(bench.read(), [whole(&format!("{NEXT}{TRACE}"))]);
}

#[test]
fn lines_without_end_are_taken_in_whole_and_with_bounded_memory() {
    let mut bench = Bench::new(&["app.log"]);
    bench.record_wait = LONG;
    bench.restart();
    bench.append("app.log", FIRST.to_owned() + &"\tx\n".repeat(5000));
    let lines = bench.read();
    assert_eq!(lines[0].lines().count(), crate::limits::MULTILINE_LINES_MAX + 1);
    assert_eq!(lines.iter().map(|record| record.lines().count()).sum::<usize>(), 5001);
    bench.append("app.log", FIRST.to_owned() + &format!("\t{}\n", "x".repeat(1000)).repeat(100) + FIRST);
    let lines = bench.read();
    assert!(lines.iter().all(|record| record.len() <= crate::limits::LINE_BYTES_MAX));
    assert_eq!(lines.iter().map(|record| record.lines().count()).sum::<usize>(), 101);
}
