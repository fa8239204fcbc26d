//! Programs that give a user another's rights, and logins at the console.

use super::super::scan::{between, word_after};
use crate::event::{Action, Record};

pub(super) fn describe(program: &str, message: &str, record: &mut Record) -> bool {
    match program {
        "sudo" => sudo(message, record),
        "su" => su(message, record),
        "doas" => doas(message, record),
        "pkexec" => pkexec(message, record),
        _ => polkit(message, record),
    }
}

/// `alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/ls`, with a reason after the colon when refused.
fn sudo(message: &str, record: &mut Record) -> bool {
    let Some((user, rest)) = message.trim_start().split_once(" : ") else { return false };
    if !rest.contains("TTY=") && !rest.contains("PWD=") {
        return false;
    }
    record.set_user(user.trim());
    let refused = !rest.starts_with("TTY=") && !rest.starts_with("PWD=") && !rest.starts_with("HOST=");
    record.says(Action::PrivilegeUse, Some(!refused));
    // The command comes last and may hold anything; a directory before it holds no ` ; `, as sudo escapes it.
    let (head, command) = rest.split_once("COMMAND=").unwrap_or((rest, ""));
    for pair in head.split(" ; ") {
        if let Some((key, value)) = pair.trim().split_once('=') {
            record.push(key, value);
        }
    }
    if refused {
        record.push("reason", rest.split(" ; ").next().unwrap_or_default());
    }
    record.set_command(command);
    true
}

fn su(message: &str, record: &mut Record) -> bool {
    let failed = message.starts_with("FAILED") || message.starts_with("- ") || message.starts_with("BAD SU ");
    let names = if let Some((_, rest)) = message.split_once("(to ") {
        // `(to root) alice on pts/1`
        rest.split_once(") ").map(|(to, by)| (by.split(" on ").next().unwrap_or(by), to))
    } else if let Some((_, rest)) = message.split_once("su for ") {
        rest.split_once(" by ").map(|(to, by)| (by, to))
    } else if message.starts_with("+ ") || message.starts_with("- ") {
        message.rsplit(' ').next().and_then(|names| names.split_once(':'))
    } else {
        None
    };
    let Some((by, to)) = names else { return false };
    record.says(Action::PrivilegeUse, Some(!failed));
    record.set_user(by);
    record.push("USER", to);
    true
}

/// `alice ran command id as root from /home/alice`, `command not permitted for alice: id`.
fn doas(message: &str, record: &mut Record) -> bool {
    if let Some((user, rest)) = message.split_once(" ran command ") {
        record.says(Action::PrivilegeUse, Some(true));
        record.set_user(user);
        record.set_command(rest.rsplit_once(" as ").map_or(rest, |(command, _)| command));
        return true;
    }
    let Some((user, command)) =
        message.strip_prefix("command not permitted for ").and_then(|rest| rest.split_once(": "))
    else {
        return false;
    };
    record.says(Action::PrivilegeUse, Some(false));
    record.set_user(user);
    record.set_command(command);
    true
}

/// `alice: Executing command [USER=root] [TTY=/dev/pts/0] [CWD=/home/alice] [COMMAND=/bin/sh]`.
fn pkexec(message: &str, record: &mut Record) -> bool {
    let Some((user, rest)) = message.split_once(": ") else { return false };
    let outcome = if rest.starts_with("Executing command") {
        true
    } else if rest.starts_with("Error executing command") || rest.starts_with("The value for") {
        false
    } else {
        return false;
    };
    record.says(Action::PrivilegeUse, Some(outcome));
    record.set_user(user);
    for key in ["USER", "TTY", "CWD"] {
        if let Some(value) = between(rest, &format!("[{key}="), "]") {
            record.push(key, value);
        }
    }
    if let Some((_, command)) = rest.split_once("[COMMAND=") {
        record.set_command(command.strip_suffix(']').unwrap_or(command));
    }
    true
}

fn polkit(message: &str, record: &mut Record) -> bool {
    let outcome = if message.contains("FAILED to authenticate") {
        false
    } else if message.contains("successfully authenticated") {
        true
    } else {
        return false;
    };
    record.says(Action::PrivilegeUse, Some(outcome));
    record.set_user(between(message, "(owned by unix-user:", ")").unwrap_or_default());
    true
}

/// `FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure`, `ROOT LOGIN ON tty2`.
pub(super) fn console(message: &str, record: &mut Record) -> bool {
    if message.starts_with("FAILED LOGIN") {
        record.says(Action::Login, Some(false));
        record.set_user(
            between(message, " FOR '", "',").or_else(|| word_after(message, " FOR ", &[','])).unwrap_or_default(),
        );
        return true;
    }
    if message.starts_with("ROOT LOGIN") || message.starts_with("LOGIN ON ") || message.starts_with("DIALUP AT ") {
        record.says(Action::Login, Some(true));
        record.set_user(if message.starts_with("ROOT") {
            "root"
        } else {
            message.rsplit(" BY ").next().unwrap_or_default()
        });
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudo_names_who_ran_what() {
        let mut record = Record::default();
        sudo("   alice : TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/bin/sh -c 'a ; USER=x'", &mut record);
        assert_eq!((record.action, record.outcome), (Action::PrivilegeUse, Some(true)));
        assert_eq!(record.entity.user.as_deref(), Some("alice"));
        assert_eq!(record.command.as_deref(), Some("/bin/sh -c 'a ; USER=x'"));
        assert_eq!(record.field("USER"), Some("root"));
    }

    #[test]
    fn sudo_s_refusals_are_refusals() {
        for reason in ["3 incorrect password attempts", "command not allowed", "user NOT in sudoers"] {
            let mut record = Record::default();
            sudo(&format!("eve : {reason} ; TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/bin/id"), &mut record);
            assert_eq!((record.outcome, record.field("reason")), (Some(false), Some(reason)));
        }
    }

    #[test]
    fn su_s_many_forms_name_both_users() {
        for (message, outcome) in [
            ("(to root) alice on pts/1", true),
            ("FAILED SU (to root) alice on pts/1", false),
            ("Successful su for root by alice", true),
            ("FAILED su for root by alice", false),
            ("+ /dev/pts/0 alice:root", true),
        ] {
            let mut record = Record::default();
            assert!(su(message, &mut record), "{message}");
            assert_eq!(
                (record.entity.user.as_deref(), record.field("USER")),
                (Some("alice"), Some("root")),
                "{message}"
            );
            assert_eq!(record.outcome, Some(outcome), "{message}");
        }
    }
}
