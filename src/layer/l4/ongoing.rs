//! Alarms that were reported and are not over yet: each is reported once more when it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::detect::due::Due;
use crate::event::{Alarm, Category, Decision, Entity, Evidence, Happened, Timestamp, Verdict};
use crate::layer::over_summary;
use crate::limits;

/// Bounded: campaigns report many as one. When there is no room, the one that was heard of longest ago goes without a word.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Ongoing {
    /// By id.
    alarms: BTreeMap<String, Reported>,
    /// None is over before.
    due: Due,
}

/// What counts it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Counted {
    #[serde(rename = "s")]
    ByScenario { scenario: String, group: u64 },
    #[serde(rename = "c")]
    AsCampaign {
        reason: String,
        #[serde(default)]
        grade: u8,
    },
}

/// What is said of it in the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Reported {
    counted: Counted,
    ends_after: Duration,
    /// How often.
    reports: u32,
    /// The count that was reported last, and the one when it was last looked at.
    #[serde(rename = "told")]
    reported: u64,
    seen: u64,
    first_ts: f64,
    last_ts: f64,
    /// When it was last known to grow, by the clock of what is handled.
    heard: Timestamp,
    model: Arc<str>,
    device_id: u16,
    compartment: Arc<str>,
    input_ref: String,
    entity: Entity,
    category: Category,
    reasons: Vec<String>,
}

/// How far an alarm has grown meanwhile.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grown {
    pub count: u64,
    pub last: Timestamp,
    pub members: Vec<String>,
    pub evidence: Evidence,
}

impl Ongoing {
    /// The decision is reported now, and follows from the event of this id.
    pub fn reported(
        &mut self,
        decision: &Decision,
        input: &str,
        (counted, ends_after): (Counted, Duration),
        now: Timestamp,
    ) {
        let Some(alarm) = &decision.alarm else { return };
        if !self.alarms.contains_key(&alarm.id) && self.alarms.len() >= limits::ALARMS_GOING_ON_MAX {
            let oldest = self.alarms.iter().min_by_key(|(_, reported)| reported.heard).map(|(id, _)| id.clone());
            oldest.map(|id| self.alarms.remove(&id));
        }
        let reports = self.alarms.get(&alarm.id).map_or(0, |reported| reported.reports);
        let reported = Reported {
            counted,
            ends_after,
            reports: reports + 1,
            reported: alarm.count,
            seen: alarm.count,
            first_ts: alarm.first_ts,
            last_ts: alarm.last_ts,
            heard: now,
            model: Arc::clone(&decision.model),
            device_id: decision.device_id,
            compartment: Arc::clone(&decision.compartment),
            input_ref: input.to_owned(),
            entity: decision.entity.clone(),
            category: decision.category,
            reasons: decision.reasons.clone(),
        };
        self.alarms.insert(alarm.id.clone(), reported);
        self.due.note(now.plus(ends_after));
    }

    /// What is to be said of those that are over by now. `grown` tells how far one has grown, if it still goes on.
    pub fn over(&mut self, now: Timestamp, grown: impl Fn(&Counted, &str) -> Option<Grown>) -> Vec<Decision> {
        if !self.due.is_past(now) {
            return Vec::new();
        }
        let (mut over, mut due) = (Vec::new(), Due::default());
        self.alarms.retain(|id, reported| {
            let grown = grown(&reported.counted, id).unwrap_or_default();
            reported.look(now, &grown);
            let end = reported.heard.plus(reported.ends_after);
            if now > end {
                over.extend(reported.end(id, grown));
                return false;
            }
            due.note(end);
            true
        });
        self.due = due;
        over
    }
}

impl Reported {
    fn look(&mut self, now: Timestamp, grown: &Grown) {
        if grown.count == self.seen || grown.count == 0 {
            return;
        }
        // Lines of an old log that is read now, or of a clock that is ahead, came now.
        self.heard = if grown.last > self.heard && grown.last <= now { grown.last } else { now };
        self.seen = grown.count;
        self.last_ts = self.last_ts.max(grown.last.seconds());
    }

    /// What was reported once and has not grown so far that it was reported again was over with that; of a campaign, everybody has
    /// to be named.
    fn end(&self, id: &str, grown: Grown) -> Option<Decision> {
        let Grown { members, evidence, .. } = grown;
        let is_of_scenario = matches!(self.counted, Counted::ByScenario { .. });
        if self.reports == 1 && (is_of_scenario || self.seen == self.reported) {
            return None;
        }
        let alarm = Alarm {
            id: id.to_owned(),
            count: self.seen,
            first_ts: self.first_ts,
            last_ts: self.last_ts,
            members,
            is_over: true,
        };
        let about = self.entity.src_ip.as_ref().or(self.entity.user.as_ref()).or(self.entity.host.as_ref());
        Some(Decision {
            verdict: Verdict::Benign,
            score: 0.0,
            model: Arc::clone(&self.model),
            device_id: self.device_id,
            compartment: Arc::clone(&self.compartment),
            input_ref: self.input_ref.clone(),
            entity: self.entity.clone(),
            category: self.category,
            happened: Happened::default(),
            reasons: self.reasons.clone(),
            attack: Vec::new(),
            summary: over_summary(&self.reasons, about.map(String::as_str), &alarm),
            alarm: Some(Box::new(alarm)),
            evidence: (evidence != Evidence::default()).then(|| Box::new(evidence)),
        })
    }
}
