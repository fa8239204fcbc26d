//! Asterisk. What a caller says of itself stands before the address (names) and after it (extensions, call ids).

use super::super::scan::{Address, agreed};
use crate::event::{Action, Record};

/// `TCP:[2001:db8::1]:5060`, at its longest.
const CALLER_BYTES_MAX: usize = 80;

/// False: not of Asterisk.
pub(super) fn describe(message: &str, record: &mut Record) -> bool {
    if message.contains("SecurityEvent=\"") {
        return security_event(message, record);
    }
    let rejected = message.contains("' rejected because extension not found in context");
    if message.contains("' failed for '") && (message.contains("Registration from '") || message.contains("Request ")) {
        record.says(Action::Login, Some(false));
        set(message, "' failed for '", record);
    } else if rejected {
        record.says(Action::Connection, Some(false));
        let call = message.match_indices('(').filter_map(|(at, _)| {
            let inner = message.get(at + 1..)?;
            let end = inner.bytes().take(CALLER_BYTES_MAX).position(|byte| byte == b')')?;
            let (inside, rest) = (inner.get(..end)?, inner.get(end + 1..)?);
            let inside = ["UDP:", "TCP:", "TLS:"].iter().find_map(|mark| inside.strip_prefix(mark)).unwrap_or(inside);
            rest.starts_with(" to extension '").then(|| Address::whole(inside))?
        });
        // `Call from 'name' (TCP:[192.0.2.1]:5060) to extension`.
        if let Some(address) = agreed(call) {
            record.set_source(address);
        }
    } else {
        return manager(message, record);
    }
    true
}

/// `NOTICE[12] manager.c: 192.0.2.1 failed to authenticate as 'admin'`.
fn manager(message: &str, record: &mut Record) -> bool {
    let is_level = ["NOTICE", "WARNING", "SECURITY", "ERROR"].iter().any(|level| message.starts_with(level));
    let Some((_, text)) = message.split_once(".c: ").filter(|(head, _)| is_level && head.len() < 64) else {
        return false;
    };
    let Some((address, _)) = Address::read(text) else { return false };
    record.set_source(address);
    record.says(Action::Login, text.contains("authenticate").then_some(false));
    true
}

fn set(message: &str, mark: &str, record: &mut Record) {
    let candidates = message.match_indices(mark).filter_map(|(at, _)| {
        let peer = message.get(at + mark.len()..)?.split('\'').next()?;
        Address::whole(peer).or_else(|| Address::with_port(peer))
    });
    if let Some(address) = agreed(candidates) {
        record.set_source(address);
    }
}

/// `SecurityEvent="InvalidPassword",…,RemoteAddress="IPV4/UDP/192.0.2.1/5060"`.
fn security_event(message: &str, record: &mut Record) -> bool {
    let Some((_, event)) = message.split_once("SecurityEvent=\"") else { return false };
    let kind = event.split('"').next().unwrap_or_default();
    let failed = ["Invalid", "Failed", "ChallengeResponseFailed", "UnexpectedAddress", "NotAllowed"]
        .iter()
        .any(|mark| kind.contains(mark));
    record.says(Action::Login, if failed { Some(false) } else { (kind == "SuccessfulAuth").then_some(true) });
    record.push("SecurityEvent", kind);
    let remote = event.match_indices("RemoteAddress=\"IPV").filter_map(|(at, _)| {
        let mut parts = event.get(at..)?.split('"').nth(1)?.split('/').skip(2);
        let address = Address::whole(parts.next()?)?;
        Some(Address { port: parts.next().and_then(|port| port.parse().ok()), ..address })
    });
    if let Some(address) = agreed(remote) {
        record.set_source(address);
    }
    if let Some((_, account)) = event.split_once("AccountID=\"") {
        record.set_user(account.split('"').next().unwrap_or_default());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_named_by_their_address_and_not_by_their_words() {
        for (message, source) in [
            (
                "NOTICE[1] chan_sip.c: Registration from '\"1\"<sip:1@203.0.113.6>' failed for '192.0.2.1:5060' - Wrong password",
                Some("192.0.2.1"),
            ),
            (
                "Call from 'a' (192.0.2.1:42) to extension '5' rejected because extension not found in context 'x'.",
                Some("192.0.2.1"),
            ),
            (
                "SecurityEvent=\"InvalidPassword\",AccountID=\"1\",RemoteAddress=\"IPV4/UDP/192.0.2.1/5060\"",
                Some("192.0.2.1"),
            ),
            ("Registration from 'x' failed for '203.0.113.6' failed for '192.0.2.1' - Wrong password", None),
        ] {
            let mut record = Record::default();
            assert!(describe(message, &mut record), "{message}");
            assert_eq!(record.entity.src_ip.as_deref(), source, "{message}");
            assert_eq!(record.outcome, Some(false), "{message}");
        }
    }
}
