//! Which path leads where, and what holds for every request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::connections::Ticket;
use super::entities::handlers as entities;
use super::gateway::Status;
use super::incidents::handlers as incidents;
use super::peer::Peer;
use super::problem::Problem;
use super::request::{MayRead, MayScrape};
use super::session::handlers as session;
use super::shared::Shared;
use super::silences::handlers as silences;
use super::tracked::Tracked;
use super::{bans, console, counts, events, explain, history, ingest, proposals, rules, streams};
use crate::observe::metrics;

/// From the head of a request to the head of its answer.
const REQUEST_PATIENCE: Duration = Duration::from_secs(30);

pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(console::page))
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/api/v1/openapi.json", get(openapi))
        .route("/api/v1/session", get(session::show).post(session::sign_in).delete(session::sign_out))
        .route("/api/v1/status", get(status))
        .route("/api/v1/sources", get(sources))
        .route("/api/v1/history", get(history::show))
        .route("/api/v1/streams/{stream}", get(streams::page).post(ingest::post))
        .route("/api/v1/streams/{stream}/live", get(streams::live))
        .route("/api/v1/events", get(events::page))
        .route("/api/v1/events/counts", get(counts::counts))
        .route("/api/v1/events/fields", get(counts::fields))
        .route("/api/v1/events/{id}", get(events::one))
        .route("/api/v1/events/{id}/explain", get(explain::event))
        .route("/api/v1/entities/{kind}/{value}", get(entities::one))
        .route("/api/v1/rules", get(rules::list))
        .route("/api/v1/rules/test", post(rules::test))
        .route("/api/v1/audit", get(proposals::audit))
        .route("/api/v1/incidents", get(incidents::list))
        .route("/api/v1/incidents/{id}", get(incidents::one))
        .route("/api/v1/incidents/{id}/explain", get(explain::incident))
        .route("/api/v1/incidents/{id}/acknowledge", post(incidents::acknowledge))
        .route("/api/v1/incidents/{id}/close", post(incidents::close))
        .route("/api/v1/incidents/{id}/note", post(incidents::note))
        .route("/api/v1/proposals", get(proposals::list))
        .route("/api/v1/proposals/{id}/approve", post(proposals::approve))
        .route("/api/v1/proposals/{id}/reject", post(proposals::reject))
        .route("/api/v1/proposals/{id}/undo", post(proposals::undo))
        .route("/api/v1/bans", get(bans::list))
        .route("/v1/decisions", get(bans::decisions))
        .route("/v1/decisions/stream", get(bans::stream))
        .route("/api/v1/silences", get(silences::list).post(silences::add))
        .route("/api/v1/silences/{id}", delete(silences::end))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

/// Answered also on connections beyond those that there should be.
const ALWAYS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// What holds for every request: foreign pages are refused, answers come in time, and no browser guesses or keeps them.
/// Its connection is busy until the answer has been taken.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let ticket = request.extensions().get::<Arc<Ticket>>().cloned();
    let under_way = ticket.as_ref().map(Ticket::ask);
    let response = if ticket.is_some_and(|ticket| ticket.is_reserve()) && !ALWAYS.contains(&request.uri().path()) {
        Problem::busy("as many connections are busy as there may be", 1)
            .header(header::CONNECTION, HeaderValue::from_static("close"))
            .for_bouncer()
            .into_response()
    } else {
        answer(&shared, request, next).await
    };
    response.map(|body| Body::new(Tracked { body, _under_way: under_way }))
}

async fn answer(shared: &Shared, request: Request, next: Next) -> Response {
    // No browser opens the Unix socket.
    let local = request.extensions().get::<Peer>().is_some_and(Peer::is_local);
    let refused =
        if local { Ok(()) } else { shared.access().refuse_foreign_pages(request.method(), request.headers()) };
    let mut response = match refused {
        Err(problem) => problem.into_response(),
        Ok(()) => match tokio::time::timeout(REQUEST_PATIENCE, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::busy("the answer took too long", 5).for_bouncer().into_response(),
        },
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn unknown_path(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(128).collect();
    Problem::not_found(format!("there is nothing at `{path}`; the API is under /api/v1/"))
}

async fn wrong_method(method: Method) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not possible here: see the Allow header"))
}

async fn show_metrics(_: MayScrape, State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let text = shared.metrics.get(Instant::now, || metrics::exporter().render()).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let Status { ready, reasons, warnings, .. } = status_of(&shared).await;
    if ready {
        return Json(json!({ "ready": true, "warnings": warnings })).into_response();
    }
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not every critical part is up: see the reasons")
        .member("ready", false)
        .member("reasons", reasons)
        .member("warnings", warnings)
        .into_response()
}

async fn status(_: MayRead, State(shared): State<Arc<Shared>>) -> Json<Status> {
    Json(status_of(&shared).await)
}

/// What this router serves, as a document.
const OPENAPI: &str = include_str!("openapi.json");

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

/// The part of the status that says what is read.
async fn sources(_: MayRead, State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({ "sources": shared.gateway.status().sources }))
}

/// With what the server alone knows. Why it is so, is in the log and the answer of `/api/v1/audit`: not everybody who asks for
/// this should see it.
async fn status_of(shared: &Shared) -> Status {
    let mut status = shared.gateway.status();
    if shared.proposals.fault().await.is_some() {
        status.warnings.push("no proposal can be decided: the audit log is not as it was left".to_owned());
    }
    status
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_in_the_document_and_nothing_else_is() {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        let documented: BTreeSet<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let router = include_str!("routes.rs").split(".fallback(").next().unwrap();
        let served = router.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(documented, served);
    }

    #[test]
    fn what_the_document_refers_to_is_in_it() {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        let references: Vec<&str> =
            OPENAPI.split("\"$ref\": \"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(references.len() > 50, "{}", references.len());
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }
}
