//! What watches the daemon knows its metrics by name: names that do not exist would show nothing and alert nobody.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use dsmild::observe::metrics::{Kind, METRICS};

fn config(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(config(name)).unwrap()
}

/// Every metric of the daemon that is named in a text.
fn named(text: &str) -> BTreeSet<String> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(|letter| !is_name(letter)).filter(|word| word.starts_with("dsmil_")).map(str::to_owned).collect()
}

/// As Prometheus sees it: a histogram is three series.
fn exists(name: &str) -> bool {
    METRICS.iter().any(|metric| match metric.kind {
        Kind::Histogram(_) => {
            name.strip_prefix(metric.name).is_some_and(|end| ["_bucket", "_sum", "_count"].contains(&end))
        }
        Kind::Counter | Kind::Gauge => name == metric.name,
    })
}

#[test]
fn whoever_is_woken_by_an_alert_finds_what_it_means_and_what_to_do() {
    let (rules, page) = (text("prometheus/dsmil.rules.yml"), std::fs::read_to_string("OPERATING.md").unwrap());
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    let row = |alert: &str| page.lines().find(|line| line.starts_with(&format!("| {alert} |"))).map(str::to_owned);
    let untold: Vec<_> =
        alerts.iter().filter(|alert| row(alert).is_none_or(|row| row.split(" | ").count() < 3)).collect();
    assert!(untold.is_empty(), "{untold:?}");
    let told = page.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |")).map(|(name, _)| name);
    let gone: Vec<_> = told.filter(|name| name.starts_with("Dsmil") && !alerts.contains(name)).collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn rules_and_dashboard_name_only_metrics_that_exist() {
    for file in ["prometheus/dsmil.rules.yml", "grafana/dsmild.json"] {
        let names = named(&text(file));
        assert!(names.len() > 10, "{file} names {names:?}");
        for name in names {
            assert!(exists(&name), "{file}: {name}");
        }
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let dashboard = text("grafana/dsmild.json");
    let parsed: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(parsed["panels"].as_array().unwrap().iter().all(|panel| !panel["targets"].as_array().unwrap().is_empty()));
    let names = named(&dashboard);
    for metric in METRICS {
        assert!(names.iter().any(|name| name.starts_with(metric.name)), "{} is not on the dashboard", metric.name);
    }
}

#[test]
fn promtool_accepts_the_rules_and_they_fire_when_they_should() {
    let promtool = |arguments: &[&str]| {
        let mut command = Command::new("promtool");
        command.current_dir(config("prometheus")).args(arguments).output().ok()
    };
    for arguments in [
        &["check", "rules", "dsmil.rules.yml"][..],
        &["test", "rules", "dsmil.rules.test.yml"],
        &["check", "config", "--syntax-only", "prometheus.yml"],
    ] {
        let Some(output) = promtool(arguments) else {
            eprintln!("skipped: promtool is not installed");
            return;
        };
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "promtool {arguments:?}: {said}");
    }
}
