//! The tokens file: who shows which token, and what each allows.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use blake3::Hash;

use super::made_token::made_token;
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
    pub const ALL: [Self; 3] = [Self::Read, Self::Ingest, Self::Respond];

    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Ingest => "ingest",
            Self::Respond => "respond",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

pub const LINE_REMEDY: &str = "a line is `role token` or `role token name`, with the role read, ingest or respond and a token \
                           of at least 16 bytes, as of `openssl rand -hex 16`";
pub const OPEN_PROBLEM: &str = "every user of this machine can read or change it";
pub const OPEN_REMEDY: &str = "take that away with `chmod o=`, and make new tokens";

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
    pub fn load(path: &Path) -> Result<Self, TokensError> {
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
    pub fn made() -> Self {
        let name = "token of this start";
        let of = |token: &str| {
            let of_role = |role| Token { role, hash: blake3::hash(token.as_bytes()), name: name.to_owned() };
            Role::ALL.map(of_role)
        };
        Self(made_token().map(of).into_iter().flatten().collect())
    }

    pub fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
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

    /// What the token with this hash allows; `None`: there is no such token.
    pub fn holder(&self, hash: &Hash) -> Option<Holder<'_>> {
        // Every line is compared, and as hashes (whose comparison takes constant time), so that the time of the answer
        // says nothing about a token.
        let of_it = self.0.iter().filter(|token| token.hash == *hash);
        let grants: Vec<_> = of_it.map(|token| (token.role, token.name.as_str())).collect();
        (!grants.is_empty()).then_some(Holder { grants })
    }
}

/// All lines of one token.
pub struct Holder<'tokens> {
    grants: Vec<(Role, &'tokens str)>,
}

impl Holder<'_> {
    /// Who that is by the line of this role; `None`: the token does not have it.
    pub fn name_as(&self, role: Role) -> Option<&str> {
        self.grants.iter().rfind(|(granted, _)| *granted == role).map(|(_, name)| *name)
    }

    pub fn name(&self) -> &str {
        self.grants.first().map_or("?", |(_, name)| *name)
    }

    pub fn roles(&self) -> Vec<Role> {
        Role::ALL.into_iter().filter(|role| self.name_as(*role).is_some()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn each_line_of_a_token_gives_its_role_and_name_and_no_other() {
        let text = "respond shared-token-of-a-test alice\nread shared-token-of-a-test\nread another-token-of-a-test\n";
        let tokens = Tokens::parse(text).unwrap();
        let shared = tokens.holder(&blake3::hash(b"shared-token-of-a-test")).unwrap();
        assert_eq!((shared.name(), shared.roles()), ("alice", vec![Role::Read, Role::Respond]));
        assert_eq!(shared.name_as(Role::Read), Some("token of line 2"));
        let reader = tokens.holder(&blake3::hash(b"another-token-of-a-test")).unwrap();
        assert_eq!((reader.roles(), reader.name_as(Role::Respond)), (vec![Role::Read], None));
        assert!(tokens.holder(&blake3::hash(b"another-token")).is_none());
    }
}
