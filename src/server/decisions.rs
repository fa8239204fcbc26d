//! What is known of proposals: those seen on the log, and what people decided on them. Deciding only records: nothing is
//! ever carried out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use serde::Serialize;

use super::gateway::{Gateway, GatewayError};
use super::problem::Problem;
use crate::event::{Body, Event, EventId, Stream};
use crate::limits;
use crate::observe::audit::{Audit, AuditError, Entry};

/// The device whose SOC events carry proposals.
const SOAR_DEVICE: u16 = 58;
pub const APPROVE: &str = "proposal.approve";
pub const REJECT: &str = "proposal.reject";

/// What is known of proposals: those seen on the log, and the decisions in the audit log.
pub struct Proposals {
    pub seen: tokio::sync::Mutex<Seen>,
    /// Why nothing can be decided, when the audit log cannot be used.
    pub ledger: Result<Arc<Mutex<Ledger>>, String>,
}

/// Read from the log when someone asks, and only what is new since the last time.
#[derive(Default)]
pub struct Seen {
    cursor: EventId,
    pub newest: BTreeMap<EventId, Event>,
}

/// A decision is in both or in neither.
pub struct Ledger {
    audit: Audit,
    decisions: BTreeMap<EventId, Entry>,
}

/// The answer of `approve` and `reject`.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    id: EventId,
    pub state: &'static str,
    ts: String,
    who: String,
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

    pub fn decision(&self, id: EventId) -> Option<Decision> {
        let ledger = self.ledger.as_ref().ok()?.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.decisions.get(&id).map(|entry| decision_of(id, entry))
    }
}

impl Seen {
    pub async fn catch_up(&mut self, gateway: &dyn Gateway) -> Result<(), GatewayError> {
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

    pub fn decide(&mut self, id: EventId, action: &str, who: &str, note: &str) -> Result<Entry, Problem> {
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

pub fn is_proposal(event: &Event) -> bool {
    matches!(&event.body, Body::Soc(soc) if soc.producer() == SOAR_DEVICE && soc.proposal.is_some())
}

pub fn decision_of(id: EventId, entry: &Entry) -> Decision {
    let state = if entry.action == APPROVE { "approved" } else { "rejected" };
    Decision { id, state, ts: entry.ts.clone(), who: entry.who.clone(), note: entry.note.clone() }
}
