//! Fusion: a decision, and what SHRINK measured of the operator at that time, become a SOC event.
//!
//! Layer 3 and Layer 4 may both decide about the same line: Layer 3 of the line itself, Layer 4 of the entity whose
//! risk it tipped. What Layer 4 says of a line is a SOC event of its own where it is worse than what Layer 3 has reported of the
//! same line and the same doer. What Layer 3 says of many lines alike is one alarm that grows.

#[cfg(test)]
mod alarm_tests;
mod alarms;
pub(crate) mod config;
#[cfg(test)]
mod hits_tests;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::alarms::Alarms;
use super::message_pack;
use super::rule_hits::RuleHits;
use super::rules::KnownRules;
use super::severity::{Operator, severity};
use super::silenced::own_state;
use super::stage::{Outbox, StageSpec, Stateful};
use super::{ACUTE_STRESS, one_line};
use crate::config::Shrink;
use crate::detect::shrink_readings::ShrinkReadings;
use crate::event::{Body, Decision, Event, Interest, Severity, Soc, Stream, Timestamp, Verdict};

pub const READS: Interest =
    Interest::NONE.stream(Stream::L3Out).stream(Stream::L4Out).stream(Stream::Shrink).stream(Stream::Tick);

/// The stage that writes `SOC_EVENTS` for decisions. `shrink` has the age from which a sample is stale; `rules` are those whose
/// hits are counted.
pub fn prepare(config: &config::Fusion, shrink: Option<&Shrink>, rules: KnownRules) -> StageSpec {
    let include_benign = config.include_benign;
    let stale_after = shrink.map_or_else(|| Shrink::default().stale_after, |shrink| shrink.stale_after).get();
    StageSpec {
        name: "fusion",
        identifier: "dsmil-soc-router",
        reads: READS,
        critical: true,
        make: Arc::new(move || {
            let rules = rules.clone();
            Box::new(Fusion { include_benign, stale_after, rules, state: State::default() })
        }),
    }
}

struct Fusion {
    include_benign: bool,
    stale_after: Duration,
    rules: KnownRules,
    state: State,
}

/// All that fusion remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    known: ShrinkReadings,
    #[serde(default)]
    alarms: Alarms,
    #[serde(default)]
    hits: RuleHits,
}

/// How often each rule has matched, by the saved state of this stage.
///
/// # Errors
/// It is no such state.
pub fn hits(state: &[u8]) -> Result<RuleHits, message_pack::Error> {
    /// The rest is passed over.
    #[derive(Deserialize)]
    struct Counted {
        #[serde(default)]
        hits: RuleHits,
    }
    message_pack::read::<Counted>(own_state(state)).map(|state| state.hits)
}

impl Stateful for Fusion {
    type State = State;

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        self.state.hits.step(event, || &self.rules.catalog().names);
        match &event.body {
            Body::Shrink(sample) => self.state.known.take(event.time(), sample, Some(event.id)),
            Body::Tick => {
                for over in self.state.alarms.over(event.times.taken_in()) {
                    out.emit_soc(self.end(event.time(), over));
                }
            }
            Body::Decision(decision) if is_reported(decision) || self.include_benign => {
                let layer = if event.stream == Stream::L4Out { "4" } else { "3" };
                let added = self.state.alarms.add(event, decision);
                if let Some(over) = added.over {
                    out.emit_soc(self.end(event.time(), over));
                }
                if let Some(reported) = added.reported {
                    let alarm = reported.alarm.as_deref().cloned();
                    // What the decision itself names is found there.
                    let evidence = reported.evidence.clone().filter(|_| reported.evidence != decision.evidence);
                    out.emit_soc(Soc { alarm, evidence, ..self.fuse(layer, event.time(), &reported) });
                }
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

fn is_over(decision: &Decision) -> bool {
    decision.alarm.as_ref().is_some_and(|alarm| alarm.is_over)
}

fn is_reported(decision: &Decision) -> bool {
    decision.verdict != Verdict::Benign || is_over(decision)
}

impl Fusion {
    /// That an alarm of Layer 3 is over: information, however the operator is.
    fn end(&self, ts: Timestamp, over: Soc) -> Soc {
        Soc { shrink: self.state.known.view(ts, self.stale_after), ..over }
    }

    fn fuse(&self, layer: &str, ts: Timestamp, decision: &Decision) -> Soc {
        let shrink = self.state.known.view(ts, self.stale_after);
        let value = |name: &str| shrink.values.get(name).copied();
        let operator = Operator {
            crisis_level: value("crisis_level"),
            acute_stress: value(ACUTE_STRESS),
            anomaly_score: value("anomaly_score"),
        };
        Soc {
            src_layer: layer.to_owned(),
            decision: decision.verdict,
            score: decision.score,
            shrink_risk: operator.acute_stress,
            src_device: decision.device_id,
            severity: if is_over(decision) {
                Severity::Info
            } else {
                severity(decision.verdict, decision.score, operator)
            },
            category: decision.category,
            compartment: decision.compartment.to_string(),
            summary: summary(decision),
            entity: decision.entity.clone(),
            shrink,
            attack: decision.attack.clone(),
            reasons: decision.reasons.clone(),
            outcome: decision.happened.outcome,
            ..Soc::default()
        }
    }
}

/// The decision's own summary, or one made of its model and reasons where a writer outside sent none.
fn summary(decision: &Decision) -> String {
    if !decision.summary.is_empty() {
        return one_line(&decision.summary);
    }
    let model = if decision.model.is_empty() { "an unnamed model" } else { &*decision.model };
    let because =
        if decision.reasons.is_empty() { String::new() } else { format!(": {}", decision.reasons.join(", ")) };
    one_line(&format!("{} by {model}{because}", decision.verdict.name()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::event::{Alarm, Category, Entity, EventId, ShrinkSample, ShrinkState, Times, wire};
    use crate::layer::stage::Stage;
    use crate::layer::testing::soc_events;

    fn second(number: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + number * 1000)
    }

    fn event(stream: Stream, at: u64, body: Body) -> Event {
        let id = EventId::new(1_700_000_000_000 + at * 1000, 0);
        Event { id, stream, times: Times::at(second(at)), root: id, body }
    }

    fn sample(at: u64, pairs: &[(&str, f64)]) -> Event {
        let values = pairs.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
        event(Stream::Shrink, at, Body::Shrink(ShrinkSample { values, failure: None }))
    }

    fn failure(at: u64) -> Event {
        let failure = Some("timed out".to_owned());
        event(Stream::Shrink, at, Body::Shrink(ShrinkSample { values: BTreeMap::new(), failure }))
    }

    fn decision(at: u64, stream: Stream, score: f64) -> Event {
        let decision = Decision {
            verdict: crate::layer::verdict(score),
            score,
            entity: Entity { user: Some("alice".into()), ..Entity::default() },
            category: Category::Auth,
            reasons: vec!["brute_force".into()],
            ..Decision::benign("rates".into(), 16, "ops".into(), EventId::ZERO)
        };
        event(stream, at, Body::Decision(Box::new(decision)))
    }

    fn stage(include_benign: bool) -> Box<dyn Stage> {
        let config = config::Fusion { include_benign, ..config::Fusion::default() };
        (prepare(&config, Some(&Shrink::default()), KnownRules::default()).make)()
    }

    #[test]
    fn a_soc_event_says_who_decided_what_about_whom_and_why() {
        let cause = decision(0, Stream::L4Out, 0.6);
        let soc = soc_events(&mut *stage(false), std::slice::from_ref(&cause)).remove(0);
        assert_eq!((soc.src_layer.as_str(), soc.src_device, soc.score), ("4", 16, 0.6));
        assert_eq!(soc.input_ref, cause.id.to_string());
        assert_eq!((soc.severity, soc.category), (Severity::Medium, Category::Auth));
        assert_eq!(soc.entity.user.as_deref(), Some("alice"));
        assert_eq!(soc.summary, "suspicious by rates: brute_force");
    }

    #[test]
    fn benign_decisions_give_an_event_only_when_asked_for() {
        let benign = [decision(0, Stream::L3Out, 0.1)];
        assert!(soc_events(&mut *stage(false), &benign).is_empty());
        assert_eq!(soc_events(&mut *stage(true), &benign)[0].severity, Severity::Info);
    }

    #[test]
    fn a_fresh_sample_is_shown_and_raises_severity_and_a_stale_one_does_neither() {
        let crisis = [("shrink_crisis_level", 0.95), ("risk_acute_stress", 0.3), ("cognitive_load_index", 0.5)];
        let fresh = soc_events(&mut *stage(false), &[sample(0, &crisis), decision(10, Stream::L3Out, 0.4)]).remove(0);
        assert_eq!((fresh.shrink.state, fresh.shrink_risk), (ShrinkState::Fresh, Some(0.3)));
        assert_eq!(fresh.severity, Severity::Critical);
        assert_eq!((fresh.shrink.values["crisis_level"], fresh.shrink.values["cognitive_load"]), (0.95, 0.5));

        let stale = soc_events(&mut *stage(false), &[sample(0, &crisis), decision(11, Stream::L3Out, 0.4)]).remove(0);
        assert_eq!((stale.shrink.state, stale.shrink_risk), (ShrinkState::Stale, None));
        assert_eq!((stale.severity, stale.shrink.age_s), (Severity::Low, Some(11.0)));
        assert!(stale.shrink.values.is_empty());
    }

    #[test]
    fn failing_polls_mean_down_once_the_last_good_sample_is_stale() {
        let good = sample(0, &[(ACUTE_STRESS, 0.9)]);
        let soon =
            soc_events(&mut *stage(false), &[good.clone(), failure(1), decision(2, Stream::L3Out, 0.4)]).remove(0);
        assert_eq!(soon.shrink.state, ShrinkState::Fresh);
        let late = soc_events(&mut *stage(false), &[good, failure(1), decision(60, Stream::L3Out, 0.4)]).remove(0);
        assert_eq!((late.shrink.state, late.shrink_risk, late.severity), (ShrinkState::Down, None, Severity::Low));
        let never = soc_events(&mut *stage(false), &[failure(1), decision(2, Stream::L3Out, 0.4)]).remove(0);
        assert_eq!((never.shrink.state, never.shrink.age_s), (ShrinkState::Down, None));
    }

    #[test]
    fn what_layer_3_says_of_many_lines_alike_is_one_alarm_that_grows_and_what_others_say_is_each_an_event() {
        let said = |model: &str, stream: Stream, at: u64, score: f64| {
            let mut event = decision(at, stream, score);
            if let Body::Decision(decision) = &mut event.body {
                decision.model = model.into();
            }
            event
        };
        let flood: Vec<Event> = (0..20).map(|at| said("sigma", Stream::L3Out, at, 0.5)).collect();
        let alarms: Vec<Alarm> =
            soc_events(&mut *stage(false), &flood).into_iter().filter_map(|soc| soc.alarm).collect();
        assert_eq!(alarms.iter().map(|alarm| alarm.count).collect::<Vec<_>>(), [1, 8, 16]);
        assert!(alarms.iter().all(|alarm| alarm.id == alarms[0].id));
        for (model, stream) in [("another", Stream::L3Out), ("risk", Stream::L4Out), ("another", Stream::L4Out)] {
            let each: Vec<Event> = (0..20).map(|at| said(model, stream, at, 0.5)).collect();
            assert_eq!(soc_events(&mut *stage(false), &each).len(), 20, "{model}");
        }
    }

    #[test]
    fn an_alarm_of_layer_3_that_nothing_is_added_to_any_more_is_over_which_is_information() {
        let said = |at: u64| {
            let mut event = decision(at, Stream::L3Out, 0.5);
            if let Body::Decision(decision) = &mut event.body {
                decision.model = "sigma".into();
            }
            event
        };
        let mut events: Vec<Event> = (0..12).map(said).collect();
        events.extend((1..70).map(|minute| event(Stream::Tick, minute * 60, Body::Tick)));
        let over: Vec<Soc> = soc_events(&mut *stage(false), &events).split_off(2);
        assert_eq!(over.len(), 1);
        let alarm = over[0].alarm.as_ref().unwrap();
        assert!(alarm.is_over && alarm.count == 12 && over[0].severity == Severity::Info);
        assert_eq!((over[0].decision, over[0].entity.user.as_deref()), (Verdict::Benign, Some("alice")));
        let json = wire::to_json(&event(Stream::SocEvents, 1, Body::Soc(Box::new(over[0].clone()))));
        assert_eq!((json["over"].as_bool(), json["count"].as_u64()), (Some(true), Some(12)));
    }

    #[test]
    fn an_alarm_of_layer_4_is_reported_when_it_begins_when_it_is_worse_when_it_goes_on_again_and_as_a_campaign() {
        let said = |at: u64, score: f64, reason: &str| {
            let mut event = decision(at, Stream::L4Out, score);
            if let Body::Decision(decision) = &mut event.body {
                let (members, is_over) = (vec!["b".to_owned()], reason == "over");
                let alarm = Alarm { id: "a".into(), count: at, members, is_over, ..Alarm::default() };
                decision.alarm = Some(Box::new(alarm));
                decision.reasons.push(reason.to_owned());
            }
            event
        };
        let events = [
            said(5, 0.6, ""),
            said(8, 0.6, ""),
            said(16, 0.6, ""),
            said(50, 0.7, ""),
            said(64, 0.7, "campaign"),
            said(65, 0.7, "resumed"),
            said(128, 0.7, ""),
            said(130, 0.0, "over"),
            said(256, 0.7, ""),
            said(512, 0.7, ""),
        ];
        let reported = soc_events(&mut *stage(false), &events);
        let counts: Vec<u64> = reported.iter().filter_map(|soc| Some(soc.alarm.as_ref()?.count)).collect();
        assert_eq!(counts, [5, 50, 64, 65, 130, 256], "whoever reads that it is over reads that it goes on");
    }

    #[test]
    fn that_an_alarm_of_layer_4_is_over_is_reported_though_it_is_benign() {
        let said = |score: f64, is_over: bool| {
            let mut event = decision(0, Stream::L4Out, score);
            if let Body::Decision(decision) = &mut event.body {
                decision.alarm = Some(Box::new(Alarm { is_over, ..Alarm::default() }));
            }
            event
        };
        let crisis = [said(0.6, false), sample(0, &[("crisis_level", 0.95)]), said(0.0, true)];
        let reported = soc_events(&mut *stage(false), &crisis);
        assert_eq!(reported.iter().map(|soc| soc.severity).collect::<Vec<_>>(), [Severity::Medium, Severity::Info]);
        assert_eq!(soc_events(&mut *stage(false), &[said(0.0, true)]), [], "nobody was told that it began");
    }

    #[test]
    fn an_anomaly_that_shrink_reports_raises_severity() {
        let of = |anomaly: f64| {
            let events = [sample(0, &[("anomaly_score", anomaly)]), decision(1, Stream::L3Out, 0.4)];
            soc_events(&mut *stage(false), &events).remove(0).severity
        };
        assert_eq!((of(3.0), of(3.5)), (Severity::Low, Severity::Medium));
    }

    #[test]
    fn a_good_sample_ends_the_failures_before_it() {
        let events = [failure(0), sample(1, &[(ACUTE_STRESS, 0.9)]), decision(60, Stream::L3Out, 0.4)];
        assert_eq!(soc_events(&mut *stage(false), &events).remove(0).shrink.state, ShrinkState::Stale);
    }

    #[test]
    fn a_decision_about_an_earlier_time_gets_the_sample_of_that_time() {
        let samples: Vec<Event> = (0..30).map(|at| sample(at, &[(ACUTE_STRESS, at as f64 / 100.0)])).collect();
        let mut events = samples;
        events.push(decision(12, Stream::L3Out, 0.4));
        assert_eq!(soc_events(&mut *stage(false), &events)[0].shrink_risk, Some(0.12));
    }

    #[test]
    fn a_value_cannot_take_the_name_of_a_field_of_the_shrink_object() {
        let events =
            [sample(0, &[("state", 1.0), ("age_s", 2.0), ("extra", f64::NAN)]), decision(1, Stream::L3Out, 0.4)];
        let soc = soc_events(&mut *stage(false), &events).remove(0);
        assert!(soc.shrink.values.is_empty());
        let json = wire::to_json(&event(Stream::SocEvents, 1, Body::Soc(Box::new(soc))));
        assert_eq!(json["shrink"]["state"], "fresh");
    }

    #[test]
    fn a_restored_stage_knows_what_shrink_said() {
        let mut first = stage(false);
        soc_events(&mut *first, &[sample(0, &[(ACUTE_STRESS, 0.2)]), failure(1)]);
        let mut second = stage(false);
        second.load(&first.save().unwrap()).unwrap();
        let next = [decision(2, Stream::L3Out, 0.4)];
        assert_eq!(soc_events(&mut *second, &next), soc_events(&mut *first, &next));
        assert!(second.load(b"not a state").is_err());
    }
}
