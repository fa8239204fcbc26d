//! Exim. A client writes its HELO name, into parentheses, its commands, into quotes, and mail addresses.

use super::super::scan::{Address, agreed, between};
use crate::event::{Action, Record};

/// `login authenticator failed for host (helo) [192.0.2.1]:42 I=[198.51.100.1]:25: 535 … (set_id=eve)`,
/// `H=host (helo) [192.0.2.1] F=<a@example.org> rejected RCPT <b@example.org>: …`. False: not of Exim.
pub(super) fn describe(message: &str, record: &mut Record) -> bool {
    let text = without_ids(message);
    if let Some((method, rest)) =
        text.split_once(" authenticator failed for ").filter(|(method, _)| !method.contains(' '))
    {
        record.says(Action::Login, Some(false));
        record.push("method", method);
        let peer = rest.split_once(": 5").map_or(rest, |(peer, _)| peer);
        set(peer, record);
        record.set_user(between(rest, "(set_id=", ")").unwrap_or_default());
        return true;
    }
    if let Some((_, rest)) = text.split_once("SMTP protocol error in \"") {
        record.says(Action::Connection, Some(false));
        // The command comes first; what follows it is Exim's.
        if let Some((_, peer)) = rest.rsplit_once("\" H=") {
            set(peer, record);
        }
        return true;
    }
    const BEFORE_PEER: &[&str] = &["SMTP call from ", "no MAIL in SMTP connection from ", "SMTP connection from "];
    if let Some(peer) = BEFORE_PEER.iter().find_map(|mark| text.strip_prefix(mark)) {
        record
            .says(Action::Connection, (peer.contains("dropped:") || peer.contains(" closed by DROP")).then_some(false));
        set(peer.split(" dropped: ").next().unwrap_or(peer), record);
        return true;
    }
    let has_host = text.starts_with("H=")
        || (text.starts_with("F=") && text.contains(" H="))
        || (text.starts_with("SA: Action: ") && text.contains(" (host="))
        || (text.starts_with("SMTP protocol synchronization error") && text.contains(" H="));
    let refused =
        ["rejected ", "sender verify fail for ", " dropped by ", "SA: Action: ", "SMTP protocol synchronization error"];
    if has_host && refused.iter().any(|mark| text.contains(mark)) {
        record.says(Action::Connection, Some(false));
        set(text, record);
        return true;
    }
    false
}

/// Process id and message id come before the text: `[12] 1akDqs-0005aQ-9b `.
fn without_ids(message: &str) -> &str {
    let text = match message.strip_prefix('[').and_then(|inner| inner.split_once("] ")) {
        Some((digits, rest)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => message,
    };
    match text.split_once(' ') {
        Some((id, rest)) if id.len() >= 16 && id.matches('-').count() == 2 && !id.contains(['=', '.']) => rest,
        _ => text,
    }
}

/// The one address in brackets that is neither our own (`I=[…]`) nor a HELO (`([…])`).
fn set(text: &str, record: &mut Record) {
    let candidates = text.match_indices('[').filter_map(|(at, _)| {
        let before = text.get(..at)?;
        let free = before.is_empty() || before.ends_with(' ') || (before.ends_with("H=") && !before.ends_with(" I="));
        if free { Some(Address::read(text.get(at..)?)?.0) } else { None }
    });
    if let Some(address) = agreed(candidates) {
        record.set_source(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_helo_nor_own_address_nor_command_is_the_source() {
        for message in [
            "login authenticator failed for host ([203.0.113.6]) [192.0.2.1]:42 I=[198.51.100.1]:25: 535 Incorrect (set_id=x [203.0.113.6])",
            "[7] SMTP protocol error in \"AUTH\" H=(x) [203.0.113.6]\" H=(y) [192.0.2.1] AUTH command used when not advertised",
            "1akDqs-0005aQ-9b H=host [192.0.2.1]:42 I=[198.51.100.1]:25 F=<a@b> rejected RCPT <c@d>: relay not permitted",
            "SMTP call from host [192.0.2.1] dropped: too many syntax errors (last command was \"x [203.0.113.6]\")",
        ] {
            let mut record = Record::default();
            assert!(describe(message, &mut record), "{message}");
            assert_eq!(record.entity.src_ip.as_deref(), Some("192.0.2.1"), "{message}");
            assert_eq!(record.outcome, Some(false), "{message}");
        }
    }
}
