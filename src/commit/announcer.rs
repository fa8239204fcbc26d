//! What an operator sees of committed events: counters, and a log line for every SOC event.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::{Body, Event, Severity, Soc, Timestamp, Verdict, stream};
use crate::layer::one_line;
use crate::observe::history::History;
use crate::observe::metrics;

/// Counts and logs committed events, each under the log identifier of its producer.
pub struct Announcer {
    identifiers: BTreeMap<u16, &'static str>,
    history: Arc<History>,
}

impl Announcer {
    /// `identifiers`: the SYSLOG_IDENTIFIER of each producer of SOC events, by [`Soc::producer`].
    pub fn new(identifiers: BTreeMap<u16, &'static str>, history: Arc<History>) -> Self {
        Self { identifiers, history }
    }

    /// Counts the events and logs the SOC events among them. The writer calls it once for each event, after the commit. With
    /// `on_terminal`, SOC events that the terminal shows anyway (severity LOW and above) are counted only.
    pub fn announce(&self, events: &[Event], on_terminal: bool) {
        let now = Timestamp::now();
        self.history.count(events, now);
        for event in events {
            metrics::events(event.stream).increment(1);
            if let Body::Soc(soc) = &event.body {
                count_soc(event, soc, now.millis());
                if !on_terminal || soc.severity < Severity::Low {
                    self.log_soc(event, soc);
                }
            }
        }
    }

    /// Logs it under the identifier of its producer; what fusion made of a decision also under that of the layer that decided.
    fn log_soc(&self, event: &Event, soc: &Soc) {
        if soc.producer() == stream::FUSION && soc.decision != Verdict::Benign {
            let layer = if soc.src_layer == "4" { "dsmil-l4" } else { "dsmil-l3" };
            log::info!(
                target: layer, EVENT_ID = soc.input_ref.as_str(), SCORE = soc.score, DEVICE = soc.src_device;
                "{} {:.2}: {}", soc.decision.name(), soc.score, one_line(&soc.reasons.join(", "))
            );
        }
        let level = match soc.severity {
            Severity::Critical | Severity::High => log::Level::Warn,
            Severity::Medium | Severity::Low => log::Level::Info,
            Severity::Info => log::Level::Debug,
        };
        log::log!(
            target: self.identifiers.get(&soc.producer()).copied().unwrap_or("dsmild"), level,
            EVENT_ID = event.id.to_string().as_str(), SCORE = soc.score,
            DEVICE = soc.src_device, SEVERITY = soc.severity.name(), CATEGORY = soc.category.name();
            "{} {}: {}", soc.severity.name(), soc.category.name(), one_line(&soc.summary)
        );
    }
}

fn count_soc(event: &Event, soc: &Soc, now_ms: u64) {
    metrics::soc_events(soc.severity, soc.category).increment(1);
    if soc.is_silenced() {
        metrics::silenced_events(soc.severity).increment(1);
    }
    metrics::end_to_end_seconds().record(now_ms.saturating_sub(event.root.ms()) as f64 / 1000.0);
    if soc.producer() == stream::FUSION {
        // That an alarm is over is nothing that was found.
        if let Some(counter) = metrics::detector_events(soc.src_device).filter(|_| soc.decision != Verdict::Benign) {
            counter.increment(1);
        }
    } else {
        for flag in &soc.flags {
            metrics::device_flags(soc.src_device, flag.clone()).increment(1);
        }
    }
}
