//! Lets a request in or refuses it, and notes who is refused.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::access::{Access, Refusal, Role};
use super::attempts::Attempts;
use super::peer::{Origin, Peer};
use super::problem::Problem;
use crate::observe::metrics;
use crate::retry::Throttle;

const SAY_EVERY: Duration = Duration::from_secs(60);

pub struct Door(Mutex<Watch>);

struct Watch {
    attempts: Attempts,
    said: Throttle,
}

impl Default for Door {
    fn default() -> Self {
        Self(Mutex::new(Watch { attempts: Attempts::default(), said: Throttle::new(SAY_EVERY) }))
    }
}

impl Door {
    /// Who asks, for the audit log; or why the request is refused.
    pub fn let_in(&self, access: &Access, role: Role, peer: &Peer, headers: &HeaderMap) -> Result<String, Problem> {
        let Origin::Network(address) = peer.origin else { return Ok(peer.origin.to_string()) };
        if access.is_open(role) {
            return Ok(format!("local user from {address}"));
        }
        let now = Instant::now();
        let mut watch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Where a right token was shown before, others' guesses are of no consequence.
        if headers.contains_key(header::AUTHORIZATION)
            && !peer.is_trusted()
            && let Some(pause) = watch.attempts.pause(address, now)
        {
            metrics::dropped("http", "slowed").increment(1);
            return Err(slowed(pause));
        }
        match access.allow(role, headers) {
            Ok(name) => {
                peer.trust();
                Ok(format!("{name} from {address}"))
            }
            Err(refusal) => {
                if matches!(refusal, Refusal::Unknown) {
                    metrics::dropped("http", "wrong_token").increment(1);
                    watch.attempts.fail(address, now);
                    if let Some(count) = watch.said.add(1, now) {
                        log::warn!(
                            target: "dsmil-http",
                            "{count} requests with a token that is not known, the newest from {address}; this is said \
                             at most once a minute"
                        );
                    }
                }
                Err(refusal.into())
            }
        }
    }
}

fn slowed(pause: Duration) -> Problem {
    let seconds = u16::try_from(pause.as_secs() + 1).unwrap_or(u16::MAX);
    let detail = format!("too many wrong tokens came from this address: try again in {seconds} s");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).header(header::RETRY_AFTER, HeaderValue::from(seconds))
}
