//! `[[intake.syslog]]`: its keys, and what must hold between them.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::config::Judge;
use crate::limits::SYSLOG_CONNECTIONS_MAX;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IntakeSyslog {
    /// `udp://`, `tcp://`, `tls://` or `relp://`, and an address with its port.
    pub listen: String,
    /// Who may send besides this machine.
    #[serde(default)]
    pub allow: Vec<IpNet>,
    #[serde(default)]
    pub compartment: String,
    /// IANA name of the zone of times without one; absent: the machine's.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Messages that one peer may send in a second.
    #[serde(default = "rate")]
    pub rate: u32,
    /// Connections that one peer may have.
    #[serde(default = "connections")]
    pub connections: usize,
    #[serde(default)]
    pub tls_cert_file: Option<PathBuf>,
    #[serde(default)]
    pub tls_key_file: Option<PathBuf>,
    /// Only who has a certificate of these authorities may send.
    #[serde(default)]
    pub tls_client_ca_file: Option<PathBuf>,
}

fn rate() -> u32 {
    10_000
}

fn connections() -> usize {
    32
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    Relp,
}

impl IntakeSyslog {
    /// What `listen` says; `None` if it says nothing that works.
    pub fn address(&self) -> Option<(Transport, SocketAddr)> {
        let (scheme, address) = self.listen.split_once("://")?;
        let transport = match scheme {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            "tls" => Transport::Tls,
            "relp" => Transport::Relp,
            _ => return None,
        };
        Some((transport, address.parse().ok()?))
    }

    pub fn may_send(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        peer.is_loopback() || self.allow.iter().any(|network| network.contains(&peer))
    }
}

/// Every relation that does not hold.
pub fn check(listeners: &[IntakeSyslog], judge: &mut Judge<'_>) {
    let mut seen = BTreeSet::new();
    for (index, syslog) in listeners.iter().enumerate() {
        let key = |name: &str| format!("intake.syslog[{index}].{name}");
        judge.expect_name(&key("compartment"), &syslog.compartment);
        let Some((transport, address)) = syslog.address() else {
            let problem = format!("`{}` is not an address that works here", syslog.listen);
            judge.expect(
                false,
                &[&key("listen")],
                problem,
                "write \"tcp://127.0.0.1:5514\", or udp://, tls:// or relp://",
            );
            continue;
        };
        let first = seen.insert((transport == Transport::Udp, address));
        judge.expect(first, &[&key("listen")], format!("`{}` is there twice", syslog.listen), "remove one");
        let is_open = !address.ip().to_canonical().is_loopback();
        judge.expect(
            !is_open || !syslog.allow.is_empty(),
            &[&key("allow")],
            format!("names nobody although {} is an address that others reach", syslog.listen),
            "name the networks that may send, or listen on 127.0.0.1",
        );
        judge.expect(syslog.rate > 0, &[&key("rate")], "is 0", "allow at least one message a second");
        let fits = (1..=SYSLOG_CONNECTIONS_MAX).contains(&syslog.connections);
        let remedy = format!("between 1 and {SYSLOG_CONNECTIONS_MAX}");
        judge.expect(fits, &[&key("connections")], format!("{} is out of range", syslog.connections), remedy);
        check_tls(syslog, transport, &key, judge);
        if let Some(zone) = &syslog.time_zone {
            let holds = jiff::tz::TimeZone::get(zone).is_ok();
            let problem = format!("`{zone}` is not a time zone that this machine knows");
            judge.expect(holds, &[&key("time_zone")], problem, "write an IANA name like \"Europe/Berlin\"");
        }
    }
}

fn check_tls(syslog: &IntakeSyslog, transport: Transport, key: &impl Fn(&str) -> String, judge: &mut Judge<'_>) {
    let pair = [("tls_cert_file", &syslog.tls_cert_file), ("tls_key_file", &syslog.tls_key_file)];
    let all = [pair[0], pair[1], ("tls_client_ca_file", &syslog.tls_client_ca_file)];
    let is_any = all.iter().any(|(_, file)| file.is_some());
    let may_encrypt = matches!(transport, Transport::Tls | Transport::Relp);
    for (name, file) in all {
        let problem = format!("does nothing with {}", syslog.listen);
        judge.expect(may_encrypt || file.is_none(), &[&key(name)], problem, "listen on tls:// or relp://");
    }
    let needed = transport == Transport::Tls || (transport == Transport::Relp && is_any);
    for (name, file) in pair {
        let remedy = "TLS needs both the certificate and its key, in PEM";
        judge.expect(!needed || file.is_some(), &[&key(name)], "is missing", remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<String> {
        let table: toml::Table = text.parse().unwrap();
        let listeners = table["syslog"].clone().try_into::<Vec<IntakeSyslog>>().unwrap();
        let nothing_broken = BTreeSet::new();
        let mut judge = Judge::new(&nothing_broken);
        check(&listeners, &mut judge);
        judge.findings().into_iter().map(|finding| finding.key.replace("intake.syslog[0].", "")).collect()
    }

    #[test]
    fn every_broken_relation_is_told_at_its_key() {
        for (text, expected) in [
            ("listen = \"udp://127.0.0.1:514\"", &[][..]),
            ("listen = \"relp://[::1]:2514\"", &[]),
            ("listen = \"tcp://0.0.0.0:514\"\nallow = [\"10.0.0.0/8\"]", &[]),
            ("listen = \"tls://127.0.0.1:6514\"\ntls_cert_file = \"/c\"\ntls_key_file = \"/k\"", &[]),
            ("listen = \"tcp://0.0.0.0:514\"", &["allow"]),
            ("listen = \"514\"", &["listen"]),
            ("listen = \"http://127.0.0.1:514\"", &["listen"]),
            ("listen = \"tls://127.0.0.1:6514\"", &["tls_cert_file", "tls_key_file"]),
            ("listen = \"relp://127.0.0.1:6514\"\ntls_client_ca_file = \"/a\"", &["tls_cert_file", "tls_key_file"]),
            ("listen = \"udp://127.0.0.1:514\"\ntls_key_file = \"/k\"", &["tls_key_file"]),
            ("listen = \"udp://127.0.0.1:514\"\nrate = 0\nconnections = 0", &["rate", "connections"]),
            ("listen = \"udp://127.0.0.1:514\"\ntime_zone = \"Mars/Base\"", &["time_zone"]),
        ] {
            assert_eq!(keys(&format!("[[syslog]]\n{text}")), expected, "{text}");
        }
        let twice = "[[syslog]]\nlisten = \"tcp://127.0.0.1:1\"\n[[syslog]]\nlisten = \"relp://127.0.0.1:1\"";
        assert_eq!(keys(twice), ["intake.syslog[1].listen"]);
    }

    #[test]
    fn this_machine_and_the_networks_that_are_named_may_send() {
        let text = "listen = \"tcp://0.0.0.0:514\"\nallow = [\"192.0.2.0/24\"]";
        let syslog: IntakeSyslog = toml::from_str(text).unwrap();
        let may =
            ["127.0.0.1", "::1", "::ffff:127.0.0.1", "192.0.2.9", "::ffff:192.0.2.9", "198.51.100.1", "2001:db8::1"];
        let may = may.map(|peer| syslog.may_send(peer.parse().unwrap()));
        assert_eq!(may, [true, true, true, true, true, false, false]);
    }
}
