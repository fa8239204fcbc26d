//! Layer 4: what many decisions about one user, address or host mean together.
//!
//! Reads the decisions of Layer 3 and the events of `L4_IN`, adds their scores to the risk of every entity they concern
//! (see [`crate::detect::risk`]), and decides when an entity's risk rises over a threshold: once, and again only after
//! the risk has fallen below half of it. An `L4_IN` event may carry a score, reasons and techniques of its own (a model
//! elsewhere found them); each gets a decision. Risk fades with the time of the events themselves, so no tick is
//! needed.

pub(crate) mod config;
mod detection;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::detection::{DEVICE, Detection, Subject, subjects};
use super::judgement::MALICIOUS_FROM;
use super::one_line;
use super::stage::{Outbox, StageSpec, Stateful};
use crate::detect::recent::Recent;
use crate::detect::risk::{Risk, Signal};
use crate::event::{Body, Decision, Event, Happened, Interest, Stream, Timestamp, Verdict};
use crate::limits;

const MODEL: &str = "risk";

/// The score of a risk that has just reached `suspicious_at`: more than one weak rule, less than a person must act on.
const SUSPICIOUS_SCORE: f64 = 0.5;
/// From there to [`MALICIOUS_FROM`], the score of a risk that has just reached `malicious_at`; and on to certainty.
const TO_MALICIOUS: f64 = 0.3;
const TO_CERTAIN: f64 = 0.2;
const _: () = assert!(SUSPICIOUS_SCORE + TO_MALICIOUS == MALICIOUS_FROM && MALICIOUS_FROM + TO_CERTAIN == 1.0);
/// Scores below this are no signal: an informational rule or a single failed login means nothing.
const SIGNAL_FROM: f64 = 0.2;
pub const READS: Interest = Interest::NONE.stream(Stream::L3Out).stream(Stream::L4In);

/// The stage that writes `L4_OUT`. That the thresholds are numbers in ascending order is checked where the
/// configuration is.
pub fn prepare(config: &config::L4) -> StageSpec {
    let thresholds = Thresholds {
        half_life: config.half_life.get(),
        suspicious_at: config.suspicious_at,
        malicious_at: config.malicious_at,
    };
    StageSpec {
        name: "l4",
        identifier: "dsmil-l4",
        reads: READS,
        critical: true,
        make: Arc::new(move || Box::new(L4 { thresholds, model: MODEL.into(), watched: watched() })),
    }
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
    watched: Recent<Watched>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Watched {
    risk: Risk,
    /// The highest verdict that has been announced of it and still holds.
    announced: Option<Verdict>,
}

impl Stateful for L4 {
    type State = Recent<Watched>;

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        match &event.body {
            Body::Decision(decision) if event.stream == Stream::L3Out => {
                let detection = Detection::from_decision(decision);
                if let Some(decision) = self.weigh(event.time(), &detection, decision.verdict) {
                    out.emit(Stream::L4Out, Body::Decision(Box::new(decision)));
                }
            }
            Body::Raw(raw) if event.stream == Stream::L4In => {
                let detection = Detection::from_context(raw);
                let own = detection.decision(Arc::from("l4"));
                let tipped =
                    self.weigh(event.time(), &detection, own.verdict).filter(|tipped| tipped.score >= own.score);
                out.emit(Stream::L4Out, Body::Decision(Box::new(tipped.unwrap_or(own))));
            }
            _ => {}
        }
    }

    fn state(&self) -> &Self::State {
        &self.watched
    }

    fn state_mut(&mut self) -> &mut Self::State {
        &mut self.watched
    }
}

impl L4 {
    /// Adds a detection to the risk of every subject that it concerns. Returns a decision when that lifts one of them
    /// over a threshold: a single one, about the subject with the highest risk, because one event has one cause; and
    /// none about an address or host when that much has been announced of the user or address that its risk comes from.
    /// `own` is the verdict of the event itself.
    fn weigh(&mut self, ts: Timestamp, detection: &Detection, own: Verdict) -> Option<Decision> {
        if detection.score < SIGNAL_FROM && own == Verdict::Benign {
            return None;
        }
        let mut highest: Option<(Subject, f64, Verdict)> = None;
        let mut already_announced = Verdict::Benign;
        for subject in subjects(&detection.entity) {
            let watched = self.watched.touch(&subject.key, Default::default);
            let risen = watched.weigh(&self.thresholds, ts, detection, subject.share, own);
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
        let watched = self.watched.get(&subject.key)?;
        Some(self.decide(&subject, risk, reached, watched, detection))
    }

    fn decide(
        &self,
        subject: &Subject,
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
            input_ref: String::new(),
            entity: subject.entity.clone(),
            category: detection.category,
            happened: Happened::default(),
            reasons,
            attack: watched.risk.techniques(),
            summary: one_line(&summary),
        }
    }
}

impl Watched {
    /// Adds a detection. Returns the risk and the verdict that it reaches, if that verdict has not been announced yet.
    fn weigh(
        &mut self,
        thresholds: &Thresholds,
        ts: Timestamp,
        detection: &Detection,
        share: f64,
        own: Verdict,
    ) -> Option<(f64, Verdict)> {
        self.risk.fade(ts, thresholds.half_life);
        self.rearm(thresholds);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Entity, EventId, Format, Raw, Record, Times};
    use crate::layer::stage::Stage;
    use crate::layer::testing::decisions;
    use crate::layer::verdict;
    use crate::parse::built_in;

    fn stage() -> Box<dyn Stage> {
        (prepare(&config::L4::default()).make)()
    }

    fn decision(minute: u64, user: &str, score: f64, reason: &str) -> Event {
        let decision = Decision {
            verdict: verdict(score),
            score,
            entity: Entity { user: Some(user.into()), host: Some("atlas".into()), ..Entity::default() },
            reasons: vec![reason.into()],
            ..Decision::benign("sigma".into(), 15, "ops".into(), EventId::ZERO)
        };
        event(minute, Stream::L3Out, Body::Decision(Box::new(decision)))
    }

    fn event(minute: u64, stream: Stream, body: Body) -> Event {
        let ms = 1_700_000_000_000 + minute * 60_000;
        Event {
            id: EventId::new(ms, 0),
            stream,
            times: Times::at(Timestamp::from_millis(ms)),
            root: EventId::new(ms, 0),
            body,
        }
    }

    #[test]
    fn ten_weak_signals_on_one_user_become_one_malicious_decision() {
        let weak: Vec<Event> = (0..10).map(|at| decision(at, "alice", 0.35, &format!("rule {at}"))).collect();
        let decisions = decisions(&mut *stage(), &weak);
        let malicious: Vec<&Decision> =
            decisions.iter().filter(|decision| decision.verdict == Verdict::Malicious).collect();
        assert_eq!(malicious.len(), 1);
        assert_eq!(malicious[0].entity.user.as_deref(), Some("alice"));
        assert!(malicious[0].reasons.len() >= 7 && malicious[0].score >= 0.8, "{malicious:?}");
    }

    #[test]
    fn the_same_signals_on_ten_users_or_over_ten_days_become_nothing_malicious() {
        let users: Vec<Event> =
            (0..10).map(|at| decision(at, &format!("user{at}"), 0.35, &format!("rule {at}"))).collect();
        assert!(decisions(&mut *stage(), &users).iter().all(|decision| decision.verdict != Verdict::Malicious));
        let days: Vec<Event> = (0..10).map(|at| decision(at * 1440, "alice", 0.35, &format!("rule {at}"))).collect();
        assert_eq!(decisions(&mut *stage(), &days), []);
    }

    #[test]
    fn a_decision_that_stands_for_many_weighs_as_many() {
        let folded = |times| {
            let mut event = decision(0, "alice", 0.35, "rule");
            if let Body::Decision(decision) = &mut event.body {
                decision.happened.times = times;
            }
            decisions(&mut *stage(), &[event])
        };
        let unfolded: Vec<Event> = (0..9).map(|_| decision(0, "alice", 0.35, "rule")).collect();
        let last = decisions(&mut *stage(), &unfolded).pop().unwrap();
        assert_eq!(folded(1), []);
        assert_eq!(folded(9).iter().map(|decision| decision.verdict).collect::<Vec<_>>(), [last.verdict]);
    }

    #[test]
    fn the_decision_names_the_one_that_tipped_it() {
        let signals: Vec<Event> = (0..3).map(|at| decision(at, "alice", 0.4, &format!("rule {at}"))).collect();
        let decisions = decisions(&mut *stage(), &signals);
        assert_eq!(decisions.len(), 1);
        assert_eq!(decisions[0].input_ref, signals[2].id.to_string());
        assert_eq!((decisions[0].verdict, decisions[0].score >= 0.5), (Verdict::Suspicious, true));
    }

    #[test]
    fn a_host_is_no_news_once_the_user_is_and_is_when_many_users_share_the_risk() {
        let one: Vec<Event> = (0..30).map(|at| decision(at, "alice", 0.5, &format!("rule {at}"))).collect();
        assert!(decisions(&mut *stage(), &one).iter().all(|decision| decision.entity.user.is_some()));
        let many: Vec<Event> =
            (0..30).map(|at| decision(at, &format!("user{at}"), 0.5, &format!("rule {at}"))).collect();
        let verdicts: Vec<(Option<String>, Verdict)> = decisions(&mut *stage(), &many)
            .into_iter()
            .map(|decision| (decision.entity.user, decision.verdict))
            .collect();
        assert_eq!(verdicts, [(None, Verdict::Suspicious), (None, Verdict::Malicious)]);
    }

    #[test]
    fn risk_that_hovers_at_a_threshold_alarms_once_and_again_after_it_has_fallen() {
        let mut stage = stage();
        let hovering: Vec<Event> = (0..6).map(|at| decision(at * 30, "alice", 0.4, &format!("rule {at}"))).collect();
        assert_eq!(decisions(&mut *stage, &hovering).len(), 1);
        let later: Vec<Event> = (0..3).map(|at| decision(2000 + at, "alice", 0.4, &format!("rule {at}"))).collect();
        assert_eq!(decisions(&mut *stage, &later).len(), 1);
    }

    #[test]
    fn a_signal_after_the_risk_has_faded_is_news_at_once() {
        let mut stage = (prepare(&config::L4 { suspicious_at: 0.2, ..config::L4::default() }).make)();
        for minute in [0, 50_000] {
            let signal = [decision(minute, "alice", 0.35, &format!("rule {minute}"))];
            assert_eq!(decisions(&mut *stage, &signal).len(), 1, "minute {minute}");
        }
    }

    #[test]
    fn benign_decisions_and_one_loud_one_are_no_news_to_layer_4() {
        let quiet: Vec<Event> = (0..500).map(|at| decision(at / 10, "alice", 0.1, "informational")).collect();
        assert_eq!(decisions(&mut *stage(), &quiet), []);
        let loud = [decision(0, "alice", 0.95, "critical"), decision(1, "alice", 0.35, "weak")];
        assert_eq!(decisions(&mut *stage(), &loud), []);
    }

    #[test]
    fn every_event_of_l4_in_gets_one_decision_and_its_score_counts() {
        let context = |minute: u64, score: &str| {
            let record = Record {
                entity: Entity { user: Some("bob".into()), ..Entity::default() },
                fields: vec![("score".into(), score.into()), ("reasons.0".into(), format!("model {minute}"))],
                ..Record::default()
            };
            let raw = Raw::new("hr".into(), "ops".into(), Format::Json, "".into(), Vec::new(), built_in())
                .with_record(record);
            event(minute, Stream::L4In, Body::Raw(raw))
        };
        let events = [context(0, ""), context(1, "0.4"), context(2, "0.3"), context(3, "NaN"), context(4, "0.4")];
        let verdicts: Vec<Verdict> =
            decisions(&mut *stage(), &events).iter().map(|decision| decision.verdict).collect();
        assert_eq!(
            verdicts,
            [Verdict::Benign, Verdict::Suspicious, Verdict::Benign, Verdict::Benign, Verdict::Suspicious]
        );
    }

    #[test]
    fn a_restored_stage_goes_on_where_it_was() {
        let signals: Vec<Event> = (0..12).map(|at| decision(at, "alice", 0.35, &format!("rule {}", at % 5))).collect();
        let whole = decisions(&mut *stage(), &signals);
        let mut first = stage();
        let mut halves = decisions(&mut *first, &signals[..5]);
        let mut second = stage();
        second.load(&first.save().unwrap()).unwrap();
        halves.extend(decisions(&mut *second, &signals[5..]));
        assert_eq!(halves, whole);
        assert!(!whole.is_empty());
    }
}
