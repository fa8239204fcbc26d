//! Lets a request in or refuses it, and notes who is refused.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use blake3::Hash;

use super::access::{Access, Refusal, refuse_foreign_origin, token_of};
use super::attempts::Attempts;
use super::peer::{Origin, Peer};
use super::problem::Problem;
use super::session::cookie;
use super::session::table::{NotFound, Sessions, Shown};
use super::tokens::Role;
use crate::locked::locked;
use crate::observe::metrics;
use crate::retry::Throttle;

const SAY_EVERY: Duration = Duration::from_secs(60);

pub struct Door(Mutex<Watch>);

struct Watch {
    attempts: Attempts,
    sessions: Sessions,
    said: Throttle,
}

/// By what a request is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// The Unix socket, or a listener that is open: nothing has to be shown.
    None,
    Token(Hash),
    /// By the hash of its cookie.
    Session(Hash),
}

/// What a request shows.
pub struct Identity {
    pub by: Credential,
    /// That stands behind it.
    pub token: Hash,
    /// How long its session lasts at most.
    pub left: Option<Duration>,
}

pub struct Admitted {
    /// For the audit log.
    pub who: String,
    pub by: Credential,
}

impl Default for Door {
    fn default() -> Self {
        let (attempts, sessions) = Default::default();
        Self(Mutex::new(Watch { attempts, sessions, said: Throttle::new(SAY_EVERY) }))
    }
}

impl Door {
    /// Who asks; or why the request is refused.
    pub fn let_in(
        &self,
        access: &Access,
        role: Role,
        peer: &Peer,
        (method, headers): (&Method, &HeaderMap),
    ) -> Result<Admitted, Problem> {
        let Origin::Network(address) = peer.origin else {
            return Ok(Admitted { who: peer.origin.to_string(), by: Credential::None });
        };
        if access.is_open(role) {
            return Ok(Admitted { who: format!("local user from {address}"), by: Credential::None });
        }
        let Identity { by, token, .. } = self.identify(access, peer, headers)?;
        if matches!(by, Credential::Session(_)) && !method.is_safe() {
            refuse_foreign_origin(headers)?;
        }
        let holder = access.holder(&token).ok_or(Refusal::Unknown)?;
        let name = holder.name_as(role).ok_or(Refusal::Role(role))?;
        Ok(Admitted { who: format!("{name} from {address}"), by })
    }

    /// The token or the session that a request shows over the network.
    pub fn identify(&self, access: &Access, peer: &Peer, headers: &HeaderMap) -> Result<Identity, Problem> {
        let now = Instant::now();
        let mut watch = locked(&self.0);
        match cookie::shown(headers) {
            Some(shown) if !headers.contains_key(header::AUTHORIZATION) => {
                watch.by_session(access, peer, shown, now).map_err(Problem::from)
            }
            _ => watch.by_token(access, peer, headers, now),
        }
    }

    /// Whether what a request was let in by would let it in now.
    pub fn still_lets_in(&self, access: &Access, role: Role, by: Credential) -> bool {
        let token = match by {
            Credential::None => return true,
            Credential::Token(token) => Some(token),
            Credential::Session(id) => locked(&self.0).sessions.token(&id, Instant::now()),
        };
        token.and_then(|token| access.holder(&token)).is_some_and(|holder| holder.name_as(role).is_some())
    }

    /// Begins a session of a token.
    pub fn begin_session(&self, shown: Shown, token: Hash) -> Result<(), Problem> {
        locked(&self.0).sessions.begin(shown, token, Instant::now()).map_err(|wait| {
            let detail =
                "as many sessions of this token were used within the last minute as there may be: sign out of one";
            again_in(wait, detail)
        })
    }

    pub fn end_session(&self, id: &Hash) {
        locked(&self.0).sessions.end(id);
    }
}

impl Watch {
    fn by_token(
        &mut self,
        access: &Access,
        peer: &Peer,
        headers: &HeaderMap,
        now: Instant,
    ) -> Result<Identity, Problem> {
        // Where a right token was shown before, others' guesses are of no consequence.
        if headers.contains_key(header::AUTHORIZATION)
            && !peer.is_trusted()
            && let Some(pause) = peer.address().and_then(|address| self.attempts.pause(address, now))
        {
            metrics::dropped("http", "slowed").increment(1);
            return Err(again_in(pause, "too many wrong tokens came from this address"));
        }
        let token = token_of(headers)?;
        if access.holder(&token).is_none() {
            self.note_guess(peer, now);
            return Err(Refusal::Unknown.into());
        }
        peer.trust();
        Ok(Identity { by: Credential::Token(token), token, left: None })
    }

    /// Whoever guesses 192 bits need not be slowed, and a cookie of before a restart is no guess. A cookie whose key is wrong was
    /// taken from somebody.
    fn by_session(&mut self, access: &Access, peer: &Peer, shown: Shown, now: Instant) -> Result<Identity, Refusal> {
        match self.sessions.find(shown, now) {
            Ok((token, left)) if access.holder(&token).is_some() => {
                peer.trust();
                Ok(Identity { by: Credential::Session(shown.id), token, left: Some(left) })
            }
            Ok(_) => {
                self.sessions.end(&shown.id);
                Err(Refusal::NoSession)
            }
            Err(NotFound::Session) => Err(Refusal::NoSession),
            Err(NotFound::Key) => {
                self.note_guess(peer, now);
                Err(Refusal::NoKey)
            }
        }
    }

    fn note_guess(&mut self, peer: &Peer, now: Instant) {
        metrics::dropped("http", "wrong_token").increment(1);
        let Some(address) = peer.address() else { return };
        self.attempts.fail(address, now);
        if let Some(count) = self.said.add(1, now) {
            log::warn!(
                target: "dsmil-http",
                "{count} requests with a token or the key of a session that is not known, the newest from {address}; this is \
                 said at most once a minute"
            );
        }
    }
}

fn again_in(wait: Duration, what: &str) -> Problem {
    let seconds = u16::try_from(wait.as_secs() + 1).unwrap_or(u16::MAX);
    let detail = format!("{what}, and try again in {seconds} s");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).header(header::RETRY_AFTER, HeaderValue::from(seconds))
}
