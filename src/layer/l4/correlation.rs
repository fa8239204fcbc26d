//! What lines mean together: the scenarios, and which lines are about one attempt.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::detection::Detection;
use super::ongoing::{Counted, Ongoing};
use super::watch::{FirstTime, Watch};
use crate::detect::attempts::Attempts;
use crate::detect::campaign::{self, Begun, Campaigns};
use crate::detect::scenario::{Counters, Grown, Observation, Raised, ScenarioSet};
use crate::detect::sigma::normal;
use crate::event::{Action, Alarm, Category, Decision, Entity, Happened, Raw, Record, Timestamp};
use crate::layer::{one_line, verdict};

/// The devices of Layer 4 that count and that look at the order of things.
const COUNTS: u16 = 24;
const SEQUENCES: u16 = 25;

/// What is remembered of lines.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    attempts: Attempts,
    counters: Counters,
    pub watch: Watch,
    campaigns: Campaigns,
    #[serde(default)]
    ongoing: Ongoing,
}

/// The names as decisions share them.
pub struct Models {
    counts: Arc<str>,
    sequences: Arc<str>,
}

impl Default for Models {
    fn default() -> Self {
        Self { counts: "rates".into(), sequences: "sequence".into() }
    }
}

impl Seen {
    /// The alarms that the line leads to.
    pub fn observe(&mut self, set: &ScenarioSet, record: &Record, ts: Timestamp) -> Vec<Raised> {
        let (mut is_repeated, mut own) = (false, Vec::new());
        if matches!(record.action, Action::Login | Action::PrivilegeUse | Action::HttpRequest) {
            let value = |name| normal::field(record, name);
            match (value("event.action").as_deref(), value("event.outcome").as_deref()) {
                // What the syslog daemon has folded is of as many attempts as it says.
                (Some("login"), Some("failure")) if record.repeated.is_none() => {
                    is_repeated = peer(record).is_some_and(|peer| self.attempts.is_repeated(&peer, record, ts));
                }
                (Some("login" | "privilege_use"), Some("success")) => {
                    own = peer(record).map(|peer| self.attempts.succeeded(&peer, record, ts)).unwrap_or_default();
                }
                _ => {}
            }
        }
        self.counters.observe(set, &Observation { record, ts, is_repeated, own: &own })
    }
}

impl Seen {
    /// The decision as it is to be told: of one who begins what many others have begun, that of all of them, or none. `input` is the
    /// id of the event that it follows from, `now` when that was taken in.
    pub fn gather(
        &mut self,
        raised: &Raised,
        decision: Decision,
        (ts, now): (Timestamp, Timestamp),
        input: &str,
    ) -> Option<Decision> {
        let decision = self.gathered(raised, decision, ts)?;
        if let (Some(alarm), Some(ends_after)) = (&decision.alarm, raised.ends_after) {
            let ends = if alarm.id == raised.alarm.id {
                (Counted::ByScenario { scenario: raised.scenario.clone(), group: raised.group }, ends_after)
            } else {
                (Counted::AsCampaign { reason: raised.reason.clone() }, campaign::WITHIN)
            };
            self.ongoing.told(&decision, input, ends, now);
        }
        Some(decision)
    }

    /// What is to be said of alarms that are over by now.
    pub fn over(&mut self, now: Timestamp) -> Vec<Decision> {
        let (counters, campaigns) = (&self.counters, &self.campaigns);
        self.ongoing.over(now, |counted, id| match counted {
            Counted::ByScenario { scenario, group } => counters.grown(scenario, *group, id),
            Counted::AsCampaign { reason } => campaigns.grown(reason, id),
        })
    }

    fn gathered(&mut self, raised: &Raised, decision: Decision, ts: Timestamp) -> Option<Decision> {
        let source = decision.entity.src_ip.as_deref().filter(|_| raised.is_of_source);
        let Some(source) = source.filter(|_| raised.alarm.reports == 1) else { return Some(decision) };
        match self.campaigns.begins(&raised.reason, source, ts) {
            Begun::Alone => Some(decision),
            Begun::Silent => None,
            Begun::Told(alarm) => {
                let summary = format!("{} by {} sources within an hour, last {source}", raised.reason, alarm.count);
                let mut reasons = decision.reasons;
                reasons.insert(0, CAMPAIGN.to_owned());
                Some(Decision { reasons, summary, alarm: Some(Box::new(alarm)), ..decision })
            }
        }
    }
}

/// Among the reasons for an alarm about many sources.
const CAMPAIGN: &str = "campaign";

impl Models {
    pub fn decision(&self, raised: &Raised, raw: &Raw) -> Decision {
        let verdict = verdict(raised.score);
        let model = if raised.is_sequence { &self.sequences } else { &self.counts };
        Decision {
            verdict,
            score: raised.score,
            model: Arc::clone(model),
            device_id: if raised.is_sequence { SEQUENCES } else { COUNTS },
            compartment: Arc::clone(&raw.compartment),
            input_ref: String::new(),
            entity: entity(raised, raw.record()),
            category: raised.category,
            happened: Happened::default(),
            reasons: vec![raised.reason.clone()],
            attack: raised.techniques.clone(),
            summary: one_line(&raised.summary),
            alarm: Some(Box::new(alarm(&raised.alarm))),
        }
    }
}

fn alarm(grown: &Grown) -> Alarm {
    Alarm {
        id: grown.id.clone(),
        count: grown.count,
        first_ts: grown.first.seconds(),
        last_ts: grown.last.seconds(),
        members: Vec::new(),
        is_over: false,
    }
}

/// Who it is about: where the lines come from, without the user that is only tried.
fn entity(raised: &Raised, record: &Record) -> Entity {
    let entity = record.entity.clone();
    if raised.is_of_source && entity.src_ip.is_some() { Entity { user: None, ..entity } } else { entity }
}

impl Detection {
    /// What an entity has never done before: weak by itself.
    pub fn of_first_time(first: &FirstTime, raw: &Raw) -> Self {
        let record = raw.record();
        let is_of_user = matches!(record.action, Action::Login | Action::PrivilegeUse);
        Self {
            score: first.score,
            reasons: vec![first.reason.to_owned()],
            techniques: first.technique.map(str::to_owned).into_iter().collect(),
            entity: record.entity.clone(),
            category: if is_of_user { Category::Auth } else { Category::System },
            compartment: Arc::clone(&raw.compartment),
            spares_host: false,
            times: 1,
        }
    }

    /// A decision of Layer 4 itself, as a signal.
    pub fn from_own(decision: &Decision, raised: &Raised) -> Self {
        Self {
            // Who guesses at a machine from outside makes it no more dangerous.
            spares_host: raised.is_of_source,
            score: decision.score,
            reasons: decision.reasons.clone(),
            techniques: decision.attack.clone(),
            entity: decision.entity.clone(),
            category: decision.category,
            compartment: Arc::clone(&decision.compartment),
            times: 1,
        }
    }
}

/// Where a login comes from: the address, or the name that PAM has for it; else the user on the host. Lines of sshd that name no
/// address repeat another line that does.
fn peer(record: &Record) -> Option<String> {
    if let Some(address) = normal::field(record, "source.address") {
        return Some(address.into_owned());
    }
    if record.program.as_deref().is_some_and(|program| program.starts_with("sshd")) {
        return None;
    }
    let user = record.entity.user.as_deref()?;
    let host = record.entity.host.as_deref().unwrap_or_default();
    Some(format!("local {host} {user}"))
}
