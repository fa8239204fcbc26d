//! Device 51, adversarial ML defence: detects that the logs themselves are forged, or the layers that judge them
//! are deceived.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::advml_lines::{Oddity, forgeries, odd_time, sequence_number, tampering};
use super::common::{Finding, origin, quote};
use super::{DeviceSpec, settings};
use crate::config::Span;
use crate::detect::burst::Bursts;
use crate::detect::disagreement::{Disagreement, Judgements};
use crate::detect::log_clock::LogClock;
use crate::detect::log_sequence::{Break, LogSequence};
use crate::detect::recent::Recent;
use crate::detect::session_order::SessionOrder;
use crate::detect::silence::Silence;
use crate::detect::watch_time::WatchTime;
use crate::event::{Body, Category, Decision, Entity, Event, Interest, Raw, Soc, Stream, Timestamp, Verdict, stream};
use crate::layer::severity::ACUTE_STRESS_HIGH;
use crate::layer::stage::{Outbox, Stateful};
use crate::limits::{ENTITIES_PER_DETECTOR_MAX, OPERATORS_MAX};

const NUMBER: u16 = 51;
/// A line whose time is further from its arrival than this is history being read, not a live source.
const LIVE_WITHIN: Duration = Duration::from_secs(300);

pub const SPEC: DeviceSpec = DeviceSpec {
    number: NUMBER,
    stage: "device-51",
    identifier: "dsmil-soc-advml",
    reads: Interest::NONE
        .stream(Stream::L3In)
        .stream(Stream::L3Out)
        .stream(Stream::L4Out)
        .stream(Stream::Tick)
        .soc(stream::FUSION),
    prepare: |table| settings::factory(table, AdvMl::new),
};

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Lines of one source may come out of order by this much.
    time_tolerance: Span,
    /// No silence shorter than this is reported, however steady the source.
    silence_min: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self { time_tolerance: Span::from_millis(300_000), silence_min: Span::from_millis(600_000) }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    sources: Recent<Source>,
    sequences: Recent<LogSequence>,
    sessions: Recent<SessionOrder>,
    judgements: Recent<Judgements>,
    bursts: Bursts,
    watch: WatchTime,
}

/// One source and machine.
#[derive(Debug, Serialize, Deserialize)]
struct Source {
    clock: LogClock,
    silence: Silence,
    compartment: String,
    host: Option<String>,
    is_live: bool,
}

struct AdvMl {
    settings: Settings,
    state: State,
}

impl AdvMl {
    fn new(settings: Settings) -> Self {
        let state = State {
            sources: Recent::new(ENTITIES_PER_DETECTOR_MAX),
            sequences: Recent::new(ENTITIES_PER_DETECTOR_MAX),
            sessions: Recent::new(OPERATORS_MAX),
            judgements: Recent::new(ENTITIES_PER_DETECTOR_MAX),
            bursts: Bursts::new(ENTITIES_PER_DETECTOR_MAX),
            watch: WatchTime::default(),
        };
        Self { settings, state }
    }

    fn line(&mut self, event: &Event, raw: &Raw, out: &mut Outbox) {
        for finding in forgeries(raw)
            .into_iter()
            .chain(tampering(raw))
            .chain(self.missing_lines(raw))
            .chain(self.unannounced_login(raw))
        {
            let about = finding.entity.key().unwrap_or_default();
            self.report(finding, &about, &raw.compartment, event, out);
        }
    }

    /// What is odd about the time that a line tells, and about when it came.
    fn time(&mut self, event: &Event, raw: &Raw, watched: Duration, out: &mut Outbox) {
        let host = raw.record().entity.host.clone();
        let key = format!("{}\0{}", raw.source, host.as_deref().unwrap_or_default());
        let told = event.ts().as_told();
        let source = self.state.sources.touch(&key, || Source {
            clock: LogClock::new(told),
            silence: Silence::new(watched),
            compartment: raw.compartment.to_string(),
            host: host.clone(),
            is_live: false,
        });
        let was_live = std::mem::replace(&mut source.is_live, is_live(event));
        source.silence.line(watched, was_live && source.is_live);
        // A burst of old times is one burst however they jump, so it is counted on the source's own clock.
        let (oddity, counted_at) = if event.times.is_doubted() && told > event.time() {
            (Oddity::Ahead { by: told.since(event.time()) }, event.time())
        } else {
            let Some(by) = source.clock.line(told, self.settings.time_tolerance.get()) else { return };
            (Oddity::Backwards { by }, source.clock.latest())
        };
        let finding = odd_time(&raw.source, host, oddity);
        if let Some(finding) = self.counted(finding, &key, counted_at) {
            let category = Category::System;
            out.emit_soc(finding.into_soc(NUMBER, category, &raw.compartment));
        }
    }

    fn tick(&mut self, event: &Event, watched: Duration, out: &mut Outbox) {
        let silence_min = self.settings.silence_min.get();
        let silent: Vec<_> = self
            .state
            .sources
            .iter_mut()
            .filter(|(_, source)| source.is_live)
            .filter_map(|(key, source)| {
                let silent = source.silence.check(watched, silence_min)?;
                Some((key.to_owned(), source.host.clone(), source.compartment.clone(), silent))
            })
            .collect();
        for (key, host, compartment, silent) in silent {
            let at = event.time().minus(silent.ago);
            let finding = odd_time(key.split('\0').next().unwrap_or_default(), host, Oddity::Silent(silent));
            self.report_at(finding, &key, &compartment, at, out);
        }
    }

    fn missing_lines(&mut self, raw: &Raw) -> Option<Finding> {
        let record = raw.record();
        let (counter, number) = sequence_number(raw)?;
        let key = format!("{counter}\0{}\0{}", raw.source, origin(raw));
        let Break::Missing { after, count } = self.state.sequences.touch(&key, LogSequence::default).line(number)?;
        Some(Finding {
            flag: "LOG_SEQUENCE_GAP",
            score: 0.7,
            summary: format!("{count} numbered lines are missing from {} after {counter} {after}", quote(&raw.source)),
            entity: Entity { host: record.entity.host.clone(), ..Entity::default() },
            attack: &["T1070.002", "T1562.006"],
            reasons: vec![format!("{counter}-gap")],
        })
    }

    fn unannounced_login(&mut self, raw: &Raw) -> Option<Finding> {
        let record = raw.record();
        let sshd = record.program.as_deref().is_some_and(|program| matches!(program, "sshd" | "sshd-session"));
        let pid = record.pid.filter(|_| sshd)?;
        let key = format!("{}\0{}", raw.source, origin(raw));
        let forged = self.state.sessions.touch(&key, SessionOrder::default).line(pid, &record.message);
        forged.then(|| Finding {
            flag: "FORGED_LINE",
            score: 0.78,
            summary: format!("a login of a process that never connected: {}", quote(&record.message)),
            entity: record.entity.clone(),
            attack: &["T1565.001"],
            reasons: vec!["session-order".to_owned()],
        })
    }

    fn judged(&mut self, event: &Event, decision: &Decision, out: &mut Outbox) {
        let Some(about) = decision.entity.key() else { return };
        let judgements = self.state.judgements.touch(&about, || Judgements::new(event.time()));
        let found = if event.stream == Stream::L3Out {
            judgements.lower(decision.verdict, event.time())
        } else {
            judgements.upper(decision.verdict, event.time())
        };
        let Some(found) = found else { return };
        let (times, accuser, denier, reason) = match found {
            Disagreement::LowerOnly { times } => (times, "Layer 3", "Layer 4", "l4-evasion"),
            Disagreement::UpperOnly { times } => (times, "Layer 4", "Layer 3", "l3-evasion"),
        };
        let finding = Finding {
            flag: "L3_L4_DISCREPANCY",
            score: 0.7,
            summary: format!("{accuser} called {} malicious {times} times, {denier} always benign", quote(&about)),
            entity: decision.entity.clone(),
            attack: &[],
            reasons: vec![reason.to_owned()],
        };
        self.report(finding, &about, &decision.compartment, event, out);
    }

    fn fused(&mut self, event: &Event, soc: &Soc, out: &mut Outbox) {
        let Some(stress) = soc.shrink_risk.filter(|stress| *stress > ACUTE_STRESS_HIGH) else { return };
        if soc.decision != Verdict::Malicious {
            return;
        }
        let finding = Finding {
            flag: "OPERATOR_STRESS_ANOMALY",
            score: 0.65,
            summary: format!("acute stress of {stress:.2} while: {}", quote(&soc.summary)),
            entity: soc.entity.clone(),
            attack: &[],
            reasons: vec!["shrink-acute-stress".to_owned()],
        };
        let about = soc.entity.key().unwrap_or_default();
        self.report(finding, &about, &soc.compartment, event, out);
    }

    /// Writes the finding, once for each burst about the same thing.
    fn report(&mut self, finding: Finding, about: &str, compartment: &str, event: &Event, out: &mut Outbox) {
        let Some(finding) = self.counted(finding, about, event.time()) else { return };
        let category = if finding.flag == "OPERATOR_STRESS_ANOMALY" { Category::Operator } else { Category::System };
        out.emit_soc(finding.into_soc(NUMBER, category, compartment));
    }

    /// The same at a time before the event's.
    fn report_at(&mut self, finding: Finding, about: &str, compartment: &str, at: Timestamp, out: &mut Outbox) {
        let Some(finding) = self.counted(finding, about, at) else { return };
        let soc = finding.into_soc(NUMBER, Category::System, compartment);
        out.emit_at(Stream::SocEvents, at, Body::Soc(Box::new(soc)));
    }

    /// The finding when it is to be reported, with the number of its burst.
    fn counted(&mut self, mut finding: Finding, about: &str, at: Timestamp) -> Option<Finding> {
        let count = self.state.bursts.count(&format!("{}\0{about}", finding.flag), at)?;
        if count > 1 {
            finding.summary = format!("{} ({count} times)", finding.summary);
        }
        Some(finding)
    }
}

/// A line that came when it happened, and is not history being read.
fn is_live(event: &Event) -> bool {
    let (arrival, time) = (event.times.arrival, event.time());
    arrival.since(time).max(time.since(arrival)) <= LIVE_WITHIN
}

impl Stateful for AdvMl {
    type State = State;

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        let watched = self.state.watch.at(event.times.arrival);
        match &event.body {
            Body::Raw(raw) if event.stream == Stream::L3In => {
                self.line(event, raw, out);
                self.time(event, raw, watched, out);
            }
            Body::Decision(decision) => self.judged(event, decision, out),
            Body::Soc(soc) => self.fused(event, soc, out),
            Body::Tick => self.tick(event, watched, out),
            Body::Raw(_) | Body::Shrink(_) => {}
        }
    }

    fn state(&self) -> &Self::State {
        &self.state
    }

    fn state_mut(&mut self) -> &mut Self::State {
        &mut self.state
    }
}

#[cfg(test)]
mod tests {
    use super::super::common::testing::{Line, at, event, flags};
    use super::*;
    use crate::event::EventId;
    use crate::layer::stage::Stage;
    use crate::layer::testing::soc_events;

    fn device() -> Box<dyn Stage> {
        (SPEC.prepare)(&toml::Table::new()).unwrap().stage()
    }

    fn steady(lines: u64) -> Vec<Line> {
        (0..lines)
            .map(|line| Line { source: "file:/a.log", second: line * 10, message: "ok", ..Line::default() })
            .collect()
    }

    fn decision(stream: Stream, second: u64, verdict: Verdict) -> Event {
        let entity = Entity { src_ip: Some("192.0.2.1".into()), ..Entity::default() };
        let base = Decision::benign("m".into(), 15, "ops".into(), EventId::ZERO);
        event(at(second), stream, Body::Decision(Box::new(Decision { verdict, entity, ..base })))
    }

    #[test]
    fn a_forged_address_in_a_user_name_is_said_once_for_a_burst() {
        let line = |second| Line {
            second,
            program: "sshd",
            message: "Failed password for invalid user from 192.0.2.77 from 198.51.100.4 port 5812 ssh2",
            src_ip: Some("198.51.100.4"),
            ..Line::default()
        };
        let lines: Vec<Line> = (0..9).map(line).collect();
        assert_eq!(flags(&mut *device(), &lines), ["FORGED_ADDRESS"]);
    }

    #[test]
    fn time_running_backwards_is_said_once() {
        let mut lines = steady(100);
        lines.extend((0..9).map(|second| Line { source: "file:/a.log", second, message: "old", ..Line::default() }));
        assert_eq!(flags(&mut *device(), &lines), ["LOG_TIME_BACKWARDS"]);
    }

    /// A tick each second.
    fn ticks(seconds: std::ops::Range<u64>) -> Vec<Event> {
        seconds.map(|second| event(at(second), Stream::Tick, Body::Tick)).collect()
    }

    fn in_order_of_arrival(mut events: Vec<Event>) -> Vec<Event> {
        events.sort_by_key(|event| event.times.arrival);
        events
    }

    fn told(device: &mut dyn Stage, events: &[Event]) -> Vec<String> {
        soc_events(device, events).into_iter().flat_map(|soc| soc.flags).collect()
    }

    #[test]
    fn a_live_source_that_falls_silent_is_noticed_while_another_logs_on() {
        let lines = steady(100).into_iter().chain((0..300).map(|line| Line {
            source: "file:/b.log",
            second: line * 10,
            message: "ok",
            ..Line::default()
        }));
        let events = lines.map(|line| line.event()).chain(ticks(0..3000)).collect();
        assert_eq!(told(&mut *device(), &in_order_of_arrival(events)), ["LOG_SILENCE"]);
    }

    #[test]
    fn neither_a_line_dated_ahead_nor_the_machines_clock_makes_a_source_silent_or_hides_its_silence() {
        let mut events: Vec<Event> = steady(300).iter().map(Line::event).chain(ticks(0..3700)).collect();
        events = in_order_of_arrival(events);
        for event in &mut events {
            let ahead = Duration::from_secs(86_400);
            match event.times.arrival.since(at(0)).as_secs() {
                1500 => event.times.ts = crate::event::Claimed::new(event.time().plus(ahead)),
                2000..2200 => event.times = crate::event::Times::at(event.time().plus(ahead)),
                _ => {}
            }
        }
        let mut told = told(&mut *device(), &events);
        // The machine's clock took the lines with it.
        told.retain(|flag| flag != "LOG_TIME_BACKWARDS");
        assert_eq!(told, ["LOG_TIME_AHEAD", "LOG_SILENCE"]);
    }

    #[test]
    fn reading_old_history_is_not_silence() {
        let mut events: Vec<Event> = steady(100).iter().map(Line::event).collect();
        for event in &mut events {
            event.times.arrival = at(500_000_000);
        }
        events.extend(ticks(500_000_000..500_009_000));
        assert_eq!(soc_events(&mut *device(), &events), []);
    }

    #[test]
    fn what_the_daemon_did_not_watch_is_no_silence() {
        let mut events: Vec<Event> = steady(100).iter().map(Line::event).collect();
        events.extend(ticks(50_000..50_500));
        assert_eq!(soc_events(&mut *device(), &events), []);
    }

    #[test]
    fn layers_that_contradict_each_other_again_and_again_are_noticed() {
        let mut events = Vec::new();
        for second in 0..9 {
            events.push(decision(Stream::L3Out, second, Verdict::Malicious));
            events.push(decision(Stream::L4Out, second, Verdict::Benign));
        }
        let written = soc_events(&mut *device(), &events);
        assert_eq!(written.iter().flat_map(|soc| &soc.flags).collect::<Vec<_>>(), ["L3_L4_DISCREPANCY"]);
    }

    #[test]
    fn acute_stress_matters_only_together_with_something_malicious() {
        let fused = |second, decision, shrink_risk| {
            let soc = Soc { src_layer: "3".into(), decision, shrink_risk, ..Soc::default() };
            event(at(second), Stream::SocEvents, Body::Soc(Box::new(soc)))
        };
        let quiet = [
            fused(1, Verdict::Malicious, None),
            fused(2, Verdict::Malicious, Some(0.5)),
            fused(3, Verdict::Suspicious, Some(0.9)),
        ];
        assert_eq!(soc_events(&mut *device(), &quiet), []);
        let written = soc_events(&mut *device(), &[fused(1, Verdict::Malicious, Some(0.9))]);
        assert_eq!(
            (written[0].flags.as_slice(), written[0].category),
            (["OPERATOR_STRESS_ANOMALY".to_owned()].as_slice(), Category::Operator)
        );
    }

    #[test]
    fn clearing_a_log_and_a_program_under_a_false_name_are_noticed() {
        let cleared =
            Line { command: Some("truncate -s 0 /var/log/auth.log".into()), user: Some("bob"), ..Line::default() };
        let impostor = Line {
            program: "sshd",
            message: "Accepted password for root from 192.0.2.1 port 2 ssh2",
            impostor: Some("sshd written by /usr/bin/logger, uid 1000"),
            ..Line::default()
        };
        assert_eq!(flags(&mut *device(), &[cleared, impostor]), ["LOG_CLEARED", "FORGED_PROGRAM"]);
    }

    #[test]
    fn missing_audit_serials_are_noticed() {
        let lines: Vec<Line> = (0..400_u64)
            .filter(|serial| !(200..220).contains(serial))
            .map(|serial| Line {
                second: serial,
                source: "file:/audit.log",
                message: format!("type=SYSCALL msg=audit(1735516800.0:{serial}): x").leak(),
                ..Line::default()
            })
            .collect();
        assert_eq!(flags(&mut *device(), &lines), ["LOG_SEQUENCE_GAP"]);
    }

    #[test]
    fn every_wrong_key_is_a_finding() {
        let Err(findings) = (SPEC.prepare)(&"tolerance = 1\nsilence_min = \"x\"".parse().unwrap()) else {
            panic!("accepted")
        };
        assert_eq!(findings.len(), 2, "{findings:?}");
    }
}
