//! Which accounts the helper has locked, until when, and how they were before. It is on the disk before anything is done, so that whatever
//! ends in the middle is taken back when its time is over. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::accounts::Account;
use super::user::UserName;
use crate::event::{EventId, Timestamp};
use crate::limits::RESPOND_LOCKED_MAX;

/// Proposals that want the same account locked, of which each has an end of its own: beyond them, those that end first are forgotten.
const PROPOSALS_OF_ONE: usize = 8;
/// The day of the epoch on which a locked account has expired.
pub const EXPIRED: &str = "1";

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Locked(BTreeMap<UserName, Lock>);

/// How an account was before, and who wants it locked until when.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    before: Before,
    /// Milliseconds since the epoch, by proposal: a clock goes on while the machine is off.
    until_ms: BTreeMap<EventId, u64>,
}

/// How it was.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    uid: u32,
    /// Its password was locked, or it had none: then it was left alone.
    password_kept: bool,
    expires: String,
}

/// What `usermod` is to be told of an account; nothing where it is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub password: Option<&'static str>,
    pub expires: Option<String>,
}

impl Change {
    /// Its arguments before the name.
    pub fn arguments(&self) -> Vec<String> {
        let expires = self.expires.iter().flat_map(|day| ["--expiredate".to_owned(), day.clone()]);
        self.password.iter().map(|option| (*option).to_owned()).chain(expires).collect()
    }
}

impl Locked {
    /// Takes note of what is about to be locked. The same again counts once; one that is locked already keeps how it was, but for what
    /// somebody else has changed since: it cannot be what the helper has made of it.
    ///
    /// # Errors
    /// There are as many as there may be.
    pub fn add(&mut self, user: &UserName, account: &Account, id: EventId, until: Timestamp) -> Result<(), String> {
        if self.0.len() >= RESPOND_LOCKED_MAX && !self.0.contains_key(user) {
            return Err(format!("{RESPOND_LOCKED_MAX} accounts are locked, which is as many as may be"));
        }
        let Account { uid, is_locked, is_open, expires } = account.clone();
        let before = Before { uid, password_kept: is_locked || is_open, expires };
        let lock = self.0.entry(user.clone()).or_insert(Lock { before: before.clone(), until_ms: BTreeMap::new() });
        if lock.before.uid != uid {
            lock.before = before;
        } else {
            if !is_locked {
                lock.before.password_kept = is_open;
            }
            if before.expires != EXPIRED {
                lock.before.expires = before.expires;
            }
        }
        lock.until_ms.entry(id).or_insert(until.millis());
        if lock.until_ms.len() > PROPOSALS_OF_ONE {
            let first = lock.until_ms.iter().min_by_key(|(_, until)| **until).map(|(id, _)| *id);
            first.map(|id| lock.until_ms.remove(&id));
        }
        Ok(())
    }

    /// Forgets what one proposal wants; whether nobody wants it locked any more.
    pub fn give_up(&mut self, user: &UserName, id: EventId) -> bool {
        let Some(lock) = self.0.get_mut(user) else { return false };
        lock.until_ms.remove(&id);
        lock.until_ms.is_empty()
    }

    /// Those whose time is over.
    pub fn due(&self, now: Timestamp) -> Vec<UserName> {
        let is_due = |lock: &Lock| lock.until_ms.values().all(|until| *until <= now.millis());
        self.0.iter().filter(|(_, lock)| is_due(lock)).map(|(user, _)| user.clone()).collect()
    }

    /// When the next time is over.
    pub fn next(&self) -> Option<Timestamp> {
        let ends = self.0.values().map(|lock| lock.until_ms.values().max().copied().unwrap_or(0));
        ends.min().map(Timestamp::from_millis)
    }

    /// Those that are locked, with until when.
    pub fn list(&self) -> impl Iterator<Item = (&UserName, Timestamp)> {
        let until = |lock: &Lock| Timestamp::from_millis(lock.until_ms.values().max().copied().unwrap_or(0));
        self.0.iter().map(move |(user, lock)| (user, until(lock)))
    }

    /// What restores it as it was. What somebody else has changed meanwhile stays. `None` where the helper has not locked it, and where the
    /// account is another one by now.
    pub fn restored(&self, user: &UserName, account: &Account) -> Option<Change> {
        let Before { uid, password_kept, expires } = &self.0.get(user)?.before;
        (*uid == account.uid).then(|| Change {
            password: (account.is_locked && !password_kept).then_some("--unlock"),
            expires: (account.expires == EXPIRED && expires != EXPIRED).then(|| expires.clone()),
        })
    }

    pub fn users(&self) -> Vec<UserName> {
        self.0.keys().cloned().collect()
    }

    pub fn forget(&mut self, user: &UserName) {
        self.0.remove(user);
    }
}

/// What locks an account: its password, and with its expiry every other way in. One without a password keeps that it has none, which could not
/// be restored.
pub fn locking(account: &Account) -> Change {
    Change {
        password: (!account.is_locked && !account.is_open).then_some("--lock"),
        expires: (account.expires != EXPIRED).then(|| EXPIRED.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(password: &str, expires: &str) -> Account {
        let (is_locked, is_open) = (password.starts_with('!'), password.is_empty());
        Account { uid: 1000, is_locked, is_open, expires: expires.into() }
    }

    fn alice() -> UserName {
        "alice".parse().unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// What `usermod` makes of it.
    fn changed(account: &Account, change: &Change) -> Account {
        let is_locked = match change.password {
            Some("--lock") => true,
            Some("--unlock") => false,
            _ => account.is_locked,
        };
        let expires = change.expires.clone().unwrap_or_else(|| account.expires.clone());
        Account { is_locked, expires, ..account.clone() }
    }

    #[test]
    fn an_account_is_restored_as_it_was_and_what_somebody_else_has_changed_stays() {
        for password in ["$y$hash", "!$y$hash", "!", "*", ""] {
            for expires in ["", "20500", "1", "0"] {
                let before = account(password, expires);
                let mut locked = Locked::default();
                locked.add(&alice(), &before, EventId::ZERO, at(9)).unwrap();
                let after = changed(&before, &locking(&before));
                assert!(after.expires == EXPIRED && (after.is_locked || before.is_open), "{before:?}");
                assert_eq!(changed(&after, &locked.restored(&alice(), &after).unwrap()), before);
                // The same again, after a kill in the middle, does not take the locked account for what it was before.
                locked.add(&alice(), &after, EventId::ZERO, at(9)).unwrap();
                assert_eq!(changed(&after, &locked.restored(&alice(), &after).unwrap()), before);
                assert_eq!(locked.restored(&alice(), &before).unwrap().arguments(), [""; 0], "nothing was done yet");
            }
        }
        let mut locked = Locked::default();
        locked.add(&alice(), &account("x", "20500"), EventId::ZERO, at(9)).unwrap();
        assert_eq!(locked.restored(&alice(), &account("new", "20600")).unwrap().arguments(), [""; 0]);
        assert_eq!(locked.restored(&alice(), &Account { uid: 1001, ..account("!x", "1") }), None, "another alice");
        assert_eq!(locked.restored(&"bob".parse().unwrap(), &account("!x", "1")), None, "nobody locked him here");
    }

    #[test]
    fn an_account_that_was_changed_while_it_was_locked_and_is_locked_again_is_restored_as_changed() {
        let first = account("!x", "20500");
        for changed_to in [
            account("new", "20600"),
            account("!x", ""),
            account("new", "1"),
            Account { uid: 1001, ..account("x", "7") },
        ] {
            let mut locked = Locked::default();
            locked.add(&alice(), &first, EventId::new(1, 0), at(9)).unwrap();
            locked.add(&alice(), &changed_to, EventId::new(2, 0), at(9)).unwrap();
            let after = changed(&changed_to, &locking(&changed_to));
            let restored = locked.restored(&alice(), &after).expect("it is the one that was locked last");
            let expected = if changed_to.expires == EXPIRED { "20500" } else { &changed_to.expires };
            assert_eq!(changed(&after, &restored), Account { expires: expected.to_owned(), ..changed_to.clone() });
        }
    }

    #[test]
    fn an_account_stays_locked_until_the_last_proposal_against_it_is_over() {
        let (mut locked, [first, second]) = (Locked::default(), [1, 2].map(|ms| EventId::new(ms, 0)));
        let before = account("x", "");
        locked.add(&alice(), &before, first, at(10)).unwrap();
        locked.add(&alice(), &before, first, at(99)).unwrap();
        assert_eq!(locked.next(), Some(at(10)), "asked for again, it lasts no longer");
        locked.add(&alice(), &before, second, at(20)).unwrap();
        assert_eq!((locked.due(at(19)), locked.due(at(20))), (vec![], vec![alice()]));
        assert!(!locked.give_up(&alice(), second), "somebody wants it back, and the other holds");
        assert_eq!((locked.next(), locked.due(at(9))), (Some(at(10)), vec![]));
        assert!(locked.give_up(&alice(), first));
        assert_eq!(locked.due(at(0)), [alice()], "what could not be restored at once is due");
        assert!(!locked.give_up(&"bob".parse().unwrap(), first));
    }

    #[test]
    fn no_more_accounts_are_locked_than_may_be_and_all_of_them_fit_into_the_file() {
        let mut locked = Locked::default();
        for number in 0..RESPOND_LOCKED_MAX {
            let user = format!("u{number:031}").parse().unwrap();
            for proposal in 0..2 * PROPOSALS_OF_ONE as u64 {
                locked.add(&user, &account("x", "20500"), EventId::new(u64::MAX - proposal, 9), at(proposal)).unwrap();
            }
        }
        assert!(locked.add(&alice(), &account("x", ""), EventId::ZERO, at(9)).is_err());
        let text = serde_json::to_string(&locked).unwrap();
        assert!((text.len() as u64) < crate::limits::RESPOND_FILE_BYTES_MAX, "{}", text.len());
        assert_eq!(serde_json::from_str::<Locked>(&text).unwrap(), locked);
    }
}
