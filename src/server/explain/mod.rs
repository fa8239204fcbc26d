//! `/api/v1/events/{id}/explain` and `/api/v1/incidents/{id}/explain`: from an event back to all lines that it follows from.

mod causes;
mod line;
mod tree;
mod words;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;

use self::causes::direct;
use self::tree::{Extent, Tree};
use super::event_json::event_json;
use super::problem::Problem;
use super::request::{MayRead, PathPart};
use super::shared::Shared;
use crate::event::{Body, Event, EventId};
use crate::limits;

#[derive(Serialize)]
pub struct Answer {
    id: EventId,
    /// The last step is the line or message from outside.
    complete: bool,
    /// Why the chain ends before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_because: Option<String>,
    /// The event first, then each time the one event that it is about.
    steps: Vec<Value>,
    /// The event, and below it all that it follows from.
    tree: Value,
    extent: Extent,
}

pub async fn event(
    _: MayRead,
    PathPart(id): PathPart<EventId>,
    State(shared): State<Arc<Shared>>,
) -> Result<Json<Answer>, Problem> {
    explained(&shared, id).await
}

/// The newest event that reports the incident, and below it the alerts that belong to it.
pub async fn incident(
    _: MayRead,
    Path(id): Path<String>,
    State(shared): State<Arc<Shared>>,
) -> Result<Json<Answer>, Problem> {
    let incident = shared.incident(&id).await?;
    let reported = incident.events.last().copied();
    let report =
        reported.ok_or_else(|| Problem::not_found(format!("no event reports the incident {}", incident.id)))?;
    explained(&shared, report).await
}

async fn explained(shared: &Shared, id: EventId) -> Result<Json<Answer>, Problem> {
    let event = shared.event(id).await?.ok_or_else(|| Problem::no_event(id))?;
    let (steps, end) = chain(shared, event.clone()).await?;
    let tree = Tree::of(event, &*shared.gateway).await?;
    let (complete, ends_because) = (end.is_none(), end);
    Ok(Json(Answer { id, complete, ends_because, steps, tree: tree.to_json(), extent: tree.extent() }))
}

/// Each step, and why there is no further one where the last is not from outside.
async fn chain(shared: &Shared, mut event: Event) -> Result<(Vec<Value>, Option<String>), Problem> {
    let mut steps = vec![event_json(&event)];
    loop {
        let input_ref = match &event.body {
            Body::Raw(_) | Body::Shrink(_) | Body::Tick => return Ok((steps, None)),
            Body::Decision(decision) => &decision.input_ref,
            Body::Soc(soc) => &soc.input_ref,
        };
        let cause = match direct(&event, input_ref) {
            Ok(cause) => cause,
            Err(why) => return Ok((steps, Some(why))),
        };
        if steps.len() == limits::EXPLAIN_STEPS_MAX {
            return Ok((steps, Some(format!("a chain is followed for {} steps", limits::EXPLAIN_STEPS_MAX))));
        }
        let Some(found) = shared.gateway.event(cause).await? else {
            return Ok((steps, Some(format!("event {cause} is not in the store any more"))));
        };
        steps.push(event_json(&found));
        event = found;
    }
}
