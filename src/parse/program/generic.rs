//! Programs without an extractor of their own: an address counts only behind words that mark a source, and only if all
//! such places of the message agree.

use super::super::scan::{Address, agreed, between};
use super::super::{Action, Record};
use super::verdict::verdict;

/// Words before an address that make it the source.
const MARKS: &[&str] = &[
    "from",
    "client",
    "rhost",
    "rip",
    "ip",
    "addr",
    "address",
    "host",
    "remote",
    "relay",
    "peer",
    "src",
    "by",
    "ban",
    "attacker",
    "found",
    "remote_addr",
    "remote_ip",
    "client_ip",
    "source",
    "oip",
    "clientip",
    "ipaddress",
];
/// Words whose address is our own side, though another mark may stand before them: `to address 192.0.2.1`.
const OWN: &[&str] = &["to", "on", "server", "dst", "lip", "local", "at", "listen", "for"];

pub(super) fn describe(message: &str, record: &mut Record) -> bool {
    if let Some((action, outcome)) = verdict(message)
        && record.action == Action::Other
    {
        record.action = action;
        record.outcome = record.outcome.or(outcome);
    }
    if record.entity.src_ip.is_none()
        && let Some(address) = leading(message).or_else(|| agreed(marked(message)))
    {
        record.set_source(address);
    }
    if record.action == Action::Login {
        record.set_user(user(message).unwrap_or_default());
    }
    true
}

/// At the start of the message, behind nothing but groups in brackets: no client's words come before it.
fn leading(message: &str) -> Option<Address> {
    let mut rest = message.trim_start();
    loop {
        let bare = rest.trim_start_matches(['(', '\'', '"', '[']);
        if let Some((address, _)) = Address::read(rest).or_else(|| Address::read(bare)) {
            return Some(address);
        }
        let (group, after) = rest.strip_prefix('[')?.split_once(']')?;
        if group.len() > 40 {
            return None;
        }
        rest = after.trim_start_matches([' ', ':', '-', '|']);
    }
}

/// Every address that a mark stands before.
fn marked(message: &str) -> impl Iterator<Item = Address> {
    let bytes = message.as_bytes();
    let mut skip = 0;
    (0..bytes.len()).filter_map(move |at| {
        let byte = *bytes.get(at)?;
        let before = at.checked_sub(1).and_then(|before| bytes.get(before)).copied().unwrap_or(b' ');
        let starts = byte.is_ascii_hexdigit() || byte == b':';
        if at < skip
            || !starts
            || before.is_ascii_alphanumeric()
            || matches!(before, b'.' | b'-' | b'_' | b'@' | b':' | b'/')
        {
            return None;
        }
        let (address, rest) = Address::read(message.get(at..)?)?;
        skip = message.len() - rest.len();
        is_source(message.get(..at)?).then_some(address)
    })
}

fn is_source(before: &str) -> bool {
    // `from [`, `client "`, `ip=`, `IP: `, `from=::ffff:`
    let trimmed = before.trim_end_matches(['"', '\'', '[', '(', '<', '=', ':', ' ', '\\']);
    let trimmed =
        ["AF_INET", "AF_INET6", "::ffff"].iter().find_map(|family| trimmed.strip_suffix(family)).unwrap_or(trimmed);
    let trimmed = trimmed.trim_end_matches([']', '[', '=', ':', ' ', '"', '\'']);
    let mut words = trimmed.rsplit(|c: char| !c.is_alphanumeric() && c != '_');
    let Some(word) = words.next() else { return false };
    let is = |list: &[&str], word: &str| list.iter().any(|mark| word.eq_ignore_ascii_case(mark));
    if !is(MARKS, word) {
        return false;
    }
    !words.next().is_some_and(|previous| is(OWN, previous))
}

/// A name in quotes or brackets behind `user`, or the word between `for` and `from`.
fn user(message: &str) -> Option<&str> {
    const QUOTED: &[(&str, &str)] = &[
        ("user \"", "\""),
        ("user '", "'"),
        ("user: \"", "\""),
        ("user=<", ">"),
        ("user [", "]"),
        ("username \"", "\""),
        ("username '", "'"),
        ("account \"", "\""),
        ("account '", "'"),
        ("for user \"", "\""),
        ("Username: ", "."),
        ("username=", ","),
        ("user: ", " "),
        ("user=", ","),
        ("name=", ";"),
        ("username: ", ","),
        ("login=", ","),
        ("for \"", "\""),
        ("for '", "'"),
        ("as '", "'"),
    ];
    if let Some(name) = QUOTED.iter().find_map(|(open, close)| between(message, open, close)) {
        return Some(name).filter(|name| name.len() <= 256);
    }
    let (_, rest) = message.split_once(" for ").or_else(|| message.split_once(" user "))?;
    rest.rsplit_once(" from ").map(|(name, _)| name).filter(|name| !name.contains(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> Record {
        let mut record = Record::default();
        describe(message, &mut record);
        record
    }

    #[test]
    fn a_marked_address_is_the_source() {
        for message in [
            "Bad password attempt for 'root' from 192.0.2.1:4242",
            "LOGIN FAILED for user: \"x\" from IP: 192.0.2.1",
            "Failed Login: username=admin ip=192.0.2.1",
            "authentication failed; client \"192.0.2.1\", port 5",
            "START: ftp address from=::ffff:192.0.2.1",
            "192.0.2.1:5000 TLS Error: TLS handshake failed",
            "[WEB] [192.0.2.1] Authentication failed for 'admin'",
            "Can't find user [1001@198.51.100.1] from 192.0.2.1",
            "TLS Error: cannot locate HMAC in incoming packet from [AF_INET]192.0.2.1:5000",
        ] {
            assert_eq!(told(message).entity.src_ip.as_deref(), Some("192.0.2.1"), "{message}");
        }
    }

    #[test]
    fn an_unmarked_or_disputed_address_is_not() {
        for message in [
            "login failed for 192.0.2.1",
            "listening on 192.0.2.1:80",
            "upgraded to version 10.0.0.1",
            "sent to address 192.0.2.1",
            "login failed for admin from 198.51.100.6 from 192.0.2.1",
            "target 192.0.2.0/24 scanned",
        ] {
            assert_eq!(told(message).entity.src_ip, None, "{message}");
        }
    }
}
