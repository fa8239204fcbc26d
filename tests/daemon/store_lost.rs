//! The hot store taken away or damaged under the daemon, or while it does not run: it is said, and nothing is lost that can be
//! read again.

use std::path::Path;

use crate::harness::{Daemon, Site, wait_for};
use crate::records::{FILE, numbers, with_500_lines, write_lines};

fn remove_store(site: &Site) {
    for entry in std::fs::read_dir(site.path("hot")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "lock") {
            std::fs::remove_file(path).unwrap();
        }
    }
}

fn says_that_it_is_not_ready(daemon: &Daemon, why: &str) {
    wait_for("the daemon to say that it is not ready", || {
        daemon.get("/readyz").is_some_and(|(code, text)| code == 503 && text.contains(why))
    });
}

fn reads_everything_again(site: &Site, lines: usize) {
    let daemon = site.start_ready();
    wait_for("every line to be there again", || numbers(&daemon).len() == lines);
    site.until_said("events that were committed are missing from");
    // The store that is there now is one that nothing is missing from.
    daemon.kill();
    let (before, daemon) = (site.log().len(), site.start_ready());
    assert_eq!(numbers(&daemon).len(), lines);
    assert!(!site.log()[before..].contains("are missing from"), "{}", site.log());
}

#[test]
fn a_store_that_is_removed_under_the_daemon_is_said_and_its_sources_are_read_again() {
    let (site, daemon) = with_500_lines();
    remove_store(&site);
    says_that_it_is_not_ready(&daemon, "no longer there");
    write_lines(&site, 500..600);
    let _ = daemon.terminate();
    assert!(site.log().contains("restart dsmild"), "{}", site.log());
    reads_everything_again(&site, 600);
}

#[test]
fn a_store_that_is_removed_while_the_daemon_does_not_run_is_said_and_its_sources_are_read_again() {
    for is_killed in [true, false] {
        let (site, daemon) = with_500_lines();
        if is_killed {
            daemon.kill();
        } else {
            assert_eq!(daemon.terminate(), Some(0));
        }
        remove_store(&site);
        write_lines(&site, 500..600);
        reads_everything_again(&site, 600);
    }
}

#[test]
fn a_store_that_is_hidden_for_a_while_takes_everything_when_it_is_back() {
    let (site, daemon) = with_500_lines();
    std::fs::rename(site.path("hot"), site.path("away")).unwrap();
    says_that_it_is_not_ready(&daemon, "no longer there");
    write_lines(&site, 500..600);
    std::fs::rename(site.path("away"), site.path("hot")).unwrap();
    wait_for("every line to be taken in", || numbers(&daemon).len() == 600);
    wait_for("the daemon to be ready", || daemon.get("/readyz").is_some_and(|(code, _)| code == 200));
    assert_eq!(daemon.terminate(), Some(0));
    let daemon = site.start_ready();
    assert_eq!(numbers(&daemon).len(), 600);
    assert!(!site.log().contains("are missing from"), "{}", site.log());
}

#[test]
fn a_write_ahead_log_that_is_cut_under_the_daemon_is_said_and_costs_nothing_after_a_stop_in_order() {
    let (site, daemon) = with_500_lines();
    let cut = |path: &Path| std::fs::File::options().write(true).open(path).unwrap().set_len(0).unwrap();
    cut(&site.path("hot/hotpath.db-wal"));
    says_that_it_is_not_ready(&daemon, "damaged");
    write_lines(&site, 500..600);
    let _ = daemon.terminate();
    reads_everything_again(&site, 600);
}

fn goes_on_with_a_new_store(extra: &str, said: &str) {
    let site = Site::new(&format!("{FILE}{extra}"));
    write_lines(&site, 0..500);
    let daemon = site.start_ready();
    wait_for("every line to be taken in", || numbers(&daemon).len() == 500);
    assert_eq!(daemon.terminate(), Some(0));
    write_lines(&site, 500..600);
    let elsewhere = format!("DSMIL_STORE__PATH={}", site.path("new/hotpath.db").display());
    let mut daemon = site.start_under("env", &[&elsewhere]);
    daemon.until_ready(&site);
    wait_for("what came since", || numbers(&daemon) == (500..600).collect());
    site.until_said(said);
}

#[test]
fn with_a_new_store_sources_go_on_where_they_were_read_to_and_what_nobody_had_of_the_one_before_is_said() {
    goes_on_with_a_new_store("", "stages and outlets had all of the one before");
    goes_on_with_a_new_store("[loki]\nurl = \"http://127.0.0.1:9\"\n", "no outlets had any of it");
}
