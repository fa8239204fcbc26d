//! `/api/v1/proposals`: lists proposals of the SOAR device, and records what people decide on them.

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::{Value, json};

use super::decisions::{APPROVE, Decision, Ledger, REJECT, decision_of, is_expired, is_proposal};
use super::event_json::event_json;
use super::note::{Noted, small_body};
use super::problem::Problem;
use super::request::{MayRead, MayRespond, PathPart, parameters};
use super::shared::Shared;
use crate::event::{EventId, Timestamp};
use crate::observe::audit::{Entry, Kept};

#[derive(Serialize)]
pub struct List {
    /// The newest first.
    proposals: Vec<Proposal>,
}

#[derive(Serialize)]
struct Proposal {
    id: EventId,
    state: &'static str,
    decision: Option<Decision>,
    event: Value,
}

const STATES: [&str; 4] = ["pending", "approved", "rejected", "expired"];

pub async fn list(_: MayRead, State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<List>, Problem> {
    let [wanted] = parameters(&uri, ["state"])?;
    if let Some(state) = wanted.as_deref().filter(|state| !STATES.contains(state)) {
        let state: String = state.chars().take(32).collect();
        return Err(Problem::bad_request(format!("state: `{state}` is not pending, approved, rejected or expired")));
    }
    let mut seen = shared.proposals.seen.lock().await;
    let newest = seen.catch_up(&*shared.gateway).await?;
    let now = Timestamp::now();
    let proposals = newest.0.values().rev().map(|event| {
        let decision = shared.proposals.decision(event.id);
        let open = if is_expired(event, now) { "expired" } else { "pending" };
        let state = decision.as_ref().map_or(open, |decision| decision.state);
        Proposal { id: event.id, state, decision, event: event_json(event) }
    });
    let wanted = |proposal: &Proposal| wanted.as_deref().is_none_or(|wanted| proposal.state == wanted);
    Ok(Json(List { proposals: proposals.filter(wanted).collect() }))
}

pub async fn approve(
    who: MayRespond,
    id: PathPart<EventId>,
    shared: State<Arc<Shared>>,
    body: Body,
) -> Result<Json<Decision>, Problem> {
    decide(APPROVE, who, id, shared, body).await
}

pub async fn reject(
    who: MayRespond,
    id: PathPart<EventId>,
    shared: State<Arc<Shared>>,
    body: Body,
) -> Result<Json<Decision>, Problem> {
    decide(REJECT, who, id, shared, body).await
}

async fn decide(
    action: &'static str,
    MayRespond(who): MayRespond,
    PathPart(id): PathPart<EventId>,
    State(shared): State<Arc<Shared>>,
    body: Body,
) -> Result<Json<Decision>, Problem> {
    let Noted { note } = small_body(body, Noted::SHAPE).await?.unwrap_or_default();
    let Some(event) = shared.gateway.event(id).await?.filter(is_proposal) else {
        return Err(Problem::not_found(format!("there is no proposal {id}; GET /api/v1/proposals lists them")));
    };
    if action == APPROVE && shared.proposals.decision(id).is_none() && is_expired(&event, Timestamp::now()) {
        return Err(Problem::new(StatusCode::CONFLICT, format!("proposal {id} has expired: it can only be rejected")));
    }
    // It runs to its end when the client goes away meanwhile.
    let recorded = tokio::spawn(record(shared, id, action, who, note.0)).await;
    let entry = recorded.map_err(|error| Problem::busy(format!("the decision was not recorded: {error}"), 5))??;
    Ok(Json(decision_of(id, &entry)))
}

async fn record(
    shared: Arc<Shared>,
    id: EventId,
    action: &'static str,
    who: String,
    note: String,
) -> Result<Entry, Problem> {
    let deciding = Arc::clone(&shared.proposals.deciding).lock_owned().await;
    let entry = on_record(&shared, move |ledger| ledger.decide(id, action, &who, &note)).await?;
    drop(deciding);
    remember(shared).await;
    Ok(entry)
}

/// Writes into the audit log, on a thread of its own: it waits for the disk. Whoever calls it is the one who decides now.
pub async fn on_record<Out: Send + 'static>(
    shared: &Shared,
    write: impl FnOnce(&mut Ledger) -> Result<Out, Problem> + Send + 'static,
) -> Result<Out, Problem> {
    let ledger = shared.proposals.ledger.clone().map_err(|error| Problem::busy(error, 60))?;
    let write = move || write(&mut ledger.lock().unwrap_or_else(PoisonError::into_inner));
    let written = tokio::task::spawn_blocking(write).await;
    written.map_err(|error| Problem::busy(format!("it was not recorded: {error}"), 5))?
}

/// Has the hot store remember the audit log as it is now. A failure costs less than the decision: it is on disk.
pub async fn remember(shared: Arc<Shared>) {
    let Ok(ledger) = &shared.proposals.ledger else { return };
    let _deciding = shared.proposals.deciding.lock().await;
    let kept = ledger.lock().unwrap_or_else(PoisonError::into_inner).kept();
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
        Ok(ledger) => json!(ledger.lock().unwrap_or_else(PoisonError::into_inner).head()),
        Err(error) => json!({ "error": error }),
    })
}
