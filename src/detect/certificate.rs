//! What is wrong with a certificate that a monitor of the network saw: Zeek's `x509` log describes it, its `ssl` log and its notices say
//! that it could not be verified.

use crate::event::{Record, Timestamp};

/// Bits of a key below which it is weak, and below which anybody can break it (NIST SP 800-131A).
pub const RSA_BITS_MIN: u32 = 2048;
const RSA_BITS_BROKEN: u32 = 1024;
const EC_BITS_MIN: u32 = 224;
/// That a certificate is expired, its own issuer or of an issuer that the monitor does not know is ordinary in every network: whoever
/// connects decides whether to go on, and the program that does not logs it. Nobody has to act on it at once.
const SEEN_SCORE: f64 = 0.4;
const REVOKED_SCORE: f64 = 0.8;
/// Zeek's notice that a certificate could not be verified, and what its text begins with.
const NOTICE: &str = "SSL::Invalid_Server_Cert";
const NOTICE_BEGINS: &str = "SSL certificate validation failed with (";

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub flag: &'static str,
    /// 0 to 1.
    pub score: f64,
    /// Whose it is.
    pub subject: String,
    /// Who vouches for it, as far as the record says.
    pub issuer: Option<String>,
    pub what: String,
}

/// The worst that is wrong with the certificate that a record of Zeek's `x509` log describes, at the time that it was seen.
fn described(record: &Record, now: Timestamp) -> Option<Fault> {
    let field = |name: &str| record.field(name);
    let subject = field("certificate.subject")?;
    let seconds = now.millis() as f64 / 1000.0;
    let time = |name: &str| field(name)?.parse::<f64>().ok().filter(|time| time.is_finite());
    let issuer = field("certificate.issuer");
    let fault = |flag, score, what: String| {
        Some(Fault { flag, score, subject: subject.to_owned(), issuer: issuer.map(str::to_owned), what })
    };
    let bits: u32 = field("certificate.key_length").and_then(|bits| bits.parse().ok()).unwrap_or(u32::MAX);
    let is_rsa = field("certificate.key_type") == Some("rsa");
    let is_ec = field("certificate.key_type") == Some("ecdsa");
    let is_weak = (is_rsa && bits < RSA_BITS_MIN) || (is_ec && bits < EC_BITS_MIN);
    let is_broken = (is_rsa && bits < RSA_BITS_BROKEN) || field("certificate.exponent") == Some("1");
    let signed = field("certificate.sig_alg").unwrap_or_default().to_ascii_lowercase();
    let is_own = issuer == Some(subject);
    if is_broken || is_weak {
        let score = if is_broken { 0.85 } else { 0.55 };
        return fault(
            "WEAK_KEY",
            score,
            format!("a key of {bits} bits, where {} are the least", if is_ec { EC_BITS_MIN } else { RSA_BITS_MIN }),
        );
    }
    // How a root signs itself proves nothing either way.
    if !is_own && (signed.contains("md5") || signed.contains("md2") || signed.contains("sha1")) {
        let score = if signed.contains("sha1") { 0.6 } else { 0.8 };
        return fault("WEAK_CRYPTO_NEGOTIATED", score, format!("signed with {signed}"));
    }
    if let Some(end) = time("certificate.not_valid_after").filter(|end| seconds > *end) {
        let days = ((seconds - end) / 86_400.0).ceil();
        return fault("CERTIFICATE_EXPIRED", SEEN_SCORE, format!("valid until {days} days before it was seen"));
    }
    if time("certificate.not_valid_before").is_some_and(|begin| seconds < begin) {
        return fault("CERTIFICATE_NOT_YET_VALID", SEEN_SCORE, "seen before it is valid".to_owned());
    }
    let is_authority = field("basic_constraints.ca").is_some_and(|is| matches!(is, "T" | "true"));
    if is_own && !is_authority {
        return fault("CERTIFICATE_SELF_SIGNED", SEEN_SCORE, "its own issuer".to_owned());
    }
    None
}

/// What OpenSSL told the monitor when it could not verify the certificate of a connection.
fn unverified(record: &Record) -> Option<Fault> {
    let (reason, subject, issuer) = if record.field("note") == Some(NOTICE) {
        let reason = record.field("msg")?.strip_prefix(NOTICE_BEGINS)?.trim_end_matches(')');
        (reason, record.field("sub"), None)
    } else {
        let subject = record.field("subject").or_else(|| record.field("server_name"));
        (record.field("validation_status")?, subject, record.field("issuer"))
    };
    let lower = reason.to_ascii_lowercase();
    if lower == "ok" || lower.is_empty() {
        return None;
    }
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let (flag, score) = match () {
        () if has(&["revoked"]) => ("CERTIFICATE_REVOKED", REVOKED_SCORE),
        () if has(&["self signed", "self-signed"]) => ("CERTIFICATE_SELF_SIGNED", SEEN_SCORE),
        () if has(&["expired"]) => ("CERTIFICATE_EXPIRED", SEEN_SCORE),
        () if has(&["not yet valid"]) => ("CERTIFICATE_NOT_YET_VALID", SEEN_SCORE),
        () => ("CERTIFICATE_UNTRUSTED", SEEN_SCORE),
    };
    let subject = subject.or_else(|| record.field("id.resp_h")).unwrap_or("a server without a name").to_owned();
    Some(Fault { flag, score, subject, issuer: issuer.map(str::to_owned), what: reason.to_owned() })
}

/// Whether a monitor of the network says whether a certificate could be verified: then its text says no more.
pub fn is_verified_elsewhere(record: &Record) -> bool {
    record.field("validation_status").is_some() || record.field("note") == Some(NOTICE)
}

/// What is wrong with the certificate that the record is about.
pub fn certificate_fault(record: &Record, now: Timestamp) -> Option<Fault> {
    described(record, now).or_else(|| unverified(record))
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
    fn what_could_not_be_verified_is_told_with_its_reason_and_what_could_is_not() {
        let fault = |fields: &[(&str, &str)]| certificate_fault(&record(fields), at());
        let of_a_connection = |status| {
            let fields = [("validation_status", status), ("server_name", "a.example"), ("issuer", "CN=own,O=Own")];
            fault(&fields).map(|fault| (fault.flag, fault.subject, fault.issuer, fault.what))
        };
        assert_eq!(of_a_connection("ok"), None);
        let untrusted = "unable to get local issuer certificate";
        let expected = ("CERTIFICATE_UNTRUSTED", "a.example".into(), Some("CN=own,O=Own".into()), untrusted.into());
        assert_eq!(of_a_connection(untrusted), Some(expected));
        assert_eq!(of_a_connection("certificate revoked").map(|told| told.0), Some("CERTIFICATE_REVOKED"));
        let notice = [
            ("note", NOTICE),
            ("msg", "SSL certificate validation failed with (self signed certificate)"),
            ("sub", "CN=b.example"),
        ];
        let told = fault(&notice).unwrap();
        assert_eq!(
            (told.flag, &*told.subject, &*told.what),
            ("CERTIFICATE_SELF_SIGNED", "CN=b.example", "self signed certificate")
        );
        assert!(told.score < 0.5, "nobody is called for what is ordinary");
    }

    proptest! {
        #[test]
        fn hostile_fields_never_panic(values in proptest::collection::vec(".{0,30}", 7)) {
            let names = [
                "certificate.subject", "certificate.not_valid_after", "certificate.key_length", "validation_status", "note", "msg", "sub",
            ];
            for skipped in 0..names.len() {
                let fields: Vec<(&str, &str)> =
                    names.into_iter().zip(values.iter().map(String::as_str)).skip(skipped).collect();
                let _ = certificate_fault(&record(&fields), at());
            }
        }
    }
}
