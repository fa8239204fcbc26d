//! `/api/v1/bans` and what bouncers of CrowdSec ask for: who is blocked now, for firewalls of other machines.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::gateway::GatewayError;
use super::problem::Problem;
use super::request::{MayPull, MayRead, parameters, text_of};
use super::shared::Shared;
use crate::event::{Body, EventId, Timestamp};
use crate::respond::bans::Bans;
use crate::respond::crowdsec::{Changes, Decision, Wanted};

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Shared {
    /// Who is blocked, and who would be without one of the proposals.
    pub async fn bans(&self, now: Timestamp, without: Option<EventId>) -> Result<Bans, GatewayError> {
        let newest = self.proposals.seen.whole(&*self.gateway).await?;
        let proposals = newest.proposals.values().filter(|event| Some(event.id) != without);
        let responses = proposals.filter_map(|event| {
            let Body::Soc(proposed) = &event.body else { return None };
            Some((event.id, &**proposed, newest.history.of(event.id)?))
        });
        Ok(Bans::of(responses, now))
    }
}

pub async fn list(
    _: MayRead,
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let [format] = parameters(&uri, ["format"])?;
    let is_plain = match format.as_deref() {
        None | Some("json") => false,
        Some("plain") => true,
        Some(other) => {
            let other: String = other.chars().take(32).collect();
            return Err(Problem::bad_request(format!("format: `{other}` is not json or plain")));
        }
    };
    let bans = shared.bans(Timestamp::now(), None).await?;
    let (kind, text) =
        if is_plain { (PLAIN, bans.plain()) } else { (JSON, json!({ "bans": bans.in_force }).to_string()) };
    let tag = format!("\"{}\"", blake3::hash(text.as_bytes()).to_hex());
    let known = text_of(&headers, header::IF_NONE_MATCH).unwrap_or_default();
    let is_known = known.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == tag || one == "*");
    let tag = HeaderValue::from_str(&tag).map_err(|error| Problem::busy(error.to_string(), 5))?;
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(([(header::CONTENT_TYPE, kind), (header::ETAG, tag)], text).into_response())
}

/// All that is in force, and all that has ended and may not be known to have; `startup` makes no difference.
pub async fn stream(_: MayPull, State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Changes>, Problem> {
    let (wanted, bans, now) = asked(&shared, &uri).await.map_err(Problem::for_bouncer)?;
    Ok(Json(wanted.changes(&bans, now)))
}

/// Of none, `null`: a bouncer for nginx takes an empty list for a decision.
pub async fn decisions(
    _: MayPull,
    State(shared): State<Arc<Shared>>,
    uri: Uri,
) -> Result<Json<Option<Vec<Decision>>>, Problem> {
    let (wanted, bans, now) = asked(&shared, &uri).await.map_err(Problem::for_bouncer)?;
    Ok(Json(Some(wanted.decisions(&bans.in_force, now)).filter(|found| !found.is_empty())))
}

async fn asked(shared: &Shared, uri: &Uri) -> Result<(Wanted, Bans, Timestamp), Problem> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let Query(pairs) = pairs.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let (wanted, now) = (Wanted::read(&pairs).map_err(Problem::bad_request)?, Timestamp::now());
    Ok((wanted, shared.bans(now, None).await?, now))
}
