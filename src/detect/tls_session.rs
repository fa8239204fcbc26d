//! Connections and certificates that a monitor of the network or a server describes in fields: Zeek's `ssl`, `ssh` and `x509` logs, and
//! what nginx and Apache put beside a request.

use crate::event::{Record, Timestamp};

/// Bits of a key below which it is weak, and below which anybody can break it (NIST SP 800-131A).
const RSA_BITS_MIN: u32 = 2048;
const RSA_BITS_BROKEN: u32 = 1024;
const EC_BITS_MIN: u32 = 224;
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

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub flag: &'static str,
    pub score: f64,
    pub what: String,
}

/// The worst that is wrong with the certificate that the record describes, at the time that it was seen.
pub fn certificate_fault(record: &Record, now: Timestamp) -> Option<Fault> {
    let field = |name: &str| record.field(name);
    let subject = field("certificate.subject")?;
    let seconds = now.millis() as f64 / 1000.0;
    let time = |name: &str| field(name)?.parse::<f64>().ok().filter(|time| time.is_finite());
    let fault = |flag, score, what: String| Some(Fault { flag, score, what });
    let bits: u32 = field("certificate.key_length").and_then(|bits| bits.parse().ok()).unwrap_or(u32::MAX);
    let is_rsa = field("certificate.key_type") == Some("rsa");
    let is_ec = field("certificate.key_type") == Some("ecdsa");
    let is_weak = (is_rsa && bits < RSA_BITS_MIN) || (is_ec && bits < EC_BITS_MIN);
    let is_broken = (is_rsa && bits < RSA_BITS_BROKEN) || field("certificate.exponent") == Some("1");
    let signed = field("certificate.sig_alg").unwrap_or_default().to_ascii_lowercase();
    let is_own = field("certificate.issuer") == Some(subject);
    if is_broken || is_weak {
        let score = if is_broken { 0.85 } else { 0.55 };
        return fault("WEAK_KEY", score, format!("a key of {bits} bits"));
    }
    // How a root signs itself proves nothing either way.
    if !is_own && (signed.contains("md5") || signed.contains("md2") || signed.contains("sha1")) {
        let score = if signed.contains("sha1") { 0.6 } else { 0.8 };
        return fault("WEAK_CRYPTO_NEGOTIATED", score, format!("signed with {signed}"));
    }
    if let Some(end) = time("certificate.not_valid_after").filter(|end| seconds > *end) {
        let days = ((seconds - end) / 86_400.0).ceil();
        return fault("CERTIFICATE_EXPIRED", 0.52, format!("valid until {days} days before it was seen"));
    }
    if time("certificate.not_valid_before").is_some_and(|begin| seconds < begin) {
        return fault("CERTIFICATE_NOT_YET_VALID", 0.52, "seen before it is valid".to_owned());
    }
    let is_authority = field("basic_constraints.ca").is_some_and(|is| matches!(is, "T" | "true"));
    if is_own && !is_authority {
        return fault("CERTIFICATE_SELF_SIGNED", 0.52, "its own issuer".to_owned());
    }
    None
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

    fn at() -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
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
    fn the_worst_of_a_certificate_is_told_and_a_sound_one_has_no_fault() {
        let sound = [
            ("certificate.subject", "CN=a"),
            ("certificate.issuer", "CN=b"),
            ("certificate.sig_alg", "sha256WithRSAEncryption"),
            ("certificate.key_type", "rsa"),
            ("certificate.key_length", "2048"),
            ("certificate.not_valid_before", "1690000000.0"),
            ("certificate.not_valid_after", "1710000000.0"),
        ];
        let flag = |changed: &[(&str, &str)]| {
            let mut fields = sound.to_vec();
            for (key, value) in changed {
                fields.retain(|(name, _)| name != key);
                fields.push((key, value));
            }
            certificate_fault(&record(&fields), at()).map(|fault| fault.flag)
        };
        assert_eq!(flag(&[]), None);
        assert_eq!(flag(&[("certificate.key_length", "1024")]), Some("WEAK_KEY"));
        assert_eq!(flag(&[("certificate.exponent", "1")]), Some("WEAK_KEY"));
        assert_eq!(flag(&[("certificate.key_type", "ecdsa"), ("certificate.key_length", "256")]), None);
        assert_eq!(flag(&[("certificate.sig_alg", "sha1WithRSAEncryption")]), Some("WEAK_CRYPTO_NEGOTIATED"));
        assert_eq!(flag(&[("certificate.not_valid_after", "1699999999.0")]), Some("CERTIFICATE_EXPIRED"));
        assert_eq!(flag(&[("certificate.not_valid_before", "1700000001.0")]), Some("CERTIFICATE_NOT_YET_VALID"));
        assert_eq!(flag(&[("certificate.issuer", "CN=a")]), Some("CERTIFICATE_SELF_SIGNED"));
        assert_eq!(flag(&[("certificate.issuer", "CN=a"), ("basic_constraints.ca", "T")]), None);
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
        fn hostile_fields_never_panic(values in proptest::collection::vec(".{0,30}", 9)) {
            let names = [
                "id.orig_h", "id.resp_h", "cipher", "version", "kex_alg", "issuer", "certificate.subject",
                "certificate.not_valid_after", "certificate.key_length",
            ];
            let fields: Vec<(&str, &str)> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
            let _ = (session(&record(&fields)), certificate_fault(&record(&fields), at()));
            let _ = beside_a_request(&values.concat());
        }
    }
}
