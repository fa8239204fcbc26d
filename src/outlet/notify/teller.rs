//! Decides from the log alone which messages there are: the same log leads to the same messages, after a crash as well. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::case::{Case, line};
use super::config::Of;
use super::message::{Kind, Message};
use super::rate::Window;
use super::rules::Rules;
use crate::detect::phase::Phase;
use crate::event::{Body, Event, Severity, Soc, Timestamp};
use crate::limits::NOTIFY_CASES_MAX;
use crate::server::incidents::change::{Action, Change};

/// The device that reports incidents.
const ANALYTICS_DEVICE: u16 = 52;
/// A message waits so long for what is proposed because of it.
const PROPOSALS_WITHIN_MS: u64 = 1000;

/// What is known of each case, and what was told of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Teller {
    cases: BTreeMap<String, Known>,
    window: Window,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    case: Case,
    told: Option<Told>,
    /// There is something to tell, since then: milliseconds since the epoch.
    due: Option<u64>,
}

/// The state in which a case was last told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Told {
    severity: Severity,
    phases: BTreeSet<Phase>,
    /// Milliseconds since the epoch.
    at: u64,
}

/// What follows from one event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    pub messages: Vec<Message>,
    /// Messages that there was no room for in their hour.
    pub over: u64,
}

impl Teller {
    /// Messages come with ticks: until then what belongs to a case is gathered.
    pub fn step(&mut self, rules: &Rules, event: &Event) -> Step {
        let now = Timestamp::from_millis(event.id.ms());
        match &event.body {
            // Of what is silenced nobody is told.
            Body::Soc(soc) if soc.is_silenced() => Step::default(),
            Body::Soc(soc) => {
                self.hear(rules, event, soc, now);
                Step::default()
            }
            Body::Tick => self.tick(rules, now),
            Body::Raw(_) | Body::Decision(_) | Body::Shrink(_) => Step::default(),
        }
    }

    fn hear(&mut self, rules: &Rules, event: &Event, soc: &Soc, now: Timestamp) {
        if soc.proposal.is_some() {
            self.propose(soc);
        } else if rules.of == Of::Events {
            let id = soc.alarm.as_ref().map_or_else(|| event.id.to_string(), |alarm| alarm.id.clone());
            self.report(rules, &id, event, soc, now);
        } else if let Some(id) = soc.incident_id.as_deref() {
            if let Some(change) = Change::of(event.id, event.ts().seconds(), soc) {
                self.change(id, &change, now);
            } else if soc.producer() == ANALYTICS_DEVICE {
                self.report(rules, id, event, soc, now);
                let merged = soc.reasons.iter().filter_map(|reason| reason.strip_prefix("merged:"));
                for other in merged.filter(|other| *other != id) {
                    self.end(other, event, format!("it is part of incident {id}"), now);
                }
            }
        }
    }

    fn propose(&mut self, soc: &Soc) {
        let named = soc.incident_id.as_ref().filter(|id| self.cases.contains_key(*id)).cloned();
        let of_cause = |known: &&Known| known.due.is_some() && known.case.event.to_string() == soc.input_ref;
        let id = named.or_else(|| self.cases.values().find(of_cause).map(|known| known.case.id.clone()));
        if let Some(known) = id.and_then(|id| self.cases.get_mut(&id)) {
            known.case.propose(&soc.summary);
        }
    }

    fn report(&mut self, rules: &Rules, id: &str, event: &Event, soc: &Soc, now: Timestamp) {
        let case = Case::of(id, event.id, event.ts().seconds(), soc);
        let id = case.id.clone();
        let known = self.cases.remove(&id);
        let passes = rules.filter.passes(event, now);
        // Whoever was told nothing of a case is not told that it is over.
        let is_unheard = known.as_ref().is_none_or(|known| known.told.is_none());
        if known.is_none() && !passes || is_unheard && case.ended.is_some() {
            return;
        }
        let (told, due, case) = match known {
            Some(Known { case: before, told, due }) => (told, due, case.after(before)),
            None => (None, None, case),
        };
        let is_news = match &told {
            None => passes || due.is_some(),
            Some(told) => {
                case.severity > told.severity || !case.phases().is_subset(&told.phases) || case.ended.is_some()
            }
        };
        let due = due.or_else(|| is_news.then(|| now.millis()));
        self.cases.insert(id, Known { case, told, due });
        self.make_room();
    }

    fn change(&mut self, id: &str, change: &Change, now: Timestamp) {
        if change.action != Action::Close {
            return;
        }
        let as_what = change.resolution.map_or_else(String::new, |resolution| format!(" as {}", resolution.name()));
        let colon = if change.note.is_empty() { "" } else { ": " };
        let how = line(&format!("closed{as_what} by {}{colon}{}", change.who, change.note));
        if let Some(known) = self.cases.get_mut(id) {
            known.case.event = change.event_id;
            known.end(how, now);
        }
        self.forget_untold(id);
    }

    fn end(&mut self, id: &str, event: &Event, how: String, now: Timestamp) {
        if let Some(known) = self.cases.get_mut(id) {
            known.case.event = event.id;
            known.end(how, now);
        }
        self.forget_untold(id);
    }

    /// Whoever was told nothing of a case is not told that it is over.
    fn forget_untold(&mut self, id: &str) {
        if self.cases.get(id).is_some_and(|known| known.told.is_none()) {
            self.cases.remove(id);
        }
    }

    fn tick(&mut self, rules: &Rules, now: Timestamp) -> Step {
        let mut step = Step::default();
        step.messages.extend(self.window.end(now));
        let due = self.cases.values().filter(|known| known.is_ripe(rules, now)).map(|known| known.case.id.clone());
        for id in due.collect::<Vec<_>>() {
            let Some(known) = self.cases.get_mut(&id) else { continue };
            let message = known.tell(now);
            let ends =
                known.case.ended.is_some() || (rules.of == Of::Events && known.case.id == known.case.event.to_string());
            if ends {
                self.cases.remove(&id);
            }
            let is_urgent = message.case.severity >= rules.urgent || message.kind == Kind::Closed;
            match self.window.pass(message, rules.rate, is_urgent, now) {
                Some(message) => step.messages.push(message),
                None => step.over += 1,
            }
        }
        step
    }

    /// Forgets one that was told before one that was not, and the oldest before others.
    fn make_room(&mut self) {
        if self.cases.len() > NOTIFY_CASES_MAX {
            let least =
                self.cases.values().min_by_key(|known| (known.due.is_some(), known.case.severity, known.case.event));
            least.map(|known| known.case.id.clone()).map(|id| self.cases.remove(&id));
        }
    }
}

impl Known {
    fn end(&mut self, how: String, now: Timestamp) {
        self.case.ended = Some(how);
        self.due = Some(now.millis());
    }

    /// Whether it is to be told now.
    fn is_ripe(&self, rules: &Rules, now: Timestamp) -> bool {
        let Some(due) = self.due else { return false };
        let is_urgent = self.case.severity >= rules.urgent;
        // That something is over wakes nobody.
        let may_wake = is_urgent && self.case.ended.is_none();
        if rules.quiet.as_ref().is_some_and(|quiet| quiet.covers(now)) && !may_wake {
            return false;
        }
        let Some(told) = &self.told else { return now.millis().saturating_sub(due) >= PROPOSALS_WITHIN_MS };
        // What became urgent does not wait, which happens once.
        let became_urgent = is_urgent && told.severity < rules.urgent;
        let rested = now.since(Timestamp::from_millis(told.at)) >= rules.every;
        self.case.ended.is_some() || became_urgent || rested
    }

    fn tell(&mut self, now: Timestamp) -> Message {
        let kind = match (&self.told, &self.case.ended) {
            (None, None) => Kind::New,
            (Some(_), None) => Kind::Update,
            (_, Some(_)) => Kind::Closed,
        };
        let phases = self.told.as_ref().map(|told| told.phases.clone()).unwrap_or_default();
        let phases = phases.into_iter().chain(self.case.phases()).collect();
        self.told = Some(Told { severity: self.case.severity, phases, at: now.millis() });
        self.due = None;
        Message::new(kind, self.case.clone())
    }
}

#[cfg(test)]
mod tests;
