//! Indicators of compromise: a set that answers for one observable whether it is known to be bad.

use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use super::allow_list::AllowList;
use super::indicator_item::Terms;
use super::nets::Nets;
use super::observable::{Observable, url_host};
use super::public_suffix::{is_public_suffix, names_of_owner};
use super::stix_rules::{StixRule, StixRules};
use crate::event::Timestamp;
use crate::hash_map::HashMap;

/// Where an indicator was read, and when it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Name of the list.
    pub list: Arc<str>,
    /// From 1; the number of the object in a bundle.
    pub line: u32,
    /// `None`: it holds always.
    pub terms: Option<Box<Terms>>,
}

impl Origin {
    /// How sure the author is, from 0 to 100, where that is said.
    pub fn confidence(&self) -> Option<u8> {
        self.terms.as_ref()?.confidence
    }

    /// Another entry says the same: the first names the place, and it holds as long as either.
    fn join(&mut self, other: &Self) {
        match (&mut self.terms, &other.terms) {
            (Some(mine), Some(other)) => mine.join(other),
            (mine, _) => *mine = None,
        }
    }
}

/// Why a value cannot be an indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("it is a public suffix: the names below it belong to many owners")]
    PublicSuffix,
    #[error("the network is too wide to mean one machine")]
    TooWide,
    #[error("there are already as many indicators as fit")]
    Full,
}

/// Widest networks taken: a list that names more of the internet names it by mistake.
const PREFIX_MIN_V4: u8 = 8;
const PREFIX_MIN_V6: u8 = 16;

/// Looked up, never iterated over, so that the hash maps do not make the same input lead to different bytes.
#[derive(Debug, Default)]
pub struct Indicators {
    /// Single machines are networks of full length.
    nets: Nets<Origin>,
    names: HashMap<Box<str>, Origin>,
    urls: HashMap<Box<str>, Origin>,
    hashes: HashMap<Box<str>, Origin>,
    endpoints: HashMap<SocketAddr, Origin>,
    emails: HashMap<Box<str>, Origin>,
    fingerprints: HashMap<Box<str>, Origin>,
    patterns: StixRules,
    allow: AllowList,
}

impl Indicators {
    /// With an allow list that wins over every indicator.
    pub fn new(allow: AllowList) -> Self {
        Self { allow, ..Self::default() }
    }

    pub fn len(&self) -> usize {
        let texts = [&self.names, &self.urls, &self.hashes, &self.emails, &self.fingerprints];
        let texts: usize = texts.into_iter().map(HashMap::len).sum();
        self.nets.count() + self.endpoints.len() + texts + self.patterns.len()
    }

    pub fn patterns(&self) -> &StixRules {
        &self.patterns
    }

    /// # Errors
    /// There are as many patterns as are taken.
    pub fn insert_pattern(&mut self, rule: StixRule) -> Result<(), String> {
        self.patterns.insert(rule)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first list that names a value keeps it; it holds as long as one of them says.
    ///
    /// # Errors
    /// The value would accuse the innocent, or the set is full.
    pub fn insert(&mut self, value: Observable, origin: Origin) -> Result<(), Refused> {
        if self.len() >= crate::limits::INDICATORS_MAX {
            return Err(Refused::Full);
        }
        match value {
            Observable::Ip(address) => self.insert_net(IpNet::from(address), origin),
            Observable::Net(net) if is_too_wide(&net) => return Err(Refused::TooWide),
            Observable::Net(net) => self.insert_net(net, origin),
            Observable::Endpoint(endpoint) => insert(&mut self.endpoints, endpoint, origin),
            Observable::Domain(name) if is_public_suffix(&name) => return Err(Refused::PublicSuffix),
            Observable::Domain(name) => insert(&mut self.names, name.into(), origin),
            Observable::Url(url) => insert(&mut self.urls, url.into(), origin),
            Observable::Hash(hash) => insert(&mut self.hashes, hash.into(), origin),
            Observable::Email(address) => insert(&mut self.emails, address.into(), origin),
            Observable::Fingerprint(text) => insert(&mut self.fingerprints, text.into(), origin),
        }
        Ok(())
    }

    fn insert_net(&mut self, net: IpNet, origin: Origin) {
        self.nets.insert_or(net, origin, |known, origin| known.join(&origin));
    }

    /// The indicator that this observable is or lies under, unless it is allowed or has expired by `now`.
    pub fn look_up(&self, value: &Observable, now: Timestamp) -> Option<&Origin> {
        let origin = match value {
            Observable::Ip(address) if is_local(*address) => None,
            Observable::Ip(address) => self.nets.longest(*address),
            Observable::Net(_) => None,
            Observable::Domain(name) => names_of_owner(name).find_map(|name| self.names.get(name)),
            Observable::Url(url) => self.urls.get(url.as_str()),
            Observable::Hash(hash) => self.hashes.get(hash.as_str()),
            Observable::Endpoint(endpoint) if is_local(endpoint.ip()) => None,
            Observable::Endpoint(endpoint) => self.endpoints.get(endpoint),
            Observable::Email(address) => self.emails.get(address.as_str()),
            // Lists without types cannot tell a JA3 from another MD5.
            Observable::Fingerprint(text) => {
                self.fingerprints.get(text.as_str()).or_else(|| self.hashes.get(text.as_str()))
            }
        }?;
        let holds = origin.terms.as_ref().is_none_or(|terms| terms.hold_at(now));
        (holds && !self.is_allowed(value)).then_some(origin)
    }

    pub fn is_allowed(&self, value: &Observable) -> bool {
        if self.allow.covers(value) {
            return true;
        }
        let Observable::Url(url) = value else { return false };
        // An indicator for one page of an allowed site is what URL indicators are for; a whole site is not.
        let is_whole_site = url.split_once("://").is_some_and(|(_, rest)| rest.find('/') == Some(rest.len() - 1));
        is_whole_site && url_host(url).and_then(Observable::read).is_some_and(|host| self.allow.covers(&host))
    }
}

fn insert<Key: Eq + Hash>(known: &mut HashMap<Key, Origin>, key: Key, origin: Origin) {
    match known.entry(key) {
        Entry::Occupied(mut known) => known.get_mut().join(&origin),
        Entry::Vacant(place) => drop(place.insert(origin)),
    }
}

fn is_too_wide(net: &IpNet) -> bool {
    match net {
        IpNet::V4(v4) => v4.prefix_len() < PREFIX_MIN_V4,
        IpNet::V6(v6) => v6.prefix_len() < PREFIX_MIN_V6,
    }
}

/// Addresses that mean another machine in every network; lists of unroutable networks name them.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
        }
        IpAddr::V6(v6) => {
            v6.is_unique_local()
                || v6.is_loopback()
                || v6.is_unicast_link_local()
                || v6.is_unspecified()
                || v6.is_multicast()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(values: &[&str], allow: &[&str]) -> Indicators {
        let mut allowed = AllowList::default();
        for value in allow {
            allowed.insert(Observable::read(value).unwrap());
        }
        let mut indicators = Indicators::new(allowed);
        for value in values {
            let origin = Origin { list: "test".into(), line: 1, terms: None };
            indicators.insert(Observable::read(value).unwrap(), origin).unwrap();
        }
        indicators
    }

    fn hits(indicators: &Indicators, value: &str) -> bool {
        indicators.look_up(&Observable::read(value).unwrap(), Timestamp::ZERO).is_some()
    }

    #[test]
    fn an_indicator_covers_what_lies_under_it_and_nothing_beside_it() {
        let indicators = set(
            &[
                "203.0.113.0/28",
                "198.51.100.7",
                "evil.example",
                "bad.host.example",
                "http://x.example/drop",
                "2001:db8:bad::/48",
            ],
            &[],
        );
        for hit in [
            "203.0.113.15",
            "198.51.100.7",
            "evil.example",
            "a.b.evil.example",
            "bad.host.example",
            "http://x.example:80/drop",
            "2001:db8:bad::1",
        ] {
            assert!(hits(&indicators, hit), "{hit}");
        }
        for miss in [
            "203.0.113.16",
            "198.51.100.8",
            "notevil.example",
            "host.example",
            "example.com",
            "http://x.example/",
            "x.example",
            "2001:db8:bae::1",
        ] {
            assert!(!hits(&indicators, miss), "{miss}");
        }
    }

    #[test]
    fn an_allow_list_wins() {
        let indicators =
            set(&["203.0.113.9", "cdn.good.example", "https://good.example/"], &["203.0.113.0/24", "good.example"]);
        for allowed in ["203.0.113.9", "cdn.good.example", "x.cdn.good.example", "https://good.example/"] {
            assert!(!hits(&indicators, allowed), "{allowed}");
        }
    }

    #[test]
    fn a_page_of_an_allowed_site_can_be_an_indicator() {
        assert!(hits(&set(&["https://good.example/dropper"], &["good.example"]), "https://good.example/dropper"));
    }

    #[test]
    fn what_would_accuse_everybody_is_refused() {
        let mut indicators = Indicators::default();
        let origin = Origin { list: "test".into(), line: 1, terms: None };
        for (value, refused) in [
            ("co.uk", Refused::PublicSuffix),
            ("github.io", Refused::PublicSuffix),
            ("0.0.0.0/0", Refused::TooWide),
            ("2000::/3", Refused::TooWide),
        ] {
            assert_eq!(indicators.insert(Observable::read(value).unwrap(), origin.clone()), Err(refused), "{value}");
        }
        indicators.insert(Observable::read("10.0.0.0/8").unwrap(), origin).unwrap();
        assert!(!hits(&indicators, "10.1.2.3"), "an address that is another machine in every network");
        let local = ["127.0.0.1", "169.254.1.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "192.168.1.1"];
        let local = local.into_iter().chain(["fd00::1", "::1", "fe80::1", "::", "ff02::1"]);
        for address in local {
            assert!(!hits(&set(&[address], &[]), address), "{address}");
        }
    }

    #[test]
    fn an_indicator_holds_from_when_to_when_it_is_valid_and_as_long_as_one_list_says() {
        let mut indicators = Indicators::default();
        let at = |millis: u64| Some(Timestamp::from_millis(millis));
        let mut insert = |value: &Observable, from: Option<Timestamp>, until: Option<Timestamp>| {
            let terms = Some(Box::new(Terms { from, until, confidence: None }));
            indicators.insert(value.clone(), Origin { list: "test".into(), line: 1, terms }).unwrap();
        };
        let values = ["evil.example", "203.0.113.9"].map(|value| Observable::read(value).unwrap());
        for value in &values {
            insert(value, at(500), at(1000));
        }
        insert(&values[1], at(700), at(2000));
        for (value, last) in values.iter().zip([1000, 2000]) {
            let holds = [499, 500, last, last + 1]
                .map(|millis| indicators.look_up(value, Timestamp::from_millis(millis)).is_some());
            assert_eq!(holds, [false, true, true, false], "{value}");
        }
    }

    #[test]
    fn a_port_of_an_address_is_not_the_address_and_a_fingerprint_not_a_file() {
        let md5 = "6734f37431670b3ab4292b8f60f29984";
        let indicators = set(&["203.0.113.9:443", md5, "x@evil.example"], &[]);
        let look_up = |value: Observable| indicators.look_up(&value, Timestamp::ZERO).is_some();
        assert!(hits(&indicators, "203.0.113.9:443") && hits(&indicators, "x@evil.example"));
        for miss in ["203.0.113.9", "203.0.113.9:80", "evil.example", "y@evil.example"] {
            assert!(!hits(&indicators, miss), "{miss}");
        }
        assert!(look_up(Observable::fingerprint(md5).unwrap()), "of a list without types");
        let mut typed = Indicators::default();
        let origin = Origin { list: "test".into(), line: 1, terms: None };
        typed.insert(Observable::fingerprint(md5).unwrap(), origin).unwrap();
        assert!(typed.look_up(&Observable::read(md5).unwrap(), Timestamp::ZERO).is_none());
    }
}
