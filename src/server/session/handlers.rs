//! `/api/v1/session`: signing in with a token, who one is, and signing out.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::cookie;
use super::table::{LONGEST, Shown};
use crate::intake::clock::arrival;
use crate::server::access::{Access, Refusal, refuse_foreign_origin};
use crate::server::door::{Credential, Identity};
use crate::server::peer::{Origin, Peer};
use crate::server::problem::Problem;
use crate::server::proposals::{on_record, remember};
use crate::server::secret::secret;
use crate::server::shared::Shared;
use crate::server::tokens::Role;

/// In the audit log.
const BEGUN: &str = "session.begin";
const ENDED: &str = "session.end";
/// Of the hash of a session's cookie, as it is named in the audit log.
const NAME_CHARS: usize = 16;

/// Who asks and what they may, by what they show or by what needs nothing to be shown.
pub async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let access = shared.access();
    let Origin::Network(address) = peer.origin else {
        return Ok(Json(answer(&peer.origin.to_string(), &Role::ALL, None)));
    };
    match shared.door.identify(&access, &peer, &headers) {
        Ok(identity) => {
            let (name, roles) = standing(&access, &identity);
            Ok(Json(answer(&name, &roles, identity.left)))
        }
        // Whoever shows a token wants to know whether it is right. Who shows nothing, or a session that is over, is told what is open
        // to everybody: that is an answer, and no error on a page that asks.
        Err(problem) if headers.contains_key(header::AUTHORIZATION) => Err(problem),
        Err(_) => {
            let open: Vec<Role> = Role::ALL.into_iter().filter(|role| access.is_open(*role)).collect();
            let who = if open.is_empty() { "nobody".to_owned() } else { format!("local user from {address}") };
            Ok(Json(answer(&who, &open, None)))
        }
    }
}

/// The token in the `Authorization` header gives a cookie and a key.
pub async fn sign_in(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Origin::Network(address) = peer.origin else {
        return Err(Problem::bad_request("over the Unix socket every role is open: there is nothing to sign in to"));
    };
    refuse_foreign_origin(&headers)?;
    let access = shared.access();
    let identity = shared.door.identify(&access, &peer, &headers)?;
    let Credential::Token(token) = identity.by else {
        return Err(Problem::bad_request("a session begins with a token: send `Authorization: Bearer TOKEN`"));
    };
    let made = secret().zip(secret());
    let (id, key) = made.ok_or_else(|| Problem::busy("the system has no randomness to give", 5))?;
    let shown = Shown { id: blake3::hash(id.as_bytes()), key: blake3::hash(key.as_bytes()) };
    shared.door.begin_session(shown, token)?;
    let (name, roles) = standing(&access, &identity);
    note(&shared, BEGUN, &shown.id, format!("{name} from {address}")).await;
    let mut body = answer(&name, &roles, Some(LONGEST));
    if let Some(body) = body.as_object_mut() {
        body.insert("key".to_owned(), json!(key));
    }
    let set = cookie::set(&headers, &id, is_secure(&peer, &headers));
    Ok(([(header::SET_COOKIE, set)], Json(body)).into_response())
}

pub async fn sign_out(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    refuse_foreign_origin(&headers)?;
    let access = shared.access();
    let none = || Problem::from(Refusal::NotASession);
    let Origin::Network(address) = peer.origin else { return Err(none()) };
    let identity = shared.door.identify(&access, &peer, &headers)?;
    let Credential::Session(id) = identity.by else { return Err(none()) };
    shared.door.end_session(&id);
    let (name, _) = standing(&access, &identity);
    note(&shared, ENDED, &id, format!("{name} from {address}")).await;
    let unset = HeaderValue::try_from(cookie::unset(&headers, is_secure(&peer, &headers)));
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().extend(unset.ok().map(|unset| (header::SET_COOKIE, unset)));
    Ok(response)
}

/// The name by which the roles go, and the roles.
fn standing(access: &Access, identity: &Identity) -> (String, Vec<Role>) {
    access.holder(&identity.token).map(|holder| (holder.name().to_owned(), holder.roles())).unwrap_or_default()
}

fn answer(who: &str, roles: &[Role], left: Option<Duration>) -> Value {
    let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
    let ends = left.map(|left| arrival::now().plus(left).to_string());
    json!({ "who": who, "roles": names, "signed_in": left.is_some(), "ends": ends })
}

/// Behind something that ends TLS, the browser still says how it sees the page.
fn is_secure(peer: &Peer, headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes).unwrap_or_default();
    peer.is_encrypted || origin.starts_with(b"https://")
}

/// In the audit log and the log. Where the audit log cannot be used nothing can be decided either, and to look is all the more needed.
async fn note(shared: &Arc<Shared>, action: &'static str, id: &blake3::Hash, who: String) {
    let name: String = id.to_hex().chars().take(NAME_CHARS).collect();
    let deciding = Arc::clone(&shared.proposals.deciding).lock_owned().await;
    let (subject, by) = (name.clone(), who.clone());
    let written = on_record(shared, move |ledger| ledger.record(action, &subject, &by, "")).await;
    drop(deciding);
    match written {
        Ok(_) => {
            log::info!(target: "dsmil-http", "{action} {name}: {who}");
            remember(Arc::clone(shared)).await;
        }
        Err(problem) => {
            let why = problem.detail();
            log::warn!(target: "dsmil-http", "{action} {name}: {who}; it could not be recorded in the audit log: {why}");
        }
    }
}
