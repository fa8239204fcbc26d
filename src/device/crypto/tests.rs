//! What device 53 says of which lines.

use super::super::common::testing::{Line, flags};
use super::*;
use crate::layer::stage::Stage;
use crate::layer::testing::soc_events;

fn device() -> Box<dyn Stage> {
    (SPEC.prepare)(&toml::Table::new()).unwrap().stage()
}

const REFUSED: &str = "Unable to negotiate with 192.0.2.1 port 4: no matching cipher found. Their offer: 3des-cbc";
const NEGOTIATED: &str = "TLS connection established from x[192.0.2.1]: TLSv1 with cipher AES256-SHA";

#[test]
fn a_weak_algorithm_is_said_once_for_each_peer() {
    let line = |program, message, src_ip| Line { program, message, src_ip: Some(src_ip), ..Line::default() };
    let mut lines = vec![line("sshd", REFUSED, "192.0.2.1"); 5];
    lines.push(line("sshd", REFUSED, "192.0.2.2"));
    lines.push(line("postfix/smtpd", NEGOTIATED, "192.0.2.1"));
    let expected = ["WEAK_CRYPTO_REFUSED", "WEAK_CRYPTO_REFUSED", "WEAK_CRYPTO_NEGOTIATED"];
    assert_eq!(flags(&mut *device(), &lines), expected);
}

#[test]
fn a_private_key_is_flagged_and_not_repeated() {
    let message = "dump -----BEGIN RSA PRIVATE KEY-----MIIEow";
    let event = Line { program: "app", message, ..Line::default() }.event();
    let written = soc_events(&mut *device(), &[event]);
    assert_eq!(written.len(), 1);
    assert!(!written[0].summary.contains("MIIEow"), "{}", written[0].summary);
}

#[test]
fn the_text_of_a_request_is_not_believed_and_the_servers_own_field_is() {
    let line = |fields| Line {
        program: "nginx",
        message: "GET /?q=certificate+has+expired HTTP/1.1 \"certificate has expired\"",
        action: Action::HttpRequest,
        fields,
        ..Line::default()
    };
    assert_eq!(flags(&mut *device(), &[line(Vec::new())]), [""; 0]);
    assert_eq!(flags(&mut *device(), &[line(vec![("ssl_protocol", "SSLv3")])]), ["WEAK_CRYPTO_NEGOTIATED"]);
}

#[test]
fn protocol_and_cipher_beside_a_request_are_the_servers_own() {
    let line = |message| Line { program: "nginx", message, action: Action::HttpRequest, ..Line::default() };
    let old = r#"192.0.2.1 - - [x] "GET / HTTP/1.1" 200 5 "-" "curl" TLSv1.1 ECDHE-RSA-AES128-SHA"#;
    let new = r#"192.0.2.1 - - [x] "GET / HTTP/1.1" 200 5 "-" "TLSv1 RC4-MD5" TLSv1.3 TLS_AES_256_GCM_SHA384"#;
    assert_eq!(flags(&mut *device(), &[line(new), line(old)]), ["WEAK_CRYPTO_NEGOTIATED"]);
}

#[test]
fn a_weak_certificate_a_new_issuer_and_a_lost_hybrid_group_are_each_said_once() {
    let connection = |issuer, curve| Line {
        program: "zeek",
        fields: vec![
            ("id.orig_h", "192.0.2.7"),
            ("id.resp_h", "198.51.100.1"),
            ("id.resp_p", "443"),
            ("version", "TLSv13"),
            ("cipher", "TLS_AES_256_GCM_SHA384"),
            ("curve", curve),
            ("issuer", issuer),
        ],
        ..Line::default()
    };
    let certificate = Line {
        program: "zeek",
        fields: vec![
            ("certificate.subject", "CN=printer"),
            ("certificate.key_type", "rsa"),
            ("certificate.key_length", "1024"),
        ],
        ..Line::default()
    };
    let mut lines = vec![connection("CN=R3,O=One", "X25519MLKEM768"); 30];
    lines.extend(vec![connection("CN=R3,O=Other", "x25519"); 9]);
    lines.extend(vec![certificate; 9]);
    let expected = ["CERTIFICATE_ISSUER_CHANGED", "POST_QUANTUM_DOWNGRADE", "WEAK_KEY"];
    assert_eq!(flags(&mut *device(), &lines), expected);
}

#[test]
fn a_certificate_that_a_monitor_cannot_verify_is_said_once_whichever_server_has_it() {
    let seen = |second: u64, server: &'static str| Line {
        second,
        program: "zeek",
        message: "{\"validation_status\": \"unable to get local issuer certificate\"}",
        fields: vec![
            ("id.orig_h", "192.0.2.7"),
            ("id.resp_h", server),
            ("validation_status", "unable to get local issuer certificate"),
            ("subject", "CN=*.updates.example"),
            ("issuer", "CN=Private,O=Vendor"),
        ],
        ..Line::default()
    };
    let servers = ["198.51.100.1", "198.51.100.2", "198.51.100.3"];
    let events: Vec<Event> =
        (0..240).zip(servers.into_iter().cycle()).map(|(turn, server)| seen(turn * 3600, server).event()).collect();
    let said = soc_events(&mut *device(), &events);
    assert_eq!(said.len(), 1);
    let expected =
        "certificate untrusted: CN=*.updates.example by CN=Private,O=Vendor: unable to get local issuer certificate";
    assert_eq!((said[0].severity, &*said[0].summary), (crate::event::Severity::Low, expected));
}

#[test]
fn what_programs_log_of_their_connections_is_named() {
    let said = |program, message: &'static str| {
        let line = Line { program, message, src_ip: Some("192.0.2.1"), ..Line::default() };
        flags(&mut *device(), &[line]).pop()
    };
    for (program, message, flag) in [
        (
            "nginx",
            "SSL_do_handshake() failed (SSL: error:0A000065:SSL routines::no suitable key share) while SSL handshaking",
            "TLS_NOT_AGREED",
        ),
        (
            "haproxy",
            "frontend/1: SSL handshake failure (error:0A000102:SSL routines::unsupported protocol)",
            "TLS_NOT_AGREED",
        ),
        (
            "openvpn",
            "Control Channel: TLSv1.2, cipher TLSv1.2 AES128-GCM-SHA256, peer certificate: 1024 bits RSA, signature: RSA-SHA256",
            "WEAK_KEY",
        ),
        ("ssh", "** WARNING: connection is not using a post-quantum key exchange algorithm.", "POST_QUANTUM_MISSING"),
        (
            "dovecot",
            "imap-login: Login: user=<a>, rip=192.0.2.1, TLS, TLSv1 with cipher AES128-SHA (128/128 bits)",
            "WEAK_CRYPTO_NEGOTIATED",
        ),
        ("charon", "selected proposal: IKE:AES_CBC_128/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1024", "WEAK_CRYPTO_NEGOTIATED"),
    ] {
        assert_eq!(said(program, message).as_deref(), Some(flag), "{message}");
    }
    assert_eq!(
        said("charon", "selected proposal: IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519/KE1_ML_KEM_768"),
        None
    );
    assert_eq!(
        said("stunnel", "LOG3[0]: SSL_accept: error:0A000410:SSL routines::sslv3 alert handshake failure"),
        None
    );
}

#[test]
fn a_mail_server_that_no_longer_agrees_on_hybrid_groups_with_another_is_told() {
    let agreed = |group: &str| -> Line {
        let message = format!(
            "Anonymous TLS connection established from a[192.0.2.1]: TLSv1.3 with cipher X (256/256 bits) key-exchange {group}"
        );
        Line { program: "postfix/smtpd", message: String::leak(message), src_ip: Some("192.0.2.1"), ..Line::default() }
    };
    let mut lines = vec![agreed("X25519MLKEM768"); 9];
    lines.extend(vec![agreed("X25519"); 9]);
    assert_eq!(flags(&mut *device(), &lines), ["POST_QUANTUM_DOWNGRADE"]);
}

#[test]
fn a_client_of_five_hundred_addresses_is_one_campaign() {
    let text = |text: String| -> &'static str { String::leak(text) };
    let line = |n: u64| {
        let address = text(format!("2001:db8:1:{n:x}::1"));
        let message = text(REFUSED.replace("192.0.2.1", address));
        Line { second: n * 7, program: "sshd", message, src_ip: Some(address), ..Line::default() }
    };
    let lines: Vec<Line> = (0..500).map(line).collect();
    let told = flags(&mut *device(), &lines).len();
    assert_eq!(told, crate::limits::CAMPAIGN_SINGLE_MAX + 4, "each for itself, then at 33, 64, 128, 256");
}
