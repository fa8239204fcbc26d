//! Layer 4 remembers: what many lines mean together, and many decisions about one user, address or host.
//!
//! Reads the lines of `L3_IN`, counts them by the scenarios of `config/scenarios` (see [`crate::detect::scenario`]) and writes an
//! alarm where one is fulfilled. Reads the decisions of Layer 3 and the events of `L4_IN`, adds their scores to the risk of every entity they concern
//! (see [`crate::detect::risk`]), and decides when an entity's risk rises over a threshold: once, and again only after
//! the risk has fallen below half of it. An `L4_IN` event may carry a score, reasons and techniques of its own (a model
//! elsewhere found them); each gets a decision. What it measured itself is judged by the models of [`measured`], and so
//! are the scores of SHRINK. Risk fades with the time of the events themselves; ticks are for alarms
//! that are over.

#[cfg(test)]
mod blame_tests;
pub(crate) mod config;
mod correlation;
mod detection;
#[cfg(test)]
mod guessing_tests;
mod measured;
mod metrics;
mod ongoing;
#[cfg(test)]
mod ongoing_tests;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::correlation::{Models, Seen};
use self::detection::{ADDRESS, DEVICE, Detection, HOST, Subject, subjects};
use self::measured::{Measurements, QUIET_BELOW};
use super::judgement::MALICIOUS_FROM;
use super::row::PreparedStage;
use super::rule_files::{Wanted, YAML};
use super::stage::{Outbox, Stateful};
use super::{SOURCE_NOT_PROVEN, one_line, says};
use crate::config::Finding;
use crate::detect::fold::Judgement;
use crate::detect::recent::Recent;
use crate::detect::risk::{Risk, Signal};
use crate::detect::scenario::{ScenarioSet, builtin};
use crate::detect::sigma::RuleText;
use crate::event::{
    Alarm, Body, Decision, Event, EventId, Evidence, Happened, Interest, Raw, Stream, Timestamp, Verdict,
};
use crate::limits;

const MODEL: &str = "risk";
/// Of the files of scenarios in the configuration.
const KEY: &str = "l4.scenarios";

/// The score of a risk that has just reached `suspicious_at`: more than one weak rule, less than a person must act on.
const SUSPICIOUS_SCORE: f64 = 0.5;
/// From there to [`MALICIOUS_FROM`], the score of a risk that has just reached `malicious_at`; and on to certainty.
const TO_MALICIOUS: f64 = 0.3;
const TO_CERTAIN: f64 = 0.2;
const _: () = assert!(SUSPICIOUS_SCORE + TO_MALICIOUS == MALICIOUS_FROM && MALICIOUS_FROM + TO_CERTAIN == 1.0);
/// Scores below this are no signal: an informational rule or a single failed login means nothing.
const SIGNAL_FROM: f64 = 0.2;
const _: () = assert!(QUIET_BELOW < SIGNAL_FROM);
pub const READS: Interest = Interest::NONE
    .stream(Stream::L3In)
    .stream(Stream::L3Out)
    .stream(Stream::L4In)
    .stream(Stream::Shrink)
    .stream(Stream::Tick);

/// The stage that writes `L4_OUT`. That the thresholds are numbers in ascending order is checked where the configuration is.
/// `rules` are those of Layer 3: scenarios may name them, and may stand among them.
///
/// # Errors
/// A path cannot be read, holds no file, or is a file with a bad scenario.
pub fn prepare(config: &config::L4, rules: &[RuleText]) -> Result<PreparedStage, Vec<Finding>> {
    let thresholds = Thresholds {
        half_life: config.half_life.get(),
        suspicious_at: config.suspicious_at,
        malicious_at: config.malicious_at,
    };
    let builtin = if config.builtin_scenarios { builtin::texts() } else { Vec::new() };
    let files = Wanted { key: KEY, endings: YAML, builtin, paths: &config.scenarios }.read()?;
    let (set, problems) = ScenarioSet::compile(&files.texts, rules);
    let warnings = files.judge(KEY, problems)?;
    let set = Arc::new(set);
    let make = move || -> Box<dyn super::stage::Stage> {
        let (seen, measured) = (Seen::default(), Measurements::default());
        let state = State { watched: watched(), addresses: watched(), seen, measured };
        Box::new(L4 { thresholds, model: MODEL.into(), set: Arc::clone(&set), models: Models::default(), state })
    };
    Ok(PreparedStage { make: Arc::new(make), warnings })
}

fn watched() -> Recent<Watched> {
    Recent::new(limits::ENTITIES_PER_DETECTOR_MAX)
}

#[derive(Debug, Clone, Copy)]
struct Thresholds {
    half_life: Duration,
    suspicious_at: f64,
    malicious_at: f64,
}

struct L4 {
    thresholds: Thresholds,
    model: Arc<str>,
    set: Arc<ScenarioSet>,
    models: Models,
    state: State,
}

/// All that Layer 4 remembers.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// Users and machines.
    watched: Recent<Watched>,
    /// Addresses: however many there are, they make nobody else's risk be forgotten.
    #[serde(default = "watched")]
    addresses: Recent<Watched>,
    seen: Seen,
    #[serde(default)]
    measured: Measurements,
}

impl State {
    fn touch(&mut self, key: &str) -> &mut Watched {
        let table = if key.starts_with(ADDRESS) { &mut self.addresses } else { &mut self.watched };
        table.touch(key, Default::default)
    }

    fn known(&self, key: &str) -> Option<&Watched> {
        if key.starts_with(ADDRESS) { self.addresses.get(key) } else { self.watched.get(key) }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Watched {
    risk: Risk,
    /// The highest verdict that has been announced of it and still holds.
    announced: Option<Verdict>,
    /// The events that it has risen through last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    events: VecDeque<i64>,
}

/// Whether the decision adds to nobody's risk.
fn is_no_signal(decision: &Decision) -> bool {
    decision.score < SIGNAL_FROM && decision.verdict == Verdict::Benign
}

impl Stateful for L4 {
    type State = State;

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        match &event.body {
            Body::Tick => {
                for decision in self.state.seen.over(event.times.taken_in()) {
                    out.emit(Stream::L4Out, Body::Decision(Box::new(decision)));
                }
            }
            Body::Raw(raw) if event.stream == Stream::L3In => self.count(event, raw, out),
            Body::Shrink(sample) => {
                if let Some(decision) = self.state.measured.shrink(sample, event.time()) {
                    out.emit(Stream::L4Out, Body::Decision(Box::new(decision)));
                }
            }
            // Nearly every line.
            Body::Decision(decision) if event.stream == Stream::L3Out && is_no_signal(decision) => {}
            Body::Decision(decision) if event.stream == Stream::L3Out => {
                let Some(times) = self.heard_times(event, decision) else { return };
                let detection = Detection { times, ..Detection::from_decision(decision) };
                let tipped = self.weigh(event, &detection, decision.verdict);
                self.report_risk(tipped, event.time(), out);
            }
            Body::Raw(raw) if event.stream == Stream::L4In => {
                let found = self.state.measured.see(raw, event.time());
                let told = Detection::from_context(raw);
                // What the sender itself says of it goes first, where that is more.
                let (detection, own) = match found {
                    Some((detection, decision)) if detection.score > told.score => (detection, decision),
                    _ => {
                        let own = told.decision(Arc::from("l4"));
                        (told, own)
                    }
                };
                let tipped = self.weigh(event, &detection, own.verdict).filter(|tipped| tipped.score >= own.score);
                out.emit(Stream::L4Out, Body::Decision(Box::new(tipped.unwrap_or(own))));
            }
            _ => {}
        }
    }

    fn state(&self) -> &Self::State {
        &self.state
    }

    fn state_mut(&mut self) -> &mut Self::State {
        &mut self.state
    }
}

impl L4 {
    /// For how many a decision of Layer 3 is weighed, if it is to be heard: one that goes on about the same is heard as often as it
    /// is reported; each stays on the record of Layer 3.
    fn heard_times(&mut self, event: &Event, decision: &Decision) -> Option<u32> {
        let times = decision.happened.times;
        if says(&decision.reasons, SOURCE_NOT_PROVEN) {
            return None;
        }
        let Some(reason) = decision.reasons.first().filter(|_| decision.verdict != Verdict::Benign) else {
            return Some(times);
        };
        let (ts, taken_in) = (event.time(), event.times.taken_in());
        self.state.seen.watch.heard_times(
            reason,
            &decision.entity,
            Judgement { ts, taken_in, times, score: decision.score, event: EventId::ZERO },
        )
    }

    /// Reports a risk that has risen; of many addresses together.
    fn report_risk(&mut self, tipped: Option<Decision>, ts: Timestamp, out: &mut Outbox) {
        if let Some(decision) = tipped.and_then(|decision| self.state.seen.gather_risk(decision, ts)) {
            out.emit(Stream::L4Out, Body::Decision(Box::new(decision)));
        }
    }

    /// Counts a line of a log. An alarm is a decision, and a signal of risk; what is new is a signal alone.
    fn count(&mut self, event: &Event, raw: &Raw, out: &mut Outbox) {
        let (ts, now) = (event.time(), event.times.taken_in());
        for raised in self.state.seen.observe(&self.set, (event.id, raw), ts) {
            let decision = self.models.decision(&raised, (event.id, raw));
            // An alarm that has grown is no further signal, one about many is none about the last of them, and what anybody
            // can have sent none about anybody.
            let is_of_nobody = says(&decision.reasons, SOURCE_NOT_PROVEN);
            let is_new = raised.alarm.reports == 1 && !raised.is_of_many && !is_of_nobody;
            let (signal, verdict) = (Detection::from_own(&decision, &raised), decision.verdict);
            let reported = self.state.seen.gather(&raised, decision, (ts, now), &event.id.to_string());
            // Whoever gets in again in the same way is no further signal either.
            let begins = |alarm: &Alarm| alarm.first_ts >= alarm.last_ts;
            let is_first = reported.as_ref().is_some_and(|it| it.alarm.as_deref().is_none_or(begins));
            let is_new = is_new && (is_first || !raised.is_after);
            let tipped = is_new.then(|| self.weigh(event, &signal, verdict)).flatten();
            if let Some(reported) = reported {
                out.emit(Stream::L4Out, Body::Decision(Box::new(reported)));
            }
            self.report_risk(tipped, ts, out);
        }
        if let Some(detection) = self.state.measured.line(raw, ts) {
            let tipped = self.weigh(event, &detection, Verdict::Benign);
            self.report_risk(tipped, ts, out);
        }
        if let Some((detection, own)) = self.state.measured.logged_flow(raw, ts) {
            let tipped = self.weigh(event, &detection, own.verdict);
            out.emit(Stream::L4Out, Body::Decision(Box::new(own)));
            self.report_risk(tipped, ts, out);
        }
        for first in self.state.seen.watch.first_times(raw.record(), ts) {
            let detection = Detection::of_first_time(&first, raw);
            let tipped = self.weigh(event, &detection, Verdict::Benign);
            self.report_risk(tipped, ts, out);
        }
    }

    /// Adds a detection to the risk of every subject that it concerns. Returns a decision when that lifts one of them
    /// over a threshold: a single one, about the subject with the highest risk, because one event has one cause; and
    /// none about an address or host when that much has been announced of the user or address that its risk comes from.
    /// `own` is the verdict of the event itself.
    fn weigh(&mut self, event: &Event, detection: &Detection, own: Verdict) -> Option<Decision> {
        let ts = event.time();
        if detection.score < SIGNAL_FROM && own == Verdict::Benign {
            return None;
        }
        let mut highest: Option<(Subject, f64, Verdict)> = None;
        let mut already_announced = Verdict::Benign;
        for subject in subjects(detection) {
            let watched = self.state.touch(&subject.key);
            let risen = watched.weigh(&self.thresholds, (event.id, ts), detection, subject.share, own);
            let higher = |risk| highest.as_ref().is_none_or(|(_, other, _)| risk > *other);
            match risen {
                Some((risk, reached)) if reached > already_announced && higher(risk) => {
                    highest = Some((subject, risk, reached));
                }
                Some(_) => {}
                None => already_announced = already_announced.max(watched.announced.unwrap_or(Verdict::Benign)),
            }
        }
        let (subject, risk, reached) = highest?;
        // That its machine's risk has risen as far is no news either, whichever line then tips it.
        if let Some(host) = detection.entity.host.as_deref().filter(|_| !subject.key.starts_with(HOST)) {
            let watched = self.state.watched.touch(&format!("{HOST}{host}"), Default::default);
            watched.announced = watched.announced.max(Some(reached));
        }
        let watched = self.state.known(&subject.key)?;
        Some(self.decide((&subject, event.id), risk, reached, watched, detection))
    }

    fn decide(
        &self,
        (subject, input): (&Subject, EventId),
        value: f64,
        reached: Verdict,
        watched: &Watched,
        detection: &Detection,
    ) -> Decision {
        let reasons = watched.risk.reasons();
        let name = subject.key.replacen(':', " ", 1);
        let summary = format!("risk of {name} has risen to {value:.2} through {}", reasons.join(", "));
        Decision {
            verdict: reached,
            score: self.thresholds.score(value),
            model: Arc::clone(&self.model),
            device_id: DEVICE,
            compartment: Arc::clone(&detection.compartment),
            input_ref: input.text(),
            entity: subject.entity.clone(),
            category: detection.category,
            happened: Happened::default(),
            reasons,
            attack: watched.risk.techniques(),
            summary: one_line(&summary),
            alarm: None,
            evidence: Some(Box::new(self.thresholds.evidence(value, reached, &watched.events))),
        }
    }
}

impl Watched {
    /// Adds a detection. Returns the risk and the verdict that it reaches, if that verdict has not been announced yet.
    fn weigh(
        &mut self,
        thresholds: &Thresholds,
        (id, ts): (EventId, Timestamp),
        detection: &Detection,
        share: f64,
        own: Verdict,
    ) -> Option<(f64, Verdict)> {
        self.risk.fade(ts, thresholds.half_life);
        self.rearm(thresholds);
        if self.risk.value() == 0.0 {
            self.events.clear();
        }
        if self.events.len() >= limits::RISK_EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(id.packed());
        let score = detection.score * share;
        let (reasons, techniques) = (&detection.reasons, &detection.techniques);
        let risk = self.risk.add(&Signal { score, reasons, techniques, times: detection.times });
        let reached = thresholds.verdict(risk);
        // A malicious decision has alarmed already: that the same entity is "suspicious" adds nothing.
        let known = if own == Verdict::Malicious { Verdict::Suspicious } else { Verdict::Benign };
        let announced = self.announced.unwrap_or(Verdict::Benign).max(known);
        self.announced = Some(announced.max(reached));
        (reached > announced).then_some((risk, reached))
    }

    /// Half of a threshold is the hysteresis: risk that hovers at the threshold alarms once.
    fn rearm(&mut self, thresholds: &Thresholds) {
        let still = thresholds.verdict(self.risk.value() * 2.0);
        self.announced = self.announced.map(|announced| announced.min(still));
    }
}

impl Thresholds {
    /// That a risk has reached a threshold through these events.
    fn evidence(&self, value: f64, reached: Verdict, events: &VecDeque<i64>) -> Evidence {
        let threshold = if reached == Verdict::Malicious { self.malicious_at } else { self.suspicious_at };
        let events = events.iter().map(|id| EventId::from_packed(*id)).collect();
        Evidence { value: Some(value), threshold: Some(threshold), ..Evidence::of(events, 0) }
    }

    fn verdict(&self, risk: f64) -> Verdict {
        if risk >= self.malicious_at {
            Verdict::Malicious
        } else if risk >= self.suspicious_at {
            Verdict::Suspicious
        } else {
            Verdict::Benign
        }
    }

    /// Risk as a score: 0.5 at `suspicious_at`, [`MALICIOUS_FROM`] at `malicious_at`, linear between, towards 1 beyond.
    fn score(&self, risk: f64) -> f64 {
        if risk >= self.malicious_at {
            1.0 - TO_CERTAIN * self.malicious_at / risk
        } else {
            let way = (risk - self.suspicious_at) / (self.malicious_at - self.suspicious_at);
            SUSPICIOUS_SCORE + TO_MALICIOUS * way.clamp(0.0, 1.0)
        }
    }
}
