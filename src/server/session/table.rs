//! Which sessions there are. Of what a browser has to show, only hashes are kept; what it may is asked of its token each time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use blake3::Hash;

use crate::limits::{HTTP_SESSIONS_MAX, HTTP_SESSIONS_PER_TOKEN_MAX};

/// Without a request for so long, a session is over. An open page asks every few seconds.
pub const IDLE: Duration = Duration::from_secs(60 * 60);
/// However busy it is.
pub const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
/// The place of a session is free again so long after its last request, also where it was ended: signing in is on record, and
/// nobody fills the audit log by doing it over and over.
const QUIET: Duration = Duration::from_secs(60);

/// Hashes of what the browser keeps: of the cookie, which scripts cannot read, and of the key, which other ports of the same
/// machine cannot (cookies are sent to all of them).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    pub id: Hash,
    pub key: Hash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFound {
    Session,
    Key,
}

#[derive(Debug, Default)]
pub struct Sessions(BTreeMap<[u8; 32], Session>);

#[derive(Debug)]
struct Session {
    key: Hash,
    token: Hash,
    begun: Instant,
    used: Instant,
    is_ended: bool,
}

impl Session {
    fn left(&self, now: Instant) -> Option<Duration> {
        let idle = IDLE.checked_sub(now.duration_since(self.used));
        let left = LONGEST.checked_sub(now.duration_since(self.begun));
        left.filter(|left| !self.is_ended && !left.is_zero() && idle.is_some_and(|idle| !idle.is_zero()))
    }

    fn is_quiet(&self, now: Instant) -> bool {
        now.duration_since(self.used) >= QUIET
    }
}

impl Sessions {
    /// Begins one. Of too many of one token, the one that was longest quiet goes.
    ///
    /// # Errors
    /// All of this token were just used; how long to wait.
    pub fn begin(&mut self, shown: Shown, token: Hash, now: Instant) -> Result<(), Duration> {
        self.0.retain(|_, session| session.left(now).is_some() || !session.is_quiet(now));
        let of_token = self.0.iter().filter(|(_, session)| session.token == token);
        if of_token.clone().count() >= HTTP_SESSIONS_PER_TOKEN_MAX {
            let longest = of_token.min_by_key(|(_, session)| session.used).map(|(id, session)| (*id, session.used));
            let Some((id, used)) = longest else { return Err(QUIET) };
            if let Some(wait) = QUIET.checked_sub(now.duration_since(used)).filter(|wait| !wait.is_zero()) {
                return Err(wait);
            }
            self.0.remove(&id);
        }
        if self.0.len() >= HTTP_SESSIONS_MAX {
            // Of tokens that there are no more.
            let longest = self.0.iter().min_by_key(|(_, session)| session.used).map(|(id, _)| *id);
            longest.and_then(|id| self.0.remove(&id));
        }
        let session = Session { key: shown.key, token, begun: now, used: now, is_ended: false };
        self.0.insert(*shown.id.as_bytes(), session);
        Ok(())
    }

    /// The token of a session that is shown, which is used by that; and how long it lasts at most.
    pub fn find(&mut self, shown: Shown, now: Instant) -> Result<(Hash, Duration), NotFound> {
        let session = self.0.get_mut(shown.id.as_bytes()).ok_or(NotFound::Session)?;
        let left = session.left(now).ok_or(NotFound::Session)?;
        if session.key != shown.key {
            return Err(NotFound::Key);
        }
        session.used = now;
        Ok((session.token, left))
    }

    /// The token of one that was found before, unless it is over meanwhile.
    pub fn token(&self, id: &Hash, now: Instant) -> Option<Hash> {
        self.0.get(id.as_bytes()).filter(|session| session.left(now).is_some()).map(|session| session.token)
    }

    pub fn end(&mut self, id: &Hash) {
        if let Some(session) = self.0.get_mut(id.as_bytes()) {
            session.is_ended = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: impl AsRef<str>) -> Hash {
        blake3::hash(text.as_ref().as_bytes())
    }

    fn shown(number: usize) -> Shown {
        Shown { id: hash(format!("id {number}")), key: hash(format!("key {number}")) }
    }

    #[test]
    fn a_session_is_its_cookie_and_its_key_and_neither_alone() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        sessions.begin(shown(1), hash("token"), now).unwrap();
        assert_eq!(sessions.find(shown(1), now).map(|(token, _)| token), Ok(hash("token")));
        assert_eq!(sessions.find(Shown { key: hash("a guess"), ..shown(1) }, now), Err(NotFound::Key));
        assert_eq!(sessions.find(Shown { id: hash("a guess"), ..shown(1) }, now), Err(NotFound::Session));
        sessions.end(&shown(1).id);
        assert_eq!(sessions.find(shown(1), now), Err(NotFound::Session));
        assert_eq!(sessions.token(&shown(1).id, now), None);
    }

    #[test]
    fn a_session_that_is_not_used_or_is_old_is_over() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        sessions.begin(shown(1), hash("token"), start).unwrap();
        sessions.begin(shown(2), hash("token"), start).unwrap();
        let step = IDLE / 2;
        let mut now = start;
        while now + step < start + LONGEST {
            now += step;
            assert!(sessions.find(shown(1), now).is_ok());
            assert_eq!(sessions.token(&shown(1).id, now), Some(hash("token")));
        }
        assert!(sessions.find(shown(2), now).is_err(), "idle");
        assert!(sessions.find(shown(1), start + LONGEST).is_err(), "old");
        assert_eq!(sessions.token(&shown(1).id, start + LONGEST), None);
    }

    #[test]
    fn who_signs_in_over_and_over_waits_and_takes_no_place_of_another_token() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        sessions.begin(shown(0), hash("another token"), now).unwrap();
        for number in 1..=HTTP_SESSIONS_PER_TOKEN_MAX {
            sessions.begin(shown(number), hash("token"), now).unwrap();
            sessions.end(&shown(number).id);
        }
        let next = shown(HTTP_SESSIONS_PER_TOKEN_MAX + 1);
        assert_eq!(sessions.begin(next, hash("token"), now), Err(QUIET), "also where each was ended");
        sessions.begin(next, hash("token"), now + QUIET).unwrap();
        assert!(sessions.find(shown(0), now + QUIET).is_ok());
        assert!(sessions.find(next, now + QUIET).is_ok());
    }

    #[test]
    fn many_tokens_take_no_more_memory_than_is_meant_for_them() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        for number in 0..HTTP_SESSIONS_MAX + 100 {
            sessions
                .begin(shown(number), hash(format!("token {number}")), now + Duration::from_millis(number as u64))
                .unwrap();
        }
        assert_eq!(sessions.0.len(), HTTP_SESSIONS_MAX);
    }
}
