//! Who a sentence names: an address counts only behind words that mark a source, and only if the message names no other.

use std::net::IpAddr;

use super::super::scan::{Address, between};
use crate::formats::duration;

/// Words before an address that make it the source.
const MARKS: &[&str] = &[
    "from",
    "client",
    "rhost",
    "rip",
    "ip",
    "addr",
    "address",
    "addresses",
    "host",
    "remote",
    "relay",
    "peer",
    "src",
    "by",
    "ban",
    "attacker",
    "found",
    "badlogin",
    "remote_addr",
    "remote_ip",
    "client_ip",
    "source",
    "oip",
    "clientip",
    "ipaddress",
    "ip_address",
    "remoteaddress",
];
/// Words whose address is our own side, though another mark may stand before them: `to address 192.0.2.1`.
const OWN: &[&str] = &["to", "on", "server", "dst", "lip", "local", "at", "listen", "for", "real", "forwarded"];

/// At the start of the message, behind nothing but groups in brackets: no client's words come before it.
fn leading(message: &str) -> Option<Address> {
    let mut rest = message.trim_start_matches([' ', '-', '|', ':']);
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

/// The one address of the message, if it leads the message or a mark stands before it. A second one, marked or not, may be the true source
/// of a line whose first was forged, or the other way round.
pub(super) fn source(message: &str) -> Option<Address> {
    let mut found = leading(message);
    let mut marked = found.is_some();
    let mut from = 0;
    while let Some((at, address, end)) = next_address(message, from) {
        if found.as_ref().is_some_and(|found| found.ip != address.ip) {
            return None;
        }
        let (target, rest) = flow(message.get(end..)?);
        // `name/192.0.2.1` is how some programs join what a client calls itself with its address.
        let joined = rest.strip_prefix('/').and_then(Address::read);
        if joined.is_some_and(|(other, _)| other.ip != address.ip) {
            return None;
        }
        let bracket = usize::from(message.as_bytes().get(at) == Some(&b'['));
        marked |= target || is_source(message.get(..at + bracket)?);
        found = found.or(Some(address));
        from = message.len() - rest.len();
    }
    found.filter(|found| marked && !joined(message).any(|other| other != found.ip))
}

/// Addresses behind a mark that joins them to what stands before, as in `/192.0.2.1` and `ipv4:192.0.2.1:25`: whatever the program calls them, it
/// names them. That of a URL is somebody's place.
fn joined(message: &str) -> impl Iterator<Item = IpAddr> {
    memchr::memchr2_iter(b'/', b':', message.as_bytes()).filter_map(move |at| {
        let (before, behind) = (message.get(..at)?, message.get(at + 1..)?);
        let may_be = behind.starts_with(|c: char| c.is_ascii_digit()) && !before.ends_with('/');
        let (address, _) = Address::read(behind).filter(|_| may_be)?;
        Some(address.ip).filter(IpAddr::is_ipv4)
    })
}

/// Where an address begins, it, and where it ends.
fn next_address(message: &str, from: usize) -> Option<(usize, Address, usize)> {
    let bytes = message.as_bytes();
    (from..bytes.len()).find_map(|at| {
        let byte = *bytes.get(at)?;
        let before = at.checked_sub(1).and_then(|before| bytes.get(before)).copied().unwrap_or(b' ');
        let joined = before.is_ascii_alphanumeric() || matches!(before, b'.' | b'-' | b'_' | b'@' | b':' | b'/');
        if joined || !(byte.is_ascii_hexdigit() || matches!(byte, b':' | b'[')) {
            return None;
        }
        let (address, rest) = Address::read(message.get(at..)?)?;
        Some((at, address, message.len() - rest.len()))
    })
}

/// `192.0.2.1:1->198.51.100.1:2`: behind the first address, whether a second one is its target, and what follows that.
fn flow(rest: &str) -> (bool, &str) {
    let target = rest.strip_prefix("->").or_else(|| rest.strip_prefix(" -> ")).and_then(Address::read);
    target.map_or((false, rest), |(_, rest)| (true, rest))
}

/// Without the host name of `from host.example.org [192.0.2.1]` and `host=peer (192.0.2.1)`.
fn without_name(before: &str) -> &str {
    let Some(name) = before.strip_suffix(['[', '(']).map(str::trim_end) else { return before };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let bare = name.trim_end_matches(is_name);
    if bare.len() < name.len() && bare.ends_with([' ', '=']) { bare } else { before }
}

fn is_source(before: &str) -> bool {
    is_marked(before) || is_marked(without_name(before))
}

fn is_marked(before: &str) -> bool {
    let family =
        ["[AF_INET]", "[AF_INET6]", "::ffff:", "ipv4:", "ipv6:"].iter().find_map(|family| before.strip_suffix(family));
    // `from [`, `client "`, `ip=`, `IP: `, `from=::ffff:`
    let trimmed = family.unwrap_or(before).trim_end_matches(['"', '\'', '`', '[', '(', '<', '=', ':', ' ', '\\']);
    let mut words = trimmed.rsplit(|c: char| !c.is_alphanumeric() && c != '_');
    let Some(word) = words.next() else { return false };
    let is = |list: &[&str], word: &str| list.iter().any(|mark| word.eq_ignore_ascii_case(mark));
    if !is(MARKS, word) {
        return false;
    }
    !words.next().is_some_and(|previous| is(OWN, previous))
}

/// A name in quotes, or the word behind one that says a name follows.
pub(super) fn user(message: &str) -> Option<&str> {
    const QUOTED: &[(&str, &str)] = &[
        ("user \"", "\""),
        ("user '", "'"),
        ("user `", "`"),
        ("user: \"", "\""),
        ("user=<", ">"),
        ("user [", "]"),
        ("username \"", "\""),
        ("username '", "'"),
        ("account \"", "\""),
        ("account '", "'"),
        ("for \"", "\""),
        ("for '", "'"),
        ("for [", "]"),
        ("as '", "'"),
    ];
    const BEFORE: &[&str] = &[
        "sername: ",
        "sername=",
        " user: ",
        "user=",
        "name=",
        "login=",
        " login:",
        "for user ",
        "from user ",
        "for account ",
        "for username ",
        "for login ",
        " user ",
        " for: ",
        " for ",
    ];
    let quoted = QUOTED.iter().find_map(|(open, close)| between(message, open, close));
    let word = |mark: &&str| {
        let (_, rest) = message.split_once(*mark).filter(|(_, rest)| !is_amount(rest))?;
        if let Some(quote) = rest.chars().next().filter(|first| matches!(first, '"' | '\'' | '`')) {
            return rest.get(1..)?.split(quote).next().filter(|name| !name.is_empty());
        }
        let word = rest.split([' ', ',', ';', '}']).next()?;
        Some(word.trim_end_matches(['.', ':', ']', ')', '>', '"', '\''])).filter(|word| !word.is_empty())
    };
    let name = quoted.or_else(|| BEFORE.iter().find_map(word))?;
    let is_address = Address::whole(name).is_some();
    let is_nobody = NO_NAME.iter().any(|word| name.eq_ignore_ascii_case(word)) || name.starts_with('(');
    (name.len() <= 256 && !is_nobody && !is_address).then_some(name)
}

/// What stands behind `for` and `user` in sentences that name nobody.
const NO_NAME: &[&str] = &[
    "user",
    "the",
    "a",
    "an",
    "this",
    "that",
    "all",
    "any",
    "more",
    "not",
    "from",
    "unknown",
    "invalid",
    "has",
    "is",
    "with",
    "does",
    "name",
    "and",
    "agent",
    "account",
    "address",
    "client",
    "connection",
    "device",
    "domain",
    "host",
    "ip",
    "peer",
    "port",
    "realm",
    "request",
    "service",
    "session",
];

/// What is counted in such sentences, beside time.
const COUNTED: &[&str] = &["time", "attempt", "try", "tries", "retries", "failure", "login", "request", "connection"];

/// How long or how often: `300 seconds`, `5m`, `3 times`. A number alone may be a name, as extensions of telephones are.
fn is_amount(text: &str) -> bool {
    let Some((amount, rest)) = duration(text).and_then(|length| text.split_at_checked(length)) else { return false };
    let word = rest.strip_prefix(' ').and_then(|rest| rest.split(|c: char| !c.is_ascii_alphabetic()).next());
    let is_counted = |word: &str| COUNTED.iter().any(|it| word == *it || word.strip_suffix('s') == Some(*it));
    let is_time = amount.contains(|c: char| c.is_ascii_alphabetic() || c == ':');
    let behind = rest.strip_prefix(['.', '-']).unwrap_or(rest);
    let is_whole = !behind.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '@'));
    is_whole && (is_time || word.is_some_and(is_counted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(message: &str) -> Option<String> {
        source(message).map(|address| address.ip.to_string())
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
            "login at http://198.51.100.1/x failed for eve from 192.0.2.1",
            "TLS Error: cannot locate HMAC in incoming packet from [AF_INET]192.0.2.1:5000",
        ] {
            assert_eq!(found(message).as_deref(), Some("192.0.2.1"), "{message}");
        }
    }

    #[test]
    fn how_long_how_often_and_where_are_no_users() {
        for (message, expected) in [
            ("login failed too often: blocking for 300 seconds", None),
            ("login failed, locked for 5m", None),
            ("login failed, waiting for 1.5 minutes", None),
            ("authentication failed for 3 times", None),
            ("authentication failed for 2 attempts", None),
            ("login failed for 192.0.2.1", None),
            ("login failed for [2001:db8::1]:22", None),
            ("authentication failed for host peer.example.net", None),
            ("authentication failed for account eve", Some("eve")),
            ("authentication failed for UNKNOWN USER", None),
            ("Invalid password for user \"eve x\"", Some("eve x")),
            ("Basic auth failed for: eve", Some("eve")),
            ("closing because: no such user (age=0s)", None),
            ("pam_unix(login:auth): authentication failure", None),
            ("login failed for 1001", Some("1001")),
            ("login failed for 1001 from 192.0.2.1", Some("1001")),
            ("login failed; try again in a while, locked for 300s.", None),
            ("login failed for 300sean", Some("300sean")),
            ("login failed for 5minutes.example", Some("5minutes.example")),
        ] {
            assert_eq!(user(message), expected, "{message}");
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
            "login success for mallory from 203.0.113.66/192.0.2.1:54321 AUTH: done",
            "login of x from 203.0.113.66 failed, remote host [ipv4:192.0.2.1:4242]",
            "Failed authentication with /192.0.2.1 (x from 203.0.113.66)",
        ] {
            assert_eq!(found(message), None, "{message}");
        }
    }
}
