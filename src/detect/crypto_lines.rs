//! What programs log of how a connection is encrypted, beside the names of weak algorithms: what keys were agreed on, why nothing was, and
//! how long the key of the other side is.
//!
//! After tls_misc.c of Postfix, ssl_openssl.c of OpenVPN, ssherr.c and clientloop.c of OpenSSH, and the reasons of OpenSSL's ssl_err.c, which nginx,
//! HAProxy, stunnel, Dovecot and Exim hand on.

use super::tls_session::Session;

/// Nothing was agreed on, and why, in words. OpenSSL writes it the same whichever program hands it on.
const NOT_AGREED: &[(&str, &str)] = &[
    ("no suitable key share", "no group for the exchange of keys that both support"),
    ("bad key share", "a share of the keys that is none"),
    ("no suitable signature algorithm", "no signature algorithm that both support"),
    ("no shared signature algorithms", "no signature algorithm that both support"),
    ("no shared cipher", "no cipher that both support"),
    ("no ciphers available", "no cipher that both support"),
    ("unsupported protocol", "a version of the protocol that the other side does not take"),
    ("version too low", "a version of the protocol that is too old"),
    ("alert protocol version", "a version of the protocol that the other side does not take"),
    ("alert insufficient security", "ciphers that the other side calls too weak"),
    ("tls version too old", "a version of the protocol that is too old"),
];
/// OpenSSH's client since 10.1, about the server that it has logged in to.
const NO_POST_QUANTUM: &str = "connection is not using a post-quantum key exchange algorithm";

const PEER_CERTIFICATE: &str = "peer certificate: ";

/// One of these stands in every message that [`not_agreed`], [`lacks_post_quantum`] or [`peer_rsa_bits`] finds something in.
pub fn marks() -> impl Iterator<Item = &'static str> {
    NOT_AGREED.iter().map(|(phrase, _)| *phrase).chain([NO_POST_QUANTUM, PEER_CERTIFICATE])
}

/// Why an encrypted connection came to nothing.
pub fn not_agreed(message: &str) -> Option<&'static str> {
    let is_of_tls = ["SSL", "ssl", "TLS", "tls"].iter().any(|name| message.contains(name));
    let lower = is_of_tls.then(|| message.to_ascii_lowercase())?;
    NOT_AGREED.iter().find(|(phrase, _)| lower.contains(phrase)).map(|(_, why)| *why)
}

/// Whether the program says that the keys would not hold against a quantum computer.
pub fn lacks_post_quantum(message: &str) -> bool {
    message.contains(NO_POST_QUANTUM)
}

/// The connection that a program logs with the group that its keys were agreed on by.
pub fn session<'a>(program: &str, message: &'a str, client: &'a str, machine: &str) -> Option<Session<'a>> {
    let group = if program.starts_with("postfix") && message.contains(" TLS connection ") {
        behind(message, " key-exchange ").map(postfix_group)
    } else if message.contains("Control Channel: TLS") {
        // `253 bits X25519`; of older versions `server temp key`.
        behind(message, "peer temporary key: ").or_else(|| behind(message, "server temp key: ")).and_then(behind_bits)
    } else {
        None
    };
    let group = Some(group?).filter(|group| !group.is_empty());
    Some(Session { client, server: format!("{program} on {machine}"), group, issuer: None })
}

/// `X25519MLKEM768`, `ECDHE (P-256)`.
fn postfix_group(rest: &str) -> &str {
    let (name, detail) = rest.split_once(' ').unwrap_or((rest, ""));
    detail.strip_prefix('(').and_then(|detail| detail.split_once(')')).map_or(name, |(group, _)| group)
}

fn behind<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.split_once(mark).map(|(_, rest)| rest)
}

/// What stands behind `253 bits `, up to the next comma.
fn behind_bits(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(" bits ")?;
    rest.split([',', ' ']).next()
}

/// Bits of the RSA key of the other side's certificate: `peer certificate: 1024 bits RSA`.
pub fn peer_rsa_bits(message: &str) -> Option<u32> {
    let (bits, rest) = behind(message, PEER_CERTIFICATE)?.split_once(" bits ")?;
    rest.starts_with("RSA").then(|| bits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_group_that_keys_were_agreed_on_by_is_read_where_programs_log_it() {
        let group = |program: &str, message: &str| {
            session(program, message, "192.0.2.1", "mx").and_then(|session| session.group.map(str::to_owned))
        };
        let postfix = "Anonymous TLS connection established from mail.example.net[192.0.2.1]: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)";
        let hybrid =
            format!("{postfix} key-exchange X25519MLKEM768 server-signature RSA-PSS (2048 bits) server-digest SHA256");
        assert_eq!(group("postfix/smtpd", &hybrid).as_deref(), Some("X25519MLKEM768"));
        assert_eq!(group("postfix/smtpd", &format!("{postfix} key-exchange ECDHE (P-256)")).as_deref(), Some("P-256"));
        assert_eq!(group("postfix/smtpd", postfix), None);
        let openvpn = "192.0.2.1:5 Control Channel: TLSv1.3, cipher TLSv1.3 TLS_AES_256_GCM_SHA384, peer certificate: 2048 bits RSA, signature: RSA-SHA256, peer temporary key: 253 bits X25519";
        assert_eq!(group("openvpn", openvpn).as_deref(), Some("X25519"));
        assert_eq!(peer_rsa_bits(openvpn), Some(2048));
        assert_eq!(peer_rsa_bits("peer certificate: 384 bits ECsecp384r1"), None);
    }

    #[test]
    fn why_nothing_was_agreed_on_is_told_whichever_program_hands_it_on() {
        for message in [
            "SSL_do_handshake() failed (SSL: error:0A000065:SSL routines::no suitable key share) while SSL handshaking",
            "frontend/1: SSL handshake failure (error:0A000102:SSL routines::unsupported protocol)",
            "SSL_accept: error:0A0000C1:SSL routines::no shared cipher",
            "SSL_accept: ssl/record/rec_layer_s3.c:907: error:0A00042E:SSL routines::tlsv1 alert protocol version",
            "imap-login: Disconnected: TLS handshaking: SSL_accept() failed: error:0A00018C:SSL routines::version too low",
        ] {
            assert!(not_agreed(message).is_some(), "{message}");
        }
        for message in
            ["SSL_accept: error:0A000126:SSL routines::unexpected eof while reading", "unsupported protocol in URL", ""]
        {
            assert_eq!(not_agreed(message), None, "{message}");
        }
        assert!(lacks_post_quantum("** WARNING: connection is not using a post-quantum key exchange algorithm."));
    }

    proptest! {
        #[test]
        fn hostile_messages_never_panic(message in "(.{0,20}(peer certificate: |peer temporary key: |Control Channel: TLS| key-exchange | bits | \\(|bits RSA|TLS No Shared Cipher|ssl version too low)){0,4}.{0,20}") {
            let _ = (session("openvpn", &message, "", ""), session("postfix/smtpd", &message, "", ""), peer_rsa_bits(&message), not_agreed(&message), lacks_post_quantum(&message));
        }
    }
}
