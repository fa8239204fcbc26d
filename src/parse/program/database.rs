//! MySQL, MariaDB and PostgreSQL.

use super::super::scan::{Address, between, word_after};
use super::generic;
use crate::event::{Action, Record};

pub(super) fn describe(message: &str, record: &mut Record) -> bool {
    mysql(message, record) || postgres(message, record)
}

/// `Access denied for user 'eve'@'192.0.2.1' (using password: YES)`.
fn mysql(message: &str, record: &mut Record) -> bool {
    let Some((_, rest)) = message.split_once("Access denied for user '") else { return false };
    record.says(Action::Login, Some(false));
    // The name may hold quotes; what follows the last `'@'` is the server's.
    if let Some((user, host)) = rest.rsplit_once("'@'") {
        record.set_user(user);
        if let Some(address) = host.split('\'').next().and_then(Address::whole) {
            record.set_source(address);
        }
    }
    true
}

/// `FATAL:  password authentication failed for user "eve"`, `no pg_hba.conf entry for host "192.0.2.1", user "eve", …`,
/// `connection received: host=192.0.2.1 port=4242`. The configured prefix may start with the client's address.
fn postgres(message: &str, record: &mut Record) -> bool {
    const FAILED: &[&str] = &[
        "authentication failed for user \"",
        "no pg_hba.conf entry for host \"",
        "pg_hba.conf rejects connection for host \"",
    ];
    let failed = FAILED.iter().find_map(|mark| Some((message.split_once(mark)?, *mark)));
    let head = match failed {
        Some(((head, rest), mark)) => {
            record.says(Action::Login, Some(false));
            if mark.contains("pg_hba") {
                if let Some(address) = rest.split('"').next().and_then(Address::whole) {
                    record.set_source(address);
                }
                record.set_user(between(rest, "\", user \"", "\", database").unwrap_or_default());
            } else {
                record.set_user(rest.trim_end().strip_suffix('"').unwrap_or_default());
            }
            head
        }
        None => match message.split_once("connection received: host=") {
            Some((head, rest)) => {
                record.says(Action::Connection, Some(true));
                if let Some((address, rest)) = Address::read(rest) {
                    record.set_source(Address {
                        port: word_after(rest, " port=", &[' ']).and_then(|port| port.parse().ok()),
                        ..address
                    });
                }
                head
            }
            None => return false,
        },
    };
    // Only right at the start: names of users and databases may stand further on.
    if let Some(address) = generic::leading(head) {
        record.set_source(address);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_logins_name_user_and_client() {
        for message in [
            "7 [Note] Access denied for user 'eve'@'192.0.2.1' (using password: YES)",
            "FATAL:  no pg_hba.conf entry for host \"192.0.2.1\", user \"eve\", database \"x\", no encryption",
            "192.0.2.1(4242) 2026 FATAL:  password authentication failed for user \"eve\"",
        ] {
            let mut record = Record::default();
            assert!(describe(message, &mut record), "{message}");
            assert_eq!(
                (record.entity.src_ip.as_deref(), record.entity.user.as_deref()),
                (Some("192.0.2.1"), Some("eve")),
                "{message}"
            );
            assert_eq!((record.action, record.outcome), (Action::Login, Some(false)));
        }
    }

    #[test]
    fn an_address_in_a_user_name_is_not_the_client() {
        let mut record = Record::default();
        describe("Access denied for user 'x'@'203.0.113.6'@'192.0.2.1' (using password: NO)", &mut record);
        assert_eq!(record.entity.src_ip.as_deref(), Some("192.0.2.1"));
    }
}
