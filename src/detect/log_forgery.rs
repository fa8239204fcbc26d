//! Log lines that carry more than their program wrote: a second line inside, a forged address, characters that drive a
//! terminal, a program under a false name.

use std::net::IpAddr;
use std::sync::LazyLock;

use memchr::{memchr2, memchr3, memmem};
use regex::Regex;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forgery {
    /// Another log line stands inside the message or a name in it.
    EmbeddedLine,
    /// A name or text that the other side chose contains a second source address.
    Address,
    /// Characters that move the cursor, set the title, or reorder what is shown.
    TerminalControl,
    /// The journal knows that another program wrote it.
    Program,
}

/// What is forged, and the part of the line that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forged {
    pub kind: Forgery,
    pub evidence: String,
}

/// Programs whose messages quote what a stranger, who is not logged in, has sent.
const AUTHENTICATORS: &[&str] = &[
    "sshd",
    "sshd-session",
    "sshd-auth",
    "dropbear",
    "login",
    "su",
    "sudo",
    "vsftpd",
    "proftpd",
    "pure-ftpd",
    "dovecot",
    "auth",
    "xrdp",
    "gdm-password",
    "roundcube",
    "asterisk",
    "openvpn",
    "cockpit-session",
    "polkitd",
];

const MONTH: &str = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";

/// Of ASCII and with as few counted repetitions as it can: with the classes of Unicode the automaton outgrows its cache, and
/// the search falls back to one that is fifty times slower.
static HEADER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let program = r"[A-Za-z_][A-Za-z0-9_./-]*(?:\[[0-9]{1,8}\])?: ";
    let time = "[0-9]{2}:[0-9]{2}:[0-9]{2}";
    let date = "[0-9]{4}-[0-9]{2}-[0-9]{2}";
    let rfc3164 = format!("{MONTH} {{1,2}}[0-9]{{1,2}} {time} [^ ]+ {program}");
    let rfc3339 = format!("{date}T{time}[0-9.,:Z+-]* [^ ]+ {program}");
    let spaced = format!(r"{date} {time}[0-9.,:Z+-]* [^ ]+ [A-Za-z_][A-Za-z0-9_./-]*\[[0-9]{{1,8}}\]: ");
    let privileged = r"(?-u:\b)(?:sshd(?:-session)?|sudo|su|login|CRON|systemd|kernel|auditd|polkitd)\[[0-9]{1,8}\]: ";
    let audit = r"(?-u:\b)type=[A-Z_]{3,30} msg=audit\([0-9]+\.[0-9]+:[0-9]+\)";
    Regex::new(&format!("(?:<[0-9]{{1,3}}>1? ?)?(?:{rfc3164}|{rfc3339}|{spaced}|{privileged}|{audit})")).ok()
});

/// A control sequence other than a change of colour, as the byte itself or as syslog daemons write it.
static TERMINAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?:\x1b|#033|\\x1[bB]|\\u001[bB]|\\033|\\e)(?:\[[0-9;?]*[@A-HJKLMPSTXdfhlnrsu]|\][0-9]+;|[P^_c78])|\u{9b}[0-9;?]*[@A-HJKLMPSTXdfhlnrsu]|[\u{202a}-\u{202e}\u{2066}-\u{2069}]").ok()
});

static NEWLINE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\n|\r|#012|#015|\\n|\\r|\\x0[aAdD]").ok());

/// ` from ` and an address, or a key that holds the remote address.
static SOURCE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:\bfrom |\brhost=|\brip=)\[?([0-9A-Fa-f:.]{2,45})").ok());

static AUTHENTICATION_FAILURE: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new("authentication failure;"));

/// What stands before every address that [`SOURCE`] finds.
static BEFORE_SOURCE: LazyLock<[memmem::Finder<'static>; 3]> =
    LazyLock::new(|| ["from ", "rhost=", "rip="].map(memmem::Finder::new));

/// Where sshd puts a name straight before the address.
static NAME_THEN_ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?:Connection (?:closed|reset) by|Disconnected from) (?:authenticating|invalid) user (.*) ([0-9A-Fa-f:.]{2,45}) port \d+").ok()
});

/// Everything that is forged in one message. `program` and `user` are what the line's parser found.
pub fn inspect(program: Option<&str>, user: Option<&str>, message: &str) -> Vec<Forged> {
    let mut found = Vec::new();
    let mut add = |kind, evidence: &str| found.push(Forged { kind, evidence: evidence.to_owned() });
    if let Some(evidence) = embedded_line(user, message) {
        add(Forgery::EmbeddedLine, evidence);
    }
    if let Some(evidence) = forged_address(program, user, message) {
        add(Forgery::Address, evidence);
    }
    if may_control(message)
        && let Some(found) = TERMINAL.as_ref().and_then(|terminal| terminal.find(message))
    {
        add(Forgery::TerminalControl, found.as_str());
    }
    found
}

fn embedded_line<'a>(user: Option<&'a str>, message: &'a str) -> Option<&'a str> {
    if let Some(user) = user
        && user.bytes().any(|byte| matches!(byte, b'\n' | b'\r' | b'#' | b'\\'))
        && NEWLINE.as_ref().is_some_and(|newline| newline.is_match(user))
    {
        return Some(user);
    }
    if !may_have_header(message) {
        return None;
    }
    // At the start, or behind no more than a host name, it is the header of a relayed line.
    let relayed = |start: usize| message.get(..start).is_none_or(|before| before.split_whitespace().count() < 2);
    let mut headers = HEADER.as_ref()?.find_iter(message);
    let first = headers.next()?;
    if !relayed(first.start()) {
        return Some(first.as_str());
    }
    // Who forwards audit records may join those of one event into one line.
    let joined = audit_event(first.as_str());
    headers
        .find(|header| !relayed(header.start()) && (joined.is_none() || audit_event(header.as_str()) != joined))
        .map(|header| header.as_str())
}

/// Time and serial of the event that the header of an audit record names.
fn audit_event(header: &str) -> Option<&str> {
    header.split_once(" msg=audit(").map(|(_, event)| event)
}

fn forged_address<'a>(program: Option<&str>, user: Option<&'a str>, message: &'a str) -> Option<&'a str> {
    if let Some(user) = user
        && user.bytes().any(|byte| matches!(byte, b'=' | b' '))
        && (user.contains("rhost=") || user.contains("rip=") || (user.contains(' ') && has_address(user)))
    {
        return Some(user);
    }
    let authenticates = program.is_some_and(|program| AUTHENTICATORS.contains(&program));
    if !authenticates && AUTHENTICATION_FAILURE.find(message.as_bytes()).is_none() {
        return None;
    }
    if message.starts_with(['C', 'D'])
        && let Some(name) = NAME_THEN_ADDRESS.as_ref()?.captures(message).and_then(|captures| captures.get(1))
        && has_address(name.as_str())
    {
        return Some(name.as_str());
    }
    // Of one there is no second.
    let may_be_sources = BEFORE_SOURCE.iter().map(|text| text.find_iter(message.as_bytes()).take(2).count());
    if may_be_sources.sum::<usize>() < 2 {
        return None;
    }
    let mut sources = SOURCE.as_ref()?.captures_iter(message).filter_map(|captures| captures.get(1));
    sources.by_ref().find(|source| is_address(source.as_str()))?;
    sources.find(|source| is_address(source.as_str())).map(|source| source.as_str())
}

/// Whether there is a colon as every header has one: in a time of day or a serial, or behind the pid of a program.
fn may_have_header(message: &str) -> bool {
    let bytes = message.as_bytes();
    let before = |at: usize| at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or_default();
    let after = |at: usize| bytes.get(at + 1).copied().unwrap_or_default();
    let mut colons = memchr::memchr_iter(b':', bytes);
    colons.any(|at| before(at) == b']' || (before(at).is_ascii_digit() && after(at).is_ascii_digit()))
}

/// Whether one of the bytes with which [`TERMINAL`] begins is there.
fn may_control(message: &str) -> bool {
    let bytes = message.as_bytes();
    memchr3(0x1b, b'#', b'\\', bytes).is_some() || memchr2(0xc2, 0xe2, bytes).is_some()
}

fn has_address(text: &str) -> bool {
    text.split(|character: char| !(character.is_ascii_hexdigit() || matches!(character, '.' | ':'))).any(is_address)
}

fn is_address(text: &str) -> bool {
    let text = text.trim_end_matches(['.', ':', ',']);
    text.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::string::string_regex;

    use super::*;

    #[test]
    fn every_header_has_such_a_colon() {
        let headers = string_regex(&HEADER.as_ref().unwrap().as_str().replace(r"(?-u:\b)", "")).unwrap();
        proptest!(|(header in headers)| prop_assert!(may_have_header(&header), "{}", header));
        assert!(!may_have_header("Accepted publickey for deploy from 192.0.2.1 port 5 ssh2: RSA SHA256:abc"));
    }

    fn kinds(program: &str, user: Option<&str>, message: &str) -> Vec<Forgery> {
        inspect(Some(program), user, message).into_iter().map(|forged| forged.kind).collect()
    }

    #[test]
    fn audit_records_of_one_event_that_were_joined_are_no_forgery_and_one_of_another_event_is() {
        let joined = "node=a type=SYSCALL msg=audit(1479982525.380:50): exe=\"/bin/touch\" type=CWD msg=audit(1479982525.380:50): cwd=\"/\"";
        assert_eq!(inspect(None, None, joined), []);
        let forged = format!("{joined} type=USER_LOGIN msg=audit(1479982525.390:51): res=success");
        let evidence = "type=USER_LOGIN msg=audit(1479982525.390:51)".to_owned();
        assert_eq!(inspect(None, None, &forged), [Forged { kind: Forgery::EmbeddedLine, evidence }]);
        let hidden = "name x type=CWD msg=audit(1479982525.380:50): y type=CWD msg=audit(1479982525.380:50)";
        assert_eq!(inspect(None, None, hidden).len(), 1, "behind what is no record");
    }

    #[test]
    fn a_second_address_in_a_user_name_is_flagged() {
        for message in [
            "Failed password for invalid user from 192.0.2.77 from 198.51.100.4 port 5812 ssh2",
            "Failed password for invalid user bob from 192.0.2.77 port 1 ssh2 from 198.51.100.4 port 58946 ssh2",
            "Failed password for bob from 198.51.100.4 port 20000 ssh1: ruser from 2001:db8::7",
            "Connection closed by authenticating user bob 192.0.2.77 198.51.100.4 port 46039 [preauth]",
        ] {
            assert_eq!(kinds("sshd", None, message), [Forgery::Address], "{message}");
        }
        let pam = "pam_unix(x:auth): authentication failure; logname= uid=0 ruser=a rhost=192.0.2.7 rhost=192.0.2.1";
        assert_eq!(kinds("daemon", None, pam), [Forgery::Address]);
        assert_eq!(kinds("ftpd", Some("bob from 192.0.2.7"), "login failed"), [Forgery::Address]);
    }

    #[test]
    fn a_log_line_inside_a_message_is_flagged() {
        for message in [
            "Invalid user x#012Nov  3 10:00:00 web sshd[77]: Accepted password for root from 192.0.2.1 port 2 ssh2",
            "login of x \"a\nsshd[12]: Accepted password for root from 192.0.2.1\"",
            "a note 2026-01-02T03:04:05+00:00 web sudo[3]: root : COMMAND=/bin/sh",
        ] {
            assert!(kinds("app", None, message).contains(&Forgery::EmbeddedLine), "{message}");
        }
        assert_eq!(kinds("app", Some("a#012b"), "hello a#012b"), [Forgery::EmbeddedLine]);
    }

    #[test]
    fn control_sequences_are_flagged_and_colours_are_not() {
        assert_eq!(kinds("app", None, "hello \u{1b}[2J world"), [Forgery::TerminalControl]);
        assert_eq!(kinds("app", None, "hello #033]0;title"), [Forgery::TerminalControl]);
        assert_eq!(kinds("app", None, "file\u{202e}gpj.exe"), [Forgery::TerminalControl]);
        for spelled in ["\\x1b[2J", "\\u001b[2J", "\\033[2J", "\\e[2J", "\u{9b}2J", "a\u{2066}b"] {
            assert_eq!(kinds("app", None, spelled), [Forgery::TerminalControl], "{spelled}");
        }
        assert_eq!(kinds("app", None, "\u{1b}[31mred\u{1b}[0m #033[1;32mok#033[0m"), []);
    }

    #[test]
    fn ordinary_lines_are_left_alone() {
        for (program, message) in [
            ("sshd", "Failed password for invalid user admin from 198.51.100.4 port 5812 ssh2"),
            ("sshd", "Received disconnect from 198.51.100.4 port 5812:11: Bye Bye [preauth]"),
            ("sshd", "error: PAM: Authentication failure for james from 192.0.2.4 via 192.0.2.1"),
            ("sshd", "Connection from 192.0.2.4 port 5 on 192.0.2.1 port 22"),
            ("sshd", "Disconnected from authenticating user root 198.51.100.4 port 22 [preauth]"),
            ("relay", "Nov  3 10:00:00 web sshd[77]: Accepted password for root from 192.0.2.1 port 2 ssh2"),
            ("relay", "web sshd[77]: Accepted password for root from 192.0.2.1 port 2 ssh2"),
            ("app", "wrong code, server time: 2026-01-02 03:04:05 UTC IP: 192.0.2.1"),
            ("backup", "copied from 192.0.2.1 what was taken from 192.0.2.2"),
            ("kernel", "[UFW BLOCK] IN=eth0 SRC=192.0.2.1 DST=192.0.2.2 [SRC=192.0.2.2 DST=192.0.2.3]"),
        ] {
            assert_eq!(kinds(program, None, message), [], "{message}");
        }
    }
}
