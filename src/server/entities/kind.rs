//! What an entity can be, and by what its events are found.

use std::net::IpAddr;

use crate::event::Entity;
use crate::silence::entity::address;
use crate::store::entities::{LookUp, Part};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    User,
    Host,
    /// On either side.
    Address,
    Process,
    Domain,
    File,
    /// Known by lists of indicators alone.
    Hash,
}

/// The names that it can be asked by; the first is the one that is shown.
const NAMES: [(Kind, &[&str]); 7] = [
    (Kind::Address, &["address", "ip", "src_ip", "dst_ip"]),
    (Kind::User, &["user"]),
    (Kind::Host, &["host"]),
    (Kind::Process, &["process"]),
    (Kind::Domain, &["domain"]),
    (Kind::File, &["file"]),
    (Kind::Hash, &["hash"]),
];

impl Kind {
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(kind, _)| *kind)
    }

    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(kind, _)| *kind == self).and_then(|(_, names)| names.first()).copied().unwrap_or_default()
    }

    /// What its events are looked up by, and the values to look for: an address may be written in more than one way.
    pub fn look_ups(self, value: &str) -> Vec<LookUp> {
        let own: &[Part] = match self {
            Self::User => &[Part::User],
            Self::Host => &[Part::Host],
            Self::Address => &[Part::SrcIp, Part::DstIp],
            Self::Process => &[Part::Process],
            Self::Domain => &[Part::Domain],
            Self::File => &[Part::File],
            Self::Hash => &[],
        };
        let usual = self.address(value).map(|address| address.to_string()).filter(|usual| usual != value);
        let values: Vec<String> = usual.into_iter().chain([value.to_owned()]).collect();
        let of =
            |part: &Part| values.iter().map(|value| LookUp { part: *part, value: value.clone() }).collect::<Vec<_>>();
        let listed = values.iter().map(|value| LookUp { part: Part::Indicator, value: format!("indicator:{value}") });
        own.iter().flat_map(of).chain(listed).collect()
    }

    pub fn address(self, value: &str) -> Option<IpAddr> {
        if self == Self::Address { address(value) } else { None }
    }

    /// Whether it is one of those that an event is about.
    pub fn is_in(self, value: &str, entity: &Entity) -> bool {
        let is = |part: &Option<String>| part.as_deref() == Some(value);
        let is_address = |part: &Option<String>| {
            is(part) || self.address(value).is_some_and(|own| part.as_deref().and_then(address) == Some(own))
        };
        match self {
            Self::User => is(&entity.user),
            Self::Host => is(&entity.host),
            Self::Address => is_address(&entity.src_ip) || is_address(&entity.dst_ip),
            Self::Process => is(&entity.process),
            Self::Domain => is(&entity.domain),
            Self::File => is(&entity.file),
            Self::Hash => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_looked_for_on_either_side_however_it_is_written() {
        let parts = Kind::Address.look_ups("::ffff:192.0.2.1");
        for expected in
            [(Part::SrcIp, "192.0.2.1"), (Part::DstIp, "::ffff:192.0.2.1"), (Part::Indicator, "indicator:192.0.2.1")]
        {
            let expected = LookUp { part: expected.0, value: expected.1.to_owned() };
            assert!(parts.contains(&expected), "{parts:?}");
        }
        assert_eq!(Kind::User.look_ups("192.0.2.1").len(), 2, "a user may be called like an address");
        let entity = Entity { dst_ip: Some("192.0.2.1".into()), ..Entity::default() };
        assert!(Kind::Address.is_in("::ffff:192.0.2.1", &entity) && !Kind::User.is_in("192.0.2.1", &entity));
    }

    #[test]
    fn every_kind_has_a_name_by_which_it_is_found() {
        assert!(NAMES.iter().all(|(kind, _)| Kind::named(kind.name()) == Some(*kind)));
        assert_eq!(Kind::named("planet"), None);
    }
}
