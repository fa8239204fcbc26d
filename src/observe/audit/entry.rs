//! One line of the audit log, and how it is bound to the line before.

use serde::{Deserialize, Serialize};

const FIRST_PREV: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line, without its own hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1.
    pub seq: u64,
    /// RFC 3339.
    pub ts: String,
    /// Like `proposal.approve`.
    pub action: String,
    /// What it is about: an event id.
    pub subject: String,
    pub who: String,
    pub note: String,
    pub prev: String,
}

/// What a verified file ends with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub lines: u64,
    /// The hash that the next line names as `prev`.
    pub hash: String,
}

impl Head {
    /// Of a file without a line.
    pub fn none() -> Self {
        Self { lines: 0, hash: FIRST_PREV.to_owned() }
    }
}

/// The line with its end, and its hash.
pub(super) fn seal(entry: &Entry) -> (String, String) {
    let object = serde_json::to_string(entry).unwrap_or_default(); // strings and a number always serialise
    let hash = blake3::hash(object.as_bytes()).to_hex().to_string();
    let line = format!("{},\"hash\":\"{hash}\"}}\n", object.strip_suffix('}').unwrap_or(&object));
    (line, hash)
}

/// The inverse of [`seal`], with every check against the line before.
pub(super) fn unseal(line: &[u8], before: &Head) -> Result<(Entry, String), String> {
    let text = std::str::from_utf8(line).map_err(|_| "is not UTF-8")?;
    let text = text.strip_suffix('\n').ok_or("does not end")?;
    let (start, tail) = text.rsplit_once(",\"hash\":\"").ok_or("has no hash")?;
    let stated = tail.strip_suffix("\"}").ok_or("has no hash at its end")?;
    let object = format!("{start}}}");
    let hash = blake3::hash(object.as_bytes()).to_hex().to_string();
    if hash != stated {
        return Err("was changed: its content does not match its hash".to_owned());
    }
    let entry: Entry = serde_json::from_str(&object).map_err(|error| format!("is not an audit entry ({error})"))?;
    if entry.prev != before.hash {
        return Err("does not follow from the line before: a line was removed, added or moved".to_owned());
    }
    if entry.seq != before.lines + 1 {
        return Err(format!("has the number {}, not {}", entry.seq, before.lines + 1));
    }
    Ok((entry, hash))
}
