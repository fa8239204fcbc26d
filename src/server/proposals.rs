//! `/api/v1/proposals`: lists proposals of the SOAR device, and records what people decide on them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::{Value, json};

use super::decisions::{Decision, Ledger, Newest, REJECT, approval, decision_of, expires, is_expired, is_proposal};
use super::event_json::event_json;
use super::note::{Noted, small_body};
use super::problem::Problem;
use super::request::{MayRead, MayRespond, PathPart, parameters};
use super::seen::FOLD_PATIENCE;
use super::shared::Shared;
use crate::event::{Body as EventBody, Event, EventId, Timestamp};
use crate::limits;
use crate::locked::locked;
use crate::observe::audit::{Entry, Kept};
use crate::respond::config::{Mode, Respond};
use crate::respond::deed::{Deed, executable};
use crate::respond::effect::effect;
use crate::respond::executor::Executor;
use crate::respond::history::Progress;
use crate::respond::protocol::Approver;
use crate::respond::step::Step;

#[derive(Serialize)]
pub struct List {
    /// What approving leads to.
    mode: Mode,
    /// False while the log is still read after a start: newer proposals are missing.
    complete: bool,
    /// The newest first.
    proposals: Vec<Proposal>,
}

#[derive(Serialize)]
struct Proposal {
    id: EventId,
    state: &'static str,
    decision: Option<Decision>,
    /// What approving it leads to, in words; of a pending one.
    effect: Option<String>,
    /// Who carries it out, or was asked to; `None` where nobody does.
    executor: Option<Executor>,
    /// What became of it.
    response: Option<Response>,
    /// Of one that is superseded: the newer one that stands for it.
    superseded_by: Option<EventId>,
    /// That the same was proposed before, and still waited.
    repeats: Option<Repeated>,
    event: Value,
}

/// The same, proposed again and again before anybody decided.
#[derive(Serialize)]
struct Repeated {
    /// How often, this time included.
    count: usize,
    /// The first of them, and when.
    first: EventId,
    first_ts: String,
    /// What the newest of those before follow from.
    causes: Vec<Value>,
}

impl Repeated {
    fn of(newest: &Newest, id: EventId, is_undecided: impl Fn(EventId) -> bool) -> Option<Self> {
        let older = newest.repeats.older(id, is_undecided);
        let first = *older.last()?;
        let cause = |id: &EventId| match &newest.proposals.get(id)?.body {
            EventBody::Soc(soc) => soc.proposal.as_ref()?.get("cause").cloned(),
            _ => None,
        };
        Some(Self {
            count: older.len() + 1,
            first,
            first_ts: Timestamp::from_millis(first.ms()).to_string(),
            causes: older.iter().take(limits::PROPOSAL_CAUSES_SHOWN_MAX).filter_map(cause).collect(),
        })
    }
}

/// What became of an approved proposal.
#[derive(Serialize)]
struct Response {
    state: Step,
    ts: String,
    /// It is in force now.
    in_force: bool,
    /// When it ends, or has ended, by itself.
    ends: Option<String>,
    said: String,
    /// It failed, and is tried again.
    retried: bool,
}

impl Response {
    fn of(progress: &Progress, now: Timestamp) -> Self {
        Self {
            state: progress.last.step,
            ts: progress.at.to_string(),
            in_force: progress.is_in_force(now),
            ends: progress.ends.map(|ends| ends.to_string()),
            said: progress.last.said.clone(),
            retried: progress.last.is_retried,
        }
    }
}

/// The answer to a decision.
#[derive(Serialize)]
pub struct Decided {
    #[serde(flatten)]
    decision: Decision,
    /// What it leads to, in words.
    effect: String,
    /// What became of it, where that is known already.
    response: Option<Response>,
}

/// Until a step is on record that an answer tells of.
const RESPONSE_PATIENCE: Duration = Duration::from_secs(5);

const STATES: [&str; 5] = ["pending", "approved", "rejected", "expired", SUPERSEDED];
const SUPERSEDED: &str = "superseded";

pub async fn list(_: MayRead, State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<List>, Problem> {
    let [wanted] = parameters(&uri, ["state"])?;
    if let Some(state) = wanted.as_deref().filter(|state| !STATES.contains(state)) {
        let state: String = state.chars().take(32).collect();
        let detail = format!("state: `{state}` is not pending, approved, rejected, expired or superseded");
        return Err(Problem::bad_request(detail));
    }
    let (newest, complete) = shared.proposals.seen.within(&*shared.gateway, FOLD_PATIENCE).await?;
    let mut proposals = shared.shown_proposals(&newest, &|_| true);
    drop(newest);
    proposals.retain(|proposal| wanted.as_deref().is_none_or(|wanted| proposal.state == wanted));
    Ok(Json(List { mode: (shared.respond)().mode, complete, proposals }))
}

impl Shared {
    /// The newest first.
    fn shown_proposals(&self, newest: &Newest, is_wanted: &(dyn Fn(&Event) -> bool + Sync)) -> Vec<Proposal> {
        let (now, respond) = (Timestamp::now(), (self.respond)());
        let is_undecided = |id| self.proposals.decision(id).is_none();
        let proposals = newest.proposals.values().rev().filter(|event| is_wanted(event)).map(|event| {
            let decision = self.proposals.decision(event.id);
            let superseded_by = newest.repeats.newer(event.id).filter(|_| decision.is_none());
            let open = match superseded_by {
                Some(_) => SUPERSEDED,
                None if is_expired(event, now) => "expired",
                None => "pending",
            };
            let state = decision.as_ref().map_or(open, |decision| decision.state);
            let effect = (state == "pending").then(|| effect_of(event, &respond));
            let progress = newest.history.of(event.id);
            let asked = progress.filter(|progress| progress.requested.is_some()).map(|progress| progress.executor);
            let executor = asked.or_else(|| executor_of(event, &respond).filter(|_| open == "pending"));
            let response = progress.map(|progress| Response::of(progress, now));
            let repeats = Repeated::of(newest, event.id, is_undecided);
            let (id, event) = (event.id, event_json(event));
            Proposal { id, state, decision, effect, executor, response, superseded_by, repeats, event }
        });
        proposals.collect()
    }

    /// Those that an event wanted is, as the list shows them.
    pub async fn proposals_about(&self, is_wanted: &(dyn Fn(&Event) -> bool + Sync)) -> Result<Vec<Value>, Problem> {
        let newest = self.proposals.seen.whole(&*self.gateway).await?;
        Ok(self.shown_proposals(&newest, is_wanted).iter().map(|proposal| json!(proposal)).collect())
    }
}

pub async fn approve(
    who: MayRespond,
    id: PathPart<EventId>,
    shared: State<Arc<Shared>>,
    body: Body,
) -> Result<Json<Decided>, Problem> {
    decide(true, who, id, shared, body).await
}

pub async fn reject(
    who: MayRespond,
    id: PathPart<EventId>,
    shared: State<Arc<Shared>>,
    body: Body,
) -> Result<Json<Decided>, Problem> {
    decide(false, who, id, shared, body).await
}

async fn decide(
    approves: bool,
    MayRespond(who): MayRespond,
    PathPart(id): PathPart<EventId>,
    State(shared): State<Arc<Shared>>,
    body: Body,
) -> Result<Json<Decided>, Problem> {
    let Noted { note } = small_body(body, Noted::SHAPE).await?.unwrap_or_default();
    let Some(event) = shared.gateway.event(id).await?.filter(is_proposal) else {
        return Err(no_proposal(id));
    };
    let respond = (shared.respond)();
    let is_open = shared.proposals.decision(id).is_none();
    if is_open {
        refuse_superseded(&shared, id).await?;
    }
    if approves && is_open {
        refuse_late(&event)?;
        refuse_own_address(&event, &respond, &who)?;
    }
    let action = if approves { approval(respond.mode) } else { REJECT };
    let entry = record(Arc::clone(&shared), move |ledger| ledger.decide(id, action, &who, &note.0)).await?;
    let decision = decision_of(id, &entry);
    if !approves {
        return Ok(Json(Decided { decision, effect: "nothing is done".to_owned(), response: None }));
    }
    let is_over = |step| matches!(step, Step::Executed | Step::Simulated | Step::Failed);
    let acts = executor_of(&event, &respond).is_some();
    let response = if acts { shared.response(id, is_over).await } else { None };
    Ok(Json(Decided { decision, effect: effect_of(&event, &respond), response }))
}

/// Takes back what is in force.
pub async fn undo(
    MayRespond(who): MayRespond,
    PathPart(id): PathPart<EventId>,
    State(shared): State<Arc<Shared>>,
    body: Body,
) -> Result<Json<Decided>, Problem> {
    let Noted { note } = small_body(body, Noted::SHAPE).await?.unwrap_or_default();
    shared.gateway.event(id).await?.filter(is_proposal).ok_or_else(|| no_proposal(id))?;
    let conflict = |why: String| Problem::new(StatusCode::CONFLICT, format!("there is nothing to take back: {why}"));
    let (approved, undone) = shared.proposals.on_record(id);
    let Some(Response { state, in_force, ts, .. }) = shared.response(id, |_| true).await else {
        let decided = approved.map(|entry| decision_of(id, &entry).state).unwrap_or("not decided");
        return Err(conflict(format!("proposal {id} is {decided}, and was not carried out")));
    };
    if undone.is_none() && !in_force {
        return Err(conflict(format!("the response to proposal {id} is {} since {ts}", state.word())));
    }
    let entry = record(Arc::clone(&shared), move |ledger| ledger.undo(id, &who, &note.0)).await?;
    let response = shared.response(id, |step| matches!(step, Step::Undone | Step::Failed)).await;
    let decision = decision_of(id, &entry);
    Ok(Json(Decided { decision, effect: "what was done is taken back".to_owned(), response }))
}

fn no_proposal(id: EventId) -> Problem {
    Problem::not_found(format!("there is no proposal {id}; GET /api/v1/proposals lists them"))
}

fn effect_of(event: &Event, respond: &Respond) -> String {
    match &event.body {
        EventBody::Soc(soc) => effect(soc, respond),
        _ => String::new(),
    }
}

/// Who would carry it out; `None` where approving is only recorded.
fn executor_of(event: &Event, respond: &Respond) -> Option<Executor> {
    let EventBody::Soc(soc) = &event.body else { return None };
    let (_, executor) = executable(soc, respond).ok()?;
    (respond.mode != Mode::Propose).then_some(executor)
}

fn refuse_late(event: &Event) -> Result<(), Problem> {
    let Some(expired) = expires(event).filter(|_| is_expired(event, Timestamp::now())) else { return Ok(()) };
    let detail = format!("proposal {} has expired at {expired}: it can only be rejected", event.id);
    Err(Problem::new(StatusCode::CONFLICT, detail).member("expired", expired.to_string()))
}

/// Of what was proposed several times, the newest is decided on.
async fn refuse_superseded(shared: &Shared, id: EventId) -> Result<(), Problem> {
    // After a start the log may still be read: then what is known by now counts.
    let (newest, _) = shared.proposals.seen.within(&*shared.gateway, FOLD_PATIENCE).await?;
    let newer = |id: &EventId| newest.repeats.newer(*id);
    let Some(newer) = std::iter::successors(newer(&id), newer).last() else { return Ok(()) };
    let detail = format!("the same was proposed again as proposal {newer}, which stands for {id}: decide on that one");
    Err(Problem::new(StatusCode::CONFLICT, detail).member("superseded_by", newer.to_string()))
}

/// Nobody locks himself out. The helper looks at this as well.
fn refuse_own_address(event: &Event, respond: &Respond, who: &str) -> Result<(), Problem> {
    let EventBody::Soc(soc) = &event.body else { return Ok(()) };
    let (Approver::Address(address), Ok(Deed::Block(target))) = (Approver::of(who), Deed::of(soc)) else {
        return Ok(());
    };
    let is_own = target.net().contains(&address.to_canonical());
    if respond.mode == Mode::Propose || !is_own {
        return Ok(());
    }
    let detail = format!("you are at {address}, which would be blocked: approve it from somewhere else");
    Err(Problem::new(StatusCode::CONFLICT, detail))
}

impl Shared {
    /// What has become of a proposal, waited for a little until it is such a step.
    async fn response(&self, id: EventId, is_wanted: impl Fn(Step) -> bool) -> Option<Response> {
        let mut committed = self.gateway.committed();
        let deadline = tokio::time::sleep(RESPONSE_PATIENCE);
        tokio::pin!(deadline);
        loop {
            committed.mark_unchanged();
            let newest = tokio::select! {
                newest = self.proposals.seen.whole(&*self.gateway) => newest.ok()?,
                () = &mut deadline => return None,
            };
            let progress = newest.history.of(id);
            let found = progress.map(|progress| Response::of(progress, Timestamp::now()));
            let is_wanted = progress.is_some_and(|progress| is_wanted(progress.last.step));
            drop(newest);
            if is_wanted {
                return found;
            }
            tokio::select! {
                Ok(()) = committed.changed() => {}
                () = &mut deadline => return found,
            }
        }
    }
}

/// Also when the client goes away meanwhile. `what` is not recorded when it ends otherwise.
pub async fn to_its_end<Out: Send + 'static>(
    what: &str,
    work: impl Future<Output = Result<Out, Problem>> + Send + 'static,
) -> Result<Out, Problem> {
    let done = tokio::spawn(work).await;
    done.map_err(|error| Problem::busy(format!("the {what} was not recorded: {error}"), 5))?
}

async fn record(
    shared: Arc<Shared>,
    write: impl FnOnce(&mut Ledger) -> Result<Entry, Problem> + Send + 'static,
) -> Result<Entry, Problem> {
    to_its_end("decision", async move {
        let deciding = Arc::clone(&shared.proposals.deciding).lock_owned().await;
        let entry = on_record(&shared, write).await?;
        drop(deciding);
        shared.proposals.changed.notify_one();
        remember(shared).await;
        Ok(entry)
    })
    .await
}

/// Writes into the audit log, on a thread of its own: it waits for the disk. Whoever calls it is the one who decides now.
pub async fn on_record<Out: Send + 'static>(
    shared: &Shared,
    write: impl FnOnce(&mut Ledger) -> Result<Out, Problem> + Send + 'static,
) -> Result<Out, Problem> {
    let ledger = shared.proposals.ledger.clone().map_err(|error| Problem::busy(error, 60))?;
    let write = move || write(&mut locked(&ledger));
    let written = tokio::task::spawn_blocking(write).await;
    written.map_err(|error| Problem::busy(format!("it was not recorded: {error}"), 5))?
}

/// Has the hot store remember the audit log as it is now. A failure costs less than the decision: it is on disk.
pub async fn remember(shared: Arc<Shared>) {
    let Ok(ledger) = &shared.proposals.ledger else { return };
    let _deciding = shared.proposals.deciding.lock().await;
    let kept = locked(ledger).kept();
    if shared.gateway.remembered(Kept::NAME).as_ref() == Some(&kept) {
        return;
    }
    if let Err(error) = shared.gateway.remember(Kept::NAME, kept).await {
        log::warn!(target: "dsmil-http", "the head of the audit log is not remembered yet: {error}");
    }
}

/// Where the audit log ends as the daemon knows it, and why nothing can be decided where that is so.
pub async fn audit(_: MayRead, State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(match &shared.proposals.ledger {
        Ok(ledger) => json!(locked(ledger).head()),
        Err(error) => json!({ "error": error }),
    })
}
