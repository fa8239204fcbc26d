//! Device 53, crypto: weak algorithms in use, certificates that fail, keys that changed or leaked, as the logs tell.

use serde::{Deserialize, Serialize};

use super::common::{Finding, in_words, origin, quote, reason_of};
use super::gathered::Gathered;
use super::{DeviceSpec, settings};
use crate::detect::burst::Bursts;
use crate::detect::certificate::{certificate_fault, is_verified_elsewhere};
use crate::detect::recent::Recent;
use crate::detect::tls_habits::{Change, TlsHabits};
use crate::detect::tls_session::{beside_a_request, session};
use crate::detect::trust_failures;
use crate::detect::weak_crypto::{self, Use, Weakness};
use crate::event::{Action, Body, Category, Event, Interest, Raw, Stream};
use crate::layer::stage::{Outbox, Stateful};
use crate::limits::{CERTIFICATES_TOLD_MAX, ENTITIES_PER_DETECTOR_MAX};

const NUMBER: u16 = 53;
/// An attempt that was refused weighs this share of a connection that was made.
const REFUSED_SHARE: f64 = 0.6;

pub const SPEC: DeviceSpec = DeviceSpec {
    number: NUMBER,
    stage: "device-53",
    identifier: "dsmil-soc-crypto",
    reads: Interest::NONE.stream(Stream::L3In).stream(Stream::Tick),
    prepare: |table| settings::factory(table, |_: settings::NoSettings| Crypto::default()),
};

#[derive(Debug, Serialize, Deserialize)]
struct Crypto {
    bursts: Bursts,
    /// Peers and machines of which the same is found: a client has as many addresses as it likes.
    #[serde(default)]
    gathered: Gathered,
    #[serde(default)]
    habits: TlsHabits,
    /// Certificates of which it was told what is wrong with them: it stays wrong for years.
    #[serde(default = "nothing_told")]
    certificates: Recent<()>,
}

fn nothing_told() -> Recent<()> {
    Recent::new(CERTIFICATES_TOLD_MAX)
}

impl Default for Crypto {
    fn default() -> Self {
        Self {
            bursts: Bursts::new(ENTITIES_PER_DETECTOR_MAX),
            gathered: Gathered::default(),
            habits: TlsHabits::default(),
            certificates: nothing_told(),
        }
    }
}

impl Crypto {
    fn line(&mut self, event: &Event, raw: &Raw, out: &mut Outbox) {
        if let Some(finding) = self.changed(raw) {
            self.report(finding.flag, finding, event, raw, out);
        }
        let found = judge(raw).or_else(|| self.certificate(event, raw));
        if let Some((what, finding)) = found {
            self.report(what, finding, event, raw, out);
        }
    }

    /// What is wrong with a certificate that a monitor of the network saw, once for each.
    fn certificate(&mut self, event: &Event, raw: &Raw) -> Option<(&'static str, Finding)> {
        let record = raw.record();
        let fault = certificate_fault(record, event.time())?;
        let key = format!("{}\0{}", fault.flag, fault.subject);
        let is_told = self.certificates.get(&key).is_some();
        self.certificates.touch(&key, || ());
        if is_told {
            return None;
        }
        let by = fault.issuer.as_deref().map(|issuer| format!(" by {}", quote(issuer))).unwrap_or_default();
        let finding = Finding {
            flag: fault.flag,
            score: fault.score,
            summary: format!("{}: {}{by}: {}", in_words(fault.flag), quote(&fault.subject), quote(&fault.what)),
            entity: record.entity.clone(),
            attack: &["T1557"],
            reasons: vec![reason_of(fault.flag)],
        };
        Some((fault.flag, finding))
    }

    /// What is no longer as it was between a client and a server.
    fn changed(&mut self, raw: &Raw) -> Option<Finding> {
        let session = session(raw.record())?;
        let (flag, score, text) = match self.habits.see(&session)? {
            Change::Issuer { known, connections } => {
                let now = quote(session.issuer.unwrap_or_default());
                let known = quote(&known);
                let text = format!("{now} vouches for it, and {known} did in {connections} connections before");
                ("CERTIFICATE_ISSUER_CHANGED", 0.6, text)
            }
            Change::NoLongerHybrid { connections, group } => {
                let group = quote(&group);
                let text = format!(
                    "{} agrees on {group} with it; in {connections} connections before the keys held against quantum computers",
                    quote(session.client)
                );
                ("POST_QUANTUM_DOWNGRADE", 0.55, text)
            }
        };
        Some(Finding {
            flag,
            score,
            summary: format!("{} of {}: {text}", in_words(flag), quote(&session.server)),
            entity: raw.record().entity.clone(),
            attack: &["T1557"],
            reasons: vec![reason_of(flag)],
        })
    }

    fn report(&mut self, what: &str, mut finding: Finding, event: &Event, raw: &Raw, out: &mut Outbox) {
        let record = raw.record();
        let peer = record.entity.src_ip.as_deref().or(record.entity.dst_ip.as_deref());
        // A certificate is nobody's connection: it stands for itself.
        let peer = peer.or_else(|| record.field("certificate.subject")).unwrap_or_default();
        let program = record.program.as_deref().unwrap_or_default();
        let key = format!("{}\0{what}\0{}\0{program}\0{peer}", finding.flag, origin(raw));
        let Some(count) = self.bursts.count(&key, event.time()) else { return };
        if count > 1 {
            finding.summary = format!("{} ({count} times)", finding.summary);
        }
        let who = if peer.is_empty() { format!("{program} on {}", origin(raw)) } else { peer.to_owned() };
        let soc = finding.into_soc(NUMBER, Category::Crypto, &raw.compartment);
        self.gathered.report_by_name(soc, &who, event, out);
    }
}

/// What the line reports, and a name for it that is the same for all lines that report it.
fn judge(raw: &Raw) -> Option<(&'static str, Finding)> {
    let record = raw.record();
    if let Some(weakness) = record.fields.iter().find_map(|(key, value)| weak_crypto::weak_field(key, value)) {
        return Some((weakness.term, weak(raw, Use::Negotiated, weakness)));
    }
    // The text of a request is the client's own, but for what stands beside it.
    if record.action == Action::HttpRequest {
        let (protocol, cipher) = beside_a_request(&record.message)?;
        let weakness = weak_crypto::weak_field("ssl_protocol", protocol);
        let weakness = weakness.or_else(|| weak_crypto::weak_field("ssl_cipher", cipher))?;
        return Some((weakness.term, weak(raw, Use::Negotiated, weakness)));
    }
    if is_verified_elsewhere(record) {
        return None;
    }
    if let Some(failure) = trust_failures::failure_of(record.program.as_deref(), &record.message) {
        let quoted = if failure.flag == "PRIVATE_KEY_IN_LOG" { "not shown".to_owned() } else { quote(&record.message) };
        let finding = Finding {
            flag: failure.flag,
            score: failure.score,
            summary: format!("{}: {quoted}", in_words(failure.flag)),
            entity: record.entity.clone(),
            attack: failure.attack,
            reasons: vec![reason_of(failure.flag)],
        };
        return Some((failure.flag, finding));
    }
    let (what, weakness) = weak_crypto::weak_algorithm(&record.message)?;
    Some((weakness.term, weak(raw, what, weakness)))
}

fn weak(raw: &Raw, what: Use, weakness: &Weakness) -> Finding {
    let record = raw.record();
    let (flag, score, verb): (_, _, _) = match what {
        Use::Negotiated => ("WEAK_CRYPTO_NEGOTIATED", weakness.score, "in use"),
        Use::Refused => ("WEAK_CRYPTO_REFUSED", weakness.score * REFUSED_SHARE, "asked for and refused"),
    };
    Finding {
        flag,
        score,
        summary: format!("{} {verb} ({}): {}", weakness.term, weakness.standard, quote(&record.message)),
        entity: record.entity.clone(),
        attack: &["T1600"],
        reasons: vec![weakness.term.to_owned(), weakness.standard.to_owned()],
    }
}

impl Stateful for Crypto {
    type State = Self;

    fn step(&mut self, event: &Event, out: &mut Outbox) {
        match &event.body {
            Body::Raw(raw) if event.stream == Stream::L3In => self.line(event, raw, out),
            Body::Tick => self.gathered.tick(event, out),
            _ => {}
        }
    }

    fn state(&self) -> &Self {
        self
    }

    fn state_mut(&mut self) -> &mut Self {
        self
    }
}

#[cfg(test)]
mod tests {
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
        let expected = "certificate untrusted: CN=*.updates.example by CN=Private,O=Vendor: unable to get local issuer certificate";
        assert_eq!((said[0].severity, &*said[0].summary), (crate::event::Severity::Low, expected));
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
}
