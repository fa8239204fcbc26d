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
    /// Who has logged in from elsewhere.
    users: Recent<()>,
}

impl Default for Relations {
    fn default() -> Self {
        Self {
            sources: Recent::new(KEYS_WATCHED_MAX),
            shared: SharedUse::default(),
            users: Recent::new(KEYS_WATCHED_MAX),
        }
    }
}

/// What relates one alert.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Related {
    /// Alerts with one of these in common are one story. What says most about who it was comes first.
    pub keys: Vec<String>,
    /// By these it belongs to a story that has one of them; they make none.
    pub hints: Vec<String>,
    /// Where it happened, if it came from nowhere else: it belongs to whoever has got in there.
    pub local: Option<String>,
    /// From where it came, if from one address.
    pub source: Option<String>,
    /// It came from an address that people share, and which of them it was is not known.
    pub is_of_one_of_many: bool,
}

impl Relations {
    /// An ordinary login that succeeded.
    pub fn login(&mut self, user: &str, address: &str, now: Timestamp) {
        self.shared.login(user, address, now);
        self.users.touch(user, || ());
    }

    /// Names under which alerts about this entity are related, without those that too many sources share. Addresses are those of one
    /// customer, who has a /64 of IPv6; one that people share relates only what was done from there on one machine under no name.
    pub fn of(&mut self, entity: &Entity, attack: &[String]) -> Related {
        let address = entity.src_ip.as_deref().map(customer);
        let source = address.clone().or(entity.host.as_deref().map(Cow::Borrowed)).unwrap_or_default();
        let is_from_many = address.as_ref().is_some_and(|address| self.shared.is_shared(address));
        let user = entity.user.as_ref().filter(|user| !EVERYBODYS.contains(&user.as_str()));
        let source_name = address.as_deref().map(str::to_owned);
        let is_of_one_of_many = is_from_many && user.is_none();
        let mut related = Related { is_of_one_of_many, source: source_name, ..Related::default() };
        match (user, &entity.host, &address) {
            // An account that was made on one machine may have a namesake on another.
            (Some(user), Some(host), None) => {
                related.keys.push(format!("user:{user}@{host}"));
                related.hints.push(format!("user:{user}"));
            }
            (Some(user), host, _) => {
                related.keys.extend(self.particular(format!("user:{user}"), &source));
                related.hints.extend(host.as_ref().map(|host| format!("user:{user}@{host}")));
            }
            (None, ..) => {}
        }
        let names = [("domain", &entity.domain), ("file", &entity.file)];
        for (kind, name) in names.into_iter().filter_map(|(kind, name)| Some((kind, name.as_ref()?))) {
            related.keys.extend(self.particular(format!("{kind}:{name}"), &source));
        }
        // The machine that is attacked has many attackers; one that something here reaches out to has few.
        if let Some(target) = entity.dst_ip.as_deref().filter(|_| !is_inbound(attack) || address.is_none()) {
            related.keys.extend(self.particular(format!("ip:{}", customer(target)), &source));
        }
        // Behind an address that people share, the account alone says who it was.
        if let Some(address) = address.as_ref().filter(|_| !is_from_many || user.is_none()) {
            related.keys.push(match &entity.host {
                Some(host) if is_from_many => format!("ip:{address}@{host}"),
                _ => format!("ip:{address}"),
            });
        }
        // Who logs in by himself does it himself.
        let is_anybodys = user.is_none_or(|user| self.users.get(user).is_none());
        related.local = entity.host.clone().filter(|_| address.is_none() && is_anybodys);
        related
    }

    /// The key, unless too many sources share it.
    fn particular(&mut self, key: String, source: &str) -> Option<String> {
        let sources = self.sources.touch(&key, BTreeSet::new);
        if sources.len() <= SOURCES_OF_A_KEY_MAX {
            sources.insert(source.to_owned());
        }
        (sources.len() <= SOURCES_OF_A_KEY_MAX).then_some(key)
    }
}

/// Whether somebody outside did it to a machine here.
fn is_inbound(attack: &[String]) -> bool {
    let mut tactics = attack.iter().filter_map(|technique| Tactic::of(technique));
    tactics.any(|tactic| {
        matches!(tactic, Tactic::Reconnaissance | Tactic::Discovery | Tactic::InitialAccess | Tactic::CredentialAccess)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(user: &str, host: &str, src_ip: &str, dst_ip: &str) -> Entity {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (user, host, src_ip, dst_ip) = (some(user), some(host), some(src_ip), some(dst_ip));
        Entity { user, host, src_ip, dst_ip, ..Entity::default() }
    }

    #[test]
    fn behind_an_address_that_people_share_the_account_alone_says_who_it_was() {
        let mut relations = Relations::default();
        let of = |relations: &mut Relations, user| relations.of(&entity(user, "web1", "192.0.2.5", ""), &[]).keys;
        assert_eq!(of(&mut relations, "mallory"), ["user:mallory", "ip:192.0.2.5"]);
        for hour in [0, 2] {
            for user in ["alice", "bob", "carol"] {
                relations.login(user, "192.0.2.5", Timestamp::from_millis(hour * 3_600_000));
            }
        }
        assert_eq!(of(&mut relations, "mallory"), ["user:mallory"]);
        assert_eq!(of(&mut relations, ""), ["ip:192.0.2.5@web1"]);
    }

    #[test]
    fn what_root_and_new_accounts_do_on_a_machine_is_of_whoever_is_there_and_what_people_do_is_theirs() {
        let mut relations = Relations::default();
        relations.login("alice", "192.0.2.7", Timestamp::ZERO);
        let local = |relations: &mut Relations, user| {
            let related = relations.of(&entity(user, "web1", "", ""), &[]);
            (related.keys, related.local.is_some())
        };
        assert_eq!(local(&mut relations, "root"), (vec![], true));
        assert_eq!(local(&mut relations, "helper"), (vec!["user:helper@web1".to_owned()], true));
        assert_eq!(local(&mut relations, "alice"), (vec!["user:alice@web1".to_owned()], false));
    }

    #[test]
    fn a_machine_that_is_attacked_relates_nobody_and_one_that_is_called_from_here_does() {
        let mut relations = Relations::default();
        let of = |relations: &mut Relations, technique: &str| {
            let scan = entity("", "web1", "203.0.113.9", "192.0.2.5");
            relations.of(&scan, &[technique.to_owned()]).keys
        };
        assert_eq!(of(&mut relations, "T1595"), ["ip:203.0.113.9"]);
        assert_eq!(of(&mut relations, "T1071"), ["ip:192.0.2.5", "ip:203.0.113.9"]);
    }
}
