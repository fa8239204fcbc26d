//! `/api/v1/events/{id}/explain`: from an event back over `input_ref` to the line that everything follows from.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;

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
    /// The event first, then each time what caused it.
    steps: Vec<Value>,
}

enum Cause {
    None,
    Event(EventId),
    Unknown(String),
}

pub async fn explain(
    _: MayRead,
    PathPart(id): PathPart<EventId>,
    State(shared): State<Arc<Shared>>,
) -> Result<Json<Answer>, Problem> {
    let mut event = shared.gateway.event(id).await?.ok_or_else(|| Problem::no_event(id))?;
    let mut answer = Answer { id, complete: false, ends_because: None, steps: vec![event_json(&event)] };
    loop {
        let cause = match cause_of(&event) {
            Cause::None => {
                answer.complete = true;
                break;
            }
            Cause::Unknown(reason) => {
                answer.ends_because = Some(reason);
                break;
            }
            Cause::Event(_) if answer.steps.len() == limits::EXPLAIN_STEPS_MAX => {
                answer.ends_because = Some(format!("a chain is followed for {} steps", limits::EXPLAIN_STEPS_MAX));
                break;
            }
            Cause::Event(cause) => cause,
        };
        let Some(found) = shared.gateway.event(cause).await? else {
            answer.ends_because = Some(format!("event {cause} is not in the store any more"));
            break;
        };
        answer.steps.push(event_json(&found));
        event = found;
    }
    Ok(Json(answer))
}

fn cause_of(event: &Event) -> Cause {
    let input_ref = match &event.body {
        Body::Raw(_) | Body::Shrink(_) | Body::Tick => return Cause::None,
        Body::Decision(decision) => &decision.input_ref,
        Body::Soc(soc) => &soc.input_ref,
    };
    match input_ref.parse::<EventId>() {
        // A cause is older than what follows from it; a reference the other way round could lead in a circle.
        Ok(cause) if cause < event.id => Cause::Event(cause),
        Ok(cause) => Cause::Unknown(format!("event {} names the later event {cause} as its cause", event.id)),
        Err(_) if input_ref.is_empty() => Cause::Unknown(format!("event {} names no cause", event.id)),
        Err(_) => Cause::Unknown(format!("the cause of event {} is known outside as `{input_ref}`", event.id)),
    }
}
