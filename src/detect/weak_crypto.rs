//! Weak algorithms, as programs log them.

use std::sync::LazyLock;

use super::words::Words;

/// What became of the weak algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Both sides agreed on it: the connection is not safe.
    Negotiated,
    /// The other side asked for it and was refused.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weakness {
    pub term: &'static str,
    /// 0 to 1, for a connection that uses it.
    pub score: f64,
    /// Which standard forbids or deprecates it.
    pub standard: &'static str,
    /// Found also as one part of the name of a cipher suite (`ECDHE-RSA-RC4-SHA`).
    part_of_suite: bool,
}

const fn whole(term: &'static str, score: f64, standard: &'static str) -> Weakness {
    Weakness { term, score, standard, part_of_suite: false }
}

const fn part(term: &'static str, score: f64, standard: &'static str) -> Weakness {
    Weakness { term, score, standard, part_of_suite: true }
}

/// In lower case.
static WEAKNESSES: &[Weakness] = &[
    whole("diffie-hellman-group1-sha1", 0.7, "RFC 9142"),
    whole("diffie-hellman-group14-sha1", 0.52, "RFC 9142"),
    whole("diffie-hellman-group-exchange-sha1", 0.6, "RFC 9142"),
    whole("rsa1024-sha1", 0.7, "RFC 9142"),
    whole("ssh-dss", 0.7, "NIST SP 800-131A"),
    whole("ssh-rsa", 0.52, "NIST SP 800-131A"),
    whole("ssh-rsa-cert-v01@openssh.com", 0.52, "NIST SP 800-131A"),
    whole("arcfour", 0.7, "RFC 8758"),
    whole("arcfour128", 0.7, "RFC 8758"),
    whole("arcfour256", 0.7, "RFC 8758"),
    whole("3des-cbc", 0.6, "NIST SP 800-131A"),
    whole("des-cbc", 0.8, "NIST SP 800-131A"),
    whole("blowfish-cbc", 0.6, "NIST SP 800-131A"),
    whole("cast128-cbc", 0.6, "NIST SP 800-131A"),
    whole("bf-cbc", 0.6, "NIST SP 800-131A"),
    whole("hmac-md5", 0.6, "RFC 6151"),
    whole("hmac-md5-96", 0.6, "RFC 6151"),
    whole("hmac-md5-etm@openssh.com", 0.6, "RFC 6151"),
    whole("hmac-md5-96-etm@openssh.com", 0.6, "RFC 6151"),
    whole("hmac-sha1-96", 0.52, "NIST SP 800-131A"),
    whole("hmac-sha1-96-etm@openssh.com", 0.52, "NIST SP 800-131A"),
    whole("sslv2", 0.85, "RFC 6176"),
    whole("sslv3", 0.8, "RFC 7568"),
    whole("ssl3", 0.8, "RFC 7568"),
    whole("ssl 3.0", 0.8, "RFC 7568"),
    whole("tlsv1", 0.6, "RFC 8996"),
    whole("tlsv1.0", 0.6, "RFC 8996"),
    whole("tlsv10", 0.6, "RFC 8996"),
    whole("tls1.0", 0.6, "RFC 8996"),
    whole("tls 1.0", 0.6, "RFC 8996"),
    whole("tlsv1.1", 0.55, "RFC 8996"),
    whole("tlsv11", 0.55, "RFC 8996"),
    whole("tls1.1", 0.55, "RFC 8996"),
    whole("tls 1.1", 0.55, "RFC 8996"),
    whole("rsa-sha1", 0.55, "NIST SP 800-131A"),
    whole("rsa-md5", 0.8, "RFC 6151"),
    whole("md5withrsaencryption", 0.8, "RFC 6151"),
    whole("sha1withrsaencryption", 0.6, "NIST SP 800-131A"),
    whole("modp_768", 0.7, "RFC 8247"),
    whole("modp_1024", 0.6, "RFC 8247"),
    whole("des_cbc", 0.8, "RFC 8247"),
    whole("3des_cbc", 0.55, "NIST SP 800-131A"),
    whole("hmac_md5_96", 0.6, "RFC 8247"),
    whole("des-cbc-crc", 0.8, "RFC 6649"),
    whole("des-cbc-md5", 0.8, "RFC 6649"),
    whole("arcfour-hmac", 0.6, "RFC 8429"),
    whole("arcfour-hmac-exp", 0.8, "RFC 6649"),
    part("rc4", 0.7, "RFC 7465"),
    part("rc2", 0.8, "RFC 9325"),
    part("export", 0.85, "RFC 9325"),
    part("exp", 0.85, "RFC 9325"),
    part("export40", 0.85, "RFC 9325"),
    part("null", 0.85, "RFC 9325"),
    part("3des", 0.55, "NIST SP 800-131A"),
    part("des-cbc3", 0.55, "NIST SP 800-131A"),
    part("with_des", 0.8, "NIST SP 800-131A"),
    whole("des-cbc-sha", 0.8, "NIST SP 800-131A"),
];

/// Words of a message that reports what a connection uses. In lower case.
const NEGOTIATED: &[&str] = &[
    "kex: algorithm:",
    "kex: host key algorithm:",
    "kex: client->server",
    "kex: server->client",
    "with cipher",
    "cipher=",
    "cipher:",
    "ciphersuite",
    "cipher suite",
    "using cipher",
    "using protocol",
    "selected proposal",
    "control channel:",
    "initialized with",
    "connection using",
    "connection established",
    "protocol=",
    "protocol:",
    "ssl_protocol",
    "version=tls",
    "version=ssl",
    "negotiated",
    "x=tls",
];

/// Words of a message that reports a refusal. In lower case.
const REFUSED: &[&str] = &[
    "no matching",
    "their offer",
    "not in pubkeyaccepted",
    "not in hostbasedaccepted",
    "not in casignature",
    "no proposal chosen",
    "unsupported protocol",
    "no shared cipher",
    "version too low",
    "rejected",
    "refused",
];

/// Words of a message that talks about an algorithm without using it. In lower case.
const MENTIONED: &[&str] = &[
    "disabled",
    "disabling",
    "deprecated",
    "removed",
    "removing",
    "ignoring",
    "no longer",
    "not offered",
    "will be",
    "kexinit",
    "ciphers ctos",
    "ciphers stoc",
    "configured proposals",
    "received proposals",
];

/// Fields of structured logs that hold the protocol or cipher of a connection.
const FIELDS: &[&str] = &[
    "ssl_protocol",
    "ssl_cipher",
    "tls_protocol",
    "tls_version",
    "tls_cipher",
    "tlsversion",
    "ciphersuite",
    "cipher_suite",
    "cipher",
    "sslprotocol",
    "tls.version_protocol",
    "ssl_version",
];

static TERMS: LazyLock<Option<Words>> = LazyLock::new(|| Words::new(terms()).ok());

/// The names of weak algorithms.
pub fn terms() -> impl Iterator<Item = &'static str> {
    WEAKNESSES.iter().map(|weakness| weakness.term)
}

/// The worst weak algorithm that a message reports, and what became of it.
pub fn weak_algorithm(message: &str) -> Option<(Use, &'static Weakness)> {
    let worst = worst_term(message)?;
    let lower = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(REFUSED) {
        Some((Use::Refused, worst))
    } else if has(MENTIONED) {
        None
    } else {
        has(NEGOTIATED).then_some((Use::Negotiated, worst))
    }
}

/// The same for a field of a structured log.
pub fn weak_field(key: &str, value: &str) -> Option<&'static Weakness> {
    let name = key.rsplit_once(['.', '/']).map_or(key, |(_, name)| name);
    FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name)).then(|| worst_term(value))?
}

fn worst_term(text: &str) -> Option<&'static Weakness> {
    let mut worst: Option<&Weakness> = None;
    TERMS.as_ref()?.each(text, |index, place| {
        let found = WEAKNESSES.get(index).filter(|it| {
            stands_alone(text, place.start, place.end, it.part_of_suite)
                && !is_openssl_name(text, place.start, place.end)
        });
        // Of equals the first.
        if let Some(weakness) = found.filter(|it| worst.is_none_or(|known| it.score > known.score)) {
            worst = Some(weakness);
        }
    });
    worst
}

/// OpenSSL calls alerts after the version that they came with first (`sslv3 alert handshake failure`), and suites after the oldest one
/// (`TLSv1/SSLv3`): nothing of that is what the connection uses.
fn is_openssl_name(text: &str, start: usize, end: usize) -> bool {
    let bytes = text.as_bytes();
    let is = |place: Option<&[u8]>, word: &str| place.is_some_and(|place| place.eq_ignore_ascii_case(word.as_bytes()));
    let follows = |word: &str| is(bytes.get(end..end + word.len()), word);
    let precedes = |word: &str| start.checked_sub(word.len()).is_some_and(|from| is(bytes.get(from..start), word));
    follows(" alert ") || follows("/sslv3") || precedes("tlsv1/")
}

/// Whether the range is a whole name: `ssh-rsa` is none in `my-ssh-rsa-tool`, `TLSv1` none in `TLSv1.3`. Part of a
/// cipher suite is a whole part between hyphens or underscores of a name in capitals.
fn stands_alone(text: &str, start: usize, end: usize, part_of_suite: bool) -> bool {
    let (before, rest) = text.split_at_checked(start).unwrap_or_default();
    let (term, after) = rest.split_at_checked(end - start).unwrap_or_default();
    let joins = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80;
    let last = before.bytes().next_back();
    let mut next = after.bytes();
    let (first, second) = (next.next(), next.next());
    if last.is_some_and(joins) || first.is_some_and(joins) {
        return false;
    }
    let hyphen = |byte: Option<u8>| matches!(byte, Some(b'-' | b'_'));
    if part_of_suite {
        return (hyphen(last) || hyphen(first)) && !term.bytes().any(|byte| byte.is_ascii_lowercase());
    }
    let goes_on = matches!(first, Some(b'.' | b'@')) && second.is_some_and(joins);
    !hyphen(last) && !hyphen(first) && !goes_on
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_a_whole_name_or_where_that_is_asked_for_a_whole_part_of_a_suite() {
        let alone = |text: &str, term: &str, part_of_suite| {
            let start = text.find(term).unwrap();
            stands_alone(text, start, start + term.len(), part_of_suite)
        };
        for (text, is_name, is_part) in [
            ("RC4", true, false),
            ("(RC4)", true, false),
            ("RC4-SHA", false, true),
            ("ECDHE-RC4", false, true),
            ("TLS_RSA_WITH_RC4_128", false, true),
            ("RC4.5", false, false),
            ("RC4@example", false, false),
            ("RC4. Then", true, false),
            ("xRC4", false, false),
            ("RC4x", false, false),
            ("éRC4", false, false),
        ] {
            assert_eq!(alone(text, "RC4", false), is_name, "{text}");
            assert_eq!(alone(text, "RC4", true), is_part, "{text}");
        }
        assert!(!alone("my-rc4-tool", "rc4", true), "suites are written in capitals");
    }

    fn verdict(message: &str) -> Option<(Use, &'static str)> {
        weak_algorithm(message).map(|(what, weakness)| (what, weakness.term))
    }

    #[test]
    fn a_weak_algorithm_in_use_is_told_from_one_refused() {
        use Use::*;
        for (message, expected) in [
            (
                "debug1: kex: client->server cipher: 3des-cbc MAC: hmac-md5 compression: none [preauth]",
                (Negotiated, "3des-cbc"),
            ),
            ("debug1: kex: algorithm: diffie-hellman-group1-sha1", (Negotiated, "diffie-hellman-group1-sha1")),
            (
                "Anonymous TLS connection established from x[192.0.2.1]: TLSv1 with cipher ADH-AES256-SHA (256/256 bits)",
                (Negotiated, "tlsv1"),
            ),
            ("SSL connection using TLSv1.2 / ECDHE-RSA-RC4-SHA", (Negotiated, "rc4")),
            ("Control Channel: TLSv1.1, cipher TLSv1/SSLv3 DHE-RSA-AES256-SHA", (Negotiated, "tlsv1.1")),
            (
                "imap-login: Login: user=<a>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.9, TLS, TLSv1 with cipher DHE-RSA-AES256-SHA (256/256 bits)",
                (Negotiated, "tlsv1"),
            ),
            ("LOG6[0]: TLSv1.1 ciphersuite: AES128-SHA (128-bit encryption)", (Negotiated, "tlsv1.1")),
            ("LOG6[0]: Negotiated TLSv1.2 ciphersuite RC4-SHA (128-bit encryption)", (Negotiated, "rc4")),
            (
                "Control Channel: TLSv1.3, cipher TLSv1.3 TLS_AES_256_GCM_SHA384, peer certificate: 2048 bits RSA, signature: RSA-SHA1, peer temporary key: 253 bits X25519",
                (Negotiated, "rsa-sha1"),
            ),
            ("selected proposal: IKE:3DES_CBC/HMAC_MD5_96/PRF_HMAC_MD5/MODP_1024", (Negotiated, "hmac_md5_96")),
            (
                "Unable to negotiate with 192.0.2.1 port 4: no matching key exchange method found. Their offer: diffie-hellman-group1-sha1 [preauth]",
                (Refused, "diffie-hellman-group1-sha1"),
            ),
            (
                "userauth_pubkey: signature algorithm ssh-rsa not in PubkeyAcceptedAlgorithms [preauth]",
                (Refused, "ssh-rsa"),
            ),
        ] {
            assert_eq!(verdict(message), Some(expected), "{message}");
        }
    }

    #[test]
    fn modern_algorithms_mentions_and_parts_of_words_are_left_alone() {
        for message in [
            "debug1: kex: client->server cipher: chacha20-poly1305@openssh.com MAC: <implicit> compression: none",
            "TLS connection established from x[192.0.2.1]: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384",
            "SSL connection using TLSv1.2 / ECDHE-RSA-AES256-GCM-SHA384",
            "ssh-rsa is disabled in this configuration, cipher: aes256-gcm",
            "Deprecated: TLSv1 will be removed, ssl_protocol",
            "Accepted publickey for bob from 192.0.2.1 port 2 ssh2: RSA SHA256:abcd",
            "computed md5sum of the file",
            "SSL_accept: error:0A000410:SSL routines::sslv3 alert handshake failure, no shared cipher",
            "Control Channel: TLSv1.2, cipher TLSv1/SSLv3 ECDHE-RSA-AES256-GCM-SHA384, 2048 bit RSA",
            "selected proposal: IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519/KE1_ML_KEM_768",
            "cipher: my-ssh-rsa-tool, description exported to null device",
            "debug2: peer client KEXINIT proposal: ciphers ctos: aes256-ctr,3des-cbc",
            "exp-rc4-report.txt copied",
        ] {
            assert_eq!(verdict(message), None, "{message}");
        }
    }

    #[test]
    fn fields_of_structured_logs_are_read() {
        assert_eq!(weak_field("tls.ssl_protocol", "TLSv1").map(|weakness| weakness.term), Some("tlsv1"));
        assert_eq!(weak_field("cipher", "TLS_RSA_WITH_RC4_128_SHA").map(|weakness| weakness.term), Some("rc4"));
        assert_eq!(weak_field("cipher", "TLS_AES_128_GCM_SHA256"), None);
        assert_eq!(weak_field("path", "TLSv1"), None);
    }
}
