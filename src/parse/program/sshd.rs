//! OpenSSH's server. User names come from the client and stand before the address: it is read from the end.

use super::super::scan::{Address, between};
use super::pam;
use crate::event::{Action, Record};

pub(super) fn describe(message: &str, record: &mut Record) -> bool {
    let text =
        ["error: ", "fatal: ", "PAM: "].iter().fold(message, |text, mark| text.strip_prefix(mark).unwrap_or(text));
    let text = text.trim_end();
    let text = text.strip_suffix("[preauth]").unwrap_or(text).trim_end();
    if text.starts_with("PAM ") {
        return pam::conversation(text, record);
    }
    let before_login = message.ends_with("[preauth]");
    proof(text, record)
        || refused(text, record)
        || ended(text, before_login, record)
        || connection(text, record)
        || session(text, record)
}

/// `Failed password for [invalid user ]NAME from ADDRESS port N ssh2[: details]`, and `Accepted …`.
fn proof(text: &str, record: &mut Record) -> bool {
    let (outcome, rest) = match text.split_once(' ') {
        Some(("Accepted", rest)) => (Some(true), rest),
        Some(("Failed", rest)) => (Some(false), rest),
        Some(("Postponed" | "Partial", rest)) => (None, rest),
        _ => return false,
    };
    let Some((method, rest)) = rest.split_once(" for ").filter(|(method, _)| !method.contains(' ')) else {
        return false;
    };
    record.push("method", method);
    record.says(Action::Login, outcome);
    let rest = rest.strip_prefix("invalid user ").or_else(|| rest.strip_prefix("illegal user ")).unwrap_or(rest);
    // What follows `ssh2: ` may be the client's as well as what stands before ` from `: all readings must agree.
    let details = rest.match_indices(" ssh").filter_map(|(at, _)| {
        let (protocol, _) = rest.get(at..)?.split_at_checked(5)?;
        rest.get(at + protocol.len()..)?.strip_prefix(": ")?;
        Tail::read(rest.get(..at)?)
    });
    let readings: Vec<Tail> = Tail::read(rest).into_iter().chain(details).filter(|tail| tail.user.is_some()).collect();
    let ported = readings.iter().any(|tail| tail.port.is_some());
    let mut likely = readings.iter().filter(|tail| tail.port.is_some() || !ported);
    if let Some(first) = likely.next()
        && likely.all(|other| other.peer == first.peer)
    {
        first.fill(record);
    }
    true
}

/// Refusals that end in the address.
fn refused(text: &str, record: &mut Record) -> bool {
    const BEFORE_NAME: &[&str] = &[
        "Invalid user ",
        "Illegal user ",
        "Authentication failure for ",
        "authentication failure for ",
        "Authentication error for ",
        "authentication error for ",
        "User not known to the underlying authentication module for ",
        "maximum authentication attempts exceeded for ",
        "ROOT LOGIN REFUSED ",
        "Login from ",
    ];
    if let Some(rest) = BEFORE_NAME.iter().find_map(|mark| text.strip_prefix(mark)) {
        record.says(Action::Login, Some(false));
        let rest = ["illegal user ", "invalid user "].iter().find_map(|mark| rest.strip_prefix(mark)).unwrap_or(rest);
        let rest = without_via(rest);
        if let Some(tail) = Tail::read(rest) {
            tail.fill(record);
        }
        return true;
    }
    if let Some((before, _)) = text.strip_prefix("User ").and_then(|rest| rest.rsplit_once(" not allowed because ")) {
        record.says(Action::Login, Some(false));
        match Tail::read(before) {
            Some(tail) if tail.user.is_some() => tail.fill(record),
            _ => record.set_user(before),
        }
        return true;
    }
    if let Some(rest) = text.strip_prefix("refused connect from ") {
        record.says(Action::Connection, Some(false));
        if let Some((_, address)) = rest.rsplit_once('(') {
            set(record, address.trim_end_matches(')'));
        }
        return true;
    }
    false
}

/// `… via ADDRESS` names our own side.
fn without_via(text: &str) -> &str {
    match text.rsplit_once(" via ") {
        Some((before, own)) if Address::whole(own).is_some() => before,
        _ => text,
    }
}

/// `Connection closed by authenticating user NAME ADDRESS port N`, and what else ends a connection.
fn ended(text: &str, before_login: bool, record: &mut Record) -> bool {
    const ENDS: &[&str] = &["Connection closed by ", "Connection reset by ", "Disconnected from ", "Disconnecting "];
    if let Some(rest) = ENDS.iter().find_map(|mark| text.strip_prefix(mark)) {
        let named = [("invalid user ", true), ("authenticating user ", true), ("user ", false)];
        let (rest, failed, has_name) = named
            .iter()
            .find_map(|(mark, failed)| Some((rest.strip_prefix(mark)?, *failed, true)))
            .unwrap_or((rest, false, false));
        let (action, outcome) = match (has_name, failed) {
            (true, false) => (Action::Logout, None),
            _ if rest.ends_with(": Too many authentication failures") => (Action::Login, Some(false)),
            _ => (Action::Connection, (failed || before_login).then_some(false)),
        };
        record.says(action, outcome);
        // `Disconnecting … ADDRESS port N: reason`, where the reason may repeat what the client said.
        let tail = if text.starts_with("Disconnecting ") { Tail::before_reason(rest) } else { Tail::read(rest) };
        if let Some(tail) = tail {
            Tail { user: tail.user.or(tail.before.filter(|_| has_name)), ..tail }.fill(record);
        }
        return true;
    }
    if let Some(rest) = text.strip_prefix("Disconnecting: Too many authentication failures") {
        record.says(Action::Login, Some(false));
        record.set_user(rest.strip_prefix(" for ").unwrap_or_default());
        return true;
    }
    if let Some(rest) = text.strip_prefix("Received disconnect from ") {
        let failed = rest.contains("Auth fail") || rest.contains("authentication methods available");
        let outcome = (failed || before_login).then_some(false);
        record.says(if failed { Action::Login } else { Action::Connection }, outcome);
        set(record, rest);
        return true;
    }
    false
}

/// Messages that begin with fixed words and then the address.
fn connection(text: &str, record: &mut Record) -> bool {
    const FAILED: &[&str] = &[
        "Unable to negotiate with ",
        "banner exchange: Connection from ",
        "ssh_dispatch_run_fatal: Connection from ",
        "Timeout before authentication for connection from ",
        "Timeout before authentication for ",
        "Bad packet length from ",
    ];
    if let Some(rest) = FAILED.iter().find_map(|mark| text.strip_prefix(mark)) {
        record.says(Action::Connection, Some(false));
        set(record, rest);
        return true;
    }
    if text.starts_with("Did not receive identification string from ")
        || text.starts_with("Bad protocol version identification ")
    {
        record.says(Action::Connection, Some(false));
        if let Some(tail) = Tail::read(text) {
            Tail { user: None, ..tail }.fill(record);
        }
        return true;
    }
    if let Some(rest) = text.strip_prefix("Connection from ") {
        record.says(Action::Connection, Some(true));
        set(record, rest);
        if let Some((address, port)) = rest.split_once(" on ").and_then(|(_, own)| own.split_once(" port ")) {
            record.entity.dst_ip = Address::whole(address).map(|address| address.ip.to_string());
            record.entity.dst_port = port.split(' ').next().and_then(|port| port.parse().ok());
        }
        return true;
    }
    if text.starts_with("drop connection #") || text.starts_with("beginning MaxStartups throttling") {
        record.says(Action::Connection, Some(false));
        if let Some((_, rest)) = text.split_once(" from ") {
            set(record, rest);
        }
        return true;
    }
    if let Some(rest) = text.strip_prefix("Address ").filter(|rest| rest.contains(" maps to ")) {
        record.says(Action::Connection, None);
        set(record, rest);
        return true;
    }
    if text.starts_with("reverse mapping checking getaddrinfo for ") {
        record.says(Action::Connection, None);
        if let Some((_, rest)) = text.rsplit_once(" [") {
            set(record, rest.split(']').next().unwrap_or_default());
        }
        return true;
    }
    text.starts_with("Server listening on ") || text.starts_with("kex_exchange_identification: ")
}

fn session(text: &str, record: &mut Record) -> bool {
    if let Some(rest) = text.strip_prefix("Starting session: ") {
        record.says(Action::Other, None);
        if let Some((before, _)) = rest.rsplit_once(" id ")
            && let Some(tail) = Tail::read(before)
        {
            Tail { user: tail.user.and_then(|user| user.rsplit(" for ").next()), ..tail }.fill(record);
        }
        return true;
    }
    if text.starts_with("input_userauth_request: invalid user ") {
        record.says(Action::Login, Some(false));
        record.set_user(text.strip_prefix("input_userauth_request: invalid user ").unwrap_or_default());
        return true;
    }
    if text.starts_with("User ") && text.contains(" not allowed because ") {
        record.says(Action::Login, Some(false));
        record.set_user(between(text, "User ", " not allowed").unwrap_or_default());
        return true;
    }
    false
}

/// An address right at the start, with ` port N` after it.
fn set(record: &mut Record, text: &str) {
    if let Some((address, rest)) = Address::read(text) {
        record.set_source(address);
        let port = rest.strip_prefix(" port ").and_then(|rest| rest.split([' ', ':', ',']).next());
        record.src_port = record.src_port.or_else(|| port?.parse().ok());
    }
}

/// The end of a message: `… [from ]PEER[ port N][ ssh2]`. The peer may be a host name.
struct Tail<'a> {
    /// What stands before ` from `.
    user: Option<&'a str>,
    /// What stands before the peer where there is no ` from `.
    before: Option<&'a str>,
    peer: &'a str,
    port: Option<u16>,
}

impl<'a> Tail<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let text = text.trim_end();
        let text = text.strip_suffix(" ssh2").or_else(|| text.strip_suffix(" ssh1")).unwrap_or(text);
        let ported = text.rsplit_once(' ').and_then(|(head, digits)| {
            let before = head.strip_suffix(" port")?;
            Some((before, Some(digits.parse().ok()?)))
        });
        let (text, port) = ported.unwrap_or((text, None));
        let (before, peer) = text.rsplit_once(' ').unwrap_or(("", text));
        let user = before.strip_suffix(" from").or_else(|| before.strip_suffix("from").filter(|user| user.is_empty()));
        let before = user.is_none().then_some(before);
        (!peer.is_empty()).then_some(Self { user, before, peer, port })
    }

    /// Before `: reason`, where only one place fits.
    fn before_reason(text: &'a str) -> Option<Self> {
        let mut fits = text.match_indices(": ").filter_map(|(at, _)| {
            let tail = Self::read(text.get(..at)?)?;
            (tail.port.is_some() && Address::whole(tail.peer).is_some()).then_some(tail)
        });
        let first = fits.next()?;
        fits.next().is_none().then_some(first)
    }

    fn fill(&self, record: &mut Record) {
        if let Some(user) = self.user {
            record.set_user(user);
        }
        match Address::whole(self.peer) {
            Some(address) => {
                record.set_source(address);
                record.src_port = record.src_port.or(self.port);
            }
            // With UseDNS the peer is a name, which only its owner's DNS vouches for.
            None => record.push("rhost", self.peer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> (Option<String>, Option<String>, Action, Option<bool>) {
        let mut record = Record::default();
        describe(message, &mut record);
        (record.entity.user, record.entity.src_ip, record.action, record.outcome)
    }

    fn source(message: &str) -> Option<String> {
        told(message).1
    }

    #[test]
    fn logins_name_user_source_and_outcome() {
        let login =
            |user: &str, ip: &str, outcome| (Some(user.to_owned()), Some(ip.to_owned()), Action::Login, outcome);
        assert_eq!(
            told("Failed password for root from 192.0.2.1 port 22 ssh2"),
            login("root", "192.0.2.1", Some(false))
        );
        assert_eq!(
            told("Accepted publickey for git from 2001:db8::1 port 9 ssh2: ED25519 SHA256:abc"),
            login("git", "2001:db8::1", Some(true))
        );
        assert_eq!(told("Invalid user oracle from 192.0.2.1 port 22"), login("oracle", "192.0.2.1", Some(false)));
        assert_eq!(
            told("error: PAM: Authentication failure for eve from 192.0.2.1 via 198.51.100.2"),
            login("eve", "192.0.2.1", Some(false))
        );
        assert_eq!(
            told("User bob from 192.0.2.1 not allowed because not listed in AllowUsers"),
            login("bob", "192.0.2.1", Some(false))
        );
    }

    #[test]
    fn an_address_in_a_user_name_is_never_the_source() {
        for message in [
            "Invalid user root from 198.51.100.6 from 192.0.2.1 port 22",
            "Invalid user root from 198.51.100.6 port 22 from 192.0.2.1",
            "Failed password for invalid user a from 198.51.100.6 port 5 ssh2 from 192.0.2.1 port 22 ssh2",
            "Failed none for invalid user from 198.51.100.6 from 192.0.2.1 port 22 ssh2",
            "Connection closed by authenticating user a 198.51.100.6 port 5 192.0.2.1 port 22 [preauth]",
            "Disconnected from invalid user a 198.51.100.6 192.0.2.1 port 22 [preauth]",
            "User a from 198.51.100.6 not allowed because b from 192.0.2.1 not allowed because not listed in AllowUsers",
            "Bad protocol version identification 'x' from 198.51.100.6 port 1' from 192.0.2.1 port 22",
            "refused connect from x_(198.51.100.6)@192.0.2.1 (192.0.2.1)",
            "Received disconnect from 192.0.2.1 port 22:11: Bye from 198.51.100.6 port 9",
            "error: maximum authentication attempts exceeded for a from 198.51.100.6 port 5 ssh2 from 192.0.2.1 port 22 ssh2 [preauth]",
        ] {
            assert_eq!(source(message).as_deref(), Some("192.0.2.1"), "{message}");
        }
    }

    #[test]
    fn where_two_readings_are_possible_there_is_no_source() {
        for message in [
            "Failed password for invalid user a from 198.51.100.6 port 5 ssh2: b from 192.0.2.1 port 22 ssh2",
            "Disconnecting invalid user a 198.51.100.6 port 5: x 192.0.2.1 port 22: Too many authentication failures",
        ] {
            assert_eq!(source(message), None, "{message}");
        }
    }

    #[test]
    fn what_a_client_says_on_leaving_changes_nothing() {
        let told = told("Received disconnect from 192.0.2.1 port 22:11: disconnected by user");
        assert_eq!((told.1.as_deref(), told.2), (Some("192.0.2.1"), Action::Connection));
    }
}
