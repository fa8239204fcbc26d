//! A Postgres that is slow, hangs or is not there slows nothing but the archive, until the hot store is full.

use std::io::Write;

use rustix::process::Signal;

use crate::archive::{archive_status, assert_equal, configuration, site, wait_until_archived, write_lines};
use crate::harness::{Daemon, Site, wait_for, wait_for_count};
use crate::kill::{count, read};
use crate::postgres::Postgres;

fn wait_until_judged(site: &Site, lines: u64) {
    wait_for_count("the lines to be judged", lines, || count(site, "model_outputs_fast WHERE layer = 3"));
}

#[test]
fn a_postgres_that_is_locked_or_hangs_does_not_slow_the_rest_and_then_shows_how_fast_it_catches_up() {
    let Some(postgres) = Postgres::started() else { return };
    let site = site(&postgres.url(), "");
    let daemon = site.start_ready();
    write_lines(&site, 0..10);
    wait_until_judged(&site, 10);
    wait_until_archived(&daemon);

    let lock = postgres.lock("raw_events_fast");
    write_lines(&site, 10..12_000);
    wait_until_judged(&site, 12_000);
    wait_for("the backlog to be counted", || archive_status(&daemon)["lag_events"].as_u64().unwrap() > 20_000);
    wait_for("the lock to be reported", || {
        let status = archive_status(&daemon);
        status["last_error"]
            .as_str()
            .is_some_and(|error| error.contains("lock timeout") && error.contains("look what blocks"))
    });
    wait_for("the backlog to be shown", || {
        archive_status(&daemon)["progress"].as_str().is_some_and(|line| line.contains("events caught up, "))
    });
    drop(lock);
    wait_until_archived(&daemon);
    wait_for("the end of it", || archive_status(&daemon)["progress"].is_null());

    postgres.signal_session(Signal::STOP);
    write_lines(&site, 12_000..14_000);
    wait_until_judged(&site, 14_000);
    wait_for("the new backlog to be counted", || archive_status(&daemon)["lag_events"].as_u64().unwrap() > 2000);
    postgres.signal_session(Signal::CONT);
    wait_until_archived(&daemon);
    assert_eq!(daemon.terminate(), Some(0));
    assert_equal(&site, &postgres);
}

#[test]
fn what_is_not_archived_is_kept_while_there_is_room_and_then_the_sources_wait() {
    let Some(mut postgres) = Postgres::new() else { return };
    let site = Site::new("");
    let text = std::fs::read_to_string(site.path("dsmil.toml")).unwrap().replace("512MiB", "64MiB");
    let dir = site.dir.path().display().to_string();
    std::fs::write(site.path("dsmil.toml"), text + &configuration(&postgres.url(), "").replace("{dir}", &dir)).unwrap();
    // Long lines, for it is the store that shall be full, and not the parser that shall be busy.
    let lines = 2_500;
    let mut file = std::io::BufWriter::new(std::fs::File::create(site.path("in.log")).unwrap());
    for number in 0..lines {
        writeln!(file, "2026-11-20T10:00:00+00:00 atlas numbered[1]: {} number={number}", "x".repeat(40_000)).unwrap();
    }
    drop(file);
    let daemon = site.start_ready();
    wait_for("the store to be full", || is_full(&daemon));
    let kept = numbers(&site);
    assert!((kept.len() as u64) < lines, "the source waits");
    assert!(kept.iter().copied().eq(0..kept.len() as u64), "nothing was removed to make room");

    postgres.start();
    wait_for_count("Postgres to have every line", lines, || postgres.count("raw_events_fast"));
    wait_until_archived(&daemon);
    assert!(!is_full(&daemon) && count(&site, "raw_events_fast") < lines, "now there is room to be made");
    assert_eq!(daemon.terminate(), Some(0));
    let number = "substring(convert_from(payload, 'UTF8') FROM 'number=([0-9]+)')::bigint";
    let archived = postgres.rows(&format!("SELECT {number} FROM raw_events_fast ORDER BY id"), |row| {
        sqlx::Row::get::<i64, _>(&row, 0) as u64
    });
    assert!(archived.into_iter().eq(0..lines), "every line once and in order");
    assert_eq!(postgres.count("model_outputs_fast WHERE layer = 3"), lines);
}

fn is_full(daemon: &Daemon) -> bool {
    daemon.get("/readyz").is_some_and(|(code, body)| code == 503 && body.contains("max_size"))
}

fn numbers(site: &Site) -> Vec<u64> {
    read(site, "SELECT payload FROM raw_events_fast ORDER BY id", |row| {
        let payload = String::from_utf8(sqlx::Row::get(&row, "payload")).unwrap();
        payload.rsplit_once("number=").unwrap().1.parse().unwrap()
    })
}

#[test]
fn an_archive_that_a_reload_takes_away_holds_nothing_back_any_more() {
    let Some(postgres) = Postgres::new() else { return };
    // Never started: nothing is archived, and so nothing may be removed.
    let text = |archive: &str| format!("{archive}\n[[intake.file]]\npath = \"{{dir}}/in.log\"\n");
    let site = Site::new(&text(&format!("[archive]\nurl = \"{}\"", postgres.url())));
    let small = |site: &Site| {
        let text = std::fs::read_to_string(site.path("dsmil.toml")).unwrap();
        std::fs::write(site.path("dsmil.toml"), text.replace("\"512MiB\"", "\"64MiB\"")).unwrap();
    };
    small(&site);
    let (lines, long) = (1_800, "y".repeat(40_000));
    let log: String = (0..lines).map(|number| format!("Nov 20 10:00:00 atlas x[1]: {number} {long}\n")).collect();
    std::fs::write(site.path("in.log"), log).unwrap();
    let daemon = site.start_ready();
    wait_for("the store to be full", || site.log().contains("sources wait"));
    site.configure(&text(""));
    small(&site);
    rustix::process::kill_process(rustix::process::Pid::from_child(&daemon.child), rustix::process::Signal::HUP)
        .unwrap();
    wait_for("every line to be judged", || {
        let (_, metrics) = daemon.get("/metrics").unwrap();
        metrics.contains(&format!("dsmil_events_total{{stream=\"L3_OUT\"}} {lines}\n"))
    });
    let status = daemon.status();
    assert!(status["outlets"].as_array().unwrap().iter().all(|outlet| outlet["name"] != "archive"), "{status}");
}
