//! Dovecot, Postfix and Sendmail.

use super::super::scan::{Address, between, first_after, last_after, word_after};
use super::super::verdict::verdict;
use super::generic;
use crate::event::{Action, Record};

pub(super) fn is_dovecot(program: &str) -> bool {
    const SERVICES: &[&str] =
        &["imap-login", "pop3-login", "submission-login", "managesieve-login", "auth", "auth-worker", "dovecot-auth"];
    program == "dovecot" || SERVICES.contains(&program)
}

/// Lines of Dovecot's own log.
pub(super) fn by_shape(message: &str, record: &mut Record) -> bool {
    let is_dovecot = message.split([':', '(', '[']).next().is_some_and(is_dovecot);
    is_dovecot && dovecot(message, record)
}

/// `imap-login: Disconnected (auth failed, 1 attempts): user=<eve>, method=PLAIN, rip=192.0.2.1, lip=…`, and
/// `auth: passwd-file(eve,192.0.2.1,<session>): unknown user`.
pub(super) fn dovecot(message: &str, record: &mut Record) -> bool {
    if message.contains("rip=") {
        // The user name stands before the address, and after it there is nothing of the client's.
        if let Some(address) = last_after(message, ", rip=").or_else(|| first_after(message, ": rip=")) {
            record.set_source(address);
        }
        record.set_user(between(message, "user=<", ">").unwrap_or_default());
        if let Some(own) = last_after(message, ", lip=") {
            record.entity.dst_ip = Some(own.ip.to_string());
        }
        let tried = !message.contains("no auth attempts") && !message.contains("disconnected before auth was ready");
        if message.contains("Login: ") || message.starts_with("Login: ") {
            record.says(Action::Login, Some(true));
        } else if ["auth failed", "tried to use", "(auth_failed)"].iter().any(|mark| message.contains(mark)) && tried {
            record.says(Action::Login, Some(false));
        } else {
            record.says(Action::Connection, None);
        }
        return true;
    }
    authentication(message, record)
}

fn authentication(message: &str, record: &mut Record) -> bool {
    const DRIVERS: &[&str] =
        &["pam(", "sql(", "ldap(", "passwd-file(", "passwd(", "shadow(", "lua(", "static(", "auth(", "plain("];
    // The program's own words before it hold no name: `auth: Info: conn unix:auth-worker (uid=143): auth-worker<7>: `.
    let inside = |driver: &&str| message.get(message.find(*driver)? + driver.len()..)?.split_once(')');
    let named = DRIVERS.iter().filter_map(inside).filter(|(inside, _)| inside.contains(','));
    let Some((inside, said)) = named.max_by_key(|(_, said)| said.len()) else {
        return generic::describe(message, record);
    };
    let failed = ["unknown user", "assword mismatch", "failed", "invalid credentials", "denied", "disabled"]
        .iter()
        .any(|mark| said.contains(mark));
    record.says(Action::Login, failed.then_some(false));
    // Names may have commas, so the address is the last part that is one.
    let address = inside.rsplit(',').find_map(|part| Some((Address::whole(part)?, part)));
    if let Some((address, part)) = address {
        record.set_source(address);
        let before = inside.rsplit_once(&format!(",{part}")).map_or(inside, |(user, _)| user);
        record.set_user(before);
    } else {
        record.set_user(inside.split(',').next().unwrap_or_default());
    }
    true
}

/// `warning: host[192.0.2.1]: SASL LOGIN authentication failed: …`, `NOQUEUE: reject: RCPT from host[192.0.2.1]: …`.
pub(super) fn postfix(message: &str, record: &mut Record) -> bool {
    // Mail headers and addresses of a sender come before the client in these.
    if message.contains("warning: header ") || message.contains("warning: body ") || message.contains("message-id=") {
        return true;
    }
    let text = message.strip_prefix("warning: ").unwrap_or(message);
    let sasl = between(text, ": SASL ", " authentication ").is_some_and(|method| !method.contains(' '));
    if sasl && let Some((peer, rest)) = text.split_once("]: SASL ") {
        record.says(Action::Login, Some(false));
        set_bracketed(&format!("{peer}]"), record);
        if let Some((_, user)) = rest.rsplit_once("sasl_username=") {
            record.set_user(user);
        }
        return true;
    }
    if let Some((_, rest)) = text.split_once(": client=") {
        set_bracketed(rest, record);
        record.says(Action::Connection, Some(true));
        if let Some(user) = word_after(rest, ", sasl_username=", &[',']) {
            record.says(Action::Login, Some(true));
            record.set_user(user);
        }
        return true;
    }
    if let Some((_, rest)) =
        text.split_once("hostname ").filter(|(_, rest)| rest.contains(" does not resolve to address "))
    {
        if let Some(address) = last_after(rest, " does not resolve to address ") {
            record.set_source(address);
        }
        record.says(Action::Connection, None);
        return true;
    }
    // `DNSBL rank 3 for [192.0.2.1]:4242`, `PREGREET 11 after 0.1 from [192.0.2.1]:4242: EHLO …`, `connect from …`.
    let head = text.split_once(" from ").map(|(head, _)| head).filter(|head| !head.contains(['<', '=']));
    let peer = match head {
        Some(head) => text.get(head.len() + " from ".len()..),
        None => text.split_once(" for ").map(|(_, rest)| rest).filter(|_| text.starts_with("DNSBL rank ")),
    };
    let Some(peer) =
        peer.or_else(|| ["PASS NEW ", "PASS OLD ", "HANGUP after "].iter().find_map(|mark| text.strip_prefix(mark)))
    else {
        return true;
    };
    set_bracketed(peer, record);
    let refused =
        [": reject: ", "PREGREET ", "DNSBL ", "non-SMTP command", "too many errors", "improper command", "blacklisted"];
    let text = text.split(" from ").next().unwrap_or(text);
    let failed = refused.iter().any(|mark| message.get(..text.len() + 10).unwrap_or(message).contains(mark));
    record.says(Action::Connection, failed.then_some(false));
    if peer.contains(": Client host rejected: cannot find") || text.starts_with("lost connection after AUTH") {
        record.outcome = Some(false);
    }
    true
}

/// The first address in brackets; a host name before it is only letters.
fn set_bracketed(text: &str, record: &mut Record) {
    if let Some(address) = text.find('[').and_then(|at| Address::read(text.get(at..)?)) {
        record.set_source(address.0);
    }
}

/// `AUTH failure (LOGIN): …, user=eve, relay=host [192.0.2.1]`, `host [192.0.2.1]: possible SMTP attack: …`.
pub(super) fn sendmail(message: &str, record: &mut Record) -> bool {
    let attack = message.split_once(": possible SMTP attack: ");
    let peer = match attack {
        Some((peer, _)) => peer.split_once(": ").map_or(peer, |(_, peer)| peer),
        None => match message.rsplit_once("relay=") {
            Some((_, peer)) => peer,
            None => return generic::describe(message, record),
        },
    };
    // A delivery names the relay that took the mail.
    if message.contains(": to=") {
        return true;
    }
    set_bracketed(peer, record);
    if attack.is_some_and(|(_, what)| what.starts_with("command=AUTH")) || message.contains(": AUTH failure (") {
        record.says(Action::Login, Some(false));
    } else {
        record.says(Action::Connection, message.contains(", reject=").then_some(false));
    }
    if let Some((before, _)) = message.rsplit_once(", relay=") {
        record.set_user(before.rsplit_once(", user=").map_or("", |(_, user)| user));
    }
    if let Some((Action::Login, outcome)) = verdict(message).filter(|_| record.outcome.is_none() && attack.is_some()) {
        record.outcome = outcome;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(of: fn(&str, &mut Record) -> bool, message: &str) -> (Option<String>, Action, Option<bool>) {
        let mut record = Record::default();
        of(message, &mut record);
        (record.entity.src_ip, record.action, record.outcome)
    }

    fn refused() -> (Option<String>, Action, Option<bool>) {
        (Some("192.0.2.1".to_owned()), Action::Login, Some(false))
    }

    #[test]
    fn refused_logins_name_the_client() {
        for message in [
            "imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<a>, method=PLAIN, rip=192.0.2.1, lip=198.51.100.1, TLS",
            "imap-login: Disconnected (auth failed, 1 attempts): user=<a>, rip=203.0.113.6, lip=1>, rip=192.0.2.1, lip=198.51.100.1",
            "auth: passwd-file(eve,192.0.2.1,<s>): unknown user",
            "auth-worker(7): conn unix:auth-worker (uid=143): auth-worker<7>: sql(a,203.0.113.6,192.0.2.1): Password mismatch",
        ] {
            assert_eq!(told(dovecot, message), refused(), "{message}");
        }
        let message = "warning: host.example.org[192.0.2.1]: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=x[203.0.113.6]";
        assert_eq!(told(postfix, message), refused());
        let message =
            "26H8: AUTH failure (LOGIN): authentication failure, user=a, relay=[203.0.113.6], relay=[192.0.2.1]";
        assert_eq!(told(sendmail, message), refused());
    }

    #[test]
    fn what_a_mail_says_is_not_where_it_comes_from() {
        let message =
            "NOQUEUE: reject: RCPT from host[192.0.2.1]: 554 5.7.1 <a from b[203.0.113.6]>: denied; from=<x> to=<y>";
        assert_eq!(told(postfix, message), (Some("192.0.2.1".to_owned()), Action::Connection, Some(false)));
        let message = "4F: warning: header Subject: hi from [203.0.113.6] from host[192.0.2.1]; from=<x>";
        assert_eq!(told(postfix, message).0, None);
    }
}
