//! What the daemon and its helper say to each other: one JSON object a line, of fixed verbs with typed arguments.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::target::Target;
use super::user::UserName;
use crate::event::EventId;
use crate::limits;

/// One line from the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Drops what comes from a network and goes there, until the kernel's own timeout.
    Block {
        /// The proposal. The same one again counts against the budget once.
        id: EventId,
        target: Target,
        ttl_s: u64,
        approver: Approver,
        /// Only asks the kernel whether it would take it.
        #[serde(default)]
        dry_run: bool,
    },
    /// Takes that back; done as well when there is nothing to take back.
    Unblock {
        target: Target,
        /// For so long another proposal wants it blocked still: the block is shortened to that, and never made longer.
        #[serde(default, skip_serializing_if = "is_nothing")]
        keep_s: u64,
    },
    /// Of the helper for accounts: lets nobody in by that account, until it unlocks it by itself.
    Lock {
        id: EventId,
        user: UserName,
        ttl_s: u64,
        approver: Approver,
        /// Only looks whether it may be locked.
        #[serde(default)]
        dry_run: bool,
    },
    /// Restores an account as it was, unless another proposal wants it locked still; done as well when the helper has not locked it.
    Unlock { id: EventId, user: UserName },
    /// What is blocked or locked now.
    List {},
    /// Whether it could act: reads what it needs, and has the kernel check the table.
    Check {},
}

/// Who wants it; nobody is to lock himself out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Approver {
    /// Somebody who asked over the network.
    Address(IpAddr),
    /// Somebody at the Unix socket.
    Uid(u32),
    /// The daemon itself.
    Automatic,
}

/// One line from the helper.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Answer {
    pub outcome: Outcome,
    /// In words: what the kernel said, or why not and what to do.
    pub said: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    /// It must not happen: another attempt leads to the same.
    Refused,
    /// The hour's budget is spent: later it may be done.
    Spent,
    /// It did not work: the kernel, nft or the configuration is at fault.
    Failed,
}

/// One network that is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub struct Blocked {
    pub target: Target,
    /// Until the kernel lets it through again.
    pub remaining_s: u64,
}

fn is_nothing(seconds: &u64) -> bool {
    *seconds == 0
}

impl Request {
    /// # Errors
    /// It is too long, or not one of the verbs with its arguments and no others.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        if line.len() > limits::RESPOND_REQUEST_BYTES_MAX {
            return Err(format!("a request has at most {} bytes", limits::RESPOND_REQUEST_BYTES_MAX));
        }
        serde_json::from_slice(line).map_err(|error| format!("this is no request ({error})"))
    }

    /// Without the end of the line.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // strings and numbers always serialise
    }
}

impl Answer {
    pub fn new(outcome: Outcome, said: impl Into<String>) -> Self {
        Self { outcome, said: said.into(), blocked: Vec::new() }
    }

    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // strings and numbers always serialise
    }
}

impl Approver {
    /// Whom the audit log names where nobody was asked.
    pub const ITSELF: &str = "dsmild itself";

    /// Out of whom the audit log names: `NAME from ADDRESS`, or `uid NUMBER`. Who cannot be read is taken for root at the Unix
    /// socket, of whom least is known.
    pub fn of(who: &str) -> Self {
        if who == Self::ITSELF {
            return Self::Automatic;
        }
        let address = who.rsplit_once(" from ").and_then(|(_, address)| address.parse().ok());
        let uid = || who.strip_prefix("uid ").and_then(|uid| uid.parse().ok());
        address.map_or_else(|| Self::Uid(uid().unwrap_or(0)), Self::Address)
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} for {} s more", self.target, self.remaining_s)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(target: &str, ttl_s: u64) -> Request {
        let (id, target) = (EventId::new(7, 1), target.parse().unwrap());
        Request::Block { id, target, ttl_s, approver: Approver::Automatic, dry_run: false }
    }

    #[test]
    fn a_request_is_a_verb_with_its_arguments_and_nothing_else() {
        let (id, user) = (EventId::new(7, 1), "alice".parse().unwrap());
        let unlock = Request::Unlock { id, user };
        let unblock = |keep_s| Request::Unblock { target: "203.0.113.7".parse().unwrap(), keep_s };
        for request in [
            unlock,
            unblock(0),
            unblock(60),
            block("203.0.113.7", 60),
            block("2001:db8::/64", 1),
            Request::List {},
            Request::Check {},
        ] {
            assert_eq!(Request::read(request.line().as_bytes()), Ok(request));
        }
        for wrong in [
            "",
            "[]",
            "block",
            r#"{"verb":"run","command":"id"}"#,
            r#"{"verb":"list","target":"203.0.113.7"}"#,
            r#"{"verb":"unblock","target":"203.0.113.7; flush ruleset"}"#,
            r#"{"verb":"unblock","target":"203.0.113.7/24"}"#,
            r#"{"verb":"unblock","target":"::ffff:203.0.113.7"}"#,
            r#"{"verb":"unblock","target":"@blocked6"}"#,
            r#"{"verb":"unblock"}"#,
            r#"{"verb":"unlock","id":"7-1","user":"--root"}"#,
            r#"{"verb":"unlock","id":"7-1","user":"a b"}"#,
            r#"{"verb":"lock","id":"7-1","user":"alice:","ttl_s":60,"approver":"automatic"}"#,
            r#"{"verb":"block","id":"7-1","target":"203.0.113.7","ttl_s":-1,"approver":"automatic"}"#,
            r#"{"verb":"block","id":"7-1","target":"203.0.113.7","ttl_s":60,"approver":"root"}"#,
            r#"{"verb":"block","id":"7-1","target":"203.0.113.7","ttl_s":60,"approver":"automatic","table":"filter"}"#,
        ] {
            assert!(Request::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let long = format!("{}{}", " ".repeat(limits::RESPOND_REQUEST_BYTES_MAX), Request::List {}.line());
        assert!(Request::read(long.as_bytes()).is_err());
    }

    #[test]
    fn who_approves_is_read_from_what_the_audit_log_says() {
        for (who, approver) in [
            ("alice from 192.0.2.9", Approver::Address("192.0.2.9".parse().unwrap())),
            ("token of line 3 from 2001:db8::9", Approver::Address("2001:db8::9".parse().unwrap())),
            ("uid 1000", Approver::Uid(1000)),
            (Approver::ITSELF, Approver::Automatic),
            ("alice from nowhere", Approver::Uid(0)),
        ] {
            assert_eq!(Approver::of(who), approver, "{who}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_more_than_a_request_or_an_error(line in prop::collection::vec(any::<u8>(), 0..2048)) {
            let _ = Request::read(&line);
        }

        #[test]
        fn a_request_with_one_byte_changed_is_still_one_of_the_verbs_with_a_network_or_an_error(
            place in 0_usize..100, byte in any::<u8>(),
        ) {
            let mut line = block("203.0.113.0/24", 60).line().into_bytes();
            if let Some(changed) = line.get_mut(place) {
                *changed = byte;
            }
            if let Ok(Request::Block { target, .. }) = Request::read(&line) {
                prop_assert_eq!(target.net(), target.net().trunc());
                prop_assert_eq!(target.to_string().parse::<Target>().unwrap(), target);
            }
        }

        #[test]
        fn every_network_is_read_back_as_it_is_written(bits in any::<u128>(), length in 0_u8..=128, is_v4 in any::<bool>()) {
            use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
            let address = if is_v4 { IpAddr::from(Ipv4Addr::from_bits(bits as u32)) } else { Ipv6Addr::from_bits(bits).into() };
            let net = ipnet::IpNet::new(address, if is_v4 { length % 33 } else { length }).unwrap();
            let target = Target::from(net);
            if let Ok(read) = target.to_string().parse::<Target>() {
                prop_assert_eq!(read, target);
            }
        }
    }
}
