//! Whom or what a silence is about, by name.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::event::Entity;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    User,
    Host,
    /// An address on either side.
    Ip,
    SrcIp,
    DstIp,
    Process,
    Domain,
    File,
}

/// Like `{ kind = "user", value = "backup" }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub kind: Kind,
    pub value: String,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Host => "host",
            Self::Ip => "ip",
            Self::SrcIp => "src_ip",
            Self::DstIp => "dst_ip",
            Self::Process => "process",
            Self::Domain => "domain",
            Self::File => "file",
        }
    }

    pub fn is_address(self) -> bool {
        matches!(self, Self::Ip | Self::SrcIp | Self::DstIp)
    }
}

impl Named {
    /// Whether the event is about it. One address is the same however it is written.
    pub fn is_in(&self, entity: &Entity) -> bool {
        let is = |part: &Option<String>| part.as_deref().is_some_and(|part| self.is(part));
        match self.kind {
            Kind::User => is(&entity.user),
            Kind::Host => is(&entity.host),
            Kind::Ip => is(&entity.src_ip) || is(&entity.dst_ip),
            Kind::SrcIp => is(&entity.src_ip),
            Kind::DstIp => is(&entity.dst_ip),
            Kind::Process => is(&entity.process),
            Kind::Domain => is(&entity.domain),
            Kind::File => is(&entity.file),
        }
    }

    fn is(&self, part: &str) -> bool {
        self.value == part
            || self.kind.is_address() && address(&self.value).is_some_and(|own| address(part) == Some(own))
    }
}

/// An address of IPv4 that is written as one of IPv6 is one of IPv4.
pub fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}
