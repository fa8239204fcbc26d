//! Connections that a monitor of the network or a server describes in fields: Zeek's `ssl` and `ssh` logs, and what nginx and Apache put
//! beside a request.

use crate::event::Record;

/// Key exchanges that also hold against a quantum computer, as parts of their names in lower case without marks.
const HYBRID: &[&str] = &["mlkem", "kyber", "sntrup761"];

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session<'a> {
    pub client: &'a str,
    /// The name that the client asked for, else address and port.
    pub server: String,
    /// How the keys were agreed on: a group of TLS, or a method of SSH.
    pub group: Option<&'a str>,
    /// The organisation that vouches for the server.
    pub issuer: Option<&'a str>,
}

/// `None`: the record is of something else, or of an attempt that came to nothing.
pub fn session(record: &Record) -> Option<Session<'_>> {
    let client = record.field("id.orig_h")?;
    let address = record.field("id.resp_h")?;
    let is_tls = record.field("cipher").is_some() && record.field("version").is_some_and(is_tls_version);
    let is_ssh = record.field("kex_alg").is_some();
    let failed = ["established", "auth_success"].iter().any(|key| record.field(key).is_some_and(is_no));
    if !(is_tls || is_ssh) || failed {
        return None;
    }
    let server = match record.field("server_name").filter(|name| !name.is_empty()) {
        Some(name) => name.to_ascii_lowercase(),
        None => format!("{address}:{}", record.field("id.resp_p").unwrap_or_default()),
    };
    let group = if is_ssh { record.field("kex_alg") } else { record.field("curve") };
    Some(Session { client, server, group, issuer: record.field("issuer").and_then(organisation) })
}

/// Whether it also holds against a quantum computer.
pub fn is_hybrid(group: &str) -> bool {
    let name: String = group.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    HYBRID.iter().any(|part| name.contains(part))
}

fn is_tls_version(text: &str) -> bool {
    ["TLS", "SSL", "DTLS"].iter().any(|name| text.starts_with(name))
}

fn is_no(text: &str) -> bool {
    matches!(text, "F" | "false")
}

/// The organisation in a distinguished name; without one the whole name.
fn organisation(name: &str) -> Option<&str> {
    let part = name.split(',').map(str::trim_start).find_map(|part| part.strip_prefix("O="));
    Some(part.unwrap_or(name)).filter(|name| !name.is_empty())
}

/// Protocol and cipher that a web server wrote beside a request, outside of what the client sent: right before the request
/// (Apache's `ssl_request_log`) or behind everything (nginx, `$ssl_protocol $ssl_cipher`).
pub fn beside_a_request(line: &str) -> Option<(&str, &str)> {
    let before = line.split('"').next()?.trim_end();
    let behind = line.rsplit('"').next()?.trim();
    let pair = |first: Option<&'_ str>, second: Option<&'_ str>| first.is_some_and(is_protocol) && second.is_some();
    let mut from_end = before.rsplit(' ');
    let (cipher, protocol) = (from_end.next(), from_end.next());
    if pair(protocol, cipher) {
        return protocol.zip(cipher);
    }
    let mut from_start = behind.split(' ');
    let (protocol, cipher) = (from_start.next(), from_start.next());
    if pair(protocol, cipher) { protocol.zip(cipher) } else { None }
}

fn is_protocol(text: &str) -> bool {
    matches!(text, "SSLv2" | "SSLv3" | "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(fields: &[(&str, &str)]) -> Record {
        let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Record { fields, ..Record::default() }
    }

    #[test]
    fn a_connection_has_its_group_and_the_organisation_that_vouches() {
        let fields = [
            ("id.orig_h", "192.0.2.7"),
            ("id.resp_h", "198.51.100.1"),
            ("id.resp_p", "443"),
            ("version", "TLSv13"),
            ("cipher", "TLS_AES_256_GCM_SHA384"),
            ("curve", "X25519MLKEM768"),
            ("issuer", "CN=R3,O=Let's Encrypt,C=US"),
        ];
        let it = record(&fields);
        let it = session(&it).unwrap();
        assert_eq!(
            (&*it.server, it.group, it.issuer),
            ("198.51.100.1:443", Some("X25519MLKEM768"), Some("Let's Encrypt"))
        );
        let named = record(&[&fields[..], &[("server_name", "Example.org")]].concat());
        assert_eq!(session(&named).unwrap().server, "example.org");
        assert_eq!(session(&record(&[&fields[..], &[("established", "F")]].concat())), None);
        assert_eq!(session(&record(&fields[..4])), None);
    }

    #[test]
    fn hybrid_groups_are_told_by_their_post_quantum_part() {
        for name in [
            "X25519MLKEM768",
            "SecP256r1MLKEM768",
            "x25519_kyber768",
            "sntrup761x25519-sha512@openssh.com",
            "mlkem768x25519-sha256",
        ] {
            assert!(is_hybrid(name), "{name}");
        }
        for name in ["x25519", "secp256r1", "curve25519-sha256", "diffie-hellman-group14-sha256", ""] {
            assert!(!is_hybrid(name), "{name}");
        }
    }

    #[test]
    fn what_a_web_server_wrote_beside_a_request_is_read_and_not_what_the_client_sent() {
        let nginx = r#"192.0.2.1 - - [x] "GET / HTTP/1.1" 200 5 "-" "curl" TLSv1 AES128-SHA"#;
        assert_eq!(beside_a_request(nginx), Some(("TLSv1", "AES128-SHA")));
        let apache = r#"[x] 192.0.2.1 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 "GET / HTTP/1.1" 5"#;
        assert_eq!(beside_a_request(apache), Some(("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")));
        let client = r#"192.0.2.1 - - [x] "GET /?TLSv1 AES128-SHA HTTP/1.1" 200 5 "TLSv1 RC4-MD5" "SSLv3 RC4-MD5""#;
        assert_eq!(beside_a_request(client), None);
    }

    proptest! {
        #[test]
        fn hostile_fields_never_panic(values in proptest::collection::vec(".{0,30}", 6)) {
            let names = ["id.orig_h", "id.resp_h", "cipher", "version", "kex_alg", "issuer"];
            let fields: Vec<(&str, &str)> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
            let _ = session(&record(&fields));
            let _ = beside_a_request(&values.concat());
        }
    }
}
