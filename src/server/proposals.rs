//! `/api/v1/proposals`: lists proposals of the SOAR device, and records what people decide on them.

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::Uri;
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::decisions::{APPROVE, Decision, REJECT, decision_of, is_proposal};
use super::event_json::event_json;
use super::problem::Problem;
use super::request::{MayRead, MayRespond, PathPart, parameters};
use super::shared::Shared;
use crate::event::EventId;
use crate::limits;

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

/// The optional body of `approve` and `reject`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Note {
    note: String,
}

pub async fn list(_: MayRead, State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<List>, Problem> {
    let [wanted] = parameters(&uri, ["state"])?;
    if let Some(state) = wanted.as_deref().filter(|state| !["pending", "approved", "rejected"].contains(state)) {
        let state: String = state.chars().take(32).collect();
        return Err(Problem::bad_request(format!("state: `{state}` is not pending, approved or rejected")));
    }
    let mut seen = shared.proposals.seen.lock().await;
    seen.catch_up(&*shared.gateway).await?;
    let proposals = seen.newest.values().rev().map(|event| {
        let decision = shared.proposals.decision(event.id);
        let state = decision.as_ref().map_or("pending", |decision| decision.state);
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
    let note = read_note(body).await?;
    let ledger = shared.proposals.ledger.clone().map_err(|error| Problem::busy(error, 60))?;
    let known = shared.gateway.event(id).await?.is_some_and(|event| is_proposal(&event));
    if !known {
        return Err(Problem::not_found(format!("there is no proposal {id}; GET /api/v1/proposals lists them")));
    }
    // On a thread of its own: it waits for the disk, and it runs to its end when the client goes away meanwhile.
    let record = move || ledger.lock().unwrap_or_else(PoisonError::into_inner).decide(id, action, &who, &note);
    let recorded = tokio::task::spawn_blocking(record).await;
    let entry = recorded.map_err(|error| Problem::busy(format!("the decision was not recorded: {error}"), 5))??;
    Ok(Json(decision_of(id, &entry)))
}

async fn read_note(body: Body) -> Result<String, Problem> {
    let wrong = |what: String| {
        let most = limits::AUDIT_NOTE_BYTES_MAX;
        Problem::bad_request(format!("the body is {what}; send none, or {{\"note\":\"…\"}} of at most {most} bytes"))
    };
    let body =
        Limited::new(body, limits::AUDIT_NOTE_BYTES_MAX).collect().await.map_err(|error| wrong(error.to_string()))?;
    let body = body.to_bytes();
    if body.trim_ascii().is_empty() {
        return Ok(String::new());
    }
    serde_json::from_slice::<Note>(&body).map(|body| body.note).map_err(|error| wrong(format!("not a note ({error})")))
}
