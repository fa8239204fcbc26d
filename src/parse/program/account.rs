//! The programs that make, change and remove users and groups.

use super::super::scan::{between, word_after};
use crate::event::{Action, Record};

pub(super) fn describe(message: &str, record: &mut Record) -> bool {
    const MARKS: &[&str] = &[
        "new user: ",
        "new group: ",
        "delete user ",
        "group added to ",
        "group '",
        "group removed from ",
        "removed group ",
        "add '",
        "change user ",
        "changed user ",
        "changed password",
        "password for ",
        "user ",
        "lock user ",
        "unlock user ",
        "removed shadow group ",
        "members of group ",
        "delete '",
        "password changed for ",
        "set members of ",
        "set user ",
        "changed shell ",
        "added by ",
        "set password ",
    ];
    if !MARKS.iter().any(|mark| message.contains(mark)) {
        return false;
    }
    let failed =
        message.contains("failed ") || message.contains("cannot ") || message.contains("Authentication failure");
    record.says(Action::AccountChange, Some(!failed));
    let name = word_after(message, "new user: name=", &[',', ' '])
        .or_else(|| between(message, "user '", "'"))
        .or_else(|| between(message, "add '", "'"))
        .or_else(|| between(message, "delete '", "'"))
        .or_else(|| between(message, "for '", "'"))
        .or_else(|| word_after(message, "password changed for ", &[' ', ',']))
        .or_else(|| word_after(message, "user ", &[' ', ',', ':']).filter(|_| message.starts_with("user ")));
    record.set_user(name.unwrap_or_default());
    for (key, mark) in [("UID", "UID="), ("GID", "GID="), ("home", "home="), ("shell", "shell=")] {
        if let Some(value) = word_after(message, mark, &[',', ' ']) {
            record.push(key, value);
        }
    }
    let group = word_after(message, "group: name=", &[',', ' ']);
    let group =
        group.or_else(|| between(message, "group '", "'")).or_else(|| word_after(message, ": name=", &[',', ' ']));
    if let Some(group) = group.filter(|_| !message.starts_with("new user")) {
        record.push("group", group);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_accounts_name_the_account() {
        for (message, user, group) in [
            ("new user: name=eve, UID=0, GID=0, home=/home/eve, shell=/bin/bash, from=/dev/pts/0", Some("eve"), None),
            ("delete user 'eve'", Some("eve"), None),
            ("add 'eve' to group 'sudo'", Some("eve"), Some("sudo")),
            ("user eve added by root to group wheel", Some("eve"), None),
            ("new group: name=ops, GID=900", None, Some("ops")),
            ("group added to /etc/group: name=ops, GID=900", None, Some("ops")),
            ("change user 'eve' shell from '/bin/false' to '/bin/bash'", Some("eve"), None),
        ] {
            let mut record = Record::default();
            assert!(describe(message, &mut record), "{message}");
            assert_eq!((record.action, record.outcome), (Action::AccountChange, Some(true)), "{message}");
            assert_eq!((record.entity.user.as_deref(), record.field("group")), (user, group), "{message}");
        }
    }
}
