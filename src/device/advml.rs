//! Device 51, adversarial ML defence: detects that the logs themselves are forged, or the layers that judge them
//! are deceived.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::advml_lines::{
    Oddity, crowded, discrepancy, forgeries, is_dated_by_its_beginning, odd_time, prompt, sequence_number, tampering,
};
use super::common::{Finding, origin, quote};
use super::gathered::Gathered;
use super::{DeviceSpec, settings};
use crate::config::Span;
use crate::detect::burst::Bursts;
use crate::detect::crowding::Crowding;
use crate::detect::disagreement::Judgements;
use crate::detect::doer::doer;
use crate::detect::liveness::Liveness;
use crate::detect::log_clock::LogClock;
use crate::detect::log_sequence::{Break, LogSequence};
use crate::detect::recent::Recent;
use crate::detect::session_order::SessionOrder;
use crate::detect::silence::{Claimed, Silence, Silent};
use crate::detect::source_table::{Remembered, SourceTable};
use crate::detect::watch_time::WatchTime;
use crate::event::{
    Body, Category, Decision, Entity, Event, Interest, Raw, Soc, Stream, Timestamp, Verdict, source_name, stream,
};
use crate::layer::severity::ACUTE_STRESS_HIGH;
use crate::layer::stage::{Outbox, Stateful};
use crate::limits::{ENTITIES_PER_DETECTOR_MAX, OPERATORS_MAX, OUTPUTS_PER_EVENT_MAX};

const NUMBER: u16 = 51;
/// Silences reported at one tick: what one event leads to is bounded.
const SILENT_PER_TICK_MAX: usize = OUTPUTS_PER_EVENT_MAX / 2;
/// One of so many places for sources is for those that are configured.
const CONFIGURED_SHARE: usize = 2;

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
    /// Sources that keep their place whatever names others invent; the daemon adds those that it is configured to read. Up to a
    /// `*` or `?` in it, a name stands for all that begin like it.
    sources: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            time_tolerance: Span::from_millis(300_000),
            silence_min: Span::from_millis(600_000),
            sources: Vec::new(),
        }
    }
}

impl Settings {
    /// What a source is configured as, and how many places for sources and machines that name has.
    fn share_of(&self, source: &str) -> Option<(&str, usize)> {
        let places = ENTITIES_PER_DETECTOR_MAX / CONFIGURED_SHARE / self.sources.len().max(1);
        let beginning = |name: &str| name.find(['*', '?']);
        let is_of =
            |name: &&String| beginning(name).is_some_and(|end| source.starts_with(name.get(..end).unwrap_or(name)));
        let named = self.sources.iter().find(|name| *name == source);
        let named = named.or_else(|| self.sources.iter().filter(is_of).max_by_key(|name| beginning(name)));
        named.map(|name| (name.as_str(), places))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    sources: SourceTable<Source>,
    sequences: Recent<LogSequence>,
    sessions: Recent<SessionOrder>,
    judgements: Recent<Judgements>,
    bursts: Bursts,
    watch: WatchTime,
    /// Machines of which the same is odd: whoever writes into a central log names as many as it likes.
    #[serde(default)]
    gathered: Gathered,
    /// How many addresses there were of late.
    #[serde(default)]
    crowd: Option<Crowding>,
}

/// One source and machine.
#[derive(Debug, Serialize, Deserialize)]
struct Source {
    clock: LogClock,
    silence: Silence,
    compartment: String,
    host: Option<String>,
    /// Whether its latest line came when it was written.
    is_live: bool,
    /// Whether one ever did: what is history alone cannot fall silent.
    #[serde(default)]
    has_lived: bool,
    #[serde(default)]
    liveness: Liveness,
    /// The believed time of its latest line.
    latest: Timestamp,
}

impl Remembered for Source {
    fn steady_for(&self) -> Option<Duration> {
        self.silence.steady_for().filter(|_| self.has_lived)
    }

    fn is_reported(&self) -> bool {
        self.silence.is_reported()
    }
}

struct AdvMl {
    settings: Settings,
    state: State,
}

impl AdvMl {
    fn new(settings: Settings) -> Self {
        let state = State {
            sources: SourceTable::new(ENTITIES_PER_DETECTOR_MAX),
            sequences: Recent::new(ENTITIES_PER_DETECTOR_MAX),
            sessions: Recent::new(OPERATORS_MAX),
            judgements: Recent::new(ENTITIES_PER_DETECTOR_MAX),
            bursts: Bursts::new(ENTITIES_PER_DETECTOR_MAX),
            watch: WatchTime::default(),
            gathered: Gathered::default(),
            crowd: None,
        };
        Self { settings, state }
    }

    fn line(&mut self, event: &Event, raw: &Raw, out: &mut Outbox) {
        let mut findings = forgeries(raw);
        // Nearly always there are none: an iterator over all of them moves each nothing about.
        let others = [
            tampering(raw),
            prompt(raw),
            crowded(&mut self.state.crowd, raw, event.time()),
            self.missing_lines(raw),
            self.unannounced_login(raw),
        ];
        if others.iter().any(Option::is_some) {
            findings.extend(others.into_iter().flatten());
        }
        for finding in findings {
            let about = doer(&finding.entity);
            self.report(finding, &about, &raw.compartment, event, out);
        }
    }

    /// What is odd about the time that a line tells, and about when it came.
    fn time(&mut self, event: &Event, raw: &Raw, watched: Duration, out: &mut Outbox) {
        let host = raw.record().entity.host.as_ref();
        let source_key = raw.source_key();
        let key = [&*source_key, "\0", host.map_or("", String::as_str)].concat();
        let (claim, time) = (event.ts().as_claimed(), event.time());
        let share = || self.settings.share_of(&source_key);
        let source = self.state.sources.touch(&key, share, || Source {
            clock: LogClock::new(claim),
            silence: Silence::new(watched),
            compartment: raw.compartment.to_string(),
            host: host.cloned(),
            is_live: false,
            has_lived: false,
            liveness: Liveness::default(),
            latest: time,
        });
        let Some(source) = source else { return };
        // A replay knows no arrival: it reads history.
        let is_live = event.times.arrived().is_some_and(|arrival| source.liveness.line(time, arrival, watched));
        let was_live = std::mem::replace(&mut source.is_live, is_live);
        source.has_lived |= is_live;
        let pause = time.since(std::mem::replace(&mut source.latest, time));
        let claimed = Claimed { pause, is_live: was_live && is_live };
        let silent = source.silence.line(watched, claimed, self.settings.silence_min.get());
        let is_ahead = event.times.is_doubted() && claim > time;
        let odd = if is_ahead {
            Some(Oddity::Ahead { by: claim.since(time) })
        } else if is_dated_by_its_beginning(raw.record()) {
            None
        } else {
            source.clock.line(claim, self.settings.time_tolerance.get()).map(|by| Oddity::Backwards { by })
        };
        if source.silence.is_milestone() {
            self.state.sources.settle(&key);
        }
        if let Some(silent) = silent {
            self.report_silence(&key, host.cloned(), &raw.compartment, (silent, time), out);
        }
        self.report_forgotten(event, out);
        let Some(oddity) = odd else { return };
        // However the times jump, it is one burst: it is counted on the daemon's own watch.
        let counted_at = Timestamp::ZERO.plus(watched);
        let who = format!("{} {}", quote(host.map_or("", String::as_str)), quote(&raw.source));
        if let Some(finding) = self.counted(odd_time(&raw.source, host.cloned(), oddity), &key, counted_at) {
            let soc = finding.into_soc(NUMBER, Category::System, &raw.compartment);
            self.state.gathered.report(soc, &who, event, out);
        }
    }

    fn report_silence(
        &mut self,
        key: &str,
        host: Option<String>,
        compartment: &str,
        (silent, now): (Silent, Timestamp),
        out: &mut Outbox,
    ) {
        let source = source_name(key.split('\0').next().unwrap_or_default());
        let at = now.minus(silent.ago);
        let Some(finding) = self.counted(odd_time(source, host, Oddity::Silent(silent)), key, at) else { return };
        let soc = finding.into_soc(NUMBER, Category::System, compartment);
        out.emit_at(Stream::SocEvents, at, Body::Soc(Box::new(soc)));
    }

    /// Says that there are more sources than can be watched: then some of them may be invented.
    fn report_forgotten(&mut self, event: &Event, out: &mut Outbox) {
        for _ in 0..self.state.sources.take_forgotten() {
            let finding = Finding {
                flag: "SOURCE_FORGOTTEN",
                score: 0.4,
                summary: format!("more than {ENTITIES_PER_DETECTOR_MAX} sources: the silence of one is not noticed"),
                attack: &["T1562.001"],
                reasons: vec!["source-forgotten".to_owned()],
                ..Finding::default()
            };
            self.report(finding, "", "", event, out);
        }
    }

    fn tick(&mut self, event: &Event, watched: Duration, out: &mut Outbox) {
        self.state.gathered.tick(event, out);
        let silence_min = self.settings.silence_min.get();
        let silent: Vec<_> = self
            .state
            .sources
            .select_mut(|source| source.has_lived && source.silence.is_silent(watched, silence_min))
            .filter_map(|(key, source)| {
                let silent = source.silence.check(watched, silence_min)?;
                Some((key.to_owned(), source.host.clone(), source.compartment.clone(), silent))
            })
            // The others are noticed by the next tick.
            .take(SILENT_PER_TICK_MAX)
            .collect();
        for (key, host, compartment, silent) in silent {
            self.report_silence(&key, host, &compartment, (silent, event.time()), out);
        }
    }

    fn missing_lines(&mut self, raw: &Raw) -> Option<Finding> {
        let record = raw.record();
        let (counter, number) = sequence_number(raw)?;
        let key = format!("{counter}\0{}\0{}", raw.source_key(), origin(raw));
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
        let key = format!("{}\0{}", raw.source_key(), origin(raw));
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
        // An alarm of Layer 4 about many lines is no judgement on one that Layer 3 called benign.
        if matches!(&*decision.model, "rates" | "sequence") {
            return;
        }
        let Some(about) = decision.entity.key() else { return };
        let judgements = self.state.judgements.touch(&about, || Judgements::new(event.time()));
        let found = if event.stream == Stream::L3Out {
            judgements.lower(decision.verdict, event.time())
        } else {
            judgements.upper(decision.verdict, event.time())
        };
        let Some(found) = found else { return };
        self.report(discrepancy(found, &decision.entity, &about), &about, &decision.compartment, event, out);
    }

    fn fused(&mut self, event: &Event, soc: &Soc, out: &mut Outbox) {
        let Some(stress) = soc.shrink_risk.filter(|stress| *stress > ACUTE_STRESS_HIGH) else { return };
        if soc.decision != Verdict::Malicious {
            return;
        }
        let finding = Finding {
            flag: "OPERATOR_STRESS_ANOMALY",
            score: 0.65,
            summary: format!(
                "the operator's acute stress was {stress:.2}, more than {ACUTE_STRESS_HIGH}, while this was reported: {}",
                quote(&soc.summary)
            ),
            entity: soc.entity.clone(),
            attack: &[],
            reasons: vec!["shrink-acute-stress".to_owned()],
        };
        let about = soc.entity.key().unwrap_or_default();
        self.report(finding, &about, &soc.compartment, event, out);
    }

    /// Writes the finding, once for each burst about the same thing; of many, together.
    fn report(&mut self, finding: Finding, about: &str, compartment: &str, event: &Event, out: &mut Outbox) {
        let Some(finding) = self.counted(finding, about, event.time()) else { return };
        let category = if finding.flag == "OPERATOR_STRESS_ANOMALY" { Category::Operator } else { Category::System };
        let soc = finding.into_soc(NUMBER, category, compartment);
        self.state.gathered.report_by_name(soc, about, event, out);
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

impl Stateful for AdvMl {
    type State = State;

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        let watched = self.state.watch.at(event.times.taken_in());
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
mod tests;
