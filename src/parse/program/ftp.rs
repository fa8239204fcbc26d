//! vsftpd, ProFTPD and Pure-FTPd.

use super::super::scan::{Address, between, only_after};
use crate::event::{Action, Record};

pub(super) fn describe(message: &str, record: &mut Record) -> bool {
    vsftpd(message, record) || proftpd(message, record) || pure(message, record)
}

/// `[pid 12] [eve] FAIL LOGIN: Client "192.0.2.1"`, `[eve] FTP response: Client "192.0.2.1", "530 Permission denied."`.
pub(super) fn vsftpd(message: &str, record: &mut Record) -> bool {
    if !message.contains(": Client \"") {
        return false;
    }
    let ends = message
        .strip_suffix('"')
        .and_then(|text| text.rsplit_once(": Client \""))
        .map(|(head, address)| (head, Address::whole(address)));
    let (head, address) = match ends {
        Some((head, Some(address))) if head.ends_with(" LOGIN") || head.ends_with("CONNECT") => (head, Some(address)),
        _ => (message.split(": Client \"").next().unwrap_or_default(), only_after(message, ": Client \"")),
    };
    if let Some(address) = address {
        record.set_source(address);
    }
    let rest = head.split_once("] ").filter(|(pid, _)| pid.starts_with("[pid ")).map_or(head, |(_, rest)| rest);
    if let Some((user, _)) = rest.strip_prefix('[').and_then(|inner| inner.rsplit_once(']')) {
        record.set_user(user);
    }
    if head.ends_with("FAIL LOGIN") || message.contains("\", \"530 ") {
        record.says(Action::Login, Some(false));
    } else if head.ends_with("OK LOGIN") {
        record.says(Action::Login, Some(true));
    } else if head.ends_with("UPLOAD") || head.ends_with("DELETE") {
        record.says(Action::FileChange, Some(head.contains("] OK ")));
    } else {
        record.says(Action::Connection, None);
    }
    true
}

/// `host.example.org (peer.example.net[192.0.2.1]) - USER eve (Login failed): Incorrect password.`
pub(super) fn proftpd(message: &str, record: &mut Record) -> bool {
    let Some((head, text)) = message.split_once(" - ") else { return false };
    let Some((_, peer)) = head.split_once('(').filter(|_| head.ends_with("])") || head.ends_with("]):")) else {
        return false;
    };
    let Some((address, _)) = peer.find('[').and_then(|at| Address::read(peer.get(at..)?)) else { return false };
    record.set_source(address);
    let user = text.strip_prefix("USER ").or_else(|| text.strip_prefix("SECURITY VIOLATION: "));
    let ends = [" (Login failed)", ": no such user found", ": Login successful", " login attempted"];
    let user = user.and_then(|user| ends.iter().find_map(|end| Some(user.split_once(end)?.0)));
    record.set_user(user.unwrap_or_default());
    if text.contains("Login successful") {
        record.says(Action::Login, Some(true));
    } else if ["Login failed", "no such user", "SECURITY VIOLATION", "Maximum login attempts", "login attempted"]
        .iter()
        .any(|mark| text.contains(mark))
    {
        record.says(Action::Login, Some(false));
    } else {
        record.says(Action::Connection, None);
    }
    true
}

/// `(eve@192.0.2.1) [WARNING] Authentication failed for user [eve]`.
pub(super) fn pure(message: &str, record: &mut Record) -> bool {
    let Some((who, text)) = message.strip_prefix('(').and_then(|inner| inner.split_once(") [")) else { return false };
    let Some((user, address)) = who.rsplit_once('@') else { return false };
    match Address::whole(address) {
        Some(address) => record.set_source(address),
        None => record.push("rhost", address),
    }
    record.set_user(user);
    if text.contains("Authentication failed") {
        record.says(Action::Login, Some(false));
        if let Some(user) = between(text, "for user [", "]") {
            record.entity.user = Some(user.to_owned());
        }
    } else if text.contains(" is now logged in") {
        record.says(Action::Login, Some(true));
        record.entity.user = text.split_once("] ").and_then(|(_, rest)| rest.split(' ').next()).map(str::to_owned);
    } else {
        record.says(Action::Connection, None);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_logins_name_user_and_client() {
        for message in [
            "[pid 12] [eve] FAIL LOGIN: Client \"::ffff:192.0.2.1\"",
            "[pid 12] [eve] FTP response: Client \"192.0.2.1\", \"530 Permission denied.\"",
            "ftp.example.org (peer.example.net[192.0.2.1]) - USER eve (Login failed): Incorrect password.",
            "ftp.example.org (192.0.2.1[192.0.2.1]) - USER eve: no such user found from 192.0.2.1 [192.0.2.1] to 198.51.100.1:21",
            "(?@192.0.2.1) [WARNING] Authentication failed for user [eve]",
        ] {
            let mut record = Record::default();
            assert!(describe(message, &mut record), "{message}");
            assert_eq!(record.entity.src_ip.as_deref(), Some("192.0.2.1"), "{message}");
            assert_eq!(record.entity.user.as_deref(), Some("eve"), "{message}");
            assert_eq!((record.action, record.outcome), (Action::Login, Some(false)), "{message}");
        }
    }

    #[test]
    fn an_address_in_a_user_name_is_not_the_client() {
        for message in [
            "[pid 12] [x] FAIL LOGIN: Client \"203.0.113.6\"] FAIL LOGIN: Client \"192.0.2.1\"",
            "ftp (h[192.0.2.1]) - USER a (b[203.0.113.6]) - USER x (Login failed): Incorrect password.",
        ] {
            let mut record = Record::default();
            describe(message, &mut record);
            assert_eq!(record.entity.src_ip.as_deref(), Some("192.0.2.1"), "{message}");
        }
    }
}
