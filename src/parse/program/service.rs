//! systemd, its logins, and cron.

use super::super::scan::word_after;
use crate::event::{Action, Record};

pub(super) fn systemd(message: &str, record: &mut Record) -> bool {
    let said = [
        ("Started ", Action::ServiceStart, Some(true)),
        ("Failed to start ", Action::ServiceStart, Some(false)),
        ("Stopped ", Action::ServiceStop, Some(true)),
    ];
    for (mark, action, outcome) in said {
        if let Some(unit) = message.strip_prefix(mark) {
            record.says(action, outcome);
            record.push("unit", unit.trim_end_matches('.'));
            return true;
        }
    }
    if let Some((unit, _)) = message.split_once(": ").filter(|(unit, _)| unit.contains('.') && !unit.contains(' ')) {
        record.push("unit", unit);
        if message.contains(": Failed with result") || message.contains(": Main process exited, code=exited, status=") {
            record.outcome = Some(false);
        }
    }
    true
}

pub(super) fn logind(message: &str, record: &mut Record) -> bool {
    if let Some((_, user)) = message.strip_prefix("New session ").and_then(|rest| rest.split_once(" of user ")) {
        // The program that let the user in has said so itself.
        record.set_user(user.trim_end_matches('.'));
    } else if message.starts_with("Removed session ") || message.contains(" logged out. Waiting for processes") {
        record.says(Action::Logout, None);
    } else if message.starts_with("System is ") || message.starts_with("Power key pressed") {
        record.says(Action::SystemChange, None);
    }
    true
}

/// `(root) CMD (/usr/bin/true)`, `(root) BEGIN EDIT (eve)`.
pub(super) fn cron(message: &str, record: &mut Record) -> bool {
    let Some((user, rest)) = message.strip_prefix('(').and_then(|inner| inner.split_once(") ")) else { return true };
    let Some((what, argument)) = rest.split_once(" (") else { return true };
    let argument = argument.strip_suffix(')').unwrap_or(argument);
    record.set_user(user);
    match what {
        "CMD" => {
            record.says(Action::ProcessStart, None);
            record.set_command(argument.trim_start());
        }
        "REPLACE" | "END EDIT" | "DELETE" => {
            record.says(Action::FileChange, None);
            record.push("crontab", argument);
        }
        "AUTH" | "PAM ERROR" => record.outcome = Some(false),
        _ => {}
    }
    if let Some(reason) = word_after(message, "crontab command not allowed", &[]) {
        record.says(Action::FileChange, Some(false));
        record.push("reason", reason);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_start_stop_and_fail() {
        for (message, action, outcome) in [
            ("Started ssh.service - OpenBSD Secure Shell server.", Action::ServiceStart, Some(true)),
            ("Failed to start nginx.service.", Action::ServiceStart, Some(false)),
            ("Stopped auditd.service - Security Auditing Service.", Action::ServiceStop, Some(true)),
            ("nginx.service: Failed with result 'exit-code'.", Action::Other, Some(false)),
        ] {
            let mut record = Record::default();
            systemd(message, &mut record);
            assert_eq!((record.action, record.outcome), (action, outcome), "{message}");
        }
    }

    #[test]
    fn cron_reports_the_command_it_runs() {
        let mut record = Record::default();
        cron("(www-data) CMD ([ -x /x ] && (a) )", &mut record);
        assert_eq!(record.command.as_deref(), Some("[ -x /x ] && (a)"));
        assert_eq!((record.entity.user.as_deref(), record.action), (Some("www-data"), Action::ProcessStart));
    }
}
