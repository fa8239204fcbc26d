//! What lines mean together: the scenarios, and which lines are about one attempt.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::detection::Detection;
use super::ongoing::{self, Counted, Ongoing};
use super::watch::{FirstTime, Watch};
use crate::detect::attempts::Attempts;
use crate::detect::campaign::{self, Campaigns};
use crate::detect::fold::{Folds, Judgement};
use crate::detect::packet;
use crate::detect::scenario::{Counters, Grown, Observation, Pacing, Raised, ScenarioSet, customer};
use crate::detect::sigma::normal;
use crate::event::{Action, Alarm, Category, Decision, Entity, EventId, Evidence, Happened, Raw, Record, Timestamp};
use crate::layer::reasons::{RESUMED, SOURCE_LIKELY};
use crate::layer::severity::grade;
use crate::layer::{
    CAMPAIGN, SOURCE_NOT_COUNTED, SOURCE_NOT_PROVEN, gathered, gathered_beyond, gathered_by_name, name, one_line, says,
    verdict,
};
use crate::limits;

/// The devices of Layer 4 that count and that look at the order of things.
const COUNTS: u16 = 24;
const SEQUENCES: u16 = 25;

/// What is remembered of lines.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    attempts: Attempts,
    counters: Counters,
    /// Who stays just below what is an alarm.
    #[serde(default, rename = "paced")]
    pacing: Pacing,
    pub watch: Watch,
    campaigns: Campaigns,
    #[serde(default)]
    ongoing: Ongoing,
    /// What came after what was counted, by who did it as whom and where.
    #[serde(default)]
    successes: Folds<()>,
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
    pub fn observe(&mut self, set: &ScenarioSet, (id, raw): (EventId, &Raw), ts: Timestamp) -> Vec<Raised> {
        let record = raw.record();
        let (mut is_repeated, mut own) = (false, Vec::new());
        if matches!(record.action, Action::Login | Action::PrivilegeUse | Action::HttpRequest) {
            let value = |name| normal::field(record, name);
            match (value("event.action").as_deref(), value("event.outcome").as_deref()) {
                // What the syslog daemon has folded is of as many attempts as it says.
                (Some("login"), Some("failure")) if record.repeated.is_none() => {
                    let source = raw.source_key();
                    is_repeated =
                        peer(record).is_some_and(|peer| self.attempts.is_repeated(&peer, &source, record, ts));
                }
                (Some("login" | "privilege_use"), Some("success")) => {
                    own = peer(record).map(|peer| self.attempts.succeeded(&peer, record, ts)).unwrap_or_default();
                }
                _ => {}
            }
        }
        self.counters.observe(set, &Observation { id, record, ts, is_repeated, own: &own }, &mut self.pacing)
    }
}

impl Seen {
    /// The decision as it is to be reported: of one who does what many others do, that of all of them, or none. `input` is the id of
    /// the event that it follows from, `now` when that was taken in.
    pub fn gather(
        &mut self,
        raised: &Raised,
        decision: Decision,
        (ts, now): (Timestamp, Timestamp),
        input: &str,
    ) -> Option<Decision> {
        let grade = grade(decision.verdict, decision.score);
        let decision = match raised.is_after {
            true => self.succeeded(raised, decision, (ts, now))?,
            false => self.gathered(raised, decision, ts)?,
        };
        let counted = if says(&decision.reasons, CAMPAIGN) {
            Some((Counted::AsCampaign { reason: raised.reason.clone(), grade }, campaign::ENDS_AFTER))
        } else {
            let counted = Counted::ByScenario { scenario: raised.scenario.clone(), group: raised.group };
            raised.ends_after.filter(|_| !raised.is_after).map(|ends_after| (counted, ends_after))
        };
        if let Some(counted) = counted {
            self.ongoing.reported(&decision, input, counted, now);
        }
        Some(decision)
    }

    /// Who succeeds again as the same user on the same machine goes on; another user or machine is another success, and many of them
    /// are reported together.
    fn succeeded(
        &mut self,
        raised: &Raised,
        decision: Decision,
        (ts, taken_in): (Timestamp, Timestamp),
    ) -> Option<Decision> {
        let entity = &decision.entity;
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let from = customer(&part(&entity.src_ip)).into_owned();
        let key = format!("{} {from}\0{}\0{}", raised.reason, part(&entity.user), part(&entity.host));
        let judgement = Judgement { ts, taken_in, times: 1, score: decision.score, event: EventId::ZERO };
        let reported = self.successes.add_within(ALL_DAY, &key, judgement, || ()).reported?;
        let alarm = decision
            .alarm
            .map(|alarm| Box::new(Alarm { id: reported.id.clone(), first_ts: reported.first_ts, ..*alarm }));
        let decision = Decision { alarm, ..decision };
        let (who, id) = (format!("{from}: {}", name(&decision.entity)), reported.id);
        let campaigns = (&mut self.campaigns, limits::CAMPAIGN_SINGLE_MAX);
        gathered_by_name(campaigns, (&raised.reason, &id), &who, decision, ts)
    }

    /// What is to be said of alarms that are over by now.
    pub fn over(&mut self, now: Timestamp) -> Vec<Decision> {
        let (counters, campaigns) = (&self.counters, &self.campaigns);
        self.ongoing.over(now, |counted, id| match counted {
            Counted::ByScenario { scenario, group } => {
                let (count, last, evidence) = counters.grown(scenario, *group, id)?;
                Some(ongoing::Grown { count, last, members: Vec::new(), evidence })
            }
            Counted::AsCampaign { reason, grade } => {
                let alarm = campaigns.grown(reason, *grade, id)?;
                let last = Timestamp::from_seconds(alarm.last_ts).unwrap_or_default();
                Some(ongoing::Grown { count: alarm.count, last, members: alarm.members, evidence: Evidence::default() })
            }
        })
    }

    fn gathered(&mut self, raised: &Raised, decision: Decision, ts: Timestamp) -> Option<Decision> {
        if raised.is_of_many {
            return Some(decision);
        }
        if !raised.is_of_one_source {
            let about = (raised.reason.as_str(), raised.alarm.id.as_str());
            let (campaigns, who) = ((&mut self.campaigns, limits::CAMPAIGN_SINGLE_MAX), name(&decision.entity));
            return gathered_by_name(campaigns, about, &who, decision, ts);
        }
        gathered(&mut self.campaigns, (&raised.reason, &raised.alarm.id), decision, ts)
    }

    /// A decision about the risk of somebody: of one of many whose risk rises, that of all of them, or none. What it rises
    /// through has been reported of each of them, so the first few are enough.
    pub fn gather_risk(&mut self, decision: Decision, ts: Timestamp) -> Option<Decision> {
        let entity = &decision.entity;
        let Some(who) = entity.src_ip.as_deref().filter(|_| entity.user.is_none()).map(customer) else {
            let (campaigns, who) = ((&mut self.campaigns, limits::CAMPAIGN_SINGLE_MAX), name(entity));
            let id = format!("{RISK} {who} {}", ts.millis());
            return gathered_by_name(campaigns, (RISK, &id), &who, decision, ts);
        };
        // Risk that has fallen and rises again is reported again.
        let id = format!("{RISK} {who} {}", ts.millis());
        gathered_beyond(limits::CAMPAIGN_SINGLE_FEW_MAX, &mut self.campaigns, (RISK, &id), decision, ts)
    }
}

/// What the risk of addresses is called in a campaign.
const RISK: &str = "risk";
/// Who succeeds again within this time goes on.
const ALL_DAY: Duration = Duration::from_secs(24 * 3600);

impl Models {
    pub fn decision(&self, raised: &Raised, (id, raw): (EventId, &Raw)) -> Decision {
        let verdict = verdict(raised.score);
        let model = if raised.is_sequence { &self.sequences } else { &self.counts };
        Decision {
            verdict,
            score: raised.score,
            model: Arc::clone(model),
            device_id: if raised.is_sequence { SEQUENCES } else { COUNTS },
            compartment: Arc::clone(&raw.compartment),
            input_ref: id.text(),
            entity: entity(raised, raw.record()),
            category: raised.category,
            happened: Happened { outcome: outcome(raised, raw.record()), ..Happened::default() },
            reasons: reasons(raised, raw.record()),
            attack: raised.techniques.clone(),
            summary: one_line(&raised.summary),
            alarm: Some(Box::new(alarm(&raised.alarm, &raised.sources))),
            evidence: Some(Box::new(raised.evidence.clone())),
        }
    }
}

fn alarm(grown: &Grown, members: &[String]) -> Alarm {
    Alarm {
        id: grown.id.clone(),
        count: grown.count,
        first_ts: grown.first.seconds(),
        last_ts: grown.last.seconds(),
        members: members.to_vec(),
        is_over: false,
    }
}

/// Who it is about: what is counted by, without the user that is only tried and without the one of many who came last.
fn entity(raised: &Raised, record: &Record) -> Entity {
    let mut entity = record.entity.clone();
    // Of what comes last in an order, or after all, the line itself tells who did it.
    if raised.is_sequence || raised.is_after {
        return entity;
    }
    if !raised.is_of_one_source {
        entity.src_ip = None;
    }
    let is_target = !raised.is_of_user && (entity.src_ip.is_some() || !raised.is_of_one_source);
    if is_target {
        entity.user = None;
    }
    entity
}

/// Whether what it is about succeeded.
fn outcome(raised: &Raised, record: &Record) -> Option<bool> {
    match normal::field(record, "event.outcome").as_deref() {
        _ if raised.is_sequence => None,
        Some("success") => Some(true),
        Some("failure") => Some(false),
        _ => None,
    }
}

fn reasons(raised: &Raised, record: &Record) -> Vec<String> {
    let has_source = record.entity.src_ip.is_some();
    let is_named = has_source && (raised.is_sequence || raised.is_after);
    let marks = [
        (raised.is_resumed, RESUMED),
        (has_source && !packet::proves_source(record), SOURCE_NOT_PROVEN),
        (is_named && !raised.is_of_one_source, SOURCE_NOT_COUNTED),
        (raised.is_likely, SOURCE_LIKELY),
    ];
    let marks = marks.into_iter().filter(|(holds, _)| *holds).map(|(_, mark)| mark.to_owned());
    std::iter::once(raised.reason.clone()).chain(marks).collect()
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
        let mut entity = decision.entity.clone();
        if says(&decision.reasons, SOURCE_NOT_COUNTED) {
            entity.src_ip = None;
        }
        Self {
            // Who guesses at a machine from outside makes it no more dangerous.
            spares_host: raised.is_of_source,
            score: decision.score,
            reasons: vec![raised.reason.clone()],
            techniques: decision.attack.clone(),
            entity,
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
