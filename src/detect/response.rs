//! What could be done about a finding, as commands for a person to approve. Nothing here runs anything.
//!
//! Names and addresses come out of log lines, so attackers choose them: a value goes into a command only after it has
//! been read as what it must be, and is written from that reading, never copied.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;

use super::observable::normal_domain;
use super::public_suffix::registrable;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    BlockAddress,
    BlockDomain,
    LockUser,
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
        Self { measure, target: target.to_owned(), steps: Vec::new(), undo: Vec::new(), reversible: true, refused }
    }

    fn commands(measure: Measure, target: String, steps: Vec<String>, undo: Vec<String>) -> Self {
        let steps = steps.into_iter().map(Step::Command).collect();
        Self { measure, target, steps, undo, reversible: true, refused: None }
    }
}

/// Drops what comes from and goes to an address, for a time. Who has one address of IPv6 has all of its /64, so that is the
/// target, unless something protected is in it. Needs the nftables sets `blocked4` and `blocked6` of table `inet dsmil`, with
/// `flags interval, timeout`.
pub fn block_address(text: &str, protected: &Protected, time: Duration) -> Response {
    let measure = Measure::BlockAddress;
    let Ok(address) = text.parse::<IpAddr>() else {
        return Response::refused(measure, text, "this is not an IP address");
    };
    let address = address.to_canonical();
    if let Some(why) = unblockable(address, protected) {
        return Response::refused(measure, &address.to_string(), why);
    }
    let set = if address.is_ipv4() { "blocked4" } else { "blocked6" };
    let target = network_of_one(address).filter(|net| !protected.overlaps(net));
    let target = target.map_or_else(|| address.to_string(), |net| net.to_string());
    let time_s = time.as_secs();
    let add = format!("nft add element inet dsmil {set} '{{ {target} timeout {time_s}s }}'");
    let delete = format!("nft delete element inet dsmil {set} '{{ {target} }}'");
    Response::commands(measure, target, vec![add], vec![delete])
}

/// The network that one customer of a provider gets at least, where it is more than one address.
fn network_of_one(address: IpAddr) -> Option<IpNet> {
    address.is_ipv6().then(|| IpNet::new(address, 64).ok()).flatten().map(|net| net.trunc())
}

/// Networks without machines that could attack, beside those that the standard library knows: this network, shared addresses of
/// providers, protocol assignments, reserved; discard, site-local.
const RESERVED: &[(IpAddr, u8)] = &[
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

/// The names that `useradd` makes by default.
fn is_user_name(text: &str) -> bool {
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
    Response { measure, target, steps: vec![step], undo: Vec::new(), reversible: true, refused: None }
}

/// Keeps logs, connections and processes as they are now. `name` is our own.
pub fn snapshot_evidence(host: &str, folder: &str) -> Response {
    let steps = [
        format!("install --directory --mode=0700 {folder}"),
        "journalctl --sync".to_owned(),
        format!("ss --all --numeric --processes > {folder}/sockets.txt"),
        format!("ps -e -o pid,ppid,user,lstart,args > {folder}/processes.txt"),
        format!("tar --create --gzip --file={folder}/logs.tar.gz /var/log"),
    ];
    let steps = steps.into_iter().map(Step::Command).collect();
    let measure = Measure::SnapshotEvidence;
    Response { measure, target: host.to_owned(), steps, undo: Vec::new(), reversible: true, refused: None }
}

/// Which key it is and who trusts it, only a person knows.
pub fn rotate_key(target: &str) -> Response {
    let text = "Replace the key, have everybody who trusts the old one trust the new one, then revoke the old one.";
    let steps = vec![Step::Manual(text.to_owned())];
    let measure = Measure::RotateKey;
    Response { measure, target: target.to_owned(), steps, undo: Vec::new(), reversible: false, refused: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn protected() -> Protected {
        Protected {
            nets: vec!["192.0.2.0/24".parse().unwrap()],
            users: vec!["operator".to_owned()],
            ..Protected::default()
        }
    }

    fn is_refused(response: &Response) -> bool {
        response.steps.is_empty() && response.refused.as_ref().is_some_and(|why| why.starts_with("no safe command: "))
    }

    #[test]
    fn an_address_is_blocked_for_a_time_and_can_be_let_in_again() {
        let response = block_address("::ffff:203.0.113.5", &protected(), HOUR);
        assert_eq!(
            response.steps,
            [Step::Command("nft add element inet dsmil blocked4 '{ 203.0.113.5 timeout 3600s }'".to_owned())]
        );
        assert_eq!(response.undo, ["nft delete element inet dsmil blocked4 '{ 203.0.113.5 }'"]);
        assert!(format!("{:?}", block_address("2001:db8::5", &protected(), HOUR).steps).contains("blocked6"));
    }

    #[test]
    fn all_addresses_of_one_customer_are_one_target_but_never_with_something_protected_in_it() {
        let mut protected = protected();
        let target = |protected: &Protected, address: &str| block_address(address, protected, HOUR).target;
        assert_eq!(target(&protected, "2001:db8::5"), "2001:db8::/64");
        assert_eq!(target(&protected, "2001:db8::6:5"), "2001:db8::/64");
        protected.machine = vec!["2001:db8::1".parse().unwrap()];
        assert_eq!(target(&protected, "2001:db8::5"), "2001:db8::5");
        protected.nets = vec!["2001:db8:1:1::8/125".parse().unwrap()];
        assert_eq!(target(&protected, "2001:db8:1:1::5"), "2001:db8:1:1::5");
        assert_eq!(target(&protected, "203.0.113.5"), "203.0.113.5");
    }

    #[test]
    fn the_machine_s_own_network_and_sessions_of_protected_users_are_never_blocked() {
        let protected = Protected {
            machine: vec!["198.51.100.1".parse().unwrap()],
            sessions: vec!["2001:db8::7".parse().unwrap()],
            ..Protected::default()
        };
        for address in ["198.51.100.1", "::ffff:198.51.100.1", "2001:db8::7"] {
            assert!(is_refused(&block_address(address, &protected, HOUR)), "{address}");
        }
        assert!(!is_refused(&block_address("198.51.100.2", &protected, HOUR)));
    }

    #[test]
    fn the_machine_itself_and_what_is_protected_is_never_blocked() {
        for address in [
            "127.0.0.1",
            "::1",
            "127.8.9.10",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "169.254.1.1",
            "fe80::1",
            "0.1.2.3",
            "100.64.0.1",
            "240.0.0.1",
            "100::1",
            "fec0::1",
            "192.0.2.254",
            "::ffff:192.0.2.254",
        ] {
            assert!(is_refused(&block_address(address, &protected(), HOUR)), "{address}");
        }
    }

    #[test]
    fn text_of_an_attacker_never_becomes_part_of_a_command() {
        for text in [
            "203.0.113.5; reboot",
            "203.0.113.5 timeout 1s }'; id; '",
            "$(id)",
            "`id`",
            "",
            " ",
            "-h",
            "--help",
            "alice\nroot",
            "alice bob",
            "../../etc",
            "alice'",
            "a;b",
            "é",
            "a\u{0}b",
            "alice$(id)",
            "evil.example;id",
            "-x.example.com",
            "*.example.com",
            "a/b.example.com",
        ] {
            for response in [
                block_address(text, &protected(), HOUR),
                lock_user(text, &protected()),
                block_domain(text),
                isolate_host(text),
            ] {
                let harmless =
                    response.measure == Measure::IsolateHost && matches!(text, "-h" | "--help" | "-x.example.com");
                assert!(is_refused(&response) || harmless, "{text:?}: {response:?}");
                assert!(!response.steps.iter().any(|step| matches!(step, Step::Command(_))), "{text:?}");
            }
        }
    }

    #[test]
    fn root_and_protected_users_are_never_locked() {
        assert!(is_refused(&lock_user("root", &protected())));
        assert!(is_refused(&lock_user("operator", &protected())));
        let response = lock_user("alice", &protected());
        assert_eq!((response.steps.len(), response.reversible), (2, true));
    }

    #[test]
    fn a_name_that_many_owners_share_is_not_blocked() {
        for name in ["com", "co.uk", "github.io"] {
            assert!(is_refused(&block_domain(name)), "{name}");
        }
        assert!(!is_refused(&block_domain("Evil.Example.")));
    }
}
