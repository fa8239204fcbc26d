//! Device 53, crypto: weak algorithms in use, certificates that fail, keys that changed or leaked, as the logs tell.

use serde::{Deserialize, Serialize};

use super::common::{Finding, in_words, origin, quote, reason_of};
use super::gathered::Gathered;
use super::{DeviceSpec, settings};
use crate::detect::burst::Bursts;
use crate::detect::certificate::{RSA_BITS_MIN, certificate_fault, is_verified_elsewhere};
use crate::detect::crypto_lines::{self, lacks_post_quantum, not_agreed, peer_rsa_bits};
use crate::detect::glance::{Glance, Subject};
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
        let record = raw.record();
        let client = record.entity.src_ip.as_deref().or(record.entity.dst_ip.as_deref());
        let logged = || crypto_lines::session(record.program.as_deref()?, &record.message, client?, origin(raw));
        let session = session(record).or_else(logged)?;
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
    // What Zeek calls only a version is one of TLS beside a cipher.
    let version = record.field("version").filter(|_| record.field("cipher").is_some());
    if let Some(weakness) = version.and_then(|version| weak_crypto::weak_field("ssl_protocol", version)) {
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
    let glance = Glance::at(raw);
    if glance.may_be(Subject::Trust)
        && let Some(failure) = trust_failures::failure_of(record.program.as_deref(), &record.message)
    {
        let quoted = if failure.flag == "PRIVATE_KEY_IN_LOG" {
            format!(
                "written by {} on {}, not shown here",
                quote(record.program.as_deref().unwrap_or("a program")),
                quote(origin(raw))
            )
        } else {
            quote(&record.message)
        };
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
    if glance.may_be(Subject::WeakCrypto)
        && let Some((what, weakness)) = weak_crypto::weak_algorithm(&record.message)
    {
        return Some((weakness.term, weak(raw, what, weakness)));
    }
    glance.may_be(Subject::OddCrypto).then(|| odd_line(raw))?
}

/// What a program says of a connection without the name of an algorithm.
fn odd_line(raw: &Raw) -> Option<(&'static str, Finding)> {
    let record = raw.record();
    let (flag, score, text) = if let Some(bits) = peer_rsa_bits(&record.message).filter(|bits| *bits < RSA_BITS_MIN) {
        ("WEAK_KEY", 0.55, format!("the certificate has an RSA key of {bits} bits, {RSA_BITS_MIN} are the least"))
    } else if lacks_post_quantum(&record.message) {
        ("POST_QUANTUM_MISSING", 0.3, "what is recorded now can be read once there are quantum computers".to_owned())
    } else {
        ("TLS_NOT_AGREED", 0.3, format!("{}: {}", not_agreed(&record.message)?, quote(&record.message)))
    };
    let finding = Finding {
        flag,
        score,
        summary: format!("{}: {text}", in_words(flag)),
        entity: record.entity.clone(),
        attack: if flag == "WEAK_KEY" { &["T1600.001"] } else { &[] },
        reasons: vec![reason_of(flag)],
    };
    Some((flag, finding))
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
mod tests;
