//! Which addresses many people come from: a gateway of an office, a jump host. Learnt from ordinary logins. That two were seen with such
//! an address does not make them one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::recent::Recent;
use super::scenario::customer;
use crate::event::Timestamp;
use crate::limits::{SHARED_ADDRESSES_MAX, USERS_OF_AN_ADDRESS_MAX};

/// Who logs in again after so long comes from there as a habit: one who guesses several passwords in a row does not.
const HABIT_AFTER: Duration = Duration::from_secs(3600);
/// As many people with the habit share the address.
const SHARED_FROM: usize = 3;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SharedUse {
    addresses: Recent<BTreeMap<String, Visits>>,
}

/// Of one user, from one address.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Visits {
    /// Milliseconds since 1970.
    first: u64,
    is_habit: bool,
}

impl Default for SharedUse {
    fn default() -> Self {
        Self { addresses: Recent::new(SHARED_ADDRESSES_MAX) }
    }
}

impl SharedUse {
    /// This user has logged in from there.
    pub fn login(&mut self, user: &str, address: &str, now: Timestamp) {
        let users = self.addresses.touch(&customer(address), BTreeMap::new);
        let now = now.millis();
        if let Some(visits) = users.get_mut(user) {
            visits.is_habit |= now.abs_diff(visits.first) >= HABIT_AFTER.as_secs() * 1000;
        } else if users.len() < USERS_OF_AN_ADDRESS_MAX {
            users.insert(user.to_owned(), Visits { first: now, is_habit: false });
        }
    }

    pub fn is_shared(&self, address: &str) -> bool {
        let users = self.addresses.get(&customer(address));
        users.is_some_and(|users| users.values().filter(|visits| visits.is_habit).count() >= SHARED_FROM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    #[test]
    fn an_address_is_shared_when_several_people_come_from_there_again_and_again() {
        let mut shared = SharedUse::default();
        for user in ["alice", "bob", "carol"] {
            assert!(!shared.is_shared("192.0.2.1"));
            shared.login(user, "192.0.2.1", at(0));
            shared.login(user, "192.0.2.1", at(7200));
        }
        assert!(shared.is_shared("192.0.2.1") && !shared.is_shared("192.0.2.2"));
    }

    #[test]
    fn who_takes_many_accounts_over_in_a_row_shares_the_address_with_nobody() {
        let mut shared = SharedUse::default();
        for second in 0..1000 {
            shared.login(&format!("user{second}"), "203.0.113.9", at(second));
        }
        assert!(!shared.is_shared("203.0.113.9"));
        assert_eq!(shared.addresses.get("203.0.113.9").unwrap().len(), USERS_OF_AN_ADDRESS_MAX);
    }
}
