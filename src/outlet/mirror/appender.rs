//! Appends batches to one stream in Redis, and only where the stream ends as it should.
//!
//! Mostly by a transaction that fails if anybody has touched the stream since it was last looked at (`WATCH`). A script can compare
//! and append as well and asks for nothing before; it costs Redis twice as much for each entry.

use bytes::Bytes;

use super::Batch;
use super::target::{Target, Top};
use crate::event::EventId;
use crate::redis::{self, Answer, Commands, Link, Reply};
use crate::retry::OutsideError;

/// Appends a batch if the stream ends where it should.
const APPEND: &str = include_str!("append.lua");

/// One stream, and the connection over which it is written; nobody else may use that.
pub struct Appender {
    link: Link,
    target: Target,
    /// Where the stream ended when Redis began to watch it for this connection.
    watched: Option<EventId>,
}

/// What came of a transaction.
enum Outcome {
    Done,
    /// Somebody has touched the stream, if only to delete an entry that was read.
    Touched,
}

impl Appender {
    pub fn new(link: Link, target: Target) -> Self {
        Self { link, target, watched: None }
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Where the stream ends.
    ///
    /// # Errors
    /// As [`Link::call`].
    pub async fn top(&self) -> Result<Top, OutsideError> {
        let arguments = vec![Bytes::from_static(b"STREAM"), Bytes::from(self.target.key.clone())];
        Top::of_info(&self.target, self.link.call("XINFO", &self.target.key, arguments).await)
    }

    /// Appends the batch if the stream ends with `after`; otherwise changes nothing. Returns where it ends then.
    ///
    /// # Errors
    /// As [`Link::call`].
    pub async fn append(&mut self, after: EventId, batch: &Batch) -> Result<Top, OutsideError> {
        if self.watched.take() == Some(after) {
            let (outcome, top) = self.transact(batch).await?;
            // Who deletes what was read, all the time, would keep a second transaction from succeeding as well.
            if matches!(outcome, Outcome::Done) || top != Top::At(after) {
                return Ok(top);
            }
        }
        let top = self.compare_and_append(after, batch).await?;
        self.watch().await?;
        Ok(top)
    }

    async fn transact(&mut self, batch: &Batch) -> Result<(Outcome, Top), OutsideError> {
        let mut answers = self.link.call_all(&self.target.key, batch.commands.clone()).await?.into_iter();
        let (info, watching) = (answers.next_back(), answers.next_back());
        let mut done = Reply::Nil;
        for answer in answers {
            // The first refusal says why, those after it that it was refused.
            done = answer.map_err(|refusal| redis::refused(&format!("XADD {}", self.target.key), &refusal))?;
        }
        let top = self.take_up_watch(watching, info)?;
        Ok((if done == Reply::Nil { Outcome::Touched } else { Outcome::Done }, top))
    }

    async fn compare_and_append(&self, after: EventId, batch: &Batch) -> Result<Top, OutsideError> {
        let arguments = vec![
            Bytes::from_static(APPEND.as_bytes()),
            Bytes::from_static(b"1"),
            Bytes::from(self.target.key.clone()),
            Bytes::from(after.to_string()),
            batch.commands.bytes.clone(),
        ];
        let top = self.link.call("EVAL", &self.target.key, arguments).await?;
        Top::of_id(&self.target, &top)
    }

    /// Has Redis watch the stream from now on. Who may not use transactions does without.
    async fn watch(&mut self) -> Result<(), OutsideError> {
        let mut commands = Commands::default();
        commands.add(&[b"MULTI"]);
        commands.add(&[b"EXEC"]);
        self.target.watch(&mut commands);
        let mut answers = self.link.call_all(&self.target.key, commands.packed()).await?.into_iter();
        let (info, watching) = (answers.next_back(), answers.next_back());
        if answers.all(|answer| answer.is_ok()) {
            self.take_up_watch(watching, info)?;
        }
        Ok(())
    }

    /// What follows a transaction: the stream is watched, and ends there.
    fn take_up_watch(&mut self, watching: Option<Answer>, info: Option<Answer>) -> Result<Top, OutsideError> {
        let info = info.unwrap_or(Ok(Reply::Nil));
        let info = info.map_err(|refusal| redis::refused(&format!("XINFO {}", self.target.key), &refusal));
        let top = Top::of_info(&self.target, info)?;
        if let (Some(Ok(_)), Top::At(id)) = (watching, &top) {
            self.watched = Some(*id);
        }
        Ok(top)
    }
}
