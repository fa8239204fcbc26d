//! Loki has every SOC event of the hot store once, whatever dies; nothing waits for it; and what keeps it away is reported.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use serde_json::Value;
use sqlx::Row;

use crate::harness::{Daemon, Site, wait_for};
use crate::kill::read;
use crate::loki_server::{Behaviour, Entry, Server};
use crate::random::Random;

/// Every line becomes a SOC event.
const LINES_TO_EVENTS: &str = "[fusion]\ninclude_benign = true\n[[intake.file]]\npath = \"{dir}/in.log\"\n";

fn configuration(url: &str, more: &str) -> String {
    format!("{LINES_TO_EVENTS}[loki]\nurl = \"{url}\"\n{more}\n")
}

/// Numbered lines, some of which are attacks, so that there are several streams.
fn write_lines(site: &Site, numbers: std::ops::Range<u64>) {
    let mut file = std::fs::File::options().append(true).create(true).open(site.path("in.log")).unwrap();
    for number in numbers {
        let text = match number % 5 {
            0 => format!("sshd[7]: Failed password for root from 203.0.113.{} port 22 ssh2", number % 250),
            _ => format!("numbered[1]: number={number}"),
        };
        writeln!(file, "2026-11-20T10:00:00.{:06}+00:00 atlas {text}", number % 1_000_000).unwrap();
    }
}

fn outlet(daemon: &Daemon) -> Value {
    let status = daemon.status();
    let found = status["outlets"].as_array().unwrap().iter().find(|outlet| outlet["name"] == "loki");
    found.cloned().unwrap_or_default()
}

fn metric(daemon: &Daemon, name: &str) -> u64 {
    let (_, metrics) = daemon.get("/metrics").unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name}")).parse::<f64>().unwrap() as u64
}

/// What is handled is not committed yet: the SOC events of all lines must be.
fn judged(daemon: &Daemon, lines: u64) -> bool {
    let committed = |stream: &str| metric(daemon, &format!("dsmil_events_total{{stream=\"{stream}\"}}"));
    committed("L3_OUT") >= lines
        && committed("SOC_EVENTS") >= lines
        && daemon.status()["actors"].as_array().unwrap().iter().all(|actor| actor["lag_events"] == 0)
}

fn wait_until_pushed(daemon: &Daemon) {
    wait_for("every stage to have handled everything", || {
        daemon.status()["actors"].as_array().unwrap().iter().all(|actor| actor["lag_events"] == 0)
    });
    wait_for("Loki to have everything", || {
        let loki = outlet(daemon);
        loki["up"] == true && loki["lag_events"] == 0
    });
}

/// The SOC events of the hot store, in order.
fn stored(site: &Site) -> Vec<Value> {
    read(site, "SELECT output_json FROM model_outputs_fast WHERE layer = 8 ORDER BY id", |row| {
        serde_json::from_str(&row.get::<String, _>("output_json")).unwrap()
    })
}

fn lines(entries: &[Entry]) -> Vec<Value> {
    entries.iter().map(|entry| serde_json::from_str(&entry.line).unwrap()).collect()
}

fn id(event: &Value) -> dsmild::event::EventId {
    event["event_id"].as_str().unwrap().parse().unwrap()
}

/// Everything once, each stream in order, under labels that say nothing but what they may.
fn assert_equal(site: &Site, kept: &[Entry]) {
    let mut found = lines(kept);
    found.sort_by_key(id);
    let stored = stored(site);
    assert!(!stored.is_empty());
    assert_eq!(found.len(), stored.len(), "SOC events in Loki and in the hot store");
    for (found, stored) in found.iter().zip(&stored) {
        assert_eq!(found, stored);
    }
    let streams: BTreeSet<_> = kept.iter().map(|entry| entry.labels.clone()).collect();
    assert!(streams.len() > 1, "{streams:?}");
    for stream in streams {
        let of_stream: Vec<Entry> = kept.iter().filter(|entry| entry.labels == stream).cloned().collect();
        assert!(of_stream.is_sorted_by_key(|entry| entry.nanoseconds), "times in {stream:?}");
        for event in lines(&of_stream) {
            assert_eq!(
                (&stream["severity"], &stream["category"]),
                (&text(&event, "severity"), &text(&event, "category"))
            );
        }
        let names: Vec<_> = stream.keys().map(String::as_str).collect();
        assert_eq!(names, ["category", "instance", "job", "severity", "stream"]);
    }
}

fn text(event: &Value, name: &str) -> String {
    event[name].as_str().unwrap().to_owned()
}

#[test]
fn loki_equals_the_hot_store_after_kills_and_outages() {
    let mut loki = Server::started();
    let site = Site::new(&configuration(&loki.url(), ""));
    let mut random = Random::new();
    let mut written = 0;
    for life in 0..6 {
        let daemon = if life == 0 { site.start_ready() } else { site.start() };
        for _ in 0..4 {
            match random.below(8) {
                0 => loki.close(),
                1 => loki.now(Behaviour::Say("500 Internal Server Error", Vec::new())),
                2 => loki.now(Behaviour::Say("429 Too Many Requests\r\nRetry-After: 1", b"limit".to_vec())),
                3 => loki.now(Behaviour::Hang),
                4 => loki.now(Behaviour::TakeAndCut),
                5 => loki.now(Behaviour::TakeLate(Duration::from_millis(200))),
                _ => loki.now(Behaviour::Take),
            }
            let count = random.below(300);
            write_lines(&site, written..written + count);
            written += count;
            random.pause(900); // the moment of death is random
            if random.below(2) == 0 {
                loki.close();
                loki.open();
            }
        }
        daemon.kill();
    }
    loki.close();
    loki.open();
    loki.now(Behaviour::Take);
    let daemon = site.start_ready();
    wait_for("the last line to be judged", || {
        read(&site, "SELECT count(*) AS n FROM model_outputs_fast WHERE layer = 3", |row| row.get::<i64, _>("n"))[0]
            as u64
            == written
    });
    wait_until_pushed(&daemon);
    assert_eq!(daemon.terminate(), Some(0));
    eprintln!("{} entries came, {} are kept", loki.entries().len(), loki.kept().len());
    assert_equal(&site, &loki.kept());

    // What is known to be there is not sent again after an orderly stop.
    let before = loki.entries().len();
    let daemon = site.start_ready();
    write_lines(&site, written..written + 5);
    wait_for("the new lines to be judged", || judged(&daemon, 5));
    wait_until_pushed(&daemon);
    assert_eq!(daemon.terminate(), Some(0));
    assert!(loki.entries().len() < before + 50, "{before} and then {}", loki.entries().len());
    assert_equal(&site, &loki.kept());
}

#[test]
fn a_frozen_loki_slows_nothing_and_has_everything_when_it_thaws() {
    let loki = Server::started();
    loki.now(Behaviour::Hang);
    let site = Site::new(&configuration(&loki.url(), ""));
    write_lines(&site, 0..5000);
    let daemon = site.start_ready();
    wait_for("everything to be judged while Loki is frozen", || judged(&daemon, 5000));
    // A tick may bring one more event of a device at any time.
    wait_for("what waits to be counted", || {
        let waiting = stored(&site).len() as u64;
        outlet(&daemon)["lag_events"] == waiting && metric(&daemon, "dsmil_loki_lag_events") == waiting
    });
    wait_for("the silence to be reported", || {
        outlet(&daemon)["last_error"].as_str().is_some_and(|error| error.contains("no answer within"))
    });
    assert_eq!(daemon.get("/readyz").map(|(code, _)| code), Some(200));
    assert_eq!(metric(&daemon, "dsmil_loki_up"), 0);
    site.until_said("no answer within");
    assert_eq!(site.log().matches("no answer within").count(), 1, "said once");
    loki.now(Behaviour::Take);
    wait_until_pushed(&daemon);
    assert_eq!(metric(&daemon, "dsmil_loki_up"), 1);
    assert_eq!(daemon.terminate(), Some(0));
    assert_equal(&site, &loki.kept());
}

#[test]
fn tenant_and_credentials_come_through_and_a_wrong_password_is_reported_without_it() {
    let loki = Server::started();
    loki.now(Behaviour::Say("401 Unauthorized", b"no org id".to_vec()));
    let more = "tenant = \"soc\"\nusername = \"u\"\npassword_file = \"{dir}/password\"\nlabels = { site = \"hq\" }";
    let site = Site::new(&configuration(&loki.url(), more));
    let daemon = site.start_ready();
    let says = |what: &str| {
        wait_for(what, || outlet(&daemon)["last_error"].as_str().is_some_and(|error| error.contains(what)));
    };
    says("make the file readable for this user");
    std::fs::write(site.path("password"), "hunter2\n").unwrap();
    says("loki.tenant, loki.username and loki.password_file");
    write_lines(&site, 0..5);
    std::fs::write(site.path("password"), "correct-horse\n").unwrap();
    loki.now(Behaviour::Take);
    wait_for("the lines to be judged", || judged(&daemon, 5));
    wait_until_pushed(&daemon);
    let head = loki.heads().pop().unwrap();
    for expected in [
        "post /loki/api/v1/push http/1.1",
        "content-type: application/json",
        "x-scope-orgid: soc",
        &"authorization: Basic dTpjb3JyZWN0LWhvcnNl".to_ascii_lowercase(),
    ] {
        assert!(head.lines().any(|line| line == expected), "{expected} in {head}");
    }
    assert!(loki.kept().iter().all(|entry| entry.labels["site"] == "hq"));
    let shown = format!("{}{}{}", site.log(), daemon.status(), daemon.get("/metrics").unwrap().1);
    for secret in ["hunter2", "correct-horse", "dTpodW50ZXIy", "dTpjb3JyZWN0LWhvcnNl"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn what_loki_refuses_is_counted_and_keeps_nothing_back() {
    fn is_bad(line: &str) -> bool {
        ["203.0.113.15", "203.0.113.75", "203.0.113.80"].iter().any(|address| line.contains(address))
    }
    for behaviour in [Behaviour::RefuseLines(is_bad), Behaviour::RefusePushes(is_bad)] {
        let loki = Server::started();
        loki.now(behaviour);
        let site = Site::new(&configuration(&loki.url(), ""));
        write_lines(&site, 0..200);
        let daemon = site.start_ready();
        wait_for("the lines to be judged", || judged(&daemon, 200));
        wait_until_pushed(&daemon);
        let refused: Vec<Value> = stored(&site).into_iter().filter(|event| is_bad(&event.to_string())).collect();
        assert!(refused.len() >= 3, "{refused:?}");
        let dropped = metric(&daemon, "dsmil_dropped_total{where=\"loki\",reason=\"refused\"}");
        assert_eq!(dropped, refused.len() as u64);
        let found: BTreeSet<_> = lines(&loki.kept()).iter().map(id).collect();
        let expected: BTreeSet<_> = stored(&site).iter().filter(|event| !is_bad(&event.to_string())).map(id).collect();
        assert_eq!(found, expected);
        site.until_said("line too long"); // with what Loki says
        assert_eq!(site.log().matches("Loki refused").count(), 1, "said once");
        assert_eq!(daemon.terminate(), Some(0));
    }
}

#[test]
fn a_reload_begins_with_what_is_kept_and_goes_on_at_a_new_place() {
    let (first, second) = (Server::started(), Server::started());
    let without = LINES_TO_EVENTS;
    let site = Site::new(without);
    write_lines(&site, 0..100);
    let daemon = site.start_ready();
    wait_for("the lines to be judged", || judged(&daemon, 100));
    assert_eq!(outlet(&daemon), Value::Null);
    let reload = |configuration: &str| {
        site.configure(configuration);
        let pid = rustix::process::Pid::from_child(&daemon.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    };
    reload(&configuration(&first.url(), ""));
    wait_for("the outlet to run", || outlet(&daemon) != Value::Null);
    wait_until_pushed(&daemon);
    let before = stored(&site).len();
    assert_eq!(first.kept().len(), before, "what was there before the section");

    reload(&configuration(&second.url(), ""));
    wait_for("the new place to be asked", || !second.heads().is_empty());
    write_lines(&site, 100..200);
    wait_for("the new lines to be judged", || judged(&daemon, 200));
    wait_until_pushed(&daemon);
    assert_eq!((first.kept().len(), second.kept().len()), (before, stored(&site).len() - before));
    assert_equal(&site, &[first.kept(), second.kept()].concat());

    reload(without);
    wait_for("the outlet to be gone", || outlet(&daemon) == Value::Null);
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn events_wait_for_loki_beyond_the_retention_while_there_is_room() {
    let mut loki = Server::absent();
    let site = Site::new(&configuration(&loki.url(), ""));
    let text = std::fs::read_to_string(site.path("dsmil.toml")).unwrap();
    std::fs::write(site.path("dsmil.toml"), text.replace("max_size", "retention = \"1s\"\nmax_size")).unwrap();
    write_lines(&site, 0..50);
    let daemon = site.start_ready();
    wait_for("the lines to be judged", || judged(&daemon, 50));
    let before = stored(&site);
    let uptime = || daemon.status()["uptime_s"].as_f64().unwrap();
    let last = id(before.last().unwrap()).packed();
    wait_for("no stage to need them any more", || {
        let sql = "SELECT min(cursor) AS id FROM snapshots";
        read(&site, sql, |row| row.get::<i64, _>("id"))[0] > last
    });
    let unneeded_at = uptime();
    wait_for("several times the retention", || uptime() > unneeded_at + 4.0);
    assert_eq!(stored(&site), before, "nothing was removed");
    loki.open();
    wait_until_pushed(&daemon);
    let mut found = lines(&loki.kept());
    found.sort_by_key(id);
    assert_eq!(found[..before.len()], before);
    wait_for("what Loki has to be removed", || stored(&site).len() < before.len());
    assert_eq!(metric(&daemon, "dsmil_dropped_total{where=\"loki\",reason=\"retention\"}"), 0);
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn a_full_store_gives_up_what_a_dead_loki_has_not_taken_and_says_how_many() {
    let loki = Server::absent();
    let site = Site::new(&configuration(&loki.url(), ""));
    let text = std::fs::read_to_string(site.path("dsmil.toml")).unwrap();
    std::fs::write(site.path("dsmil.toml"), text.replace("512MiB", "64MiB")).unwrap();
    let mut file = std::fs::File::create(site.path("in.log")).unwrap();
    let daemon = site.start_ready();
    for chunk in 1..=28 {
        for number in 0..500 {
            writeln!(file, "2026-11-20T10:00:00+00:00 atlas numbered[1]: number={number} {}", "x".repeat(4000))
                .unwrap();
        }
        wait_for("every line to be judged all the same", || judged(&daemon, chunk * 500));
        // What came since the stages were last saved is kept for them, whoever else waits: too much of that fills the store.
        if chunk % 4 == 0 {
            let newest = read(&site, "SELECT max(id) AS id FROM raw_events_fast", |row| row.get::<i64, _>("id"))[0];
            wait_for("the stages to be saved", || {
                read(&site, "SELECT min(cursor) AS id FROM snapshots", |row| row.get::<i64, _>("id"))[0] >= newest
            });
        }
    }
    let lost = || metric(&daemon, "dsmil_dropped_total{where=\"loki\",reason=\"retention\"}");
    wait_for("all events to be counted as waiting or as lost", || {
        let (waiting, kept) = (outlet(&daemon)["lag_events"].as_u64().unwrap(), stored(&site).len() as u64);
        lost() > 0
            && waiting == kept
            && waiting + lost() == metric(&daemon, "dsmil_events_total{stream=\"SOC_EVENTS\"}")
    });
    site.until_said("before Loki took them");
    assert!(!site.log().contains("sources wait"), "no source had to wait: {}", site.log());
    assert_eq!(daemon.get("/readyz").map(|(code, _)| code), Some(200));
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn whatever_answers_in_place_of_loki_is_reported_and_takes_no_event_away() {
    let loki = Server::started();
    let site = Site::new(&configuration(&loki.url(), ""));
    write_lines(&site, 0..20);
    loki.now(Behaviour::Say("200 OK\r\nContent-Type: text/html", b"<html>please log in</html>".to_vec()));
    let daemon = site.start_ready();
    wait_for("the page to be reported", || {
        let loki = outlet(&daemon);
        loki["up"] == false && loki["last_error"].as_str().is_some_and(|error| error.contains("an HTML page"))
    });
    loki.now(Behaviour::Say("503 Service Unavailable", vec![b'x'; 32 * 1024 * 1024]));
    wait_for("the huge answer to be reported", || {
        outlet(&daemon)["last_error"].as_str().is_some_and(|error| error.contains("503") && error.len() < 1000)
    });
    loki.now(Behaviour::Say("777 Garbage\r\nRetry-After: \u{1}", b"\xff\xfe\x00".to_vec()));
    wait_for("the garbage to be reported", || {
        outlet(&daemon)["last_error"].as_str().is_some_and(|error| !error.contains("503"))
    });
    loki.now(Behaviour::Take);
    wait_for("the lines to be judged", || judged(&daemon, 20));
    wait_until_pushed(&daemon);
    assert_eq!(daemon.terminate(), Some(0));
    assert_equal(&site, &loki.kept());
}
