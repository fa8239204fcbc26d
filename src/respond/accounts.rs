//! Which accounts may be locked, out of the files that say who there is. Pure.

use super::guard::Guard;
use super::protocol::Approver;
use super::user::UserName;

/// Of no person, by convention.
const NOBODY: u32 = 65534;

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
    /// It is not in both files.
    pub fn read(name: &UserName, passwd: &str, shadow: &str) -> Result<Self, String> {
        let line = |text: &str| {
            let fields = text.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
            fields.into_iter().find(|fields| fields.first().is_some_and(|first| first == name.as_str()))
        };
        let field = |fields: &[String], index: usize| fields.get(index).cloned().unwrap_or_default();
        let known = line(passwd)
            .ok_or_else(|| format!("{name} is not in /etc/passwd: accounts of a directory are locked there"))?;
        let uid = field(&known, 2).parse().map_err(|_| format!("/etc/passwd has no number for {name}"))?;
        let secret = line(shadow).ok_or_else(|| format!("{name} is not in /etc/shadow"))?;
        let password = field(&secret, 1);
        Ok(Self { uid, is_locked: password.starts_with('!'), is_open: password.is_empty(), expires: field(&secret, 7) })
    }
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
        Account::read(&name.parse().unwrap(), PASSWD, SHADOW)
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
