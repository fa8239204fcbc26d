//! The table of metrics against what is exported.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

/// The series whose labels only events, or the outlets and feeds that run, can name.
const UNKNOWN_LABELS: [&str; 11] = [
    "dsmil_shrink_value",
    "dsmil_device_flags_total",
    "dsmil_intake_up",
    "dsmil_intake_lag_seconds",
    "dsmil_outlet_up",
    "dsmil_outlet_lag_events",
    "dsmil_outlet_events_total",
    "dsmil_notifications_total",
    "dsmil_feed_entries",
    "dsmil_feed_last_success_timestamp_seconds",
    "dsmil_feed_fetches_total",
];

#[test]
fn every_metric_with_known_labels_is_there_before_the_first_event() {
    exporter();
    register_stage("l3");
    let text = exporter().render();
    for metric in METRICS.iter().filter(|metric| !UNKNOWN_LABELS.contains(&metric.name)) {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        assert!(text.contains(&format!("# TYPE {} {kind}\n", metric.name)), "{}", metric.name);
        for label in metric.labels {
            let series = text.lines().find(|line| {
                line.starts_with(&format!("{}{{", metric.name))
                    || line.starts_with(&format!("{}_bucket{{", metric.name))
            });
            assert!(series.is_some_and(|line| line.contains(&format!("{label}=\""))), "{} {label}", metric.name);
        }
    }
}

#[test]
fn every_series_belongs_to_a_line_of_the_table() {
    exporter();
    device_flags(51, "LOG_TAMPER").increment(1);
    shrink_value("entropy").set(1.0);
    intake_up("journal").set(1.0);
    intake_lag_seconds("journal").set(0.5);
    for line in exporter().render().lines().filter(|line| line.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(METRICS.iter().any(|metric| metric.name == name), "{name}");
    }
}

#[test]
fn promtool_finds_nothing_to_say() {
    exporter();
    device_flags(51, "LOG_TAMPER").increment(1);
    shrink_value("entropy").set(1.0);
    intake_lag_seconds("file:/var/log/\"odd\"\nname").set(0.5);
    stage_seconds("l3").record(0.002);
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        eprintln!("skipped: promtool is not installed");
        return;
    };
    promtool.stdin.take().unwrap().write_all(exporter().render().as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
