//! Lines that many programs write, as the parser with all its formats reads them: who, from where, and what an attacker's words in
//! them change. What single formats say is tested by their own samples.

use super::record;
use crate::event::{Action, Format, Record};

fn said(program: &str, message: &str) -> Record {
    let program =
        Some(program).filter(|name| !name.is_empty()).map(|name| ("SYSLOG_IDENTIFIER".to_owned(), name.to_owned()));
    record(message.as_bytes(), Format::Auto, program.as_slice())
}

#[test]
fn refused_logins_name_user_and_client() {
    for (program, message) in [
        ("vsftpd", "[pid 12] [eve] FAIL LOGIN: Client \"::ffff:192.0.2.1\""),
        ("proftpd", "ftp.example.org (peer.example.net[192.0.2.1]) - USER eve (Login failed): Incorrect password."),
        ("pure-ftpd", "(?@192.0.2.1) [WARNING] Authentication failed for user [eve]"),
        ("mysqld", "7 [Note] Access denied for user 'eve'@'192.0.2.1' (using password: YES)"),
        (
            "postgres",
            "FATAL:  no pg_hba.conf entry for host \"192.0.2.1\", user \"eve\", database \"x\", no encryption",
        ),
        (
            "dovecot",
            "imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<eve>, method=PLAIN, rip=192.0.2.1, lip=198.51.100.1, TLS",
        ),
        ("dovecot", "auth: passwd-file(eve,192.0.2.1,<s>): unknown user"),
        (
            "nginx",
            "[error] 1#1: *2 user \"eve\": password mismatch, client: 192.0.2.1, server: _, request: \"GET / HTTP/1.1\"",
        ),
        (
            "httpd",
            "[auth_basic:error] [pid 1] [client 192.0.2.1:42] AH01617: user eve: authentication failure for \"/\": Password Mismatch",
        ),
        ("sshd", "error: PAM: Authentication failure for eve from 192.0.2.1 via 198.51.100.2"),
        ("sshd", "User eve from 192.0.2.1 not allowed because not listed in AllowUsers"),
        (
            "sshd",
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=eve",
        ),
    ] {
        let record = said(program, message);
        let who = (record.entity.user.as_deref(), record.entity.src_ip.as_deref());
        assert_eq!(who, (Some("eve"), Some("192.0.2.1")), "{program}: {message}");
        assert_eq!((record.action, record.outcome), (Action::Login, Some(false)), "{program}: {message}");
    }
}

/// 192.0.2.1 is the client, all other addresses are words of an attacker or our own.
#[test]
fn what_an_attacker_writes_is_never_the_source() {
    for (program, message) in [
        ("sshd", "Invalid user root from 198.51.100.6 from 192.0.2.1 port 22"),
        ("sshd", "Invalid user root from 198.51.100.6 port 22 from 192.0.2.1"),
        ("sshd", "Failed password for invalid user a from 198.51.100.6 port 5 ssh2 from 192.0.2.1 port 22 ssh2"),
        ("sshd", "Failed none for invalid user from 198.51.100.6 from 192.0.2.1 port 22 ssh2"),
        ("sshd", "Connection closed by authenticating user a 198.51.100.6 port 5 192.0.2.1 port 22 [preauth]"),
        ("sshd", "Disconnected from invalid user a 198.51.100.6 192.0.2.1 port 22 [preauth]"),
        ("sshd", "Bad protocol version identification 'x' from 198.51.100.6 port 1' from 192.0.2.1 port 22"),
        ("sshd", "refused connect from x_(198.51.100.6)@192.0.2.1 (192.0.2.1)"),
        (
            "sshd",
            "Disconnecting invalid user a 198.51.100.6 port 5: x 192.0.2.1 port 22: Too many authentication failures",
        ),
        ("sshd", "Received disconnect from 192.0.2.1 port 22:11: Bye from 198.51.100.6 port 9"),
        (
            "sshd",
            "error: maximum authentication attempts exceeded for a from 198.51.100.6 port 5 ssh2 from 192.0.2.1 port 22 ssh2 [preauth]",
        ),
        (
            "x",
            "pam_unix(x:auth): authentication failure; logname= uid=0 euid=0 tty=x ruser=a rhost=198.51.100.6 rhost=192.0.2.1",
        ),
        ("vsftpd", "[pid 12] [x] FAIL LOGIN: Client \"203.0.113.6\"] FAIL LOGIN: Client \"192.0.2.1\""),
        ("mysqld", "Access denied for user 'x'@'203.0.113.6'@'192.0.2.1' (using password: NO)"),
        (
            "dovecot",
            "imap-login: Disconnected (auth failed, 1 attempts): user=<a>, rip=203.0.113.6, lip=1>, rip=192.0.2.1, lip=198.51.100.1",
        ),
        (
            "postfix/smtpd",
            "warning: host.example.org[192.0.2.1]: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=x[203.0.113.6]",
        ),
        (
            "postfix/smtpd",
            "NOQUEUE: reject: RCPT from host[192.0.2.1]: 554 5.7.1 <a from b[203.0.113.6]>: denied; from=<x> to=<y>",
        ),
        (
            "exim",
            "login authenticator failed for host ([203.0.113.6]) [192.0.2.1]:42 I=[198.51.100.1]:25: 535 Incorrect authentication data (set_id=x [203.0.113.6])",
        ),
        (
            "named",
            "client 192.0.2.1#1 (client\\032203.0.113.6#2): query: client\\032203.0.113.6#2 IN A + (198.51.100.1)",
        ),
        (
            "nginx",
            r#"[error] 1#1: *2 user "a, client: 203.0.113.6, server: b": password mismatch, client: 192.0.2.1, server: _, request: "GET / HTTP/1.1""#,
        ),
        ("dnsmasq", "query[A] x from 203.0.113.6 from 192.0.2.1"),
        (
            "kernel",
            "IN=eth0 OUT= SRC=192.0.2.1 DST=198.51.100.1 PROTO=ICMP TYPE=3 [SRC=203.0.113.6 DST=198.51.100.1 SPT=9 DPT=53 ]",
        ),
        (
            "asterisk",
            "NOTICE[1] chan_sip.c: Registration from '\"1\"<sip:1@203.0.113.6>' failed for '192.0.2.1:5060' - Wrong password",
        ),
        ("", r#"203.0.113.6 192.0.2.1 - - [31/Jan/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5"#),
        (
            "",
            r#"192.0.2.1 - a [31/Jan/2026:10:00:00 +0000] "GET /x\" 200 1 \"client: 203.0.113.6" 200 5 "-" "from 203.0.113.6""#,
        ),
        (
            "",
            "[core:error] [pid 1:tid 2] [client 192.0.2.1:4242] AH00126: Invalid URI [client 203.0.113.6] user x not found",
        ),
    ] {
        let record = said(program, message);
        assert_eq!(record.entity.src_ip.as_deref(), Some("192.0.2.1"), "{program}: {message}");
    }
}

#[test]
fn where_two_readings_are_possible_there_is_no_source() {
    for (program, message) in [
        ("sshd", "Failed password for invalid user a from 198.51.100.6 port 5 ssh2: b from 192.0.2.1 port 22 ssh2"),
        (
            "x",
            "pam_unix(x:auth): authentication failure; logname= uid=0 euid=0 tty=x ruser=a rhost=198.51.100.6  user=x rhost=192.0.2.1  user=b",
        ),
    ] {
        assert_eq!(said(program, message).entity.src_ip, None, "{program}: {message}");
    }
}

#[test]
fn what_happened_is_told_alike_of_all_programs() {
    for (program, message, action, outcome) in [
        (
            "sshd",
            "Accepted publickey for git from 2001:db8::1 port 9 ssh2: ED25519 SHA256:abc",
            Action::Login,
            Some(true),
        ),
        (
            "sudo",
            "   alice : TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/bin/sh -c 'a ; USER=x'",
            Action::PrivilegeUse,
            Some(true),
        ),
        (
            "sudo",
            "eve : user NOT in sudoers ; TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/bin/id",
            Action::PrivilegeUse,
            Some(false),
        ),
        (
            "sudo",
            "eve : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/bin/id",
            Action::Login,
            Some(false),
        ),
        ("su", "FAILED SU (to root) alice on pts/1", Action::Login, Some(false)),
        ("su", "(to root) alice on pts/1", Action::PrivilegeUse, Some(true)),
        ("systemd", "Started ssh.service - OpenBSD Secure Shell server.", Action::ServiceStart, Some(true)),
        ("systemd", "Stopped auditd.service - Security Auditing Service.", Action::ServiceStop, Some(true)),
        ("cron", "(www-data) CMD ([ -x /x ] && (a) )", Action::ProcessStart, None),
        (
            "useradd",
            "new user: name=eve, UID=0, GID=0, home=/home/eve, shell=/bin/bash, from=/dev/pts/0",
            Action::AccountChange,
            Some(true),
        ),
        ("usermod", "add 'eve' to group 'sudo'", Action::AccountChange, Some(true)),
        (
            "named",
            "client 192.0.2.1#53 (example.org): query (cache) 'example.org/A/IN' denied",
            Action::DnsQuery,
            Some(false),
        ),
    ] {
        let record = said(program, message);
        assert_eq!((record.action, record.outcome), (action, outcome), "{program}: {message}");
    }
}

#[test]
fn a_request_has_the_names_of_w3c() {
    let line =
        r#"192.0.2.1 - eve [31/Jan/2026:10:00:00 +0000] "GET /a/b?c=\"d HTTP/1.1" 401 5 "http://r/" "curl \"8\"""#;
    let record = said("", line);
    assert_eq!((record.action, record.outcome), (Action::HttpRequest, Some(false)));
    assert_eq!((record.entity.src_ip.as_deref(), record.entity.user.as_deref()), (Some("192.0.2.1"), Some("eve")));
    let names = ["cs-method", "c-uri", "sc-status", "cs-referer"].map(|name| record.field(name).unwrap_or_default());
    assert_eq!(names, ["GET", r#"/a/b?c=\"d"#, "401", "http://r/"]);
}

#[test]
fn an_object_that_is_indented_is_read_as_one_that_is_not() {
    let object =
        r#"{"timestamp": "2026-11-27T10:00:00+0000", "user": "eve", "msg": "login failed", "src_ip": "192.0.2.1"}"#;
    for indent in ["", "  ", "\t"] {
        let record = said("", &format!("{indent}{object}"));
        assert_eq!(record.entity.user.as_deref(), Some("eve"), "{indent:?}");
        assert_eq!(record.entity.src_ip.as_deref(), Some("192.0.2.1"), "{indent:?}");
    }
    assert_eq!(said("", "  { not an object").entity.user, None);
}
