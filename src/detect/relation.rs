//! By what an alert is related to others: names that one actor alone has, and the machine that it happened on.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::recent::Recent;
use super::scenario::customer;
use super::shared_use::SharedUse;
use super::tactic::Tactic;
use crate::event::{Entity, Timestamp};

const KEYS_WATCHED_MAX: usize = 8192;
/// A key with more sources than this relates nothing.
const SOURCES_OF_A_KEY_MAX: usize = 3;
/// Accounts that every intruder ends as: who they are on one machine says nothing about another.
const EVERYBODYS: &[&str] = &["root", "Administrator", "SYSTEM"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Relations {
    /// Who was seen with each key, up to one more than may be.
    sources: Recent<BTreeSet<String>>,
    shared: SharedUse,
}

impl Default for Relations {
    fn default() -> Self {
        Self { sources: Recent::new(KEYS_WATCHED_MAX), shared: SharedUse::default() }
    }
}

/// What relates one alert.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Related {
    /// Alerts with one of these in common are one story. Sorted.
    pub keys: Vec<String>,
    /// Where it happened, if it came from nowhere else: it belongs to whoever has got in there.
    pub local: Option<String>,
    /// From where it came, if from one address alone.
    pub source: Option<String>,
}

impl Relations {
    /// An ordinary login that succeeded.
    pub fn login(&mut self, user: &str, address: &str, now: Timestamp) {
        self.shared.login(user, address, now);
    }

    /// Names under which alerts about this entity are related, without those that too many sources share. Addresses are those of one
    /// customer, who has a /64 of IPv6; one that people share relates only what was done from there on one machine.
    pub fn of(&mut self, entity: &Entity, attack: &[String]) -> Related {
        let address = entity.src_ip.as_deref().map(customer);
        let source = address.clone().or(entity.host.as_deref().map(Cow::Borrowed)).unwrap_or_default();
        let mut keys = Vec::new();
        if let Some(address) = &address {
            keys.push(match &entity.host {
                Some(host) if self.shared.is_shared(address) => format!("ip:{address}@{host}"),
                _ => format!("ip:{address}"),
            });
        }
        let user = entity.user.as_ref().filter(|user| !EVERYBODYS.contains(&user.as_str()));
        // The machine that is attacked has many attackers; one that something here reaches out to has few.
        let is_inbound = attack.iter().filter_map(|technique| Tactic::of(technique)).any(|tactic| {
            matches!(
                tactic,
                Tactic::Reconnaissance | Tactic::Discovery | Tactic::InitialAccess | Tactic::CredentialAccess
            )
        });
        let target = entity.dst_ip.as_deref().filter(|_| !is_inbound || address.is_none()).map(customer);
        for (kind, value) in [
            ("user", user.map(|user| Cow::Borrowed(user.as_str()))),
            ("ip", target),
            ("domain", entity.domain.as_deref().map(Cow::Borrowed)),
            ("file", entity.file.as_deref().map(Cow::Borrowed)),
        ] {
            let Some(value) = value else { continue };
            let key = format!("{kind}:{value}");
            if self.is_particular(&key, &source) {
                keys.push(key);
            }
        }
        let local = entity.host.clone().filter(|_| address.is_none());
        if keys.is_empty() {
            keys.extend(entity.host.as_ref().map(|host| format!("host:{host}")));
        }
        keys.sort();
        keys.dedup();
        Related { keys, local, source: address.map(Cow::into_owned) }
    }

    fn is_particular(&mut self, key: &str, source: &str) -> bool {
        let sources = self.sources.touch(key, BTreeSet::new);
        if sources.len() <= SOURCES_OF_A_KEY_MAX {
            sources.insert(source.to_owned());
        }
        sources.len() <= SOURCES_OF_A_KEY_MAX
    }
}
