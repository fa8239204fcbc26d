//! Which of many decisions that say the same are told of, and what is said when an alarm is over.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::detect::fold::{Folds, Judgement};
use crate::detect::recent::Recent;
use crate::event::{Action, Alarm, Category, Decision, Entity, Event, Soc, Stream, Timestamp, Verdict};
use crate::layer::over_summary;
use crate::limits;

/// Models of Layer 3, which judges each line alone: what they go on saying of the same is one alarm.
const OF_SINGLE_LINES: [&str; 3] = ["sigma", "formats", "web"];
/// Models of Layer 4 whose alarms grow: on `L4_OUT` at powers of two, here when one begins, is worse, or is over.
const OF_MANY_LINES: [&str; 2] = ["rates", "sequence"];

#[derive(Debug, Serialize, Deserialize)]
pub struct Alarms {
    folds: Folds<About>,
    /// The highest score that was told, by id of an alarm of Layer 4.
    told: Recent<f64>,
}

/// What is said of an alarm of Layer 3 when it is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct About {
    input_ref: String,
    device: u16,
    category: Category,
    compartment: Arc<str>,
    entity: Entity,
    reasons: Vec<String>,
}

/// What follows from a decision.
#[derive(Default)]
pub struct Added {
    /// It is to be told of, with the alarm that it belongs to, if it is one.
    pub told: Option<Option<Alarm>>,
    /// The alarm before it about the same is over.
    pub over: Option<Soc>,
}

impl Default for Alarms {
    fn default() -> Self {
        Self { folds: Folds::default(), told: Recent::new(limits::ENTITIES_PER_DETECTOR_MAX) }
    }
}

impl Alarms {
    pub fn add(&mut self, event: &Event, decision: &Decision) -> Added {
        let is_of = |models: &[&str]| models.contains(&&*decision.model);
        match event.stream {
            Stream::L3Out if decision.verdict != Verdict::Benign && is_of(&OF_SINGLE_LINES) => {
                self.fold(event, decision)
            }
            Stream::L4Out if is_of(&OF_MANY_LINES) => Added { told: self.news(decision), over: None },
            _ => Added { told: Some(decision.alarm.as_deref().cloned()), over: None },
        }
    }

    /// Those that nothing has been added to for long.
    pub fn over(&mut self, now: Timestamp) -> Vec<Soc> {
        self.folds.over(now).into_iter().map(ended).collect()
    }

    fn fold(&mut self, event: &Event, decision: &Decision) -> Added {
        let about = decision.entity.key().unwrap_or_default();
        // Who probes a web server tries one thing after the other.
        let reason = match decision.happened.action {
            Action::HttpRequest => "request",
            _ => decision.reasons.first().map_or("", String::as_str),
        };
        let judgement = Judgement {
            ts: event.time(),
            taken_in: event.times.taken_in(),
            times: decision.happened.times,
            score: decision.score,
        };
        let added = self.folds.add(&format!("{reason} {about}"), judgement, || About {
            input_ref: event.id.to_string(),
            device: decision.device_id,
            category: decision.category,
            compartment: Arc::clone(&decision.compartment),
            entity: decision.entity.clone(),
            reasons: decision.reasons.clone(),
        });
        Added { told: added.told.map(Some), over: added.over.map(ended) }
    }

    fn news(&mut self, decision: &Decision) -> Option<Option<Alarm>> {
        let Some(alarm) = decision.alarm.as_deref() else { return Some(None) };
        let told = self.told.touch(&alarm.id, || f64::NEG_INFINITY);
        let is_news = decision.score > *told || alarm.is_over || !alarm.members.is_empty();
        *told = told.max(decision.score);
        is_news.then(|| Some(alarm.clone()))
    }
}

fn ended((about, alarm): (About, Alarm)) -> Soc {
    let of = about.entity.key().map(|key| key.replacen(':', " ", 1));
    Soc {
        src_layer: "3".to_owned(),
        decision: Verdict::Benign,
        input_ref: about.input_ref,
        src_device: about.device,
        category: about.category,
        compartment: about.compartment.to_string(),
        summary: over_summary(&about.reasons, of.as_deref(), &alarm),
        entity: about.entity,
        reasons: about.reasons,
        alarm: Some(alarm),
        ..Soc::default()
    }
}
