//! Every metric of the daemon: one table, and a function for each that returns the handle to hold on to.
//! A look-up costs several times an increment, so hot paths ask for their handles once.

mod feeds;

use std::sync::OnceLock;

use metrics::{Counter, Gauge, Histogram, SharedString, Unit, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::event::{Category, Severity, Stream};
pub use feeds::{feed_entries, feed_fetches, feed_last_success};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    /// Upper bounds of the buckets, in the metric's unit.
    Histogram(&'static [f64]),
}

/// One line of the table.
#[derive(Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

/// From a stage's microseconds to a stuck disk.
const SECONDS_SHORT: &[f64] =
    &[0.000_01, 0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
/// From a fused event at once to one that waited for a window.
const SECONDS_LONG: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

const fn metric(
    name: &'static str,
    kind: Kind,
    unit: Unit,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind, unit, labels, help }
}

use Kind::{Counter as C, Gauge as G, Histogram as H};

pub const METRICS: &[Metric] = &[
    metric("dsmil_build_info", G, Unit::Count, &["version"], "Always 1; the label names the running version."),
    metric("dsmil_events_total", C, Unit::Count, &["stream"], "Events committed to each stream."),
    metric("dsmil_actor_up", G, Unit::Count, &["actor"], "1 while the actor runs, 0 while it restarts or has failed."),
    metric(
        "dsmil_actor_restarts_total",
        C,
        Unit::Count,
        &["actor", "reason"],
        "Restarts of each actor: panic, error, frozen or reload.",
    ),
    metric(
        "dsmil_stage_events_total",
        C,
        Unit::Count,
        &["stage", "outcome"],
        "Events each stage was given: handled or quarantined.",
    ),
    metric("dsmil_stage_lag_events", G, Unit::Count, &["stage"], "Events before each stage that it has not handled."),
    metric(
        "dsmil_stage_seconds",
        H(SECONDS_SHORT),
        Unit::Seconds,
        &["stage"],
        "Time each stage spends on one batch of events.",
    ),
    metric("dsmil_commit_seconds", H(SECONDS_SHORT), Unit::Seconds, &[], "Time of one transaction of the hot store."),
    metric(
        "dsmil_dropped_total",
        C,
        Unit::Count,
        &["where", "reason"],
        "What was given up or refused on purpose, with the place and the reason.",
    ),
    metric(
        "dsmil_outlet_up",
        G,
        Unit::Count,
        &["outlet"],
        "1 while what is outside takes what each outlet has for it.",
    ),
    metric(
        "dsmil_outlet_lag_events",
        G,
        Unit::Count,
        &["outlet", "stream"],
        "Committed events that each outlet has not taken outside; by stream where it follows several.",
    ),
    metric("dsmil_outlet_events_total", C, Unit::Count, &["outlet"], "Events that each outlet has taken outside."),
    metric(
        "dsmil_notifications_total",
        C,
        Unit::Count,
        &["notifier", "result"],
        "Messages of each notifier: told, refused for good, over the rate, or replaced by a newer one before they were told.",
    ),
    metric(
        "dsmil_mirror_lag_events",
        G,
        Unit::Count,
        &["stream"],
        "Committed events of each stream that Redis does not have yet.",
    ),
    metric("dsmil_mirror_up", G, Unit::Count, &[], "1 while Redis takes what is mirrored."),
    metric("dsmil_archive_lag_events", G, Unit::Count, &[], "Committed events that Postgres does not have yet."),
    metric("dsmil_archive_up", G, Unit::Count, &[], "1 while Postgres takes what is archived."),
    metric("dsmil_loki_lag_events", G, Unit::Count, &[], "Committed SOC events that Loki does not have yet."),
    metric("dsmil_loki_up", G, Unit::Count, &[], "1 when Loki took the last push."),
    metric("dsmil_shrink_up", G, Unit::Count, &[], "1 when the last poll of SHRINK returned a sample."),
    metric("dsmil_shrink_value", G, Unit::Count, &["metric"], "The newest value of each number that SHRINK returns."),
    metric("dsmil_shrink_age_seconds", G, Unit::Seconds, &[], "Time since the last good sample of SHRINK."),
    metric(
        "dsmil_soc_events_total",
        C,
        Unit::Count,
        &["severity", "category"],
        "SOC events committed, by severity and category.",
    ),
    metric("dsmil_silenced_events_total", C, Unit::Count, &["severity"], "SOC events that a silence covers."),
    metric(
        "dsmil_detector_events_total",
        C,
        Unit::Count,
        &["layer", "device"],
        "SOC events that the detectors of Layers 3 and 4 have led to, by the detector's device.",
    ),
    metric("dsmil_device_flags_total", C, Unit::Count, &["device", "flag"], "Flags raised by each Layer-8 device."),
    metric(
        "dsmil_config_reloads_total",
        C,
        Unit::Count,
        &["result"],
        "Reloads of the configuration: success, or failure with the old one kept.",
    ),
    metric("dsmil_store_bytes", G, Unit::Bytes, &[], "Size of the hot store."),
    metric("dsmil_intake_up", G, Unit::Count, &["source"], "Whether each source can be read: 1 or 0."),
    metric("dsmil_memory_bytes", G, Unit::Bytes, &[], "What the process holds for itself, without the hot store."),
    metric(
        "dsmil_intake_lag_seconds",
        G,
        Unit::Seconds,
        &["source"],
        "Between the time an event names and its arrival, for the newest event of each source.",
    ),
    metric("dsmil_feed_entries", G, Unit::Count, &["feed"], "Indicators of each list that is fetched."),
    metric("dsmil_feed_last_success_timestamp_seconds", G, Unit::Seconds, &["feed"], "Of the last good answer."),
    metric("dsmil_feed_fetches_total", C, Unit::Count, &["feed", "result"], "Fetches: changed, unchanged or failure."),
    metric(
        "dsmil_end_to_end_seconds",
        H(SECONDS_LONG),
        Unit::Seconds,
        &[],
        "From the arrival of a line to the commit of the SOC event that follows from it.",
    ),
];

const CATEGORIES: [Category; 7] = [
    Category::Auth,
    Category::Network,
    Category::System,
    Category::App,
    Category::Intel,
    Category::Crypto,
    Category::Operator,
];

/// Sets the process's recorder at the first call; later calls, also from tests, share it.
pub fn exporter() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = METRICS.iter().fold(PrometheusBuilder::new(), with_buckets).build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            log::error!("another metrics recorder is installed: /metrics will show no values");
        }
        METRICS.iter().for_each(describe);
        register_known();
        handle
    })
}

fn with_buckets(builder: PrometheusBuilder, metric: &Metric) -> PrometheusBuilder {
    let Kind::Histogram(buckets) = metric.kind else { return builder };
    builder
        .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
        .unwrap_or_else(|_| PrometheusBuilder::new()) // only for an empty list of buckets, which the table has not
}

fn describe(metric: &Metric) {
    match metric.kind {
        Kind::Counter => metrics::describe_counter!(metric.name, metric.unit, metric.help),
        Kind::Gauge => metrics::describe_gauge!(metric.name, metric.unit, metric.help),
        Kind::Histogram(_) => metrics::describe_histogram!(metric.name, metric.unit, metric.help),
    }
}

/// A series that appears only with its first event cannot show the change from 0 to 1: what is known is there at once.
fn register_known() {
    gauge!("dsmil_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for stream in Stream::ALL {
        events(stream).increment(0);
    }
    for stream in [Stream::L3Out, Stream::L4Out, Stream::SocEvents] {
        mirror_lag_events(stream.name()).set(0.0);
    }
    for severity in Severity::ALL {
        silenced_events(severity).increment(0);
        for category in CATEGORIES {
            soc_events(severity, category).increment(0);
        }
    }
    for counter in (15..=30).filter_map(detector_events) {
        counter.increment(0);
    }
    for result in ["success", "failure"] {
        config_reloads(result).increment(0);
    }
    for (place, reason) in [("log", "journal_slow"), ("http", "unreadable"), ("http", "busy")] {
        dropped(place, reason).increment(0);
    }
    for reason in ["refused", "too_large", "retention"] {
        dropped("loki", reason).increment(0);
    }
    let of_outlets = [mirror_up(), archive_up(), archive_lag_events(), loki_up(), loki_lag_events()];
    for unlabelled in of_outlets.into_iter().chain([shrink_up(), shrink_age_seconds(), store_bytes(), memory_bytes()]) {
        unlabelled.set(0.0);
    }
    drop((commit_seconds(), end_to_end_seconds()));
}

/// The series of a stage, at the start.
pub fn register_stage(stage: &'static str) {
    for outcome in ["handled", "quarantined"] {
        stage_events(stage, outcome).increment(0);
    }
    stage_lag_events(stage).set(0.0);
    drop(stage_seconds(stage));
    actor_up(stage).set(0.0);
    for reason in ["panic", "error", "frozen", "reload"] {
        actor_restarts(stage, reason).increment(0);
    }
    dropped(stage, "retention").increment(0);
}

pub fn events(stream: Stream) -> Counter {
    counter!("dsmil_events_total", "stream" => stream.name())
}

pub fn actor_up(actor: impl Into<SharedString>) -> Gauge {
    gauge!("dsmil_actor_up", "actor" => actor.into())
}

/// `reason`: `panic`, `error`, `frozen` or `reload`.
pub fn actor_restarts(actor: impl Into<SharedString>, reason: &'static str) -> Counter {
    counter!("dsmil_actor_restarts_total", "actor" => actor.into(), "reason" => reason)
}

/// `outcome`: `handled` or `quarantined`.
pub fn stage_events(stage: impl Into<SharedString>, outcome: &'static str) -> Counter {
    counter!("dsmil_stage_events_total", "stage" => stage.into(), "outcome" => outcome)
}

pub fn stage_lag_events(stage: impl Into<SharedString>) -> Gauge {
    gauge!("dsmil_stage_lag_events", "stage" => stage.into())
}

pub fn stage_seconds(stage: impl Into<SharedString>) -> Histogram {
    histogram!("dsmil_stage_seconds", "stage" => stage.into())
}

pub fn commit_seconds() -> Histogram {
    histogram!("dsmil_commit_seconds")
}

/// `place` and `reason` are words of the code, never text from an event.
pub fn dropped(place: impl Into<SharedString>, reason: &'static str) -> Counter {
    counter!("dsmil_dropped_total", "where" => place.into(), "reason" => reason)
}

pub fn outlet_up(outlet: impl Into<SharedString>) -> Gauge {
    gauge!("dsmil_outlet_up", "outlet" => outlet.into())
}

/// `lane`: what an outlet calls one of several wants, else empty.
pub fn outlet_lag_events(outlet: impl Into<SharedString>, lane: &'static str) -> Gauge {
    gauge!("dsmil_outlet_lag_events", "outlet" => outlet.into(), "stream" => lane)
}

/// `result`: `told`, `refused`, `over_rate` or `replaced`.
pub fn notifications(notifier: impl Into<SharedString>, result: &'static str) -> Counter {
    counter!("dsmil_notifications_total", "notifier" => notifier.into(), "result" => result)
}

pub fn outlet_events(outlet: impl Into<SharedString>) -> Counter {
    counter!("dsmil_outlet_events_total", "outlet" => outlet.into())
}

pub fn mirror_lag_events(stream: &'static str) -> Gauge {
    gauge!("dsmil_mirror_lag_events", "stream" => stream)
}

pub fn mirror_up() -> Gauge {
    gauge!("dsmil_mirror_up")
}

pub fn archive_lag_events() -> Gauge {
    gauge!("dsmil_archive_lag_events")
}

pub fn archive_up() -> Gauge {
    gauge!("dsmil_archive_up")
}

pub fn loki_lag_events() -> Gauge {
    gauge!("dsmil_loki_lag_events")
}

pub fn loki_up() -> Gauge {
    gauge!("dsmil_loki_up")
}

pub fn shrink_up() -> Gauge {
    gauge!("dsmil_shrink_up")
}

/// The caller keeps to the [`SHRINK_NAMES_MAX`](crate::limits::SHRINK_NAMES_MAX) names that it has seen first.
pub fn shrink_value(name: impl Into<SharedString>) -> Gauge {
    gauge!("dsmil_shrink_value", "metric" => name.into())
}

pub fn shrink_age_seconds() -> Gauge {
    gauge!("dsmil_shrink_age_seconds")
}

pub fn soc_events(severity: Severity, category: Category) -> Counter {
    counter!("dsmil_soc_events_total", "severity" => severity.name(), "category" => category.name())
}

pub fn silenced_events(severity: Severity) -> Counter {
    counter!("dsmil_silenced_events_total", "severity" => severity.name())
}

/// Devices 15 to 22 are detectors of Layer 3, 23 to 30 of Layer 4. What a writer outside calls itself is counted for none.
pub fn detector_events(device: u16) -> Option<Counter> {
    let layer = match device {
        15..=22 => "3",
        23..=30 => "4",
        _ => return None,
    };
    Some(counter!("dsmil_detector_events_total", "layer" => layer, "device" => device.to_string()))
}

/// `flag` is a name from the device's own list, never text from an event.
pub fn device_flags(device: u16, flag: impl Into<SharedString>) -> Counter {
    counter!("dsmil_device_flags_total", "device" => device.to_string(), "flag" => flag.into())
}

/// `result`: `success` or `failure`.
pub fn config_reloads(result: &'static str) -> Counter {
    counter!("dsmil_config_reloads_total", "result" => result)
}

pub fn store_bytes() -> Gauge {
    gauge!("dsmil_store_bytes")
}

pub fn intake_up(source: impl Into<SharedString>) -> Gauge {
    gauge!("dsmil_intake_up", "source" => source.into())
}

pub fn memory_bytes() -> Gauge {
    gauge!("dsmil_memory_bytes")
}

pub fn intake_lag_seconds(source: impl Into<SharedString>) -> Gauge {
    gauge!("dsmil_intake_lag_seconds", "source" => source.into())
}

pub fn end_to_end_seconds() -> Histogram {
    histogram!("dsmil_end_to_end_seconds")
}

#[cfg(test)]
mod tests;
