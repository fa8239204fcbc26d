//! Which accounts may be locked, out of the files that say who there is. Pure.

use super::guard::Guard;
use super::protocol::Approver;
use super::user::UserName;

/// Of no person, by convention.
const NOBODY: u32 = 65534;
/// Of a number of days; more are in no year that anybody means.
const DAY_DIGITS: usize = 7;

/// One account, as `/etc/passwd` and `/etc/shadow` have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub uid: u32,
    /// Its password opens nothing.
    pub is_locked: bool,
    /// It has no password at all, so that locking the password could not be taken back.
    pub is_open: bool,
    /// The day since the epoch on which it expires, as it stands there.
    pub expires: String,
}

impl Account {
    /// # Errors
    /// It is not in both files, or not in a way that `usermod` reads: that would add a second line for it, which nothing takes away.
    pub fn read(name: &UserName, passwd: &str, shadow: &str) -> Result<Self, NoAccount> {
        let gone = |why: &str| NoAccount::Gone(format!("{name} is not in {why}"));
        let unreadable = |why: &str| NoAccount::Unreadable(format!("{why}: pwck shows what is wrong"));
        let only = |file: &str, text| {
            only_line(name, text).map_err(|()| unreadable(&format!("{name} is in {file} more than once")))
        };
        let known = only("/etc/passwd", passwd)?
            .ok_or_else(|| gone("/etc/passwd: accounts of a directory are locked there"))?;
        let uid = known.get(2).and_then(|uid| uid.parse().ok());
        let uid = uid.ok_or_else(|| unreadable(&format!("/etc/passwd has no number for {name}")))?;
        let secret = only("/etc/shadow", shadow)?.ok_or_else(|| gone("/etc/shadow"))?;
        let [_, password, last, least, most, warned, idle, expires, unused] = secret.as_slice() else {
            return Err(unreadable(&format!("the line of {name} in /etc/shadow has not nine fields")));
        };
        if ![last, least, most, warned, idle, expires, unused].into_iter().all(|field| is_number(field)) {
            return Err(unreadable(&format!(
                "the line of {name} in /etc/shadow has something else where a number should be"
            )));
        }
        let (is_locked, is_open) = (password.starts_with('!'), password.is_empty());
        Ok(Self { uid, is_locked, is_open, expires: (*expires).to_owned() })
    }
}

/// Why there is no account to be locked or restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAccount {
    Gone(String),
    /// It may be there, and nothing can be done to it.
    Unreadable(String),
}

impl NoAccount {
    pub fn why(self) -> String {
        let (Self::Gone(why) | Self::Unreadable(why)) = self;
        why
    }
}

/// The fields of the line that begins with this name.
fn only_line<'a>(name: &UserName, text: &'a str) -> Result<Option<Vec<&'a str>>, ()> {
    let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut found = fields.filter(|fields| fields.first() == Some(&name.as_str()));
    let first = found.next();
    if found.next().is_some() { Err(()) } else { Ok(first) }
}

/// A number of days, or nothing.
fn is_number(text: &str) -> bool {
    text.len() <= DAY_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Why this account must not be locked, and what to do where something can be done.
///
/// # Errors
/// It must not.
pub fn judge(
    name: &UserName,
    account: &Account,
    guard: &Guard,
    uid_min: u32,
    approver: Approver,
) -> Result<(), String> {
    let uid = account.uid;
    guard.judge_user(if uid == 0 { "root" } else { name.as_str() })?;
    if uid < uid_min || uid == NOBODY {
        return Err(format!("uid {uid} is that of a program and no person: respond.accounts.uid_min = {uid_min}"));
    }
    let is_his = |session: &&super::sessions::Session| session.uid == uid || session.user == name.as_str();
    let mut sessions = guard.sessions.iter().filter(is_his);
    match approver {
        Approver::Uid(approver) if approver == uid => Err("whoever approves it would lock himself out".to_owned()),
        Approver::Uid(0) if sessions.next().is_some() => Err(format!(
            "{name} is logged in, and may be whoever approves it: approve it over another way, or end that session first \
             (loginctl terminate-user {name})"
        )),
        Approver::Address(address) if sessions.any(|session| session.from == Some(address.to_canonical())) => Err(
            format!("{name} is logged in from {address}, where whoever approves it is: approve it from somewhere else"),
        ),
        Approver::Uid(_) | Approver::Address(_) | Approver::Automatic => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::respond::sessions::Session;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000:A:/home/alice:/bin/sh\nsshd:x:105:65534::/run/sshd:/usr/sbin/nologin\n\
                          toor:x:0:0::/root:/bin/sh\nbroken\nnobody:x:65534:65534:::\nalicia:x:1002:1002:::\n";
    const SHADOW: &str = "root:*:1:::::20500:\nalice:$y$x:19000:0:99999:7::20500:\nsshd:!:1::::::\ntoor:x:1::::::\nbroken\nnobody:*:1::::::\n";

    fn read(name: &str) -> Result<Account, String> {
        Account::read(&name.parse().unwrap(), PASSWD, SHADOW).map_err(NoAccount::why)
    }

    fn judged(name: &str, approver: Approver) -> Result<(), String> {
        let session = |uid, user: &str, from: Option<&str>| Session {
            uid,
            user: user.into(),
            from: from.map(|from| from.parse().unwrap()),
        };
        let guard = Guard {
            protected_users: vec!["bob".into()],
            sessions: vec![session(1000, "alice", Some("203.0.113.9")), session(1003, "carol", None)],
            ..Guard::default()
        };
        let uid = match name {
            "alice" => 1000,
            "bob" => 1001,
            "carol" => 1003,
            "dave" => 1004,
            other => read(other)?.uid,
        };
        let account = Account { uid, is_locked: false, is_open: false, expires: String::new() };
        judge(&name.parse().unwrap(), &account, &guard, 1000, approver)
    }

    #[test]
    fn an_account_is_read_from_both_files_and_one_that_is_not_in_them_is_none() {
        assert_eq!(read("alice"), Ok(Account { uid: 1000, is_locked: false, is_open: false, expires: "20500".into() }));
        assert!(read("sshd").unwrap().is_locked);
        for (name, said) in [("mallory", "/etc/passwd"), ("alicia", "/etc/shadow"), ("broken", "number")] {
            assert!(read(name).unwrap_err().contains(said), "{name}");
        }
    }

    #[test]
    fn an_account_whose_line_usermod_does_not_read_is_left_alone() {
        let read = |passwd: &str, shadow: &str| Account::read(&"alice".parse().unwrap(), passwd, shadow);
        for line in [
            "alice:x",
            "alice:x:1:0:9:7::abc:",
            "alice:x:1:0:9:7::-1:",
            "alice:x:1:0:9:7::--help:",
            "alice:x:1:0:9:7::1:2:",
            "alice:x:1:0:9:7::99999999999999999999:",
            "alice:x:soon:0:9:7:::",
            "alice:x:1:0:9:7:::\nalice:x:1:0:9:7:::",
        ] {
            assert!(matches!(read(PASSWD, line), Err(NoAccount::Unreadable(why)) if why.contains("pwck")), "{line}");
        }
        let twice = format!("{PASSWD}alice:x:1001:1001::/:/bin/sh\n");
        assert!(matches!(read(&twice, SHADOW), Err(NoAccount::Unreadable(_))));
        assert!(matches!(read("", SHADOW), Err(NoAccount::Gone(_))));
    }

    #[test]
    fn no_account_is_locked_that_the_machine_or_whoever_approves_needs() {
        for (name, said) in
            [("root", "root"), ("toor", "root"), ("sshd", "uid_min"), ("nobody", "program"), ("bob", "protected")]
        {
            assert!(judged(name, Approver::Automatic).unwrap_err().contains(said), "{name}");
        }
        let at = |address: &str| Approver::Address(address.parse().unwrap());
        for (name, approver, is_fine) in [
            ("alice", Approver::Automatic, true),
            ("alice", Approver::Uid(1000), false),
            ("alice", Approver::Uid(1003), true),
            ("alice", Approver::Uid(0), false), // root by sudo may be whoever is logged in
            ("carol", Approver::Uid(0), false),
            ("dave", Approver::Uid(0), true),
            ("alice", at("203.0.113.9"), false),
            ("alice", at("::ffff:203.0.113.9"), false),
            ("alice", at("203.0.113.8"), true),
        ] {
            assert_eq!(judged(name, approver).is_ok(), is_fine, "{name} {approver:?}");
        }
    }
}
