//! Messages of PAM modules, whichever program loaded them.

use super::super::scan::{Address, between};
use crate::event::{Action, Record};

/// Services whose session is not the end of a login of their own.
const NO_LOGIN: &[&str] =
    &["cron", "crond", "sudo", "sudo-i", "su", "su-l", "systemd-user", "polkit-1", "runuser", "atd"];

/// `pam_unix(sshd:auth): …`, `(pam_unix) …`; with old versions the module is part of the program's name.
/// False: not of PAM.
pub(super) fn describe(program: Option<&str>, message: &str, record: &mut Record) -> bool {
    // `dovecot-auth: pam_unix(…` of logs that have no tag.
    let message = match message.split_once(": ") {
        Some((word, rest)) if rest.starts_with("pam_") && !word.contains([' ', '(']) => rest,
        _ => message,
    };
    let (service, text) = if let Some(rest) = message.strip_prefix("pam_") {
        let Some((module, text)) = rest.split_once(": ") else { return false };
        let inside = between(module, "(", ")").unwrap_or_default();
        (inside.split(':').next(), text)
    } else if let Some(rest) = message.strip_prefix("(pam_") {
        let Some((_, text)) = rest.split_once(") ") else { return false };
        (None, text)
    } else if ["authentication failure; ", "session opened for user ", "session closed for user ", "check pass; "]
        .iter()
        .any(|mark| message.starts_with(mark))
    {
        (None, message)
    } else {
        return false;
    };
    let service = service.filter(|service| !service.is_empty()).or(program).unwrap_or_default();
    session(service, text, record) || account(text, record) || conversation(text, record) || other(text, record)
}

fn session(service: &str, text: &str, record: &mut Record) -> bool {
    let (opened, rest) = match text.strip_prefix("session opened for user ") {
        Some(rest) => (true, rest),
        None => match text.strip_prefix("session closed for user ") {
            Some(rest) => (false, rest),
            None => return false,
        },
    };
    let user = rest.rsplit_once(" by ").map_or(rest, |(user, _)| user);
    record.set_user(user.split_once("(uid=").map_or(user, |(user, _)| user));
    let action = match (opened, service) {
        (true, "sudo" | "sudo-i" | "su" | "su-l" | "polkit-1") => Action::PrivilegeUse,
        (_, service) if NO_LOGIN.contains(&service) => Action::Other,
        // sshd has said `Accepted …` already.
        (true, "sshd") => Action::Other,
        (true, _) => Action::Login,
        (false, _) => Action::Logout,
    };
    record.says(action, opened.then_some(true).filter(|_| action != Action::Other));
    true
}

fn account(text: &str, record: &mut Record) -> bool {
    let Some(user) = text.strip_prefix("password changed for ") else { return false };
    record.says(Action::AccountChange, Some(true));
    record.set_user(user);
    true
}

/// `authentication failure; logname=A uid=0 euid=0 tty=ssh ruser=B rhost=C  user=D`.
pub(super) fn conversation(text: &str, record: &mut Record) -> bool {
    let Some((_, pairs)) =
        text.split_once("authentication failure; ").or_else(|| text.split_once("more authentication failures; "))
    else {
        return false;
    };
    record.says(Action::Login, Some(false));
    let found = match pairs.split_once("ruser=") {
        Some((_, after)) => remote_host(after),
        // Proxmox writes nothing before it.
        None => pairs.strip_prefix("rhost=").map(|rest| ("", rest)),
    };
    let Some((remote_user, rest)) = found else { return true };
    let (host, user) = rest.split_once(" user=").unwrap_or((rest, ""));
    let host = host.trim();
    record.set_user(if user.is_empty() { remote_user } else { user });
    match Address::whole(host.split(' ').next().unwrap_or_default()) {
        Some(address) => record.set_source(address),
        None if !host.is_empty() => record.push("rhost", host),
        None => {}
    }
    true
}

/// The remote user, and what follows `rhost=`. Remote user and user are the client's words: an empty remote user makes
/// the first `rhost=` the true one, a line without user the last one; else two of them cannot be told apart.
fn remote_host(after: &str) -> Option<(&str, &str)> {
    if let Some(rest) = after.trim_start().strip_prefix("rhost=")
        && after.starts_with(' ')
    {
        return Some(("", rest));
    }
    let last = after.rsplit_once(" rhost=")?;
    let first = after.split_once(" rhost=")?;
    if first == last || !first.1.contains(" user=") {
        return Some(last);
    }
    // Every `rhost=` before the first ` user=`: the user then has none in it.
    (!last.0.contains(" user=")).then_some(last)
}

fn other(text: &str, record: &mut Record) -> bool {
    if text.starts_with("check pass; user unknown") || text.starts_with("auth could not identify password for") {
        record.says(Action::Login, Some(false));
        record.set_user(between(text, "for [", "]").unwrap_or_default());
        return true;
    }
    if let Some((user, _)) = text.strip_prefix("user ").and_then(|rest| rest.split_once(" (")) {
        record.set_user(user);
    }
    if text.contains(" tally ")
        || text.contains("account temporarily locked")
        || text.contains("Consecutive login failures")
    {
        record.says(Action::Login, Some(false));
        record.set_user(between(text, "user ", " account temporarily locked").unwrap_or_default());
        return true;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> Record {
        let mut record = Record::default();
        assert!(describe(Some("sshd"), message, &mut record), "{message}");
        record
    }

    #[test]
    fn a_failure_names_remote_host_and_user() {
        let head = "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh";
        let record = told(&format!("{head} ruser= rhost=192.0.2.1  user=root"));
        assert_eq!((record.entity.user.as_deref(), record.entity.src_ip.as_deref()), (Some("root"), Some("192.0.2.1")));
        assert_eq!((record.action, record.outcome), (Action::Login, Some(false)));
        let record = told(&format!("{head} ruser= rhost=host.example.org"));
        assert_eq!((record.entity.src_ip.as_deref(), record.field("rhost")), (None, Some("host.example.org")));
    }

    #[test]
    fn a_forged_rhost_is_never_the_source() {
        let head = "pam_unix(x:auth): authentication failure; logname= uid=0 euid=0 tty=x";
        for (tail, source) in [
            ("ruser= rhost=192.0.2.1  user=a rhost=198.51.100.6", Some("192.0.2.1")),
            ("ruser=a rhost=198.51.100.6 rhost=192.0.2.1", Some("192.0.2.1")),
            ("ruser=rhost=198.51.100.6 rhost=192.0.2.1  user=b", Some("192.0.2.1")),
            ("ruser=a rhost=198.51.100.6  user=x rhost=192.0.2.1  user=b", None),
            ("ruser=a rhost=192.0.2.1  user=b rhost=198.51.100.6  user=c", None),
        ] {
            assert_eq!(told(&format!("{head} {tail}")).entity.src_ip.as_deref(), source, "{tail}");
        }
    }

    #[test]
    fn sessions_are_logins_only_where_nothing_else_says_so() {
        let record = told("pam_unix(login:session): session opened for user alice(uid=1000) by LOGIN(uid=0)");
        assert_eq!((record.action, record.outcome), (Action::Login, Some(true)));
        assert_eq!(record.entity.user.as_deref(), Some("alice"));
        assert_eq!(told("pam_unix(cron:session): session opened for user root by (uid=0)").action, Action::Other);
        assert_eq!(
            told("pam_unix(sudo:session): session opened for user root by x(uid=1)").action,
            Action::PrivilegeUse
        );
        assert_eq!(told("pam_unix(sshd:session): session closed for user bob").action, Action::Logout);
    }
}
