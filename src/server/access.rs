//! Who may ask for what: tokens with roles, and what keeps a browser's other pages away.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use blake3::Hash;

use super::config::{Http, is_loopback};
use super::problem::Problem;
use super::tokens::{Holder, LINE_REMEDY, OPEN_PROBLEM, OPEN_REMEDY, Role, Tokens, TokensError};
use crate::config::Finding;
use crate::named_files;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    NoToken,
    NoBearer,
    Unknown,
    /// The token is known, but not for this.
    Role(Role),
    /// The cookie is of no session that holds.
    NoSession,
    /// What only the page that has signed in knows is missing beside the cookie, or wrong.
    NoKey,
    /// A session was to be shown, and something else was, or nothing.
    NotASession,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let unauthorized = |detail| {
            Self::new(StatusCode::UNAUTHORIZED, detail)
                .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"dsmild\""))
        };
        match refusal {
            Refusal::NoToken => unauthorized(
                "a token is needed: send `Authorization: Bearer TOKEN`, or use the Unix socket; without \
                 http.tokens_file the daemon makes a token and shows it on the terminal that it was started on",
            ),
            Refusal::NoBearer => unauthorized("the Authorization header is not `Bearer TOKEN`"),
            Refusal::Unknown => unauthorized("the token is not known"),
            Refusal::NoSession => unauthorized(
                "the session is over, or was before a restart of the daemon: sign in again with a token, by \
                 `POST /api/v1/session`",
            ),
            Refusal::NotASession => unauthorized("a session is ended by its own cookie and key, and none was shown"),
            Refusal::NoKey => unauthorized(
                "a session is its cookie and its key: send the key, which signing in has answered, as `X-Dsmild-Key`",
            ),
            Refusal::Role(role) => {
                Self::new(StatusCode::FORBIDDEN, format!("this token does not have the role {}", role.name()))
            }
        }
    }
}

/// What is wrong with the tokens file. One that cannot be read here is none: the service manager may show it to the
/// daemon alone, and the start reads it.
pub fn findings(config: &Http) -> Vec<Finding> {
    let Some(path) = config.tokens_file.as_deref() else { return Vec::new() };
    let (problem, remedy) = match Tokens::load(path) {
        Err(TokensError::Io { source, .. }) if named_files::is_not_regular(&source) => {
            (source.to_string(), "name a file that the daemon may read")
        }
        Ok(_) | Err(TokensError::Io { .. }) => return Vec::new(),
        Err(TokensError::Line { line, problem, .. }) => (format!("line {line} {problem}"), LINE_REMEDY),
        Err(TokensError::Open { .. }) => (OPEN_PROBLEM.to_owned(), OPEN_REMEDY),
    };
    vec![Finding::new("http.tokens_file", format!("{}: {problem}", path.display()), remedy)]
}

/// The rules of one listener.
pub struct Access {
    tokens: Tokens,
    /// The tokens are not of a file.
    is_made: bool,
    /// Reading and posting need none, which only a loopback listener may allow.
    is_open: bool,
}

impl Access {
    /// # Errors
    /// As [`Tokens::load`].
    pub fn load(config: &Http) -> Result<Self, TokensError> {
        Ok(match config.tokens_file.as_deref() {
            Some(path) => Self { tokens: Tokens::load(path)?, is_made: false, is_open: false },
            None => Self { tokens: Tokens::made(), is_made: true, is_open: config.open_on_loopback },
        })
    }

    /// Whether no token is configured, and one was made.
    pub fn is_made(&self) -> bool {
        self.is_made
    }

    /// Whether this needs no token. A decision always does.
    pub fn is_open(&self, role: Role) -> bool {
        self.is_open && role != Role::Respond
    }

    /// What a token allows now; `None`: there is no such token, or no more.
    pub fn holder(&self, token: &Hash) -> Option<Holder<'_>> {
        self.tokens.holder(token)
    }

    /// Refuses what a web page of another origin made a browser send: an open listener trusts everyone who can reach
    /// it, and a browser can be sent to it under any name (DNS rebinding). A token no foreign page has.
    pub fn refuse_foreign_pages(&self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        if !self.is_open {
            return Ok(());
        }
        let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or("?"));
        if host.is_some_and(|host| !is_loopback_name(host)) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "the Host header names another machine: use localhost, 127.0.0.1 or [::1]",
            ));
        }
        if method.is_safe() {
            return Ok(());
        }
        refuse_foreign_origin(headers)
    }
}

/// The token that a request shows, as its hash.
pub fn token_of(headers: &HeaderMap) -> Result<Hash, Refusal> {
    let given = headers.get(header::AUTHORIZATION).ok_or(Refusal::NoToken)?;
    let bearer = given.as_bytes().split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
    bearer.map(|(_, token)| blake3::hash(token.trim_ascii())).ok_or(Refusal::NoBearer)
}

/// Refuses what a browser says that the page of another site has sent. What is no browser says nothing of that.
pub fn refuse_foreign_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let foreign =
        |name| Err(Problem::new(StatusCode::FORBIDDEN, format!("the {name} header names a page of another site")));
    // Of the browser itself, which knows better than a proxy that has changed `Host`.
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return if site == "same-origin" || site == "none" { Ok(()) } else { foreign("Sec-Fetch-Site") };
    }
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let Some(origin) = text(header::ORIGIN) else { return Ok(()) };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    if authority.is_some() && authority == text(header::HOST) { Ok(()) } else { foreign("Origin") }
}

/// `localhost`, `127.0.0.0/8` or `[::1]`, with or without a port.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || literal.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_tokens_file_that_others_can_read_or_that_can_be_guessed_is_a_finding() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let http = Http { tokens_file: Some(path.clone()), ..Http::default() };
        assert_eq!(findings(&http), [], "the start says that it is missing");
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        for (text, mode, said) in [
            ("read a-token-of-a-test\n", 0o640, None),
            ("read a-token-of-a-test\n", 0o644, Some("every user")),
            ("read a-token-of-a-test\n", 0o602, Some("every user")),
            ("read short\n", 0o600, Some("guessed")),
        ] {
            write(text, mode);
            let found = findings(&http);
            assert_eq!(found.len(), usize::from(said.is_some()), "{mode:o} {found:?}");
            assert_eq!(Access::load(&http).is_err(), said.is_some());
            for finding in found {
                assert!(finding.key == "http.tokens_file" && finding.to_string().contains(said.unwrap()), "{finding}");
                assert!(!finding.to_string().contains("short"), "{finding}");
            }
        }
    }

    #[test]
    fn pages_of_other_sites_are_kept_out() {
        let open = Access::load(&Http::default()).unwrap();
        let get = |host| open.refuse_foreign_pages(&Method::GET, &headers(&[("host", host)]));
        for host in
            ["localhost", "localhost:8600", "127.0.0.1:8600", "[::1]:8600", "[::1]", "127.8.8.8", "[::ffff:127.0.0.1]"]
        {
            assert!(get(host).is_ok(), "{host}");
        }
        for host in ["evil.example", "evil.example:8600", "127.0.0.1.evil.example", "localhost.evil:1", ""] {
            assert!(get(host).is_err(), "{host}");
        }
        let post = |origin| {
            open.refuse_foreign_pages(&Method::POST, &headers(&[("host", "localhost:8600"), ("origin", origin)]))
        };
        assert!(post("http://localhost:8600").is_ok());
        for origin in ["http://evil.example", "null", "http://localhost:9999", "localhost:8600"] {
            assert!(post(origin).is_err(), "{origin}");
        }
    }

    #[test]
    fn what_the_browser_says_of_a_request_goes_before_where_its_page_seems_to_be() {
        let sent = |site, origin| {
            refuse_foreign_origin(&headers(&[("host", "soc.example"), ("origin", origin), ("sec-fetch-site", site)]))
        };
        assert!(sent("same-origin", "https://soc.example").is_ok());
        assert!(sent("same-origin", "https://behind-a-proxy.example").is_ok());
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            assert!(sent(site, "https://soc.example").is_err(), "{site}");
        }
        assert!(refuse_foreign_origin(&headers(&[])).is_ok(), "no browser");
    }

    #[test]
    fn a_token_is_read_of_a_bearer_header_alone() {
        let token = |value| token_of(&headers(&[("authorization", value)]));
        assert_eq!(token("bearer  a-token-of-a-test "), Ok(blake3::hash(b"a-token-of-a-test")));
        assert_eq!(token("Basic a-token-of-a-test"), Err(Refusal::NoBearer));
        assert_eq!(token_of(&headers(&[])), Err(Refusal::NoToken));
    }
}
