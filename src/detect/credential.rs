//! What a login shows of who logs in.

use crate::event::Record;

/// Methods of SSH that need no password: a key, a ticket, or trust in the machine that asks.
const NO_PASSWORD: [&str; 6] = ["publickey", "hostbased", "gssapi-with-mic", "gssapi-keyex", "rhosts", "rhosts-rsa"];
/// Operations of the audit system that tell of a login by a key, or of any login.
const AUDIT_OPERATIONS: [&str; 4] = ["login", "pubkey", "pubkey_auth", "key"];
/// How dropbear begins what it says of a key.
const KEY_OF_DROPBEAR: &str = "Pubkey auth succeeded";

/// Whether the line of a login that succeeded shows that whoever logged in knows a password: whose passwords failed before may then
/// be the same person. A login by a key, as automation has them, shows nothing of who types passwords from the same address.
pub fn shows_password(record: &Record) -> bool {
    let is_of = |field: &str, names: &[&str]| record.field(field).is_some_and(|value| names.contains(&value));
    let is_of_audit = record.field("exe").is_some() && is_of("reason", &AUDIT_OPERATIONS);
    let is_without = is_of("auth_method", &NO_PASSWORD) || record.message.starts_with(KEY_OF_DROPBEAR) || is_of_audit;
    !is_without
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Format;
    use crate::parse::record;

    #[test]
    fn keys_tickets_and_records_of_any_login_show_no_password() {
        let shows = |line: &str| shows_password(&record(line.as_bytes(), Format::Auto, &[]));
        let audit = |kind: &str, op: &str| {
            shows(&format!(
                "type={kind} msg=audit(1668381071.000:3): pid=17 uid=0 auid=4294967295 ses=4294967295 msg='op={op} acct=\"alice\" \
                 exe=\"/usr/sbin/sshd\" hostname=192.0.2.7 addr=192.0.2.7 terminal=ssh res=success'"
            ))
        };
        let ssh = |method: &str| {
            shows(&format!("Nov 10 10:00:00 atlas sshd[7]: Accepted {method} for root from 192.0.2.1 port 4242 ssh2"))
        };
        assert!(ssh("password") && ssh("keyboard-interactive/pam"));
        assert!(!ssh("publickey") && !ssh("hostbased") && !ssh("gssapi-with-mic"));
        assert!(audit("USER_AUTH", "PAM:authentication"));
        assert!(!audit("USER_LOGIN", "login") && !audit("USER_AUTH", "pubkey"));
        let dropbear = "Nov 10 10:00:00 ap dropbear[7]: Pubkey auth succeeded for 'root' with ssh-rsa key md5 00:11 from 192.0.2.1:4242";
        assert!(!shows(dropbear));
        assert!(shows(
            "Nov 10 10:00:00 mail dovecot: imap-login: Login: user=<info>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.25, mpid=7, TLS, session=<s>"
        ));
    }
}
