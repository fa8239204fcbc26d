//! Every configured source is in status, on the page, in `/readyz` and in the metrics from the first second, with what it
//! is: a daemon that is ready and does not see says so.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Daemon, Site, wait_for};

const LINE: &str = "2026-11-20T10:00:00Z atlas sshd[1]: Invalid user x from 203.0.113.9 port 22\n";

fn site() -> Site {
    let files = ["there.log", "missing.log", "folder.log", "shut.log", "found/*.log", "empty/*.log", "nowhere/*.log"];
    let files = files.map(|name| format!("[[intake.file]]\npath = \"{{dir}}/{name}\"\n"));
    let site = Site::new(&files.concat());
    for folder in ["folder.log", "found", "empty"] {
        fs::create_dir(site.path(folder)).unwrap();
    }
    for file in ["there.log", "shut.log", "found/a.log", "found/b.log"] {
        fs::write(site.path(file), LINE).unwrap();
    }
    shut(&site, "shut.log");
    shut(&site, "found/b.log");
    site
}

fn shut(site: &Site, name: &str) {
    fs::set_permissions(site.path(name), Permissions::from_mode(0o000)).unwrap();
}

/// Without root's right to read everything.
fn start(site: &Site) -> Daemon {
    let rights = "-dac_override,-dac_read_search";
    let is_root = rustix::process::geteuid().is_root();
    let arguments = ["--bounding-set", rights, "--inh-caps", rights];
    let mut daemon = if is_root { site.start_under("setpriv", &arguments) } else { site.start() };
    daemon.until_ready(site);
    daemon
}

fn source(daemon: &Daemon, site: &Site, name: &str) -> Value {
    let status = daemon.status();
    let name = if name == "http" { name.to_owned() } else { format!("file:{}", site.path(name).display()) };
    let sources = status["sources"].as_array().unwrap().clone();
    sources.into_iter().find(|source| source["name"] == *name).unwrap_or_default()
}

fn wait_for_state(daemon: &Daemon, site: &Site, name: &str, state: &str) -> Value {
    wait_for(&format!("{name} to be {state}"), || source(daemon, site, name)["state"] == state);
    source(daemon, site, name)
}

fn metric(daemon: &Daemon, site: &Site, name: &str, metric: &str) -> Option<String> {
    let start = format!("{metric}{{source=\"file:{}\"}} ", site.path(name).display());
    let (_, text) = daemon.get("/metrics")?;
    text.lines().find_map(|line| line.strip_prefix(&start).map(str::to_owned))
}

fn warnings(daemon: &Daemon) -> String {
    let (code, body) = daemon.get("/readyz").unwrap();
    assert_eq!(code, 200, "a source alone does not make it unready: {body}");
    body
}

#[test]
fn what_is_missing_a_folder_or_shut_is_down_everywhere_and_up_again_when_it_comes_back() {
    let site = site();
    let daemon = start(&site);
    let sources = daemon.status()["sources"].as_array().unwrap().len();
    assert!(sources >= 8, "each from the first second: {sources}");
    for name in ["there.log", "found/*.log", "found/a.log", "http"] {
        let shown = wait_for_state(&daemon, &site, name, "up");
        assert_eq!((&shown["up"], &shown["last_error"]), (&Value::from(true), &Value::Null), "{shown}");
    }
    for (name, why) in [
        ("missing.log", "no such file"),
        ("folder.log", "not a regular file"),
        ("shut.log", "ermission denied"),
        ("found/b.log", "ermission denied"),
        ("empty/*.log", "no file matches"),
        ("nowhere/*.log", "cannot be listed"),
    ] {
        let shown = wait_for_state(&daemon, &site, name, "down");
        assert!(shown["last_error"].as_str().is_some_and(|error| error.contains(why)), "{shown}");
        assert!(warnings(&daemon).contains(&format!("{name} is down")), "{name}: {}", warnings(&daemon));
        wait_for("its metric", || metric(&daemon, &site, name, "dsmil_intake_up").as_deref() == Some("0"));
        assert_eq!(metric(&daemon, &site, name, "dsmil_intake_lag_seconds").as_deref(), Some("NaN"), "{name}");
    }
    let there = source(&daemon, &site, "there.log");
    assert!(there["events"] == 1 && there["rate"].as_f64() > Some(0.0), "{there}");
    assert!(there["last_event"].as_str().is_some_and(|time| time.starts_with("20")), "{there}");
    wait_for("its lag", || {
        let lag = metric(&daemon, &site, "there.log", "dsmil_intake_lag_seconds");
        lag.is_some_and(|lag| lag.parse::<f64>().is_ok_and(|lag| lag > 0.0))
    });
    alerts_fire(&daemon);

    fs::write(site.path("missing.log"), LINE).unwrap();
    fs::set_permissions(site.path("shut.log"), Permissions::from_mode(0o600)).unwrap();
    fs::write(site.path("empty/new.log"), LINE).unwrap();
    for name in ["missing.log", "shut.log", "empty/*.log", "empty/new.log"] {
        wait_for_state(&daemon, &site, name, "up");
        wait_for("its metric", || metric(&daemon, &site, name, "dsmil_intake_up").as_deref() == Some("1"));
    }
    assert_eq!(source(&daemon, &site, "shut.log")["events"], 1);
}

#[test]
fn what_is_deleted_or_rotated_into_a_file_that_is_shut_is_down() {
    let site = site();
    let daemon = start(&site);
    wait_for_state(&daemon, &site, "there.log", "up");
    fs::rename(site.path("there.log"), site.path("there.log.1")).unwrap();
    assert!(wait_for_state(&daemon, &site, "there.log", "down")["last_error"].as_str().unwrap().contains("gone"));
    fs::write(site.path("fresh"), LINE).unwrap();
    shut(&site, "fresh");
    fs::rename(site.path("fresh"), site.path("there.log")).unwrap();
    wait_for("the reason", || {
        source(&daemon, &site, "there.log")["last_error"].as_str().is_some_and(|error| error.contains("ermission"))
    });
    assert_eq!(source(&daemon, &site, "there.log")["state"], "down");
    assert!(warnings(&daemon).contains("there.log is down"));
}

#[test]
fn a_reload_takes_sources_off_the_board_and_puts_others_on_it() {
    let site = site();
    let daemon = start(&site);
    wait_for_state(&daemon, &site, "found/a.log", "up");
    wait_for("a metric", || metric(&daemon, &site, "there.log", "dsmil_intake_up").as_deref() == Some("1"));
    site.configure("[[intake.file]]\npath = \"{dir}/other.log\"\n");
    daemon.reload();
    wait_for_state(&daemon, &site, "other.log", "down");
    for name in ["there.log", "found/*.log", "found/a.log"] {
        assert_eq!(source(&daemon, &site, name), Value::Null, "{name}");
    }
    wait_for("its metric to be no number", || {
        metric(&daemon, &site, "there.log", "dsmil_intake_up").as_deref() == Some("NaN")
    });
}

/// The rule that is shipped, over the series that this daemon shows to be 0 or 1.
fn alerts_fire(daemon: &Daemon) {
    let (_, metrics) = daemon.get("/metrics").unwrap();
    let series: Vec<(&str, &str)> = metrics
        .lines()
        .filter(|line| line.starts_with("dsmil_intake_up{"))
        .filter_map(|line| line.rsplit_once(' '))
        .collect();
    let names = |value: &str| {
        let series = series.iter().filter(|(_, found)| *found == value);
        series.filter_map(|(name, _)| name.split('"').nth(1).map(str::to_owned)).collect::<Vec<_>>()
    };
    assert!(names("0").len() >= 6 && names("1").len() >= 3, "{series:?}");
    let folder = tempfile::tempdir().unwrap();
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/config/prometheus/dsmil.rules.yml");
    let mut test = fs::File::create(folder.path().join("test.yml")).unwrap();
    write!(test, "rule_files: [{rules}]\nevaluation_interval: 15s\ntests:\n- interval: 15s\n  input_series:\n")
        .unwrap();
    for (name, value) in &series {
        writeln!(test, "  - {{ series: '{name}', values: '{value}x20' }}").unwrap();
    }
    write!(test, "  alert_rule_test:\n  - eval_time: 4m\n    alertname: DsmilIntakeDown\n    exp_alerts:\n").unwrap();
    for name in names("0") {
        let summary = format!("{name} cannot be read; its last error is in /api/v1/status");
        writeln!(test, "    - exp_labels: {{ severity: warning, source: \"{name}\" }}").unwrap();
        writeln!(test, "      exp_annotations: {{ summary: \"{summary}\" }}").unwrap();
    }
    let mut promtool = Command::new("promtool");
    let Ok(output) = promtool.args(["test", "rules"]).arg(folder.path().join("test.yml")).stdin(Stdio::null()).output()
    else {
        eprintln!("skipped: promtool is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
}
