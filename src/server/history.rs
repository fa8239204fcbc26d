//! `/api/v1/history`: the daemon's own last hour or day, and what has changed meanwhile: of its parts, and what people have done.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;

use super::gateway::GatewayError;
use super::problem::Problem;
use super::request::{MayRead, parameters};
use super::seen::FOLD_PATIENCE;
use super::shared::Shared;
use crate::event::{Body, EventId, Timestamp};
use crate::locked::locked;
use crate::observe::audit::Entry;
use crate::observe::history::{Answer, Change, Kind, Span};

pub async fn show(_: MayRead, State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Answer>, Problem> {
    let [span] = parameters(&uri, ["span"])?;
    let span = span.map(|text| text.parse::<Span>()).transpose();
    let span = span.map_err(|problem| Problem::bad_request(format!("span: {problem}")))?;
    let mut answer = shared.gateway.history(span.unwrap_or_default());
    answer.add(shared.told().await?);
    Ok(Json(answer))
}

fn time_of(id: EventId) -> Timestamp {
    Timestamp::from_millis(id.ms())
}

impl Shared {
    /// Incidents and proposals that the log tells of, and what people have done by the audit log.
    async fn told(&self) -> Result<Vec<Change>, GatewayError> {
        let mut told = Vec::new();
        {
            let (known, _) = self.incidents.within(&*self.gateway, FOLD_PATIENCE).await?;
            told.extend(known.newest_first().into_iter().map(|incident| {
                let why = format!("{}: {}", incident.severity.name(), incident.summary);
                let opened = Change::new(time_of(incident.opened), Kind::Incident, &incident.id, "opened", Some(&why));
                Change { event_id: Some(incident.opened), ..opened }
            }));
        }
        let (newest, _) = self.proposals.seen.within(&*self.gateway, FOLD_PATIENCE).await?;
        told.extend(newest.proposals.values().filter_map(|event| {
            let Body::Soc(soc) = &event.body else { return None };
            let (id, why) = (event.id.to_string(), Some(soc.summary.as_str()));
            let proposed = Change::new(time_of(event.id), Kind::Proposal, &id, "proposed", why);
            Some(Change { event_id: Some(event.id), ..proposed })
        }));
        drop(newest);
        if let Ok(ledger) = &self.proposals.ledger {
            let ledger = locked(ledger);
            told.extend(ledger.newest().iter().filter_map(done));
        }
        Ok(told)
    }
}

/// What somebody did, by the audit log.
fn done(entry: &Entry) -> Option<Change> {
    let at: jiff::Timestamp = entry.ts.parse().ok()?;
    let (of, what) = entry.action.split_once('.')?;
    let (kind, what) = match of {
        "incident" => (Kind::Incident, what),
        "proposal" => (Kind::Proposal, what),
        "response" => (Kind::Response, what),
        "silence" => (Kind::Silence, what),
        _ => (Kind::Audit, entry.action.as_str()),
    };
    let note = (!entry.note.is_empty()).then_some(entry.note.as_str());
    let change = Change::new(Timestamp::from_micros(at.as_microsecond()), kind, &entry.subject, what, note);
    Some(Change { who: Some(entry.who.clone()), ..change })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_audit_log_says_what_was_done_with_what_and_by_whom() {
        let entry = |action: &str, ts: &str| Entry {
            seq: 1,
            ts: ts.to_owned(),
            action: action.to_owned(),
            subject: "7-0".to_owned(),
            who: "carol".to_owned(),
            note: String::new(),
            prev: String::new(),
        };
        let change = done(&entry("proposal.approve.execute", "1970-01-01T00:00:02.5Z")).unwrap();
        let said = (change.ts, change.kind, change.what.as_str(), change.who.as_deref(), change.why);
        assert_eq!(said, (2.5, Kind::Proposal, "approve.execute", Some("carol"), None));
        let other = done(&entry("audit.begun_anew", "1970-01-01T00:00:02Z")).unwrap();
        assert_eq!((other.kind, other.what.as_str()), (Kind::Audit, "audit.begun_anew"));
        assert!(done(&entry("proposal.approve", "yesterday")).is_none());
    }
}
