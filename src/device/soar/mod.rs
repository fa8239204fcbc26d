//! Device 58, response: proposes what could be done about HIGH and CRITICAL events. It never acts: what approving leads to is `[respond]`.

mod backlog;
mod budget;
mod proposal;
#[cfg(test)]
mod session_tests;
mod sessions;
#[cfg(test)]
mod tests;
mod waiting;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::backlog::backlog;
use self::budget::{Budget, HOUR, Rank};
use self::proposal::{Grounds, NUMBER, proposal};
use self::sessions::Sessions;
use self::waiting::{Cause, Waiting, kept};
use super::common::quote;
use super::offender::{Offender, is_compromised, is_of_nobody, offender};
use super::{DeviceSpec, playbook_files, settings};
use crate::config::Span;
use crate::detect::cacao::labels;
use crate::detect::playbook::uuid;
use crate::detect::recent::Recent;
use crate::detect::response::{
    Protected, Response, block_address, block_domain, end_sessions, isolate_host, lock_user, rotate_key,
    snapshot_evidence,
};
use crate::event::{Body, Category, Event, EventId, Interest, Severity, Soc, Stream, Timestamp};
use crate::layer::row::PreparedStage;
use crate::layer::stage::{Outbox, Stateful};
use crate::limits::{ENTITIES_PER_DETECTOR_MAX, PROPOSALS_MAX};

const EVIDENCE_FOLDER: &str = "/var/lib/dsmil/evidence";
/// More for one event would not be weighed.
const PROPOSALS_PER_EVENT: usize = 3;
/// Written on one event or tick, so that what waits does not come all at once.
const PROPOSALS_PER_STEP: usize = 8;

/// Techniques that need the account itself. Locking it on guessed passwords would let strangers lock the owner out.
const ACCOUNT_IN_USE: &[&str] = &["T1078", "T1548", "T1098", "T1136", "T1021", "T1068"];

pub const SPEC: DeviceSpec = DeviceSpec {
    number: NUMBER,
    stage: "device-58",
    identifier: "dsmil-soc-soar",
    // Also of devices that are yet to come.
    reads: Interest::NONE.stream(Stream::L3In).stream(Stream::Tick).stream(Stream::SocEvents).without_soc(NUMBER),
    prepare: |table| {
        let settings: Settings = settings::read(table)?;
        let playbooks: Arc<[Value]> = playbook_files::load(&settings.playbooks)?.into();
        Ok(PreparedStage::quiet(Arc::new(move || Box::new(Soar::new(settings.clone(), Arc::clone(&playbooks))))))
    },
};

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Networks that no proposal blocks, such as the operators'.
    protected: Vec<ipnet::IpNet>,
    /// Users that no proposal locks, besides root; nor does one block the address that one of them is logged in from by the word
    /// of the journal.
    protected_users: Vec<String>,
    /// Own addresses, gateways and resolvers; without this key the daemon asks the system for them.
    machine: Vec<IpAddr>,
    /// A proposal lapses after this time, is not repeated before, and a block lasts so long.
    valid_for: Span,
    /// The site's own CACAO 2.0 playbooks, proposed for the flags and measures (`block_address`) in their labels.
    playbooks: Vec<PathBuf>,
    /// Proposals in any hour; a flood of them would bury the ones that matter. What finds no room waits for it.
    per_hour: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            protected: Vec::new(),
            protected_users: Vec::new(),
            machine: Vec::new(),
            playbooks: Vec::new(),
            valid_for: Span::from_millis(3600 * 1000),
            per_hour: 60,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct State {
    /// When each measure against each target was last proposed.
    proposed: Recent<Timestamp>,
    /// What is still to be proposed, and what the last hour has room for.
    waiting: Waiting,
    budget: Budget,
    sessions: Sessions,
    /// The latest time of any event, at most that of its arrival: no line moves it back, or ahead of the log.
    now: Timestamp,
    /// Of the latest event.
    arrival: Option<Timestamp>,
    /// When it was last said that something waits.
    #[serde(rename = "told")]
    reported: Option<Timestamp>,
}

struct Soar {
    settings: Settings,
    protected: Protected,
    playbooks: Arc<[Value]>,
    state: State,
}

impl Soar {
    fn new(settings: Settings, playbooks: Arc<[Value]>) -> Self {
        let protected = Protected {
            nets: settings.protected.clone(),
            users: settings.protected_users.clone(),
            machine: settings.machine.clone(),
            sessions: Vec::new(),
        };
        let state = State {
            proposed: Recent::new(ENTITIES_PER_DETECTOR_MAX),
            waiting: Waiting::default(),
            budget: Budget::default(),
            sessions: Sessions::default(),
            now: Timestamp::ZERO,
            arrival: None,
            reported: None,
        };
        Self { settings, protected, playbooks, state }
    }

    /// The latest time of any event, at most that of its arrival, and what has passed since: a tick is of the daemon's time
    /// and not of the source's, which may be far behind. One that comes far before shows that the machine's clock was set
    /// back.
    fn now(&mut self, event: &Event) -> Timestamp {
        let (state, arrival) = (&mut self.state, event.times.taken_in());
        let passed = arrival.since(state.arrival.replace(arrival).unwrap_or(arrival));
        if !matches!(event.body, Body::Tick) {
            state.now = state.now.max(event.time().min(arrival));
        } else if state.now.since(arrival) >= HOUR {
            state.now = arrival;
            state.budget.forget_after(arrival);
            state.reported = None;
        } else {
            state.now = state.now.plus(passed).min(arrival).max(state.now);
        }
        state.now
    }

    /// The most fitting first.
    fn responses(&self, cause: EventId, soc: &Soc) -> Vec<Response> {
        let entity = &soc.entity;
        let block = |address: &str| Response {
            caution: self.state.sessions.doubtful(address, self.state.now).map(caution),
            ..block_address(address, &self.protected, self.settings.valid_for.get())
        };
        let mut responses = Vec::new();
        match offender(soc) {
            Some(Offender::Address(address)) => responses.push(block(address)),
            Some(Offender::Domain(domain)) => responses.push(block_domain(domain)),
            None => {}
        }
        if let Some(user) = entity.user.as_deref().filter(|_| is_in_use(soc) || soc.category == Category::Operator) {
            let is_protected = self.protected.users.iter().any(|protected| protected == user);
            responses.push(if is_protected { end_sessions(user) } else { lock_user(user, &self.protected) });
        }
        let host = entity.host.as_deref();
        if soc.category == Category::Crypto {
            let key = entity.file.as_deref().or(entity.process.as_deref()).or(host).unwrap_or("unknown");
            responses.push(rotate_key(key));
        }
        if responses.is_empty() || soc.severity == Severity::Critical {
            let folder = format!("{EVIDENCE_FOLDER}/{}", uuid(&cause.to_string()));
            responses.push(snapshot_evidence(host.unwrap_or("this machine"), &folder));
        }
        if let Some(host) = host.filter(|_| soc.severity == Severity::Critical && is_compromised(soc)) {
            responses.push(isolate_host(host));
        }
        responses.truncate(PROPOSALS_PER_EVENT);
        responses
    }

    fn is_new(&self, key: &str, now: Timestamp) -> bool {
        let last = self.state.proposed.get(key);
        last.is_none_or(|last| now.apart(*last) >= self.settings.valid_for.get())
    }

    /// The site's playbook for this flag or measure.
    fn own_playbook(&self, soc: &Soc, response: &Response) -> Option<&Value> {
        let fits = |label: &str| label == response.measure.name() || soc.flags.iter().any(|flag| flag == label);
        self.playbooks.iter().find(|playbook| labels(playbook).any(fits))
    }

    /// Everything that is to be proposed waits first, if only for a moment: so that the worst comes first.
    fn respond(&mut self, event: &Event, soc: &Soc, now: Timestamp) {
        for response in self.responses(event.id, soc) {
            let key = key(&response);
            if self.is_new(&key, now) {
                let rank = Rank::of(soc, is_compromised(soc) || is_in_use(soc), response.refused.is_some());
                self.state.waiting.add(key, rank, Cause { id: event.id, since: now, soc: kept(soc) });
            }
        }
    }

    /// Proposes what there is room for.
    fn propose(&mut self, now: Timestamp, out: &mut Outbox) {
        self.state.waiting.forget_before(now.minus(self.settings.valid_for.get()));
        self.state.budget.forget_before(now);
        let per_hour = usize::try_from(self.settings.per_hour).unwrap_or(usize::MAX).min(PROPOSALS_MAX);
        let budget = &self.state.budget;
        let ready = self.state.waiting.take(PROPOSALS_PER_STEP, budget.clone(), now, per_hour);
        for (key, cause) in ready {
            // What is protected may have changed since.
            let response = self.responses(cause.id, &cause.soc).into_iter().find(|response| self::key(response) == key);
            let Some(response) = response else { continue };
            self.state.budget.spend(&key, now);
            *self.state.proposed.touch(&key, || now) = now;
            let own = self.own_playbook(&cause.soc, &response);
            // By the daemon's time: what waited for it to be read again is as new to who approves as anything else.
            let created = self.state.arrival.unwrap_or(now);
            let expires = created.plus(self.settings.valid_for.get());
            let grounds = Grounds { cause: cause.id, soc: &cause.soc, created, expires };
            out.emit_soc(proposal(&grounds, &response, own));
        }
        self.report_backlog(now, out);
    }

    /// Says that something waits or was left out, once an hour.
    fn report_backlog(&mut self, now: Timestamp, out: &mut Outbox) {
        let (waiting, left_out) = (self.state.waiting.len(), self.state.waiting.left_out());
        let is_time = self.state.reported.is_none_or(|reported| now.since(reported) >= HOUR);
        if is_time && waiting as u64 + left_out > 0 {
            self.state.reported = Some(now);
            self.state.waiting.forget_left_out();
            out.emit_soc(backlog(waiting, left_out, self.settings.per_hour));
        }
    }
}

/// What tells one proposal from another.
fn key(response: &Response) -> String {
    format!("{} {}", response.measure.name(), response.target)
}

fn caution(user: &str) -> String {
    let user = quote(user);
    format!("somebody is logged in from there as the protected user {user}: make sure that it is not the operator")
}

/// Whether the account itself was used, and not only guessed at.
fn is_in_use(soc: &Soc) -> bool {
    soc.attack.iter().any(|id| ACCOUNT_IN_USE.contains(&id.split('.').next().unwrap_or(id)))
}

impl Stateful for Soar {
    type State = State;

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        let now = self.now(event);
        match &event.body {
            Body::Raw(raw) if !self.protected.users.is_empty() => {
                self.state.sessions.line(raw, &self.protected.users, now);
            }
            Body::Soc(soc) if soc.severity >= Severity::High && !is_of_nobody(soc) && !soc.is_silenced() => {
                if let Some(Offender::Address(address)) = offender(soc) {
                    self.state.sessions.accuse(address, is_in_use(soc) || is_compromised(soc), now);
                }
                self.protected.sessions = self.state.sessions.addresses(now);
                self.respond(event, soc, now);
                self.propose(now, out);
            }
            Body::Tick => {
                self.protected.sessions = self.state.sessions.addresses(now);
                self.propose(now, out);
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
