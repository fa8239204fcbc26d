//! The words with which programs say that somebody got in or did not.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::event::Action;

/// In the order of precedence: what says failure wins over what says success.
const PHRASES: &[(Action, Option<bool>, &[&str])] = &[
    (
        Action::Login,
        Some(false),
        &[
            "login failed",
            "login_failed",
            "login fail",
            "failed login",
            "failed to login",
            "failed to log in",
            "login failure",
            "logon failure",
            "login error",
            "login_error",
            "login incorrect",
            "login denied",
            "login refused",
            "login attempt failed",
            "login attempt for nonexistent",
            "login disabled",
            "excessive login failures",
            "invalid login",
            "invalid_login",
            "invalid_identifier",
            "badlogin",
            "bad login",
            "bad rcon",
            "authentication fail",
            "authentication error",
            "authentication_failed",
            "authentication was not successful",
            "auth failed",
            "auth failure",
            "auth-failure",
            "auth-error",
            "auth fail",
            "auth error",
            "failed to authenticate",
            "failed authentication",
            "failed md5 authentication",
            "failed password",
            "failed c2s",
            "could not authenticate",
            "invalid password",
            "invalid user",
            "invalid username",
            "invalid credential",
            "invalid token provided",
            "incorrect password",
            "incorrect username",
            "incorrect user",
            "password incorrect",
            "password is incorrect",
            "wrong password",
            "wrong username",
            "wrong user",
            "bad password",
            "password mismatch",
            "password doesn't match",
            "password failed",
            "empty password",
            "unknown user",
            "no such user",
            "user not found",
            "user unknown",
            "nonexistent user",
            "non-existent login",
            "nonexistent login",
            "unsuccessful",
            "verification failed for peer",
            "user denied",
            "access denied",
            "login attempt with",
            "attempted to login with",
            "might not have worked",
            "invalid server password",
            "wrong certificate or password",
            "can't find user",
            "account is locked",
            "invalid two-factor",
            "get_password failed",
            "logged in unsuccessfully",
            "authentication attempt from",
            "unauthorized login",
        ],
    ),
    (
        Action::Login,
        Some(true),
        &[
            "accepted password",
            "accepted publickey",
            "logged in",
            "login success",
            "login_success",
            "login successful",
            "successful login",
            "successfully authenticated",
            "successful authentication",
            "successful password authentication",
            "successful public key authentication",
            "authenticated successfully",
            "authentication success",
            "ok login",
            "login ok",
            "user.login",
            "consolelogin",
        ],
    ),
    (Action::Logout, None, &["logged out", "logout"]),
    (
        Action::Connection,
        Some(false),
        &[
            "refused connect",
            "rejected connection",
            "rejecting unknown",
            "connection refused from",
            "connection rejected",
            "denied by",
            "not allowed to talk",
            "blocked",
            "refused, no acl",
            "access denied",
            "hacking attempt",
            "failure from",
            "] ban ",
            "possible attack",
            "rejected because",
            "sip auth challenge",
            "tls error",
            "verify error",
            "did not return a certificate",
            "failed negotiation",
        ],
    ),
    (
        Action::HttpRequest,
        Some(false),
        &["unauthorized request", "unauthenticated request", "rejected request from", "rejecting request from"],
    ),
];

struct Words {
    automaton: AhoCorasick,
    /// For each pattern, its row in [`PHRASES`].
    rows: Vec<usize>,
}

static WORDS: LazyLock<Option<Words>> = LazyLock::new(|| {
    let patterns =
        PHRASES.iter().enumerate().flat_map(|(row, (_, _, phrases))| phrases.iter().map(move |phrase| (row, *phrase)));
    let (rows, phrases): (Vec<usize>, Vec<&str>) = patterns.unzip();
    let automaton =
        AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::Standard).build(phrases).ok()?;
    Some(Words { automaton, rows })
});

/// What the text says happened, judged by its words alone.
pub fn verdict(text: &str) -> Option<(Action, Option<bool>)> {
    let words = WORDS.as_ref()?;
    let rows =
        words.automaton.find_overlapping_iter(text).filter_map(|found| words.rows.get(found.pattern().as_usize()));
    let (action, outcome, _) = PHRASES.get(*rows.min()?)?;
    Some((*action, *outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_wins_over_success() {
        assert_eq!(verdict("LOGIN FAILED for user logged in"), Some((Action::Login, Some(false))));
        assert_eq!(verdict("User eve logged in"), Some((Action::Login, Some(true))));
        assert_eq!(verdict("Unauthorized request from IP: 192.0.2.1"), Some((Action::HttpRequest, Some(false))));
        assert_eq!(verdict("unauthorized request: login failed"), Some((Action::Login, Some(false))));
        assert_eq!(verdict("nothing of note"), None);
    }
}
