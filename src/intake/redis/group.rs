//! The consumer group of one stream: every call about it that goes to Redis.

use std::time::Duration;

use bytes::Bytes;

use super::{Entry, EntryId};
use crate::limits::TRANSACTION_EVENTS_MAX;
use crate::redis::{CALL_TIMEOUT, Link, Reply};
use crate::retry::OutsideError;

/// All daemons of one stream are members of it.
const GROUP: &str = "dsmil";

/// Under which name entries are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// What came to this daemon as new, in order of id.
    Reader,
    /// What it took over from others.
    Successor,
}

#[derive(Debug, Clone)]
pub struct Group {
    pub key: String,
    reader: String,
    successor: String,
}

/// What there was of a stream and its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// The last id of the stream.
    pub end: EntryId,
    /// There was no group.
    pub is_new: bool,
}

/// Where a group stands in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The oldest entry that is still there.
    pub first: Option<EntryId>,
    /// Entries that were trimmed before any consumer got them, ever; `None` when that is not known just now.
    pub missed: Option<u64>,
    /// Entries that the group was given, ever, by Redis's own count.
    pub given: Option<u64>,
}

impl Group {
    pub fn new(key: String, instance: &str) -> Self {
        Self { key, reader: instance.to_owned(), successor: format!("{instance}:claimed") }
    }

    fn name(&self, member: Member) -> &str {
        match member {
            Member::Reader => &self.reader,
            Member::Successor => &self.successor,
        }
    }

    /// Makes the group where there is none, from the first entry on.
    ///
    /// # Errors
    /// As [`Link::call`]; so for all that follow.
    pub async fn join(&self, link: &Link) -> Result<Joined, OutsideError> {
        let is_new = match self.call(link, "XGROUP", &["CREATE", &self.key, GROUP, "0", "MKSTREAM"]).await {
            Ok(_) => true,
            Err(refusal) if refusal.text.contains("BUSYGROUP") => false,
            Err(error) => return Err(error),
        };
        let info = self.call(link, "XINFO", &["STREAM", &self.key]).await?;
        let last = info.named("last-generated-id").and_then(Reply::text).and_then(|id| id.parse().ok());
        let end = last.ok_or_else(|| self.strange("XINFO STREAM", &info))?;
        Ok(Joined { end, is_new })
    }

    /// New entries; waits at most `block` for the first.
    pub async fn read_new(
        &self,
        link: &Link,
        count: usize,
        block: Option<Duration>,
    ) -> Result<Vec<Entry>, OutsideError> {
        let (count, millis) = (count.to_string(), block.map(|block| block.as_millis().to_string()));
        let block_arguments = millis.iter().flat_map(|millis| ["BLOCK", millis]);
        let arguments = ["GROUP", GROUP, &self.reader, "COUNT", &count].into_iter().chain(block_arguments);
        let arguments = arguments.chain(["STREAMS", &self.key, ">"]).map(owned).collect();
        let timeout = block.unwrap_or_default() + CALL_TIMEOUT;
        let reply = link.call_within("XREADGROUP", &self.key, arguments, timeout).await?;
        Entry::of_stream(reply).ok_or_else(|| self.strange("XREADGROUP", &Reply::Nil))
    }

    /// At most `count` entries that the member got earlier and has not acknowledged, after an id.
    pub async fn read_own(
        &self,
        link: &Link,
        member: Member,
        after: EntryId,
        count: usize,
    ) -> Result<Vec<Entry>, OutsideError> {
        let (count, after, name) = (count.to_string(), after.to_string(), self.name(member));
        let arguments = ["GROUP", GROUP, name, "COUNT", &count, "STREAMS", &self.key, &after];
        let reply = self.call(link, "XREADGROUP", &arguments).await?;
        Entry::of_stream(reply).ok_or_else(|| self.strange("XREADGROUP", &Reply::Nil))
    }

    /// Whether the reader was given an entry between the two, and has not acknowledged it.
    pub async fn holds_between(&self, link: &Link, after: EntryId, before: EntryId) -> Result<bool, OutsideError> {
        let (first, last) = (after.next().to_string(), before.to_string());
        let held = self.call(link, "XPENDING", &[&self.key, GROUP, &first, &last, "1", &self.reader]).await?;
        let id = held.list().first().and_then(|held| held.list().first()?.text()?.parse().ok());
        Ok(id.is_some_and(|id: EntryId| id < before))
    }

    /// Tells the group that this daemon is alive, for as long as it reads nothing.
    pub async fn heartbeat(&self, link: &Link) -> Result<(), OutsideError> {
        for member in [Member::Reader, Member::Successor] {
            self.read_own(link, member, EntryId::LAST, 1).await?;
        }
        Ok(())
    }

    pub async fn acknowledge(&self, link: &Link, ids: &[EntryId]) -> Result<(), OutsideError> {
        for ids in ids.chunks(TRANSACTION_EVENTS_MAX) {
            let ids = ids.iter().map(|id| Bytes::from(id.to_string()));
            let arguments = [owned(&self.key), owned(GROUP)].into_iter().chain(ids).collect();
            link.call("XACK", &self.key, arguments).await?;
        }
        Ok(())
    }

    /// Takes over at most `count` entries that consumers hold that have not been heard of for `dead_after`. Returns them,
    /// and the ids of those that Redis no longer has.
    pub async fn claim(
        &self,
        link: &Link,
        dead_after: Duration,
        count: usize,
    ) -> Result<(Vec<Entry>, Vec<EntryId>), OutsideError> {
        let consumers = self.call(link, "XINFO", &["CONSUMERS", &self.key, GROUP]).await?;
        let millis = dead_after.as_millis();
        let dead = consumers.list().iter().find_map(|consumer| {
            let name = consumer.named("name")?.text()?;
            let number = |what| consumer.named(what).and_then(Reply::number).unwrap_or(0);
            let mine = name == self.reader || name == self.successor;
            (!mine && number("pending") > 0 && u128::from(number("idle")) >= millis).then_some(name)
        });
        let Some(dead) = dead else { return Ok((Vec::new(), Vec::new())) };
        let count = count.to_string();
        let pending = self.call(link, "XPENDING", &[&self.key, GROUP, "-", "+", &count, dead]).await?;
        let held: Vec<&str> = pending.list().iter().filter_map(|held| held.list().first()?.text()).collect();
        if held.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let millis = millis.to_string();
        let arguments = [&self.key, GROUP, &self.successor, &millis].into_iter().chain(held.iter().copied());
        let reply = self.call(link, "XCLAIM", &arguments.collect::<Vec<_>>()).await?;
        let entries = Entry::list(reply).ok_or_else(|| self.strange("XCLAIM", &Reply::Nil))?;
        let held = held.iter().filter_map(|id| id.parse().ok());
        let gone = held.filter(|id| entries.iter().all(|entry| entry.id != *id)).collect();
        Ok((entries, gone))
    }

    pub async fn progress(&self, link: &Link) -> Result<Progress, OutsideError> {
        let stream = self.call(link, "XINFO", &["STREAM", &self.key]).await?;
        let groups = self.call(link, "XINFO", &["GROUPS", &self.key]).await?;
        let ours = |group: &&Reply| group.named("name").and_then(Reply::text) == Some(GROUP);
        Ok(progress(&stream, groups.list().iter().find(ours).unwrap_or(&Reply::Nil)))
    }

    async fn call(&self, link: &Link, command: &'static str, arguments: &[&str]) -> Result<Reply, OutsideError> {
        link.call(command, &self.key, arguments.iter().map(|argument| owned(argument)).collect()).await
    }

    fn strange(&self, command: &str, reply: &Reply) -> OutsideError {
        let text = format!("{command} {}: the answer has another shape than Redis documents: {reply:?}", self.key);
        OutsideError::unexpected("answer", text.chars().take(300).collect())
    }
}

fn owned(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Redis counts what was ever added and what the group was given, and the difference is what is still to come or was
/// missed. What is still to come is known when the group is at the end of the stream, and when it has not reached the
/// first entry.
fn progress(stream: &Reply, group: &Reply) -> Progress {
    let id = |reply: Option<&Reply>| reply.and_then(Reply::text).and_then(|id| id.parse::<EntryId>().ok());
    let first = id(stream.named("first-entry").and_then(|entry| entry.list().first()));
    let at = id(group.named("last-delivered-id"));
    // A new group has no count yet.
    let nothing = (at == Some(EntryId::ZERO)).then_some(0);
    let given = group.named("entries-read").and_then(Reply::number).or(nothing);
    let missed = || {
        let (at, given) = (at?, given?);
        let added = stream.named("entries-added")?.number()?;
        let to_come = if at >= id(stream.named("last-generated-id"))? {
            0
        } else if first.is_none_or(|first| at < first) {
            stream.named("length")?.number()?
        } else {
            return None;
        };
        Some(added.saturating_sub(given).saturating_sub(to_come))
    };
    Progress { first, missed: missed(), given }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Reply {
        Reply::Text(owned(text))
    }

    fn stream(length: i64, added: i64, first: &str, last: &str) -> Reply {
        let entry = Reply::List(vec![text(first), Reply::List(Vec::new())]);
        Reply::List(vec![
            text("length"),
            Reply::Number(length),
            text("entries-added"),
            Reply::Number(added),
            text("last-generated-id"),
            text(last),
            text("first-entry"),
            entry,
        ])
    }

    fn group(at: &str, read: i64) -> Reply {
        Reply::List(vec![text("last-delivered-id"), text(at), text("entries-read"), Reply::Number(read)])
    }

    /// The numbers are those of Redis 7.0.15: 1000 entries, 100 read, then trimmed to 200.
    #[test]
    fn entries_trimmed_before_they_were_read_are_counted_when_they_can_be() {
        let trimmed = stream(200, 1000, "801-1", "1000-1");
        assert_eq!(progress(&trimmed, &group("100-1", 100)).missed, Some(700), "before the first entry");
        assert_eq!(progress(&trimmed, &group("850-1", 150)).missed, None, "in the middle");
        assert_eq!(progress(&trimmed, &group("1000-1", 300)).missed, Some(700), "at the end");
        assert_eq!(progress(&trimmed, &Reply::Nil).missed, None, "an older Redis counts nothing");
        let new = Reply::List(vec![text("last-delivered-id"), text("0-0"), text("entries-read"), Reply::Nil]);
        assert_eq!(progress(&trimmed, &new).missed, Some(800), "before the group was made");
        assert_eq!(progress(&stream(1000, 1000, "1-1", "1000-1"), &group("0-0", 0)).missed, Some(0));
    }
}
