//! Who may ask for what: tokens with roles, and what keeps a browser's other pages away from a loopback listener.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::config::{Http, is_loopback};
use super::made_token::made_token;
use super::problem::Problem;
use crate::config::Finding;
use crate::{limits, named_files};

/// Permissions of everybody else to read or write.
const OTHERS: u32 = 0o006;

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

const LINE_REMEDY: &str = "a line is `role token` or `role token name`, with the role read, ingest or respond and a token \
                           of at least 16 bytes, as of `openssl rand -hex 16`";
const OPEN_PROBLEM: &str = "every user of this machine can read or change it";
const OPEN_REMEDY: &str = "take that away with `chmod o=`, and make new tokens";

#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    #[error("http.tokens_file {}: it could not be read: {source}; it must be a file that the daemon may read", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("http.tokens_file {}: line {line} {problem}; {LINE_REMEDY}", path.display())]
    Line { path: PathBuf, line: usize, problem: &'static str },
    #[error("http.tokens_file {}: {OPEN_PROBLEM}; {OPEN_REMEDY}", path.display())]
    Open { path: PathBuf },
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
    fn load(path: &Path) -> Result<Self, TokensError> {
        let failed = |source| TokensError::Io { path: path.to_owned(), source };
        let file = named_files::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.mode() & OTHERS != 0 {
            return Err(TokensError::Open { path: path.to_owned() });
        }
        let text =
            named_files::whole(file, limits::SECRET_FILE_BYTES_MAX).and_then(named_files::utf_8).map_err(failed)?;
        Self::parse(&text).map_err(|(line, problem)| TokensError::Line { path: path.to_owned(), line, problem })
    }

    /// The one that was made, with every role.
    fn made() -> Self {
        let name = "token of this start";
        let of = |token: &str| {
            let token = |role| Token { role, hash: blake3::hash(token.as_bytes()), name: name.to_owned() };
            [Role::Read, Role::Ingest, Role::Respond].map(token)
        };
        Self(made_token().map(of).into_iter().flatten().collect())
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
            if token.len() < limits::HTTP_TOKEN_BYTES_MIN {
                return Err((number, "has a token that can be guessed"));
            }
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
    fn allow(&self, role: Role, headers: &HeaderMap) -> Result<String, Refusal> {
        let given = headers.get(header::AUTHORIZATION).ok_or(Refusal::NoToken)?;
        let token = given
            .as_bytes()
            .split_at_checked(7)
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "))
            .map(|(_, token)| token.trim_ascii())
            .ok_or(Refusal::NoBearer)?;
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
            (None, true) => Err(Refusal::Role(role)),
            (None, false) => Err(Refusal::Unknown),
        }
    }
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    NoToken,
    NoBearer,
    Unknown,
    /// The token is known, but not for this.
    Role(Role),
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

    /// The name of the token that is shown; or why it does not open this door.
    pub fn allow(&self, role: Role, headers: &HeaderMap) -> Result<String, Refusal> {
        self.tokens.allow(role, headers)
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_tokens_file_with_a_mistake_names_the_line() {
        for (text, line) in [
            ("read T\nadmin b", 2),
            ("# c\n\nread", 3),
            ("read T b c", 1),
            ("# none\n", 1),
            ("read T\nread 123456789012345", 2),
        ] {
            assert_eq!(
                Tokens::parse(&text.replace('T', "a-token-of-a-test")).map(|_| ()).unwrap_err().0,
                line,
                "{text}"
            );
        }
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
    fn each_role_opens_its_own_door_alone() {
        let tokens =
            Tokens::parse("read read-token-of-a-test\nrespond s-token-of-a-test alice\nread s-token-of-a-test\n")
                .unwrap();
        let access = Access { tokens, is_made: false, is_open: false };
        let reader = headers(&[("authorization", "bearer read-token-of-a-test")]);
        assert!(access.allow(Role::Read, &reader).is_ok());
        assert!(access.allow(Role::Respond, &reader).is_err());
        let responder = headers(&[("authorization", "Bearer s-token-of-a-test")]);
        assert_eq!(access.allow(Role::Respond, &responder).unwrap(), "alice");
        assert!(access.allow(Role::Read, &responder).is_ok());
        for wrong in [
            headers(&[]),
            headers(&[("authorization", "Basic read-token-of-a-test")]),
            headers(&[("authorization", "Bearer read-token")]),
        ] {
            assert!(access.allow(Role::Read, &wrong).is_err());
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
}
