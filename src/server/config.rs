//! `[http]`: its keys, and what must be there before the daemon listens on an address that others can reach.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{Finding, Judge};

/// The kernel takes 107, and the socket is made under a name of two more.
const SOCKET_PATH_BYTES_MAX: usize = 105;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    pub listen: SocketAddr,
    /// The same API for users of this machine: who may write to the socket may everything.
    pub socket: Option<PathBuf>,
    /// Whether reading and posting need no token on a loopback address without `tokens_file`. A decision always needs
    /// one, and `/healthz`, `/readyz` and `/metrics` never do there.
    pub open_on_loopback: bool,
    /// Lines of `role token`; roles are `read`, `ingest`, `respond`.
    pub tokens_file: Option<PathBuf>,
    pub tls_cert_file: Option<PathBuf>,
    pub tls_key_file: Option<PathBuf>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8600)),
            socket: None,
            open_on_loopback: true,
            tokens_file: None,
            tls_cert_file: None,
            tls_key_file: None,
        }
    }
}

/// Whether only this machine can reach the address, however it is written: `::ffff:127.0.0.1` is 127.0.0.1.
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// What makes the listener unsafe to open; the daemon refuses to start with any of them. Opens no file.
pub fn exposure_findings(http: &Http) -> Vec<Finding> {
    let nothing_broken = BTreeSet::new();
    let mut judge = Judge::new(&nothing_broken);
    check(http, &mut judge);
    judge.findings()
}

/// Every relation that does not hold.
pub fn check(http: &Http, judge: &mut Judge<'_>) {
    let exposed = !is_loopback(http.listen.ip());
    let reachable = format!("is missing although others can reach http.listen = \"{}\"", http.listen);
    judge.expect(
        !exposed || http.tokens_file.is_some(),
        &["http.tokens_file"],
        &*reachable,
        "name a file of tokens, or listen on 127.0.0.1",
    );
    let length = http.socket.as_ref().map_or(1, |path| path.as_os_str().len());
    judge.expect(
        (1..=SOCKET_PATH_BYTES_MAX).contains(&length),
        &["http.socket"],
        format!("is a path of {length} bytes"),
        format!("name a socket with a path of at most {SOCKET_PATH_BYTES_MAX} bytes"),
    );
    let pair = [("http.tls_cert_file", &http.tls_cert_file), ("http.tls_key_file", &http.tls_key_file)];
    let any_tls = pair.iter().any(|(_, file)| file.is_some());
    for (key, file) in pair {
        judge.expect(!any_tls || file.is_some(), &[key], "is missing", "TLS needs both the certificate and its key");
        judge.expect(!exposed || any_tls, &[key], &*reachable, "name a PEM file, or listen on 127.0.0.1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(http: &Http) -> Vec<String> {
        exposure_findings(http).into_iter().map(|finding| finding.key).collect()
    }

    #[test]
    fn an_address_that_others_reach_needs_tokens_and_tls() {
        let mut http = Http { listen: "0.0.0.0:8600".parse().unwrap(), ..Http::default() };
        assert_eq!(keys(&http), ["http.tokens_file", "http.tls_cert_file", "http.tls_key_file"]);
        http.tokens_file = Some("/t".into());
        http.tls_cert_file = Some("/c".into());
        assert_eq!(keys(&http), ["http.tls_key_file"]);
        http.tls_key_file = Some("/k".into());
        assert_eq!(keys(&http), [""; 0]);
    }

    #[test]
    fn an_address_of_this_machine_alone_needs_nothing_however_it_is_written() {
        for listen in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            let http = Http { listen: listen.parse().unwrap(), ..Http::default() };
            assert_eq!(keys(&http), [""; 0], "{listen}");
        }
        for listen in ["[::]:1", "[::ffff:192.0.2.1]:1", "192.0.2.1:1"] {
            let http = Http { listen: listen.parse().unwrap(), ..Http::default() };
            assert!(!keys(&http).is_empty(), "{listen}");
        }
    }
}
