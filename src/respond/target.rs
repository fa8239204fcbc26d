//! The network that an action is against.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A network in normal form: without bits behind its prefix, and IPv4 written as that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target(IpNet);

impl Target {
    pub fn net(&self) -> IpNet {
        self.0
    }

    pub fn is_one(&self) -> bool {
        self.0.prefix_len() == self.0.max_prefix_len()
    }
}

impl From<IpNet> for Target {
    fn from(net: IpNet) -> Self {
        Self(net.trunc())
    }
}

impl FromStr for Target {
    type Err = String;

    /// An address, or a network as `203.0.113.0/24`. What only is another way to write IPv4 (`::ffff:…`) is refused: the kernel would
    /// wait for packets that never come.
    fn from_str(text: &str) -> Result<Self, String> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse::<IpNet>().map_err(|_| "this is neither an address nor a network".to_owned())?,
        };
        if net != net.trunc() {
            return Err(format!("this network has bits behind its prefix; {} has none", net.trunc()));
        }
        if let IpNet::V6(v6) = net
            && v6.network().to_ipv4_mapped().is_some()
        {
            return Err("this is IPv4, written as IPv6".to_owned());
        }
        Ok(Self(net))
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_one() { self.0.addr().fmt(formatter) } else { self.0.fmt(formatter) }
    }
}
