//! What an event follows from. Pure.

use std::collections::BTreeSet;

use crate::event::{Body, Event, EventId, Evidence};

/// The events that it names, and what of them cannot be followed.
#[derive(Debug, Default, PartialEq)]
pub struct Causes {
    /// In the order of the log, each once.
    pub events: BTreeSet<EventId>,
    /// Why it does not lead further, each in words.
    pub unknown: Vec<String>,
    /// So many more it has counted and does not name.
    pub unnamed: u64,
}

impl Causes {
    pub fn of(event: &Event) -> Self {
        let mut causes = Self::default();
        let (input_ref, evidence) = match &event.body {
            Body::Raw(_) | Body::Shrink(_) | Body::Tick => return causes,
            Body::Decision(decision) => (&decision.input_ref, &decision.evidence),
            Body::Soc(soc) => {
                // The alerts of an incident are events; the members of a campaign are names.
                let members = soc.alarm.iter().filter(|_| soc.incident_id.is_some()).flat_map(|alarm| &alarm.members);
                members.filter_map(|member| member.parse().ok()).for_each(|member| causes.add(event, member));
                soc.shrink.sample_id.into_iter().for_each(|sample| causes.add(event, sample));
                (&soc.input_ref, &soc.evidence)
            }
        };
        if let Some(Evidence { events, unnamed, .. }) = evidence.as_deref() {
            events.iter().for_each(|cause| causes.add(event, *cause));
            causes.unnamed = *unnamed;
        }
        match direct(event, input_ref) {
            Ok(cause) => causes.add(event, cause),
            // What names its events otherwise lacks nothing.
            Err(_) if input_ref.is_empty() && !causes.events.is_empty() => {}
            Err(why) => causes.unknown.push(why),
        }
        causes
    }

    /// A cause is older than what follows from it; a reference the other way round could lead in a circle.
    fn add(&mut self, event: &Event, cause: EventId) {
        if cause < event.id {
            self.events.insert(cause);
        } else {
            self.unknown.push(later(event, cause));
        }
    }
}

fn later(event: &Event, cause: EventId) -> String {
    format!("event {} names the later event {cause} as its cause", event.id)
}

/// The one event that it is about.
///
/// # Errors
/// None is known; in words.
pub fn direct(event: &Event, input_ref: &str) -> Result<EventId, String> {
    match input_ref.parse::<EventId>() {
        Ok(cause) if cause < event.id => Ok(cause),
        Ok(cause) => Err(later(event, cause)),
        Err(_) if input_ref.is_empty() => Err(format!("event {} names no cause", event.id)),
        Err(_) => Err(format!("the cause of event {} is known outside as `{input_ref}`", event.id)),
    }
}
