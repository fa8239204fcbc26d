//! Which path leads where, and what holds for every request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts as Head;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::{Semaphore, watch};

use super::access::{Access, Role};
use super::ingest::{self, ReadEntry};
use super::problem::Problem;
use super::proposals::{self, Proposals};
use super::server::Parts;
use super::{console, explain, streams};
use crate::limits;
use crate::observe::gateway::{Gateway, GatewayError, Status};
use crate::observe::metrics;

/// From the head of a request to the head of its answer.
const REQUEST_PATIENCE: Duration = Duration::from_secs(30);

/// What every handler can reach.
pub struct Shared {
    pub gateway: Arc<dyn Gateway>,
    pub read_entry: ReadEntry,
    pub proposals: Proposals,
    /// One permit an open event stream.
    pub live: Arc<Semaphore>,
    /// One permit a request whose events are in memory.
    pub ingest: Semaphore,
    pub stopping: watch::Receiver<bool>,
    access: RwLock<Arc<Access>>,
    ingest_enabled: AtomicBool,
}

impl Shared {
    pub fn new(parts: Parts, access: Access, stopping: watch::Receiver<bool>) -> Self {
        Self {
            gateway: parts.gateway,
            read_entry: parts.read_entry,
            proposals: Proposals::open(&parts.audit_file),
            live: Arc::new(Semaphore::new(limits::HTTP_LIVE_STREAMS_MAX)),
            ingest: Semaphore::new(limits::HTTP_INGEST_REQUESTS_MAX),
            stopping,
            access: RwLock::new(Arc::new(access)),
            ingest_enabled: AtomicBool::new(parts.ingest_enabled),
        }
    }

    pub fn reload(&self, access: Access, ingest_enabled: bool) {
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
        self.ingest_enabled.store(ingest_enabled, Ordering::Relaxed);
    }

    pub fn ingest_enabled(&self) -> bool {
        self.ingest_enabled.load(Ordering::Relaxed)
    }

    fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read().unwrap_or_else(PoisonError::into_inner))
    }
}

pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(console::page))
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/api/v1/status", get(status))
        .route("/api/v1/streams/{stream}", get(streams::page).post(ingest::post))
        .route("/api/v1/streams/{stream}/live", get(streams::live))
        .route("/api/v1/events/{id}/explain", get(explain::explain))
        .route("/api/v1/proposals", get(proposals::list))
        .route("/api/v1/proposals/{id}/approve", post(proposals::approve))
        .route("/api/v1/proposals/{id}/reject", post(proposals::reject))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

/// What holds for every request: foreign pages are refused, answers come in time, and no browser guesses or keeps them.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = match shared.access().refuse_foreign_pages(request.method(), request.headers()) {
        Err(problem) => problem.into_response(),
        Ok(()) => match tokio::time::timeout(REQUEST_PATIENCE, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::busy("the answer took too long", 5).into_response(),
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

async fn show_metrics(_: MayRead) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics::exporter().render())
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let Status { ready, reasons, .. } = shared.gateway.status();
    if ready {
        return Json(json!({ "ready": true })).into_response();
    }
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not every critical part is up: see the reasons")
        .member("ready", false)
        .member("reasons", reasons)
        .into_response()
}

async fn status(_: MayRead, State(shared): State<Arc<Shared>>) -> Json<Status> {
    Json(shared.gateway.status())
}

impl From<GatewayError> for Problem {
    fn from(error: GatewayError) -> Self {
        Self::busy(error.to_string(), 5)
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// A handler with this parameter runs only for a caller with the role `read`.
pub struct MayRead;
/// As [`MayRead`], for `ingest`.
pub struct MayIngest;
/// As [`MayRead`], for `respond`; says who it is, for the audit log.
pub struct MayRespond(pub String);

fn allow(head: &Head, shared: &Shared, role: Role) -> Result<String, Problem> {
    shared.access().allow(role, &head.headers)
}

impl FromRequestParts<Arc<Shared>> for MayRead {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Head, shared: &Arc<Shared>) -> Result<Self, Problem> {
        allow(head, shared, Role::Read).map(|_| Self)
    }
}

impl FromRequestParts<Arc<Shared>> for MayIngest {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Head, shared: &Arc<Shared>) -> Result<Self, Problem> {
        allow(head, shared, Role::Ingest).map(|_| Self)
    }
}

impl FromRequestParts<Arc<Shared>> for MayRespond {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Head, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let who = allow(head, shared, Role::Respond)?;
        Ok(Self(match head.extensions.get::<Peer>() {
            Some(Peer(address)) => format!("{who} from {}", address.ip()),
            None => who,
        }))
    }
}

/// The one named part of the path, read as what it must be: an event id or a stream.
pub struct PathPart<T>(pub T);

impl<T> FromRequestParts<Arc<Shared>> for PathPart<T>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Head, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(head, shared)
            .await
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
        text.parse().map(Self).map_err(|error: T::Err| Problem::bad_request(error.to_string()))
    }
}

/// The parameters of the query, of which only the named ones may occur, each once.
pub fn parameters<const N: usize>(uri: &Uri, names: [&str; N]) -> Result<[Option<String>; N], Problem> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let mut values = [const { None }; N];
    for (name, value) in pairs {
        let slot = names.iter().position(|known| *known == name).and_then(|index| values.get_mut(index));
        match slot {
            Some(slot @ None) => *slot = Some(value),
            Some(Some(_)) => return Err(Problem::bad_request(format!("`{name}` is given twice"))),
            None => {
                let name: String = name.chars().take(64).collect();
                return Err(Problem::bad_request(format!("`{name}` is not one of: {}", names.join(", "))));
            }
        }
    }
    Ok(values)
}

/// A header as text, when it is there.
pub fn text_of(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
