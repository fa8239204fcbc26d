//! Which of many decisions that say the same are reported, and what is said when an alarm is over.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::detect::campaign::Campaigns;
use crate::detect::campaign_ends::CampaignEnds;
use crate::detect::doer::doer;
use crate::detect::fold::{Folds, Judgement};
use crate::detect::known_sources::KnownSources;
use crate::detect::recent::Recent;
use crate::detect::scenario::customer;
use crate::event::{
    Action, Alarm, Category, Decision, Entity, Event, Evidence, Severity, Soc, Stream, Timestamp, Verdict,
};
use crate::layer::reasons::{CAMPAIGN, RESUMED, is_of_what_happened};
use crate::layer::severity::grade;
use crate::layer::{SOURCE_NOT_PROVEN, gathered, gathered_by_name, name, over_summary, says};
use crate::limits;

/// Models of Layer 3, which judges each line alone: what they go on saying of the same is one alarm.
const OF_SINGLE_LINES: [&str; 3] = ["sigma", "formats", "web"];
/// Models of Layer 4 whose alarms grow: on `L4_OUT` at powers of two, here when one begins, is worse, or is over.
const OF_MANY_LINES: [&str; 2] = ["rates", SEQUENCE];
const SEQUENCE: &str = "sequence";

/// What alerts of other products are called in a campaign of many that have names of their own.
const ALERTS: &str = "alerts";

/// That something happened twice or four times is no news to whoever was told of the first.
const REPORTED_AGAIN_FROM: u64 = 8;

#[derive(Debug, Serialize, Deserialize)]
pub struct Alarms {
    folds: Folds<About>,
    /// The highest score that was reported, by id of an alarm of Layer 4.
    #[serde(rename = "told")]
    reported: Recent<f64>,
    /// Many sources of single lines that mean the same.
    #[serde(default)]
    campaigns: Campaigns,
    #[serde(default)]
    ends: CampaignEnds<About>,
    /// By category and doer.
    #[serde(default)]
    sources: KnownSources,
    /// How bad the line is that Layer 3 has reported, by line and doer, and by line.
    #[serde(default = "nothing_known")]
    lines: Recent<u8>,
    /// How many lines were reported last, by id of an alarm.
    #[serde(default = "nothing_known")]
    counts: Recent<u64>,
}

fn nothing_known<Value>() -> Recent<Value> {
    Recent::new(limits::ENTITIES_PER_DETECTOR_MAX)
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
    /// It is to be reported, as this.
    pub reported: Option<Decision>,
    /// The alarm before it about the same is over.
    pub over: Option<Soc>,
}

impl Default for Alarms {
    fn default() -> Self {
        Self {
            folds: Folds::default(),
            reported: Recent::new(limits::ENTITIES_PER_DETECTOR_MAX),
            campaigns: Campaigns::default(),
            ends: CampaignEnds::default(),
            sources: KnownSources::default(),
            lines: nothing_known(),
            counts: nothing_known(),
        }
    }
}

impl Alarms {
    pub fn add(&mut self, event: &Event, decision: &Decision) -> Added {
        let is_of = |models: &[&str]| models.contains(&&*decision.model);
        let added = match event.stream {
            Stream::L3Out if decision.verdict != Verdict::Benign && is_of(&OF_SINGLE_LINES) => {
                self.fold(event, decision)
            }
            Stream::L4Out if is_of(&OF_MANY_LINES) => Added { reported: self.news(decision), over: None },
            _ => Added { reported: Some(decision.clone()), over: None },
        };
        let reported = added.reported.filter(|decision| self.adds_something(event, decision));
        if let Some(alarm) = reported.as_ref().and_then(|it| it.alarm.as_deref()) {
            *self.counts.touch(&alarm.id, u64::default) = alarm.count;
        }
        Added { reported, ..added }
    }

    /// Whether it says more than what was reported of the same line, or of the same source, before it.
    fn adds_something(&mut self, event: &Event, decision: &Decision) -> bool {
        let alarm = decision.alarm.as_deref();
        let is_news = decision.verdict == Verdict::Benign || alarm.is_some_and(|alarm| alarm.is_over);
        if is_news || says(&decision.reasons, CAMPAIGN) {
            return true;
        }
        let (who, grade) = (doer(&decision.entity), grade(decision.verdict, decision.score));
        let source = format!("{} {who}", decision.category.name());
        let [line, by_whomever] = [format!("{} {who}", event.root), event.root.to_string()];
        // An order of things is about its last line, whichever user that names.
        let is_of_line = &*decision.model == SEQUENCE && decision.entity.src_ip.is_none();
        let judged = if is_of_line { &by_whomever } else { &line };
        let is_of_layer_3 = event.stream == Stream::L3Out;
        let is_said = !is_of_layer_3 && self.lines.get(judged).is_some_and(|reported| grade <= *reported);
        let goes_on = alarm.is_some_and(|alarm| self.counts.get(&alarm.id).is_some());
        if is_said || (!goes_on && was_turned_away(decision, grade) && self.sources.knows(&source, grade, event.time()))
        {
            alarm.map(|alarm| self.reported.remove(&alarm.id));
            return false;
        }
        if is_of_layer_3 {
            *self.lines.touch(&line, || grade) = grade;
            let worst = self.lines.touch(&by_whomever, || grade);
            *worst = grade.max(*worst);
        }
        // In whose name anybody can have sent it, is not known by it.
        if !says(&decision.reasons, SOURCE_NOT_PROVEN) {
            self.sources.reported(&source, grade, event.time());
        }
        true
    }

    /// Those that nothing has been added to for long.
    pub fn over(&mut self, now: Timestamp) -> Vec<Soc> {
        let folds = self.folds.over(now);
        let mut over: Vec<Soc> = folds.into_iter().filter_map(|over| self.end(over)).collect();
        over.extend(self.ends.over(&self.campaigns, now).into_iter().map(ended));
        over
    }

    fn fold(&mut self, event: &Event, decision: &Decision) -> Added {
        let judgement = Judgement {
            ts: event.time(),
            taken_in: event.times.taken_in(),
            times: decision.happened.times,
            score: decision.score,
            event: event.id,
        };
        let reason = self.new_reason(decision, event.time());
        let added = self.folds.add(&key(reason, &decision.entity), judgement, || about(event, decision));
        if added.reported.is_some() {
            // What is named beside it is known from now on.
            for other in meanings(decision).filter(|other| *other != reason) {
                self.folds.add(&key(other, &decision.entity), judgement, || about(event, decision));
            }
        }
        let over = added.over.and_then(|over| self.end(over));
        let is_few = |alarm: &Alarm| (2..REPORTED_AGAIN_FROM).contains(&alarm.count);
        let reported = added.reported.filter(|alarm| added.is_worse || !is_few(alarm));
        let key = key(reason, &decision.entity);
        let reported = reported.map(|alarm| {
            // Of a single one its own decision says what it follows from.
            let events = if alarm.count > 1 { self.folds.events(&key) } else { Vec::new() };
            let evidence = (alarm.count > 1).then(|| Box::new(Evidence::of(events, alarm.count)));
            Decision { alarm: Some(Box::new(alarm)), evidence, ..decision.clone() }
        });
        Added { reported: reported.and_then(|reported| self.gathered(event, reason, reported)), over }
    }

    /// What is said when an alarm is over: nothing of one that nobody was told of, that a campaign reports, or that has had no more
    /// lines since it was reported than are worth a word.
    fn end(&mut self, over: (About, Alarm)) -> Option<Soc> {
        let alarm = &over.1;
        let reported = self.counts.remove(&alarm.id)?;
        let is_news = alarm.count > reported && alarm.count >= REPORTED_AGAIN_FROM;
        (is_news && !self.campaigns.is_held(&alarm.id)).then(|| ended(over))
    }

    /// The first of the reasons that has not been reported of whom it is about, else the first of all: what is new does not hide behind
    /// what is known, in one line or in many.
    fn new_reason<'decision>(&self, decision: &'decision Decision, ts: Timestamp) -> &'decision str {
        let new = meanings(decision).find(|reason| !self.folds.goes_on(&key(reason, &decision.entity), ts));
        new.or_else(|| meanings(decision).next()).or(decision.reasons.first().map(String::as_str)).unwrap_or_default()
    }

    /// As it is to be reported: of one of many sources, that of all of them, or none.
    fn gathered(&mut self, event: &Event, what: &str, decision: Decision) -> Option<Decision> {
        let grade = grade(decision.verdict, decision.score);
        let id = decision.alarm.as_ref().map(|alarm| alarm.id.clone()).unwrap_or_default();
        let is_of_campaign = |reported: &Decision| says(&reported.reasons, CAMPAIGN);
        let mut what = what.to_owned();
        let mut reported = gathered(&mut self.campaigns, (&what, &id), decision, event.time())?;
        if reported.happened.action == Action::Alert && !is_of_campaign(&reported) {
            // What another product calls it is a name, too, of which a sender can invent thousands.
            let address = reported.entity.src_ip.as_deref().map(customer);
            let who = format!("{}: {what}", address.as_deref().unwrap_or(&name(&reported.entity)));
            let campaigns = (&mut self.campaigns, limits::CAMPAIGN_SINGLE_MAX);
            what = ALERTS.to_owned();
            let id = format!("{ALERTS} {id}");
            reported = gathered_by_name(campaigns, (&what, &id), &who, reported, event.time())?;
        }
        let Some(alarm) = reported.alarm.as_deref().filter(|_| is_of_campaign(&reported)) else {
            return Some(reported);
        };
        self.ends.reported(alarm, (&what, grade), event.times.taken_in(), about(event, &reported));
        Some(reported)
    }

    fn news(&mut self, decision: &Decision) -> Option<Decision> {
        let Some(alarm) = decision.alarm.as_deref() else { return Some(decision.clone()) };
        // Of one whose begin nobody was told of nobody waits for the end.
        if alarm.is_over && self.reported.get(&alarm.id).is_none_or(|reported| reported.is_infinite()) {
            return None;
        }
        let reported = self.reported.touch(&alarm.id, || f64::NEG_INFINITY);
        let is_news = decision.score > *reported
            || alarm.is_over
            || [CAMPAIGN, RESUMED].iter().any(|mark| says(&decision.reasons, mark));
        // Whoever reads that it is over reads it when it goes on.
        *reported = if alarm.is_over { f64::NEG_INFINITY } else { reported.max(decision.score) };
        is_news.then(|| decision.clone())
    }
}

/// Whether somebody from outside tried something that is of little weight, and that failed. What many lines show is more than each.
fn was_turned_away(decision: &Decision, grade: u8) -> bool {
    let is_refused = decision.happened.outcome == Some(false) && decision.entity.src_ip.is_some();
    let is_of_a_line = decision.alarm.is_some() && !OF_MANY_LINES.contains(&&*decision.model);
    is_refused && is_of_a_line && grade <= Severity::Low as u8
}

/// What it is said to mean.
fn meanings(decision: &Decision) -> impl Iterator<Item = &str> {
    decision.reasons.iter().map(String::as_str).filter(|reason| !is_of_what_happened(reason))
}

/// What is told apart: what it means, who has done it, and on which machine.
fn key(reason: &str, entity: &Entity) -> String {
    format!("{reason} {}", doer(entity))
}

fn about(event: &Event, decision: &Decision) -> About {
    About {
        input_ref: event.id.to_string(),
        device: decision.device_id,
        category: decision.category,
        compartment: Arc::clone(&decision.compartment),
        entity: decision.entity.clone(),
        reasons: decision.reasons.clone(),
    }
}

fn ended((about, alarm): (About, Alarm)) -> Soc {
    let entity = &about.entity;
    let of = entity.src_ip.as_ref().or(entity.user.as_ref()).or(entity.host.as_ref()).cloned();
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
