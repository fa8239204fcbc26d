//! One mirrored stream in Redis.

use bytes::Bytes;

use super::Batch;
use crate::event::EventId;
use crate::redis::{Link, Reply};
use crate::retry::OutsideError;

/// Appends a batch if the stream ends where it should.
const APPEND: &str = include_str!("append.lua");

/// The id that a stream in Redis was last given; its entry may have been trimmed. Redis refuses ids up to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Top {
    /// Zero for a stream that does not exist.
    At(EventId),
    /// No id of ours looks like this.
    Alien(String),
}

/// One stream in Redis.
#[derive(Debug, Clone)]
pub struct Target {
    pub key: String,
    maxlen: u64,
}

impl Target {
    /// `key`: of the stream, prefix included. `maxlen`: about how many entries it keeps.
    pub fn new(key: String, maxlen: u64) -> Self {
        Self { key, maxlen }
    }

    /// Where the stream ends.
    ///
    /// # Errors
    /// As [`Link::call`].
    pub async fn top(&self, link: &Link) -> Result<Top, OutsideError> {
        let arguments = vec![Bytes::from_static(b"STREAM"), Bytes::from(self.key.clone())];
        match link.call("XINFO", &self.key, arguments).await {
            Ok(info) => self.read(info.named("last-generated-id").unwrap_or(&Reply::Nil)),
            Err(refusal) if refusal.text.contains("no such key") => Ok(Top::At(EventId::ZERO)),
            Err(error) => Err(error),
        }
    }

    /// Appends the batch if the stream ends with `after`; otherwise changes nothing. Returns where it ends then.
    ///
    /// # Errors
    /// As [`Link::call`].
    pub async fn append(&self, link: &Link, after: EventId, batch: &Batch) -> Result<Top, OutsideError> {
        let arguments = vec![
            Bytes::from_static(APPEND.as_bytes()),
            Bytes::from_static(b"1"),
            Bytes::from(self.key.clone()),
            Bytes::from(after.to_string()),
            Bytes::from(self.maxlen.to_string()),
            batch.packed.clone(),
        ];
        let top = link.call("EVAL", &self.key, arguments).await?;
        self.read(&top)
    }

    fn read(&self, id: &Reply) -> Result<Top, OutsideError> {
        let Some(text) = id.text() else {
            let text = format!("the last id of stream {} was asked for and the answer was {id:?}", self.key);
            return Err(OutsideError::unexpected("answer", text));
        };
        Ok(text.parse().map_or_else(|_| Top::Alien(text.to_owned()), Top::At))
    }
}
