//! `type=SYSCALL msg=audit(1764.123:456): key=value …`, with what the audit system hex-encoded made readable again.

use super::time::{LogTime, Parsed};
use crate::event::{Record, Timestamp};

/// One line of auditd, possibly with the node's name before it.
pub(super) fn begins(line: &str) -> bool {
    line.starts_with("type=") || (line.starts_with("node=") && line.contains(" type="))
}

pub(super) fn read(line: &str) -> Option<Parsed> {
    let (node, rest) = match line.strip_prefix("node=") {
        Some(rest) => rest.split_once(' ').map(|(node, rest)| (Some(node), rest))?,
        None => (None, line),
    };
    let (kind, rest) = rest.strip_prefix("type=")?.split_once(' ')?;
    let (stamp, body) = rest.trim_start().strip_prefix("msg=audit(")?.split_once("):")?;
    let (seconds, serial) = stamp.rsplit_once(':')?;
    let time = Timestamp::from_seconds(seconds.parse().ok()?).map_or(LogTime::Absent, LogTime::Instant);
    let mut record = Record { program: Some("auditd".to_owned()), message: line.to_owned(), ..Record::default() };
    record.entity.host = node.map(str::to_owned);
    record.push("type", kind);
    record.push("serial", serial);
    pairs(body, kind, &mut record);
    record.pid = record.field("pid").and_then(|pid| pid.parse().ok());
    Some(Parsed { time, record })
}

/// The pairs of a record's body. What user space adds in `msg='…'` is read as part of it.
pub(super) fn pairs(body: &str, kind: &str, record: &mut Record) {
    // Enriched logs put the names of ids behind a group separator; old ones glue them to the closing quote.
    let mut rest = body;
    loop {
        rest = rest.trim_start_matches([' ', '\u{1d}', '\'', '{', '}', ',']);
        let Some((key, value)) = rest.split_once('=') else { return };
        let key = key.rsplit([' ', ':']).next().unwrap_or(key);
        if key == "msg" && value.starts_with('\'') {
            rest = value;
            continue;
        }
        let (value, after) = match value.strip_prefix('"').and_then(|inner| inner.split_once('"')) {
            Some((inner, after)) => (inner.to_owned(), after),
            None => {
                let end = value.find([' ', '\u{1d}', '\'']).unwrap_or(value.len());
                let Some((bare, after)) = value.split_at_checked(end) else { return };
                (decoded(kind, key, bare), after)
            }
        };
        record.push(key, value);
        rest = after;
    }
}

/// Untrusted strings are in quotes, or in hex when they hold a quote, a space or a control character.
fn decoded(kind: &str, key: &str, bare: &str) -> String {
    let untrusted = match key {
        "proctitle" | "comm" | "exe" | "cmd" | "cwd" | "name" | "acct" | "data" | "key" | "path" | "file" | "dir"
        | "ocomm" | "old-acct" | "new-acct" | "vm" => true,
        _ => kind == "EXECVE" && key.starts_with('a') && key != "argc" && !key.contains("_len"),
    };
    match unhex(bare) {
        Some(bytes) if untrusted => {
            let text = String::from_utf8_lossy(&bytes);
            text.trim_end_matches('\0').replace(['\0', '\u{1}'], " ")
        }
        _ => bare.to_owned(),
    }
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_lowercase());
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        })
        .collect()
}
