//! Certificates that fail, keys that changed or leaked, signatures that are wrong, as programs log them.

use std::sync::LazyLock;

use super::phrases::{self, Phrase, Phrases};

/// A failure of trust that a message reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Failure {
    pub flag: &'static str,
    /// 0 to 1.
    pub score: f64,
    pub attack: &'static [&'static str],
}

const fn failure(flag: &'static str, score: f64, attack: &'static [&'static str]) -> Failure {
    Failure { flag, score, attack }
}

const EXPIRED: Failure = failure("CERTIFICATE_EXPIRED", 0.52, &[]);
const NOT_YET_VALID: Failure = failure("CERTIFICATE_NOT_YET_VALID", 0.52, &[]);
const SELF_SIGNED: Failure = failure("CERTIFICATE_SELF_SIGNED", 0.52, &["T1557"]);
const MISMATCH: Failure = failure("CERTIFICATE_NAME_MISMATCH", 0.6, &["T1557"]);
const UNTRUSTED: Failure = failure("CERTIFICATE_UNTRUSTED", 0.55, &["T1557"]);
const REVOKED: Failure = failure("CERTIFICATE_REVOKED", 0.8, &["T1588.004"]);
const HOST_KEY: Failure = failure("HOST_KEY_CHANGED", 0.8, &["T1557"]);
const DOWNGRADE: Failure = failure("TLS_DOWNGRADE", 0.7, &["T1557"]);
const WEAK_KEY: Failure = failure("WEAK_KEY", 0.52, &["T1600.001"]);
const REPLAY: Failure = failure("CRYPTO_REPLAY", 0.55, &["T1557"]);
const BAD_SIGNATURE: Failure = failure("SIGNATURE_INVALID", 0.8, &["T1195.002", "T1553"]);
const PRIVATE_KEY: Failure = failure("PRIVATE_KEY_IN_LOG", 0.92, &["T1552.004"]);

macro_rules! phrases {
    ($( $meaning:ident [$($all:literal),+] $(not [$($none:literal),+])? ; )+) => {
        &[$( Phrase { all: &[$($all),+], none: &[$($($none),+)?], programs: &[], meaning: $meaning } ),+]
    };
}

static FAILURES: &[Phrase<Failure>] = phrases! {
    PRIVATE_KEY ["private key-----", "-----begin"];
    HOST_KEY ["remote host identification has changed"];
    HOST_KEY ["host key for", "has changed"];
    HOST_KEY ["host key verification failed"];
    REVOKED ["certificate revoked"];
    REVOKED ["certificate has been revoked"];
    REVOKED ["certificate", "is revoked"];
    REVOKED ["revoked certificate"];
    REVOKED ["revoked by file"];
    EXPIRED ["certificate has expired"] not ["will"];
    EXPIRED ["certificate expired"];
    EXPIRED ["cert has expired"];
    EXPIRED ["certificate is expired"];
    EXPIRED ["certificate invalid: expired"];
    NOT_YET_VALID ["certificate is not yet valid"];
    NOT_YET_VALID ["certificate not yet valid"];
    NOT_YET_VALID ["certificate invalid: not yet valid"];
    SELF_SIGNED ["self-signed certificate"] not ["generat", "created", "creating"];
    SELF_SIGNED ["self signed certificate"] not ["generat", "created", "creating"];
    MISMATCH ["does not match target host name"];
    MISMATCH ["hostname mismatch"];
    MISMATCH ["host name mismatch"];
    MISMATCH ["certificate subject name", "does not match"];
    MISMATCH ["server certificate does not match"];
    MISMATCH ["does not include an id which matches the server name"];
    MISMATCH ["peer certificate cn", "did not match"];
    DOWNGRADE ["inappropriate fallback"];
    DOWNGRADE ["unsafe legacy renegotiation"];
    BAD_SIGNATURE ["badsig"];
    BAD_SIGNATURE ["bad signature"];
    BAD_SIGNATURE ["signatures were invalid"];
    BAD_SIGNATURE ["certificate signature failure"];
    BAD_SIGNATURE ["gpg check failed"];
    WEAK_KEY ["dh key too small"];
    WEAK_KEY ["ee key too small"];
    WEAK_KEY ["ca md too weak"];
    WEAK_KEY ["ca key too small"];
    WEAK_KEY ["legacy sigalg disallowed"];
    WEAK_KEY ["uses weak digest algorithm"];
    WEAK_KEY ["insecure cipher", "block size"];
    WEAK_KEY ["key length", "too short", "rsa"];
    REPLAY ["bad packet id (may be a replay)"];
    REPLAY ["packet hmac authentication failed"];
    UNTRUSTED ["certificate verify failed"];
    UNTRUSTED ["certificate verification failed"];
    UNTRUSTED ["certificate verification error"];
    UNTRUSTED ["unable to get local issuer certificate"];
    UNTRUSTED ["unable to verify the first certificate"];
    UNTRUSTED ["alert unknown ca"];
    UNTRUSTED ["alert bad certificate"];
    UNTRUSTED ["verify error:", "depth="];
    UNTRUSTED ["server certificate verification failed"];
    UNTRUSTED ["no trusted", "public key found for"];
    UNTRUSTED ["unknown ca", "tls"];
    UNTRUSTED ["ssl certificate problem"];
};

static FAILURE_TABLE: LazyLock<Option<Phrases<Failure>>> = LazyLock::new(|| Phrases::new(FAILURES).ok());

/// One of these stands in every message that [`failure_of`] finds something in.
pub fn needed_words() -> impl Iterator<Item = &'static str> {
    phrases::needed_words(FAILURES)
}

/// The failure of trust that a message reports.
pub fn failure_of(program: Option<&str>, message: &str) -> Option<&'static Failure> {
    FAILURE_TABLE.as_ref()?.find(program, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_trust_are_named() {
        for (message, flag) in [
            ("VERIFY ERROR: depth=0, error=certificate has expired: CN=vpn", "CERTIFICATE_EXPIRED"),
            (
                "SSL_do_handshake() failed (SSL: error:0A000086:SSL routines::certificate verify failed)",
                "CERTIFICATE_UNTRUSTED",
            ),
            ("upstream SSL certificate verify error: (18:self-signed certificate)", "CERTIFICATE_SELF_SIGNED"),
            (
                "SSL: certificate subject name 'a.example' does not match target host name 'b.example'",
                "CERTIFICATE_NAME_MISMATCH",
            ),
            ("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!", "HOST_KEY_CHANGED"),
            ("tls alert certificate revoked", "CERTIFICATE_REVOKED"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "PRIVATE_KEY_IN_LOG"),
        ] {
            assert_eq!(failure_of(None, message).map(|failure| failure.flag), Some(flag), "{message}");
        }
        assert_eq!(failure_of(None, "generated self-signed certificate for localhost"), None);
        assert_eq!(failure_of(None, "certificate renewed, expires in 89 days"), None);
    }
}
