//! Proposals of the SOAR device and what people decided on them. Deciding only records: nothing is ever carried out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::problem::Problem;
use super::routes::{MayRead, MayRespond, PathPart, Shared, parameters};
use super::streams::event_json;
use crate::event::{Body as EventBody, Event, EventId, Stream};
use crate::limits;
use crate::observe::audit::{Audit, AuditError, Entry};
use crate::observe::gateway::{Gateway, GatewayError};

/// The device whose SOC events carry proposals.
const SOAR_DEVICE: u16 = 58;
const APPROVE: &str = "proposal.approve";
const REJECT: &str = "proposal.reject";

/// What is known of proposals: those seen on the log, and the decisions in the audit log.
pub struct Proposals {
    seen: tokio::sync::Mutex<Seen>,
    /// Why nothing can be decided, when the audit log cannot be used.
    ledger: Result<Arc<Mutex<Ledger>>, String>,
}

/// Read from the log when someone asks, and only what is new since the last time.
#[derive(Default)]
struct Seen {
    cursor: EventId,
    newest: BTreeMap<EventId, Event>,
}

/// A decision is in both or in neither.
struct Ledger {
    audit: Audit,
    decisions: BTreeMap<EventId, Entry>,
}

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

/// The answer of `approve` and `reject`.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    id: EventId,
    state: &'static str,
    ts: String,
    who: String,
    note: String,
}

/// The optional body of `approve` and `reject`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Note {
    note: String,
}

impl Proposals {
    /// An audit log that cannot be used is reported here and at every decision; the rest of the API goes on.
    pub fn open(audit_file: &Path) -> Self {
        let ledger = Ledger::open(audit_file).map(|ledger| Arc::new(Mutex::new(ledger))).map_err(|error| {
            log::error!(target: "dsmil-http", "no proposal can be decided: {error}");
            error.to_string()
        });
        Self { seen: tokio::sync::Mutex::default(), ledger }
    }

    fn decision(&self, id: EventId) -> Option<Decision> {
        let ledger = self.ledger.as_ref().ok()?.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.decisions.get(&id).map(|entry| decision_of(id, entry))
    }
}

impl Seen {
    async fn catch_up(&mut self, gateway: &dyn Gateway) -> Result<(), GatewayError> {
        loop {
            let events = gateway.after(Stream::SocEvents, self.cursor, limits::HTTP_PAGE_EVENTS_MAX).await?;
            let Some(last) = events.last() else { return Ok(()) };
            self.cursor = last.id;
            for event in events.into_iter().filter(is_proposal) {
                self.newest.insert(event.id, event);
                if self.newest.len() > limits::PROPOSALS_MAX {
                    self.newest.pop_first();
                }
            }
        }
    }
}

impl Ledger {
    fn open(path: &Path) -> Result<Self, AuditError> {
        let (audit, entries) = Audit::open(path)?;
        let decisions = entries
            .into_iter()
            .filter(|entry| entry.action == APPROVE || entry.action == REJECT)
            .filter_map(|entry| Some((entry.subject.parse().ok()?, entry)))
            .collect();
        Ok(Self { audit, decisions })
    }

    fn decide(&mut self, id: EventId, action: &str, who: &str, note: &str) -> Result<Entry, Problem> {
        if let Some(Decision { state, who, ts, .. }) = self.decisions.get(&id).map(|entry| decision_of(id, entry)) {
            let detail = format!("proposal {id} was {state} by {who} at {ts}; a decision is final");
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        let entry = self.audit.append(action, &id.to_string(), who, note).map_err(|error| {
            log::error!(target: "dsmil-http", "a decision could not be recorded: {error}");
            Problem::busy(error.to_string(), 5)
        })?;
        self.decisions.insert(id, entry.clone());
        Ok(entry)
    }
}

fn is_proposal(event: &Event) -> bool {
    matches!(&event.body, EventBody::Soc(soc) if soc.producer() == SOAR_DEVICE && soc.proposal.is_some())
}

fn decision_of(id: EventId, entry: &Entry) -> Decision {
    let state = if entry.action == APPROVE { "approved" } else { "rejected" };
    Decision { id, state, ts: entry.ts.clone(), who: entry.who.clone(), note: entry.note.clone() }
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
