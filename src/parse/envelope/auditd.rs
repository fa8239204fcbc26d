//! Records of the Linux audit system: `type=SYSCALL msg=audit(1764.123:456): key=value …`, with what the audit system
//! hex-encoded made readable again.

use super::super::time::LogTime;
use super::layer::{Inside, Layer};
use crate::event::{Record, Timestamp};

/// One line of auditd, possibly with the node's name before it.
pub(super) fn begins(line: &str) -> bool {
    line.starts_with("type=") || (line.starts_with("node=") && line.contains(" type="))
}

/// A line of the audit log.
pub(super) fn read(line: &str) -> Option<Layer> {
    let mut layer = of_file(line)?;
    layer.record.program = Some("auditd".to_owned());
    Some(layer)
}

/// What the kernel, the journal or a dispatcher passes on: the same record behind a header of syslog.
pub(super) fn payload(program: Option<&str>, message: &str) -> Option<Layer> {
    let layer = match program? {
        "kernel" => {
            let rest = message.strip_prefix("audit: ")?;
            let (kind, rest) = rest.strip_prefix("type=")?.split_once(' ')?;
            record(None, kind, rest.strip_prefix("audit(")?, message)
        }
        "audit" => of_journal(message).or_else(|| of_file(message)),
        "audispd" | "audisp-syslog" | "auditd" if begins(message) => of_file(message),
        _ => None,
    }?;
    // The header of syslog has the time that everything else of its log goes by.
    Some(Layer { time: LogTime::Absent, ..layer })
}

fn of_file(line: &str) -> Option<Layer> {
    let (node, rest) = match line.strip_prefix("node=") {
        Some(rest) => rest.split_once(' ').map(|(node, rest)| (Some(node), rest))?,
        None => (None, line),
    };
    let (kind, rest) = rest.strip_prefix("type=")?.split_once(' ')?;
    record(node, kind, rest.trim_start().strip_prefix("msg=audit(")?, line)
}

/// `USER_AUTH pid=9400 uid=0 …`, as the journal writes it: the type is the first word.
fn of_journal(message: &str) -> Option<Layer> {
    let (kind, body) = message.split_once(' ')?;
    let is_kind =
        kind.len() > 2 && kind.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'0'..=b'9'));
    if !is_kind {
        return None;
    }
    let mut record = Record { message: message.to_owned(), ..Record::default() };
    record.push("type", kind);
    pairs(body, kind, &mut record);
    Some(Layer::new(LogTime::Absent, record, Inside::Text))
}

/// From behind `audit(` on.
fn record(node: Option<&str>, kind: &str, rest: &str, message: &str) -> Option<Layer> {
    let (stamp, body) = rest.split_once("):")?;
    let (seconds, serial) = stamp.rsplit_once(':')?;
    let time = Timestamp::from_seconds(seconds.parse().ok()?).map_or(LogTime::Absent, LogTime::Instant);
    let mut record = Record { message: message.to_owned(), ..Record::default() };
    record.entity.host = node.map(str::to_owned);
    record.push("type", kind);
    record.push("serial", serial);
    pairs(body, kind, &mut record);
    record.pid = record.field("pid").and_then(|pid| pid.parse().ok());
    Some(Layer::new(time, record, Inside::Text))
}

/// The pairs of a record's body. What user space adds in `msg='…'` is read as part of it.
fn pairs(body: &str, kind: &str, record: &mut Record) {
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
                let Some((bare, after)) = value.split_at_checked(unglued(key, value, end)) else { return };
                (decoded(kind, key, bare), after)
            }
        };
        record.push(key, value);
        rest = after;
    }
}

/// An old auditd wrote the first enriched key straight behind the last plain value: `saddr=0100SADDR={`, `ouid=0OUID="`.
fn unglued(key: &str, value: &str, end: usize) -> usize {
    let bare = value.get(..end).unwrap_or_default();
    match bare.find(&key.to_ascii_uppercase()) {
        Some(at) if at > 0 && bare.get(at + key.len()..).is_some_and(|rest| rest.starts_with('=')) => at,
        _ => end,
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

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_hex_is_read_digit_by_digit() {
        let read = |text| unhex(text).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(read("2F62696E2F6C73202D6C").as_deref(), Some("/bin/ls -l"));
        assert_eq!(["2f", "2", "", "2G", "+1"].map(read), [const { None }; 5]);
    }

    #[test]
    fn records_behind_a_header_of_syslog_have_the_same_fields() {
        for (program, message) in [
            ("audispd", "node=h1 type=USER_AUTH msg=audit(1.5:7): pid=9 msg='acct=\"root\" addr=192.0.2.1 res=failed'"),
            ("audisp-syslog", "type=USER_AUTH msg=audit(1.5:7): pid=9 msg='acct=\"root\" addr=192.0.2.1 res=failed'"),
            ("audit", "USER_AUTH pid=9 uid=0 msg='acct=\"root\" addr=192.0.2.1 res=failed'"),
            ("kernel", "audit: type=USER_AUTH audit(1.5:7): pid=9 msg='acct=\"root\" addr=192.0.2.1 res=failed'"),
        ] {
            let record = payload(Some(program), message).unwrap_or_else(|| panic!("{message}")).record;
            let field = |name| record.field(name);
            assert_eq!((field("type"), field("acct"), field("res")), (Some("USER_AUTH"), Some("root"), Some("failed")));
            assert_eq!(record.message, message);
        }
        assert_eq!(payload(Some("app"), "USER_AUTH pid=9"), None);
        assert_eq!(payload(Some("kernel"), "usb 1-1: type=x"), None);
    }

    #[test]
    fn an_enriched_key_that_is_glued_to_a_value_is_a_key() {
        let line = "type=SOCKADDR msg=audit(1.5:7): saddr=0100SADDR={ saddr_fam=local x }";
        let record = read(line).unwrap().record;
        assert_eq!((record.field("saddr"), record.field("saddr_fam")), (Some("0100"), Some("local")));
        let line = "type=PATH msg=audit(1.5:7): name=\"/x\" ouid=0OUID=\"root\" OGID=\"root\"";
        let record = read(line).unwrap().record;
        assert_eq!(
            (record.field("ouid"), record.field("OUID"), record.field("OGID")),
            (Some("0"), Some("root"), Some("root"))
        );
    }
}
