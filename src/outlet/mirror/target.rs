//! One mirrored stream in Redis.

use crate::event::EventId;
use crate::redis::{Commands, Reply};
use crate::retry::OutsideError;

/// Which stream, and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Prefix included.
    pub key: String,
    /// About how many entries.
    pub maxlen: u64,
}

/// The id that a stream in Redis was last given; its entry may have been trimmed. Redis refuses ids up to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Top {
    /// Zero for a stream that does not exist.
    At(EventId),
    /// No id of ours looks like this.
    Alien(String),
}

/// How Redis refuses to tell of a stream that does not exist.
const NO_SUCH_KEY: &str = "no such key";

impl Target {
    /// Has Redis notice from now on what others do to the stream, and tell where it ends.
    pub(super) fn watch(&self, commands: &mut Commands) {
        commands.add(&[b"WATCH", self.key.as_bytes()]);
        commands.add(&[b"XINFO", b"STREAM", self.key.as_bytes()]);
    }
}

impl Top {
    /// What `XINFO STREAM` answers, or why it does not.
    pub(super) fn of_info(target: &Target, info: Result<Reply, OutsideError>) -> Result<Self, OutsideError> {
        match info {
            Ok(info) => Self::of_id(target, info.named("last-generated-id").unwrap_or(&Reply::Nil)),
            Err(refusal) if refusal.text.contains(NO_SUCH_KEY) => Ok(Self::At(EventId::ZERO)),
            Err(error) => Err(error),
        }
    }

    pub(super) fn of_id(target: &Target, id: &Reply) -> Result<Self, OutsideError> {
        let Some(text) = id.text() else {
            let text = format!("the last id of stream {} was asked for and the answer was {id:?}", target.key);
            return Err(OutsideError::unexpected("answer", text));
        };
        Ok(text.parse().map_or_else(|_| Self::Alien(text.to_owned()), Self::At))
    }
}
