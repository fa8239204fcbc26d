//! What is never blocked, whoever asks. The helper judges by this, of what it has read by itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;

use super::config::Action;
use super::deed::Deed;
use super::protocol::Approver;
use super::sessions::Session;
use super::target::Target;
use crate::detect::client_network::behind;
use crate::detect::response::RESERVED;

/// Besides [`RESERVED`]: loopback, no address, one link, many receivers; and IPv4 that is written as IPv6.
const NEVER: &[(IpAddr, u8)] = &[
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 96),
    (IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0)), 96),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
];

/// What holds for every action.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    pub protected: Vec<IpNet>,
    pub protected_users: Vec<String>,
    /// Own addresses, gateways and resolvers.
    pub machine: Vec<IpAddr>,
    /// Who is logged in from where.
    pub sessions: Vec<Session>,
    pub prefix_v4: u8,
    pub prefix_v6: u8,
    pub ttl_max: Duration,
}

impl Guard {
    /// Why this must not be blocked, and what to do where something can be done.
    ///
    /// # Errors
    /// It must not.
    pub fn judge(&self, target: Target, ttl: Duration, approver: Approver) -> Result<(), String> {
        let net = target.net();
        let (length, shortest, key) = match net {
            IpNet::V4(net) => (net.prefix_len(), self.prefix_v4, "prefix_v4"),
            IpNet::V6(net) => (net.prefix_len(), self.prefix_v6, "prefix_v6"),
        };
        if length < shortest {
            return Err(format!("{target} is larger than respond.{key} = {shortest} allows"));
        }
        self.judge_ttl(ttl)?;
        // Where it stands for another address, what holds for that holds for it.
        let other = IpNet::from(behind(net.addr()));
        let nets = [net, other];
        if nets.iter().any(|net| reserved().any(|never| overlap(net, &never))) {
            return Err(format!("{target} is loopback or reserved, and not another machine"));
        }
        let holds = |address: &IpAddr| nets.iter().any(|net| net.contains(address));
        if let Some(address) = self.machine.iter().find(|address| holds(address)) {
            return Err(format!("{address} is an address, a gateway or a resolver of this machine"));
        }
        if let Some(protected) = self.protected.iter().find(|protected| nets.iter().any(|net| overlap(net, protected)))
        {
            return Err(format!("{protected} is protected by the configuration"));
        }
        if let Approver::Address(address) = approver
            && (holds(&address) || holds(&behind(address)))
        {
            return Err(format!("whoever approves it is at {address}, and would be locked out"));
        }
        let remote = self.sessions.iter().filter_map(|session| Some((session, session.from?)));
        match remote.into_iter().find(|(session, from)| holds(from) && self.is_operators(session, approver)) {
            Some((Session { user, .. }, from)) => Err(format!(
                "{user} is logged in from {from}, and may be whoever approves it: approve it over another way, or end that \
                 session first (loginctl terminate-user {user})"
            )),
            None => Ok(()),
        }
    }

    /// The same of whatever is to be done.
    ///
    /// # Errors
    /// It must not.
    pub fn judge_deed(&self, deed: &Deed, ttl: Duration, approver: Approver) -> Result<(), String> {
        match deed {
            Deed::Block(target) => self.judge(*target, ttl, approver),
            Deed::Lock(user) => self.judge_user(user.as_str()),
            // A machine that is cut off is as unreachable as one that is blocked. Lines name it, by its address as well.
            Deed::Run(Action::IsolateHost, host) => match host.parse() {
                Ok(target) => self.judge(target, ttl, approver),
                Err(_) => Ok(()),
            },
            Deed::Run(_, target) => self.judge_user(target),
        }
    }

    /// # Errors
    /// Nothing is to be done against this user.
    pub fn judge_user(&self, name: &str) -> Result<(), String> {
        if name == "root" {
            return Err("locking root could lock everybody out".to_owned());
        }
        if self.protected_users.iter().any(|protected| protected == name) {
            return Err("this user is protected by the configuration".to_owned());
        }
        Ok(())
    }

    /// # Errors
    /// Nothing may last so long.
    pub fn judge_ttl(&self, ttl: Duration) -> Result<(), String> {
        let (seconds, most) = (ttl.as_secs(), self.ttl_max.as_secs());
        if ttl.is_zero() || ttl > self.ttl_max {
            return Err(format!("{seconds} s is no time that respond.ttl_max = {most} s allows"));
        }
        Ok(())
    }

    /// Whether it may be the session of whoever approves: root at the Unix socket may be anybody who is logged in, by sudo.
    fn is_operators(&self, session: &Session, approver: Approver) -> bool {
        self.protected_users.contains(&session.user)
            || match approver {
                Approver::Uid(0) => true,
                Approver::Uid(uid) => session.uid == uid,
                Approver::Address(_) | Approver::Automatic => false,
            }
    }
}

fn reserved() -> impl Iterator<Item = IpNet> {
    NEVER.iter().chain(RESERVED).filter_map(|(address, length)| IpNet::new(*address, *length).ok())
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn guard() -> Guard {
        Guard {
            protected: vec!["198.51.100.0/24".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()],
            protected_users: vec!["alice".into()],
            machine: ["192.0.2.2", "192.0.2.1", "2001:db8:2::2"].map(|text| text.parse().unwrap()).to_vec(),
            sessions: vec![
                Session { uid: 1000, user: "alice".into(), from: "203.0.113.9".parse().ok() },
                Session { uid: 1001, user: "bob".into(), from: "203.0.113.8".parse().ok() },
            ],
            prefix_v4: 24,
            prefix_v6: 64,
            ttl_max: Duration::from_secs(3600),
        }
    }

    fn judge(target: &str, approver: Approver) -> Result<(), String> {
        guard().judge(target.parse().unwrap(), MINUTE, approver)
    }

    #[test]
    fn what_the_machine_cannot_do_without_is_refused_whoever_asks() {
        for (target, said) in [
            ("127.0.0.1", "loopback"),
            ("127.9.9.0/24", "loopback"),
            ("::1", "loopback"),
            ("0.0.0.0", "reserved"),
            ("169.254.1.1", "reserved"),
            ("224.0.0.1", "reserved"),
            ("255.255.255.255", "reserved"),
            ("fe80::1", "reserved"),
            ("ff02::1", "reserved"),
            ("192.0.2.2", "this machine"),
            ("192.0.2.1", "this machine"),
            ("192.0.2.0/24", "this machine"),
            ("2001:db8:2::/64", "this machine"),
            ("64:ff9b::c000:202", "this machine"),
            ("198.51.100.7", "protected"),
            ("2001:db8:1:7::/64", "protected"),
            ("203.0.0.0/16", "prefix_v4"),
            ("2001:db8::/48", "prefix_v6"),
        ] {
            let refused = judge(target, Approver::Automatic).expect_err(target);
            assert!(refused.contains(said), "{target}: {refused}");
        }
        for target in ["203.0.113.7", "203.0.114.0/24", "2001:db8:3::/64", "10.1.2.3"] {
            assert_eq!(judge(target, Approver::Automatic), Ok(()), "{target}");
        }
        for ttl in [Duration::ZERO, Duration::from_secs(3601)] {
            assert!(guard().judge("203.0.113.7".parse().unwrap(), ttl, Approver::Automatic).is_err());
        }
    }

    #[test]
    fn nobody_locks_himself_out() {
        let at = |address: &str| Approver::Address(address.parse().unwrap());
        assert!(judge("203.0.113.7", at("203.0.113.7")).unwrap_err().contains("locked out"));
        assert!(judge("203.0.113.0/24", at("203.0.113.7")).is_err());
        assert!(judge("203.0.113.7", at("::ffff:203.0.113.7")).is_err());
        assert_eq!(judge("203.0.113.7", at("203.0.113.6")), Ok(()));
        // Bob's session is his own affair, and root's, who may be Bob; Alice is protected from everybody.
        assert!(judge("203.0.113.8", Approver::Uid(1001)).unwrap_err().contains("bob"));
        assert!(judge("203.0.113.8", Approver::Uid(0)).is_err());
        assert_eq!(judge("203.0.113.8", Approver::Uid(1000)), Ok(()));
        assert_eq!(judge("203.0.113.8", Approver::Automatic), Ok(()));
        assert!(judge("203.0.113.9", Approver::Automatic).unwrap_err().contains("alice"));
    }

    #[test]
    fn no_runner_is_told_to_cut_off_what_must_not_be_blocked() {
        let judge =
            |host: &str| guard().judge_deed(&Deed::Run(Action::IsolateHost, host.into()), MINUTE, Approver::Automatic);
        for (host, said) in
            [("192.0.2.1", "gateway"), ("198.51.100.7", "protected"), ("203.0.113.9", "alice"), ("::1", "loopback")]
        {
            assert!(judge(host).unwrap_err().contains(said), "{host}");
        }
        assert_eq!((judge("203.0.113.7"), judge("atlas")), (Ok(()), Ok(())));
        let sessions =
            |user: &str| guard().judge_deed(&Deed::Run(Action::EndSessions, user.into()), MINUTE, Approver::Automatic);
        assert!(sessions("alice").is_err() && sessions("bob").is_ok());
    }

    proptest! {
        #[test]
        fn no_network_with_a_protected_address_in_it_gets_through(bits in any::<u32>(), length in 0_u8..=32) {
            let net = ipnet::IpNet::new(Ipv4Addr::from_bits(bits).into(), length).unwrap();
            let guard = guard();
            if guard.judge(Target::from(net), MINUTE, Approver::Automatic).is_ok() {
                prop_assert!(length >= guard.prefix_v4);
                prop_assert!(!guard.machine.iter().any(|address| net.contains(address)));
                prop_assert!(!guard.protected.iter().any(|protected| protected.contains(&net) || net.contains(protected)));
                prop_assert!(!net.network().is_loopback() && !net.broadcast().is_loopback());
            }
        }
    }
}
