//! What is told of committed events: counters, and for every SOC event a log line or, where it is asked for, one on the
//! terminal.

use std::io::Write;
use std::sync::mpsc::{SyncSender, sync_channel};

use crate::device::DEVICES;
use crate::event::{Body, Event, Severity, Soc, Timestamp, stream};
use crate::layer::one_line;
use crate::limits;
use crate::observe::metrics;

/// Held by the writer, so that nothing is told before it is committed and everything is told once.
pub struct Announcer {
    terminal: Option<SyncSender<String>>,
}

impl Announcer {
    pub fn new(print: bool) -> Self {
        Self { terminal: print.then(terminal).flatten() }
    }

    pub fn announce(&self, events: &[Event]) {
        let now_ms = Timestamp::now().millis();
        for event in events {
            metrics::events(event.stream).increment(1);
            if let Body::Soc(soc) = &event.body {
                self.announce_soc(event, soc, now_ms);
            }
        }
    }

    fn announce_soc(&self, event: &Event, soc: &Soc, now_ms: u64) {
        metrics::soc_events(soc.severity, soc.category).increment(1);
        metrics::end_to_end_seconds().record(now_ms.saturating_sub(event.root.ms()) as f64 / 1000.0);
        if soc.producer() != stream::FUSION {
            for flag in &soc.flags {
                metrics::device_flags(soc.src_device, flag.clone()).increment(1);
            }
        }
        match &self.terminal {
            Some(terminal) if soc.severity >= Severity::Low => {
                if terminal.try_send(line(event, soc)).is_err() {
                    metrics::dropped("terminal", "slow").increment(1);
                }
            }
            _ => log_soc(event, soc),
        }
    }
}

/// Under the identifier of whoever wrote it.
fn log_soc(event: &Event, soc: &Soc) {
    let level = match soc.severity {
        Severity::Critical | Severity::High => log::Level::Warn,
        Severity::Medium | Severity::Low => log::Level::Info,
        Severity::Info => log::Level::Debug,
    };
    log::log!(
        target: identifier(soc.producer()), level, EVENT_ID = event.id.to_string().as_str(), SCORE = soc.score,
        DEVICE = soc.src_device, SEVERITY = soc.severity.name(), CATEGORY = soc.category.name();
        "{} {}: {}", soc.severity.name(), soc.category.name(), one_line(&soc.summary)
    );
}

/// SYSLOG_IDENTIFIER of a producer of SOC events.
fn identifier(producer: u16) -> &'static str {
    DEVICES.iter().find(|device| device.number == producer).map_or("dsmil-soc-router", |device| device.identifier)
}

/// One SOC event for a person.
fn line(event: &Event, soc: &Soc) -> String {
    let who = if soc.producer() == stream::FUSION {
        format!("layer {}", soc.src_layer)
    } else {
        format!("device {}", soc.src_device)
    };
    let flags = if soc.flags.is_empty() { String::new() } else { format!("  [{}]", soc.flags.join(" ")) };
    format!(
        "{}  {:8}  {:8}  {:9}  {}{flags}",
        event.ts,
        soc.severity.name(),
        soc.category.name(),
        who,
        one_line(&soc.summary)
    )
}

/// A thread of its own, for whoever reads the terminal may be slow. It ends with the last sender or the terminal.
fn terminal() -> Option<SyncSender<String>> {
    let (sender, receiver) = sync_channel::<String>(limits::TERMINAL_LINES_MAX);
    std::thread::Builder::new()
        .name("terminal".to_owned())
        .spawn(move || {
            for line in receiver {
                if writeln!(std::io::stdout(), "{line}").is_err() {
                    return;
                }
            }
        })
        .ok()
        .map(|_| sender)
}
