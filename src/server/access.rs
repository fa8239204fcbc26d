//! Who may ask for what: tokens with roles, and what keeps a browser's other pages away from a loopback listener.

use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::config::{Http, is_loopback};
use super::problem::Problem;
use crate::limits;

/// What a token allows. None includes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Metrics, status, streams, explanations, proposals.
    Read,
    /// Posting events.
    Ingest,
    /// Deciding proposals.
    Respond,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Ingest => "ingest",
            Self::Respond => "respond",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Read, Self::Ingest, Self::Respond].into_iter().find(|role| role.name() == name)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    #[error("http.tokens_file {}: it could not be read: {source}; it must be a file that the daemon may read", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error(
        "http.tokens_file {}: line {line} {problem}; a line is `role token` or `role token name`, with the role read, \
         ingest or respond",
        path.display()
    )]
    Line { path: PathBuf, line: usize, problem: &'static str },
}

/// The tokens file in memory. Tokens themselves are not kept, only their hashes.
#[derive(Default)]
pub struct Tokens(Vec<Token>);

struct Token {
    role: Role,
    hash: blake3::Hash,
    /// Whom the audit log names: the third word of the line, else `token of line N`.
    name: String,
}

impl Tokens {
    /// # Errors
    /// The file cannot be read or a line is not `role token [name]`.
    pub fn load(path: &Path) -> Result<Self, TokensError> {
        let text = std::fs::read_to_string(path).map_err(|source| TokensError::Io { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|(line, problem)| TokensError::Line { path: path.to_owned(), line, problem })
    }

    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut tokens = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_whitespace();
            let role = words.next().and_then(Role::named).ok_or((number, "names no role"))?;
            let token = words.next().ok_or((number, "has no token"))?;
            let name = words.next().map_or_else(|| format!("token of line {number}"), str::to_owned);
            if words.next().is_some() {
                return Err((number, "has more than three words"));
            }
            if tokens.len() == limits::HTTP_TOKENS_MAX {
                return Err((number, "is one token too many"));
            }
            tokens.push(Token { role, hash: blake3::hash(token.as_bytes()), name });
        }
        if tokens.is_empty() {
            return Err((1, "is missing: the file has no token"));
        }
        Ok(Self(tokens))
    }

    /// The name of the token in the request, if it has the role.
    fn allow(&self, role: Role, headers: &HeaderMap) -> Result<String, Problem> {
        let unauthorized = |detail| {
            Problem::new(StatusCode::UNAUTHORIZED, detail)
                .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"dsmild\""))
        };
        let given = headers
            .get(header::AUTHORIZATION)
            .ok_or_else(|| unauthorized("a token is needed: send `Authorization: Bearer TOKEN`"))?;
        let token = given
            .as_bytes()
            .split_at_checked(7)
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "))
            .map(|(_, token)| token.trim_ascii())
            .ok_or_else(|| unauthorized("the Authorization header is not `Bearer TOKEN`"))?;
        // Every line is compared, and as hashes (whose comparison takes constant time), so that the time of the answer
        // says nothing about a token.
        let hash = blake3::hash(token);
        let (mut known, mut allowed) = (false, None);
        for token in &self.0 {
            if token.hash == hash {
                known = true;
                if token.role == role {
                    allowed = Some(token.name.clone());
                }
            }
        }
        match (allowed, known) {
            (Some(name), _) => Ok(name),
            (None, true) => {
                Err(Problem::new(StatusCode::FORBIDDEN, format!("this token does not have the role {}", role.name())))
            }
            (None, false) => Err(unauthorized("the token is not known")),
        }
    }
}

/// The rules of one listener.
#[derive(Default)]
pub struct Access {
    /// `None`: all roles are open, which only a loopback listener may be.
    tokens: Option<Tokens>,
}

impl Access {
    /// # Errors
    /// As [`Tokens::load`].
    pub fn load(config: &Http) -> Result<Self, TokensError> {
        Ok(Self { tokens: config.tokens_file.as_deref().map(Tokens::load).transpose()? })
    }

    /// Who asks, for the audit log; or why the request is refused.
    pub fn allow(&self, role: Role, headers: &HeaderMap) -> Result<String, Problem> {
        match &self.tokens {
            Some(tokens) => tokens.allow(role, headers),
            None => Ok("local user".to_owned()),
        }
    }

    /// Refuses what a web page of another origin made a browser send: without tokens the listener trusts everyone who
    /// can reach it, and a browser can be sent to it under any name (DNS rebinding). A token no foreign page has.
    pub fn refuse_foreign_pages(&self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        if self.tokens.is_some() {
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
        let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("?"));
        let own = |origin: &str| {
            let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            authority.is_some() && authority == host
        };
        if origin.is_some_and(|origin| !own(origin)) {
            return Err(Problem::new(StatusCode::FORBIDDEN, "the Origin header names a page of another site"));
        }
        Ok(())
    }
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
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_tokens_file_with_a_mistake_names_the_line() {
        for (text, line) in [("read a\nadmin b", 2), ("# c\n\nread", 3), ("read a b c", 1), ("# none\n", 1)] {
            assert_eq!(Tokens::parse(text).map(|_| ()).unwrap_err().0, line, "{text}");
        }
    }

    #[test]
    fn each_role_opens_its_own_door_alone() {
        let tokens = Tokens::parse("read r1\nrespond s1 alice\nread s1\n").unwrap();
        let access = Access { tokens: Some(tokens) };
        let reader = headers(&[("authorization", "bearer r1")]);
        assert!(access.allow(Role::Read, &reader).is_ok());
        assert!(access.allow(Role::Respond, &reader).is_err());
        let responder = headers(&[("authorization", "Bearer s1")]);
        assert_eq!(access.allow(Role::Respond, &responder).unwrap(), "alice");
        assert!(access.allow(Role::Read, &responder).is_ok());
        for wrong in
            [headers(&[]), headers(&[("authorization", "Basic r1")]), headers(&[("authorization", "Bearer r")])]
        {
            assert!(access.allow(Role::Read, &wrong).is_err());
        }
    }

    #[test]
    fn pages_of_other_sites_are_kept_out() {
        let open = Access::default();
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
}
