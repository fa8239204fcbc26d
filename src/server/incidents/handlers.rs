//! `/api/v1/incidents`: lists incidents, shows one, and takes what people do with them. Each change is an event on `SOC_EVENTS` and
//! a line of the audit log.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::change::{Action, Resolution};
use super::fold::{Incident, State as IncidentState};
use crate::server::note::{Note, Noted, small_body};
use crate::server::ocsf;
use crate::server::problem::Problem;
use crate::server::proposals::{on_record, remember, to_its_end};
use crate::server::request::{MayRead, MayRespond, is_ocsf, parameters};
use crate::server::seen::FOLD_PATIENCE;
use crate::server::shared::Shared;

/// Those that something was last heard of come first.
#[derive(Serialize)]
struct List<'known> {
    /// False: the log is still being read after a start, and newer incidents are missing.
    complete: bool,
    incidents: Vec<&'known Incident>,
}

/// The body of `close`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Closing {
    resolution: Resolution,
    #[serde(default)]
    note: Note,
}

pub async fn list(_: MayRead, State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Value>, Problem> {
    let [wanted, format] = parameters(&uri, ["state", "format"])?;
    let is_ocsf = is_ocsf(format.as_deref())?;
    let wanted = match wanted.as_deref() {
        None => None,
        Some(name) => Some(IncidentState::named(name).ok_or_else(|| {
            let name: String = name.chars().take(32).collect();
            Problem::bad_request(format!("state: `{name}` is not open, acknowledged or closed"))
        })?),
    };
    let (known, is_complete) = shared.incidents.within(&*shared.gateway, FOLD_PATIENCE).await?;
    let incidents =
        known.newest_first().into_iter().filter(|incident| wanted.is_none_or(|wanted| incident.state == wanted));
    Ok(Json(match is_ocsf {
        true => json!({ "complete": is_complete, "incidents": incidents.map(ocsf::of_incident).collect::<Vec<_>>() }),
        false => json!(List { complete: is_complete, incidents: incidents.collect() }),
    }))
}

pub async fn one(
    _: MayRead,
    Path(id): Path<String>,
    State(shared): State<Arc<Shared>>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let [format] = parameters(&uri, ["format"])?;
    let is_ocsf = is_ocsf(format.as_deref())?;
    let incident = shared.incident(&id).await?;
    Ok(Json(if is_ocsf { ocsf::of_incident(&incident) } else { json!(incident) }))
}

pub async fn acknowledge(
    MayRespond(who): MayRespond,
    Path(id): Path<String>,
    shared: State<Arc<Shared>>,
    body: Body,
) -> Result<Json<Incident>, Problem> {
    let Noted { note } = small_body(body, Noted::SHAPE).await?.unwrap_or_default();
    change(shared.0, id, Wanted { action: Action::Acknowledge, resolution: None, who, note: note.0 }).await
}

pub async fn close(
    MayRespond(who): MayRespond,
    Path(id): Path<String>,
    shared: State<Arc<Shared>>,
    body: Body,
) -> Result<Json<Incident>, Problem> {
    const SHAPE: &str = "{\"resolution\":\"true_positive\"}, with false_positive or benign_true_positive in its place, and a note where there is one,";
    let closing: Option<Closing> = small_body(body, SHAPE).await?;
    let Closing { resolution, note } =
        closing.ok_or_else(|| Problem::bad_request(format!("the body is missing; send {SHAPE}")))?;
    change(shared.0, id, Wanted { action: Action::Close, resolution: Some(resolution), who, note: note.0 }).await
}

pub async fn note(
    MayRespond(who): MayRespond,
    Path(id): Path<String>,
    shared: State<Arc<Shared>>,
    body: Body,
) -> Result<Json<Incident>, Problem> {
    let Noted { note } = small_body(body, "{\"note\":\"…\"}").await?.unwrap_or_default();
    if note.0.trim().is_empty() {
        return Err(Problem::bad_request("the note is empty; send {\"note\":\"…\"}"));
    }
    change(shared.0, id, Wanted { action: Action::Note, resolution: None, who, note: note.0 }).await
}

struct Wanted {
    action: Action,
    resolution: Option<Resolution>,
    who: String,
    note: String,
}

async fn change(shared: Arc<Shared>, id: String, wanted: Wanted) -> Result<Json<Incident>, Problem> {
    to_its_end("change", async move { shared.change_incident(&id, wanted).await }).await.map(Json)
}

impl Shared {
    pub async fn incident(&self, id: &str) -> Result<Incident, Problem> {
        let found = self.incidents.whole(&*self.gateway).await?.get(id).cloned();
        found.ok_or_else(|| {
            let id: String = id.chars().take(64).collect();
            Problem::not_found(format!("there is no incident `{id}`; GET /api/v1/incidents lists them"))
        })
    }

    async fn change_incident(self: Arc<Self>, id: &str, wanted: Wanted) -> Result<Incident, Problem> {
        let Wanted { action, resolution, who, note } = wanted;
        // One change after the other: what each finds is what the one before has left.
        let deciding = Arc::clone(&self.proposals.deciding).lock_owned().await;
        let incident = self.incident(id).await?;
        refuse_in_vain(&incident, action)?;
        let changed = incident.changed(action, resolution, &who, &note);
        on_record(&self, move |ledger| ledger.record(action.audited(), &incident.id, &who, &note)).await?;
        self.say(vec![changed]).await?;
        drop(deciding);
        remember(Arc::clone(&self)).await;
        self.incident(id).await
    }
}

/// What has been done already is not done again by somebody else.
fn refuse_in_vain(incident: &Incident, action: Action) -> Result<(), Problem> {
    let is_done = match action {
        Action::Acknowledge => incident.state != IncidentState::Open,
        Action::Close => incident.state == IncidentState::Closed,
        Action::Note => false,
    };
    if !is_done {
        return Ok(());
    }
    let by = incident.changes.iter().rev().find(|change| change.action.done() == incident.state.name());
    let by = by.map(|change| format!(" by {}", change.who));
    let into = incident.merged_into.as_ref().map(|other| format!(", for it is part of {other}"));
    let how = by.or(into).unwrap_or_default();
    let detail = format!("incident {} is {} already{how}", incident.id, incident.state.name());
    Err(Problem::new(StatusCode::CONFLICT, detail))
}
