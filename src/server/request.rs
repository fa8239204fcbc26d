//! What a handler asks of a request: who sent it and what it may, the named part of its path, its parameters.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts as Head;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use super::door::{Admitted, Credential};
use super::peer::Peer;
use super::problem::Problem;
use super::shared::Shared;
use super::tokens::Role;
use crate::event::EventId;
use crate::limits;
use crate::query::{Filter, Moment, QueryError};

/// A handler with this parameter runs only for a caller with the role `read`.
pub struct MayRead;
/// As [`MayRead`], for an answer that goes on for long: by what it was let in.
pub struct MayFollow(pub Credential);
/// As [`MayRead`], for numbers alone: where no tokens are configured, none is needed.
pub struct MayScrape;
/// As [`MayRead`]; the token may be where bouncers of CrowdSec send theirs.
pub struct MayPull;
/// As [`MayRead`], for `ingest`.
pub struct MayIngest;
/// As [`MayRead`], for `respond`; says who it is, for the audit log.
pub struct MayRespond(pub String);

fn allow(head: &Head, shared: &Shared, role: Role) -> Result<Admitted, Problem> {
    // Every connection has one.
    let peer = head.extensions.get::<Peer>().ok_or_else(|| Problem::busy("who asks is not known", 5))?;
    shared.door.let_in(&shared.access(), role, peer, (&head.method, &head.headers))
}

impl FromRequestParts<Arc<Shared>> for MayRead {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Head, shared: &Arc<Shared>) -> Result<Self, Problem> {
        allow(head, shared, Role::Read).map(|_| Self)
    }
}

impl FromRequestParts<Arc<Shared>> for MayFollow {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Head, shared: &Arc<Shared>) -> Result<Self, Problem> {
        allow(head, shared, Role::Read).map(|admitted| Self(admitted.by))
    }
}

impl FromRequestParts<Arc<Shared>> for MayScrape {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Head, shared: &Arc<Shared>) -> Result<Self, Problem> {
        if shared.access().is_made() {
            return Ok(Self);
        }
        allow(head, shared, Role::Read).map(|_| Self)
    }
}

/// Where the token of a bouncer is.
const BOUNCER_KEY: HeaderName = HeaderName::from_static("x-api-key");

impl FromRequestParts<Arc<Shared>> for MayPull {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Head, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let key = head.headers.get(BOUNCER_KEY).filter(|_| !head.headers.contains_key(header::AUTHORIZATION));
        let bearer = key.map(|key| [b"Bearer ", key.as_bytes()].concat());
        if let Some(bearer) = bearer.and_then(|bearer| HeaderValue::from_bytes(&bearer).ok()) {
            head.headers.insert(header::AUTHORIZATION, bearer);
        }
        allow(head, shared, Role::Read).map(|_| Self).map_err(Problem::for_bouncer)
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
        allow(head, shared, Role::Respond).map(|admitted| Self(admitted.who))
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

/// The parameter `name` as an id.
pub fn id_of(name: &str, text: &str) -> Result<EventId, Problem> {
    text.parse().map_err(|error| Problem::bad_request(format!("{name}: {error}")))
}

/// The parameter `name` as a number of events.
pub fn count_of(name: &str, text: &str) -> Result<usize, Problem> {
    text.parse().ok().filter(|count| (1..=limits::HTTP_PAGE_EVENTS_MAX).contains(count)).ok_or_else(|| {
        let text: String = text.chars().take(32).collect();
        Problem::bad_request(format!("{name}: `{text}` is not a number from 1 to {}", limits::HTTP_PAGE_EVENTS_MAX))
    })
}

/// The parameters `where`, `since` and `until` as one filter; without any of them everything passes.
pub fn filter_of(filter: Option<&str>, since: Option<&str>, until: Option<&str>) -> Result<Filter, Problem> {
    let moment = |name: &str, text: Option<&str>| {
        let read = text.map(str::parse::<Moment>).transpose();
        read.map_err(|error| Problem::bad_request(format!("{name}: {error}")))
    };
    let mut filter = filter
        .map_or_else(|| Ok(Filter::everything()), str::parse)
        .map_err(|error: QueryError| Problem::bad_request(format!("where: {error}")).member("column", error.column))?;
    if let Some(since) = moment("since", since)? {
        filter = filter.since(since);
    }
    if let Some(until) = moment("until", until)? {
        filter = filter.until(until);
    }
    Ok(filter)
}

/// Whether the parameter `format` asks for findings of OCSF; without it, for the daemon's own names.
pub fn is_ocsf(format: Option<&str>) -> Result<bool, Problem> {
    match format {
        None | Some("json") => Ok(false),
        Some("ocsf") => Ok(true),
        Some(other) => {
            let other: String = other.chars().take(32).collect();
            Err(Problem::bad_request(format!("format: `{other}` is not json or ocsf")))
        }
    }
}

/// A header as text, when it is there.
pub fn text_of(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
