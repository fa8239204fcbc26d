//! What could be done about a finding, as commands for a person to approve. Nothing here runs anything.
//!
//! Names and addresses come out of log lines, so attackers choose them: a value goes into a command only after it has
//! been read as what it must be, and is written from that reading, never copied.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;

use super::client_network::{self, behind};
use super::observable::normal_domain;
use super::public_suffix::registrable;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    BlockAddress,
    BlockDomain,
    LockUser,
    EndSessions,
    IsolateHost,
    SnapshotEvidence,
    RotateKey,
}

impl Measure {
    pub fn name(self) -> &'static str {
        match self {
            Self::BlockAddress => "block_address",
            Self::BlockDomain => "block_domain",
            Self::LockUser => "lock_user",
            Self::EndSessions => "end_sessions",
            Self::IsolateHost => "isolate_host",
            Self::SnapshotEvidence => "snapshot_evidence",
            Self::RotateKey => "rotate_key",
        }
    }
}

/// How a step is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A command line for bash, of checked parts alone.
    Command(String),
    /// For a person: no command would be safe, or right everywhere.
    Manual(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub measure: Measure,
    /// In normal form where it could be read, else as it came.
    pub target: String,
    pub steps: Vec<Step>,
    /// Commands that take it back; empty where it ends by itself or cannot be taken back.
    pub undo: Vec<String>,
    pub reversible: bool,
    /// Why there is no command.
    pub refused: Option<String>,
    /// What to see to before it is approved.
    pub caution: Option<String>,
}

/// What no proposal may be against.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Protected {
    pub nets: Vec<IpNet>,
    pub users: Vec<String>,
    /// Own addresses, gateways and resolvers of the machine that would carry it out.
    pub machine: Vec<IpAddr>,
    /// Where protected users are logged in from.
    pub sessions: Vec<IpAddr>,
}

impl Protected {
    fn overlaps(&self, net: &IpNet) -> bool {
        let inside = |address: &IpAddr| net.contains(address);
        self.machine.iter().chain(&self.sessions).any(inside)
            || self.nets.iter().any(|protected| protected.contains(net) || net.contains(protected))
    }
}

impl Response {
    fn refused(measure: Measure, target: &str, why: &str) -> Self {
        let refused = Some(format!("no safe command: {why}"));
        let (target, steps, undo) = (target.to_owned(), Vec::new(), Vec::new());
        Self { measure, target, steps, undo, reversible: true, refused, caution: None }
    }

    fn manual(measure: Measure, target: String, step: Step) -> Self {
        let (steps, undo) = (vec![step], Vec::new());
        Self { measure, target, steps, undo, reversible: false, refused: None, caution: None }
    }

    fn commands(measure: Measure, target: String, steps: Vec<String>, undo: Vec<String>) -> Self {
        let steps = steps.into_iter().map(Step::Command).collect();
        Self { measure, target, steps, undo, reversible: true, refused: None, caution: None }
    }
}

/// Drops what comes from and goes to an address, for a time. The target is all that the client behind it has, unless something
/// protected is in that. Needs the nftables sets `blocked4` and `blocked6` of table `inet dsmil`, with
/// `flags interval, timeout`.
pub fn block_address(text: &str, protected: &Protected, time: Duration) -> Response {
    let measure = Measure::BlockAddress;
    let Ok(address) = text.parse::<IpAddr>() else {
        return Response::refused(measure, text, "this is not an IP address");
    };
    let mut target = client_network::target(address);
    // Where it is only another way to write an IPv4 address, that one; and who is behind it, if that is another.
    let (address, behind) = (if target.addr().is_ipv4() { target.addr() } else { address }, behind(address));
    if let Some(why) = unblockable(address, protected).or_else(|| unblockable(behind, protected)) {
        return Response::refused(measure, &address.to_string(), why);
    }
    let set = if address.is_ipv4() { "blocked4" } else { "blocked6" };
    if protected.overlaps(&target) {
        target = IpNet::from(address);
    }
    let is_one = target.prefix_len() == target.max_prefix_len();
    let target = if is_one { address.to_string() } else { target.to_string() };
    let time_s = time.as_secs();
    let add = format!("nft add element inet dsmil {set} '{{ {target} timeout {time_s}s }}'");
    let delete = format!("nft delete element inet dsmil {set} '{{ {target} }}'");
    Response::commands(measure, target, vec![add], vec![delete])
}

/// Networks without machines that could attack, beside those that the standard library knows: this network, shared addresses of
/// providers, protocol assignments, reserved; discard, site-local.
pub const RESERVED: &[(IpAddr, u8)] = &[
    (IpAddr::V4(Ipv4Addr::new(0, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
    (IpAddr::V4(Ipv4Addr::new(192, 0, 0, 0)), 24),
    (IpAddr::V4(Ipv4Addr::new(240, 0, 0, 0)), 4),
    (IpAddr::V6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0)), 64),
    (IpAddr::V6(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0)), 10),
];

fn is_reserved(address: &IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let reserved = |(net, length): &(IpAddr, u8)| IpNet::new(*net, *length).is_ok_and(|net| net.contains(address));
    is_link_local || address.is_unspecified() || address.is_multicast() || RESERVED.iter().any(reserved)
}

fn unblockable(address: IpAddr, protected: &Protected) -> Option<&'static str> {
    if address.is_loopback() {
        Some("this is the machine itself")
    } else if is_reserved(&address) {
        Some("this address is not one machine")
    } else if protected.machine.contains(&address) {
        Some("this is an address, a gateway or a resolver of this machine")
    } else if protected.sessions.contains(&address) {
        Some("a protected user is logged in from there")
    } else if protected.nets.iter().any(|net| net.contains(&address)) {
        Some("this address is protected by the configuration")
    } else {
        None
    }
}

/// Answers questions for a name with NXDOMAIN, in a local unbound.
pub fn block_domain(text: &str) -> Response {
    let measure = Measure::BlockDomain;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let name = normal_domain(text).filter(|name| name.bytes().all(plain) && !name.starts_with(['-', '.']));
    let Some(name) = name else { return Response::refused(measure, text, "this is not a domain name") };
    if registrable(&name).is_none() {
        return Response::refused(measure, &name, "many owners share this name");
    }
    Response::commands(
        measure,
        name.clone(),
        vec![format!("unbound-control local_zone {name} always_nxdomain")],
        vec![format!("unbound-control local_zone_remove {name}")],
    )
}

/// Ends the sessions of a user and locks the account.
pub fn lock_user(text: &str, protected: &Protected) -> Response {
    let measure = Measure::LockUser;
    if !is_user_name(text) {
        return Response::refused(measure, text, "this is not a user name");
    }
    if text == "root" {
        return Response::refused(measure, text, "locking root could lock everybody out");
    }
    if protected.users.iter().any(|user| user == text) {
        return Response::refused(measure, text, "this user is protected by the configuration");
    }
    Response::commands(
        measure,
        text.to_owned(),
        vec![format!("usermod --lock --expiredate 1 {text}"), format!("loginctl terminate-user {text}")],
        vec![format!("usermod --unlock --expiredate '' {text}")],
    )
}

/// Ends the sessions of a user who is not to be locked: whoever it was has to log in again.
pub fn end_sessions(text: &str) -> Response {
    let measure = Measure::EndSessions;
    if !is_user_name(text) {
        return Response::refused(measure, text, "this is not a user name");
    }
    Response::commands(measure, text.to_owned(), vec![format!("loginctl terminate-user {text}")], Vec::new())
}

/// The names that `useradd` makes by default.
pub fn is_user_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let starts = bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_');
    starts
        && text.len() <= 32
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
}

/// Which rules keep management access open depends on the site, so a person does it.
pub fn isolate_host(text: &str) -> Response {
    let measure = Measure::IsolateHost;
    let is_name = !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if !is_name {
        return Response::refused(measure, text, "this is not a host name");
    }
    let step = Step::Manual(format!("Take {text} off the network, except for its management access."));
    let target = text.to_owned();
    Response { reversible: true, ..Response::manual(measure, target, step) }
}

/// Keeps logs, connections and processes as they are now. `name` is our own.
pub fn snapshot_evidence(host: &str, folder: &str) -> Response {
    let steps = vec![
        format!("install --directory --mode=0700 {folder}"),
        "journalctl --sync".to_owned(),
        format!("ss --all --numeric --processes > {folder}/sockets.txt"),
        format!("ps -e -o pid,ppid,user,lstart,args > {folder}/processes.txt"),
        format!("tar --create --gzip --file={folder}/logs.tar.gz /var/log"),
    ];
    Response::commands(Measure::SnapshotEvidence, host.to_owned(), steps, Vec::new())
}

/// Which key it is and who trusts it, only a person knows.
pub fn rotate_key(target: &str) -> Response {
    let text = "Replace the key, have everybody who trusts the old one trust the new one, then revoke the old one.";
    Response::manual(Measure::RotateKey, target.to_owned(), Step::Manual(text.to_owned()))
}

#[cfg(test)]
mod tests;
