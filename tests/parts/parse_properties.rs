//! Nothing that anybody writes into a line makes the parser panic, exceed its bounds, or take a client's words for the
//! client's address. `PROPTEST_CASES` sets how many inputs each property is tried on.

use std::net::IpAddr;

use dsmild::event::Format;
use dsmild::limits;
use dsmild::parse::{Parsed, parse};
use proptest::prelude::*;

const FORMATS: &[Format] = &[
    Format::Auto,
    Format::Syslog,
    Format::Rfc5424,
    Format::ShortIso,
    Format::Json,
    Format::Logfmt,
    Format::Auditd,
    Format::Text,
];

const VALID: &[&str] = &[
    "<38>Jan  2 03:04:05 web-1 sshd[42]: Failed password for invalid user eve from 192.0.2.1 port 22 ssh2",
    "2026-01-02T03:04:05.678+01:00 web-1 sshd[42]: Accepted publickey for git from 2001:db8::1 port 9 ssh2: RSA SHA256:x",
    "Jan  2 03:04:05 h sudo:    alice : TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/bin/sh",
    "Jan  2 03:04:05 h kernel: [  1.5] [UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.1 DST=198.51.100.1 PROTO=TCP SPT=1 DPT=22",
    "<34>1 2026-01-02T03:04:05.6Z host app 12 ID47 [a@1 k=\"v\\\"]\"][b@2] message",
    "{\"ts\":1769853600.5,\"msg\":\"login failed\",\"client\":{\"ip\":\"192.0.2.1\"},\"a\":[1,null,{\"b\":\"c\"}]}",
    "time=\"2026-01-31T10:00:00Z\" level=error msg=\"a \\\"b\\\"\" remote_ip=192.0.2.1",
    "type=EXECVE msg=audit(1764.123:456): argc=2 a0=\"ls\" a1=2D6C61",
    "node=n type=USER_LOGIN msg=audit(1.2:3): pid=1 msg='op=login acct=\"root\" addr=192.0.2.1 res=failed'\u{1d}UID=\"root\"",
    "192.0.2.1 - eve [31/Jan/2026:10:00:00 +0000] \"GET /a?b HTTP/1.1\" 401 5 \"http://r/\" \"agent\"",
    "2026/01/31 10:00:00 [error] 1#1: *2 user \"x\": password mismatch, client: 192.0.2.1, server: _, request: \"GET / HTTP/1.1\"",
    "[Sat Jan 31 10:00:00.1 2026] [auth_basic:error] [pid 1] [client [2001:db8::1]:42] AH01618: user eve not found: /",
    "31-Jan-2026 10:00:00.123 security: info: client @0x7f 192.0.2.1#53 (example.org): query (cache) 'example.org/A/IN' denied",
    "@400000004c91b044077a9e94 imap-login: Info: Aborted login (auth failed): user=<a>, rip=192.0.2.1, lip=198.51.100.1",
    "1769853600.123 4 192.0.2.1 TCP_DENIED/403 3721 GET http://x/ - HIER_NONE/- text/html",
    "2026-01-02T03:04:05.6Z stdout F {\"time\":\"2026-01-02T03:04:05Z\",\"log\":\"{\\\"a\\\":1}\"}",
    "{\"log\":\"<34>Jan  2 03:04:05 h su: x\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:05Z\"}",
    "<132>Jan  2 03:04:05 fw CEF:0|a|b \\| c|1|2|d|10|src=192.0.2.1 msg=a \\= b",
    "LEEF:2.0|a|b|1|c|x5e|src=192.0.2.1^usrName=x",
    "<Event><System><EventID>1</EventID></System><EventData><Data Name='User'>a &lt;b</Data></EventData></Event>",
    "2023-06-23 14:01:00.217 EDT,\"bob\",\"t\",1,\"192.0.2.1:5\",a.b,3,\"c\",2023-06-23 14:01:00 EDT,2/2,0,FATAL,28000,\"m \"\"x\"\"\",,,,,,,,,\"\",\"client backend\",,0",
    "3924923: *Oct  6 03:32:04.114 gmt: %SEC-6-IPACCESSLOGP: list 1 denied tcp 192.0.2.1(5) -> 198.51.100.1(22), 1 packet",
    "Aug  7 22:30:35 U7PG2,00005e0053c2,v4.3.28.11361: dropbear[600]: message repeated 3 times: [ x#012#011y]",
    "\u{1b}[36m\u{441}\u{435}\u{43d} 08 13:00:00 web Plex Media Server[7]: x\u{1b}[0m",
    "Thu 2026-01-02 03:04:05 CET web ssh.service[42]: x",
    "[  345.678901 <    0.000017 >] web kernel: audit: type=1100 audit(1.2:3): pid=1 msg='acct=\"x\" res=failed'",
    "01/31/2026-10:00:00.1  [**] [1:2:3] X [**] [Priority: 3] {TCP} 192.0.2.1:1 -> 198.51.100.1:80",
];

/// Who is really there, in every program's words; `{}` is what the client says.
const REAL: &str = "192.0.2.1";
const FORGED: &str = "198.51.100.66";
const TEMPLATES: &[&str] = &[
    "Jan  2 03:04:05 h sshd[1]: Invalid user {} from 192.0.2.1 port 22",
    "Jan  2 03:04:05 h sshd[1]: Failed password for invalid user {} from 192.0.2.1 port 22 ssh2",
    "Jan  2 03:04:05 h sshd[1]: Connection closed by authenticating user {} 192.0.2.1 port 22 [preauth]",
    "Jan  2 03:04:05 h sshd[1]: Disconnecting invalid user {} 192.0.2.1 port 22: Too many authentication failures [preauth]",
    "Jan  2 03:04:05 h sshd[1]: User {} from 192.0.2.1 not allowed because not listed in AllowUsers",
    "Jan  2 03:04:05 h sshd[1]: Received disconnect from 192.0.2.1 port 22:11: {} [preauth]",
    "Jan  2 03:04:05 h sshd[1]: banner exchange: Connection from 192.0.2.1 port 22: {}",
    "Jan  2 03:04:05 h sshd[1]: Bad protocol version identification '{}' from 192.0.2.1 port 22",
    "Jan  2 03:04:05 h sshd[1]: error: maximum authentication attempts exceeded for {} from 192.0.2.1 port 22 ssh2 [preauth]",
    "Jan  2 03:04:05 h sshd[1]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user={}",
    "Jan  2 03:04:05 h ftpd[1]: pam_unix(ftp:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser={} rhost=192.0.2.1",
    "Jan  2 03:04:05 h dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<{}>, method=PLAIN, rip=192.0.2.1, lip=203.0.113.1, TLS",
    "Jan  2 03:04:05 h postfix/smtpd[1]: warning: host[192.0.2.1]: SASL LOGIN authentication failed: x, sasl_username={}",
    "Jan  2 03:04:05 h postfix/smtpd[1]: NOQUEUE: reject: RCPT from host[192.0.2.1]: 554 5.7.1 <{}>: Relay access denied; from=<{}> to=<x>",
    "Jan  2 03:04:05 h sendmail[1]: 06I: AUTH failure (LOGIN): authentication failure, user={}, relay=host [192.0.2.1]",
    "Jan  2 03:04:05 h vsftpd[1]: [{}] FAIL LOGIN: Client \"192.0.2.1\"",
    "Jan  2 03:04:05 h proftpd[1]: h (peer[192.0.2.1]) - USER {} (Login failed): Incorrect password.",
    "Jan  2 03:04:05 h mysqld[1]: 7 [Note] Access denied for user '{}'@'192.0.2.1' (using password: YES)",
    "Jan  2 03:04:05 h dnsmasq[1]: query[A] {} from 192.0.2.1",
    "Jan  2 03:04:05 h named[1]: client @0x7f 192.0.2.1#53 ({}): query: {} IN A + (203.0.113.1)",
    "192.0.2.1 - - [31/Jan/2026:10:00:00 +0000] \"{}\" 401 5 \"{}\" \"{}\"",
    "2026/01/31 10:00:00 [error] 1#1: *2 user \"{}\": password mismatch, client: 192.0.2.1, server: _, request: \"GET {} HTTP/1.1\", host: \"{}\"",
    "[Sat Jan 31 10:00:00 2026] [error] [client 192.0.2.1] user {} not found: /",
    "2026-01-31 10:00:00 login authenticator failed for (x) [192.0.2.1]: 535 Incorrect authentication data (set_id={})",
    "[2026-01-31 10:00:00] NOTICE[1] chan_sip.c: Registration from '{}' failed for '192.0.2.1:5060' - Wrong password",
    "Jan  2 03:04:05 h portal[1]: login failed for {} from 192.0.2.1",
    "Jan  2 03:04:05 h portal[1]: login failed from 192.0.2.1 for {}",
    "Jan  2 03:04:05 h portal[1]: FAILED LOGIN for {} [192.0.2.1] to portal",
    "Jan  2 03:04:05 h portal[1]: Failed Login: username={} ip=192.0.2.1",
    "2026-01-31 10:00:00 portal: bad password, user: {}, client: 192.0.2.1",
];

/// Pieces of every grammar that an attacker would put together.
const PIECES: &[&str] = &[
    FORGED,
    FORGED,
    " from ",
    "from",
    " port 22",
    " port 5 ssh2",
    " ssh2",
    ": ",
    " ",
    "rhost=",
    "  user=",
    "user=",
    "\"",
    "'",
    "'@'",
    ", client: ",
    ", server: _",
    "[",
    "]",
    "(",
    ")",
    " H=",
    ", rip=",
    ", lip=",
    "<",
    ">",
    ",",
    " [preauth]",
    " - ",
    "x",
    "root",
    " not allowed because ",
    "' failed for '",
    ": Client \"",
    "] FAIL LOGIN: Client \"",
    "relay=",
    ", relay=",
    " for ",
    " to ",
    " on ",
    " via ",
    " by ",
    "client ",
    "host ",
    "ip=",
    "addr=",
    "#53",
    "@",
    " user ",
    ": Too many authentication failures",
    "->",
    " SRC=",
    " 203.0.113.9",
    "é",
    "{",
    "}",
    "=",
    "|",
    ";",
    " (",
    ") ",
    "from=",
    "[client ",
    "invalid user ",
    " with ",
    "message repeated 2 times: [ ",
];

/// Lines of `app` on `h` with a stranger's text in them, and their time; `{}` is the text, `{j}` the same within JSON.
const HEADED: &[&str] = &[
    "Jan  2 03:04:05 h app[1]: {}",
    "<38>Jan  2 03:04:05 h app: {}",
    "2026-01-02T03:04:05Z h app[1]: message repeated 2 times: [ {}]",
    "Thu 2026-01-02 03:04:05 UTC h app[1]: {}",
    "<34>1 2026-01-02T03:04:05Z h app 1 - - {}",
    "{\"time\":\"2026-01-02T03:04:05Z\",\"host\":\"h\",\"program\":\"app\",\"message\":\"{j}\"}",
    "{\"log\":\"Jan  2 03:04:05 h app[1]: {j}\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}",
    "2026-01-02T03:04:05.6Z stdout F Jan  2 03:04:05 h app[1]: {}",
];

/// What headers are made of.
const HEADERS: &[&str] = &[
    "<34>",
    "<34>1 2025-05-05T05:05:05Z vault sshd 1 - - ",
    "Feb  3 04:05:06 ",
    "2025-05-05T05:05:05Z ",
    "2025-05-05 05:05:05 ",
    "vault ",
    "sshd[2]: ",
    "sshd: ",
    "stdout F ",
    "{\"program\":\"sshd\",\"host\":\"vault\",\"time\":1700000000}",
    "{\"log\":\"x\",\"stream\":\"stdout\"}",
    "type=USER_LOGIN msg=audit(1.2:3): ",
    "host=vault program=sshd level=info msg=x ",
    "CEF:0|a|b|c|d|e|5|host=vault ",
    "message repeated 9 times: [ ",
    "last message repeated 9 times",
    "%ASA-6-302013: ",
    "]",
    "\n",
    "#012",
    " ",
    "x",
    "'",
];

fn words() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..10).prop_map(|pieces| pieces.concat())
}

fn check(parsed: &Parsed) {
    let record = &parsed.record;
    for ip in [&record.entity.src_ip, &record.entity.dst_ip].into_iter().flatten() {
        assert!(ip.parse::<IpAddr>().is_ok(), "{ip}");
    }
    assert!(record.fields.len() <= limits::FIELDS_PER_RECORD_MAX);
    assert!(record.message.len() <= 3 * limits::LINE_BYTES_MAX);
    assert!(!record.message.contains('\0'));
    assert!(record.level.is_none_or(|level| level <= 7));
}

proptest! {
    #[test]
    fn any_bytes_in_any_format_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300), format in prop::sample::select(FORMATS)) {
        check(&parse(&bytes, format, &[]));
    }

    #[test]
    fn a_damaged_line_is_read_and_read_alike_twice(
        line in prop::sample::select(VALID),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..8),
        insert in words(),
        format in prop::sample::select(FORMATS),
    ) {
        let mut bytes = line.as_bytes().to_vec();
        for (at, byte, how) in edits {
            let at = at.index(bytes.len() + 1);
            match how {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                2 => { bytes.splice(at..at, insert.bytes()); }
                _ => if at < bytes.len() { bytes[at] = byte },
            }
        }
        let parsed = parse(&bytes, format, &[]);
        check(&parsed);
        prop_assert_eq!(parse(&bytes, format, &[]), parsed);
    }

    #[test]
    fn a_header_in_a_message_is_text(
        template in prop::sample::select(HEADED),
        pieces in prop::collection::vec(prop::sample::select(HEADERS), 0..6),
    ) {
        let said = pieces.concat();
        let quoted = serde_json::to_string(&said).unwrap();
        let line = template.replace("{j}", quoted.trim_matches('"')).replace("{}", &said);
        let plain = template.replace("{j}", "x").replace("{}", "x");
        let (forged, honest) = (parse(line.as_bytes(), Format::Auto, &[]), parse(plain.as_bytes(), Format::Auto, &[]));
        prop_assert_eq!(forged.time, honest.time, "{}", &line);
        prop_assert_eq!(forged.record.program.as_deref(), Some("app"), "{}", &line);
        prop_assert_eq!(forged.record.entity.host.as_deref(), Some("h"), "{}", &line);
        prop_assert_eq!(forged.record.pid, honest.record.pid, "{}", &line);
    }

    #[test]
    fn what_a_client_says_is_never_its_address(template in prop::sample::select(TEMPLATES), said in words()) {
        let line = template.replace("{}", &said);
        let source = parse(line.as_bytes(), Format::Auto, &[]).record.entity.src_ip;
        prop_assert!(source.is_none() || source.as_deref() == Some(REAL), "{:?}: {}", source, line);
    }
}

#[test]
fn every_template_names_its_client_when_the_client_says_nothing_odd() {
    for template in TEMPLATES {
        let line = template.replace("{}", "eve");
        let source = parse(line.as_bytes(), Format::Auto, &[]).record.entity.src_ip;
        if !template.contains("FAILED LOGIN for") {
            assert_eq!(source.as_deref(), Some(REAL), "{line}");
        }
    }
}

#[test]
fn a_line_of_ten_megabytes_is_cut() {
    for filling in [
        "a",
        "{\"a\":",
        "x=1 ",
        "[",
        "\u{ffff}",
        "192.0.2.1 from ",
        "from [",
        "\"",
        ", client: 1.1.1.1",
        " ssh2: ",
        "=",
    ] {
        let bytes = filling.repeat(10_000_000 / filling.len()).into_bytes();
        for format in FORMATS {
            check(&parse(&bytes, *format, &[]));
        }
    }
}
