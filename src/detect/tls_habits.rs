//! What is usual of connections between a client and a server: who vouches for the server, and whether their keys would hold against a
//! quantum computer. A change to the worse is told once.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::recent::Recent;
use super::tls_session::{Session, is_hybrid};
use crate::limits::{ISSUERS_PER_SERVER_MAX, TLS_PAIRS_MAX, TLS_SERVERS_MAX};

/// Connections after which it is known who vouches for a server.
const ISSUER_KNOWN_FROM: u32 = 20;
/// Connections with such keys after which a pair is known for them, and those without on end that are no chance.
const HYBRID_KNOWN_FROM: u32 = 5;
const PLAIN_IN_A_ROW: u32 = 3;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Another organisation vouches for a server than before.
    Issuer { known: String, connections: u32 },
    /// A client and a server that agreed on a hybrid group agree on one without its post-quantum part.
    NoLongerHybrid { connections: u32, group: String },
}

#[derive(Debug, Serialize, Deserialize)]
pub struct TlsHabits {
    servers: Recent<Server>,
    pairs: Recent<Pair>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Server {
    issuers: BTreeSet<String>,
    connections: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Pair {
    hybrid: u32,
    plain_in_a_row: u32,
}

impl Default for TlsHabits {
    fn default() -> Self {
        Self { servers: Recent::new(TLS_SERVERS_MAX), pairs: Recent::new(TLS_PAIRS_MAX) }
    }
}

impl TlsHabits {
    pub fn see(&mut self, session: &Session<'_>) -> Option<Change> {
        let issuer = session.issuer.and_then(|issuer| self.issuer(&session.server, issuer));
        issuer.or_else(|| self.group(session, session.group?))
    }

    fn issuer(&mut self, server: &str, issuer: &str) -> Option<Change> {
        let server = self.servers.touch(server, Server::default);
        let was_known = server.connections >= ISSUER_KNOWN_FROM;
        server.connections = server.connections.saturating_add(1);
        if server.issuers.contains(issuer) || server.issuers.len() == ISSUERS_PER_SERVER_MAX {
            return None;
        }
        let known = server.issuers.iter().map(String::as_str).collect::<Vec<_>>().join(" or ");
        server.issuers.insert(issuer.to_owned());
        was_known.then_some(Change::Issuer { known, connections: server.connections - 1 })
    }

    fn group(&mut self, session: &Session<'_>, group: &str) -> Option<Change> {
        let pair = self.pairs.touch(&format!("{}\0{}", session.client, session.server), Pair::default);
        if is_hybrid(group) {
            pair.hybrid = pair.hybrid.saturating_add(1);
            pair.plain_in_a_row = 0;
            return None;
        }
        pair.plain_in_a_row = pair.plain_in_a_row.saturating_add(1);
        if pair.plain_in_a_row != PLAIN_IN_A_ROW || pair.hybrid < HYBRID_KNOWN_FROM {
            return None;
        }
        // Told once; it is what is usual from now on.
        let connections = std::mem::take(&mut pair.hybrid);
        Some(Change::NoLongerHybrid { connections, group: group.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session<'a>(client: &'a str, group: &'a str, issuer: &'a str) -> Session<'a> {
        let [group, issuer] = [group, issuer].map(|text| Some(text).filter(|text| !text.is_empty()));
        Session { client, server: "example.org".to_owned(), group, issuer }
    }

    #[test]
    fn another_issuer_of_a_known_server_is_told_once_and_of_a_new_one_not_at_all() {
        let mut habits = TlsHabits::default();
        let mut see = |issuer: &str| habits.see(&session("192.0.2.7", "", issuer));
        for turn in 0..30 {
            assert_eq!(see(if turn < 2 { "A" } else { "B" }), None, "both are there from the start");
        }
        assert_eq!(see("C"), Some(Change::Issuer { known: "A or B".to_owned(), connections: 30 }));
        assert_eq!(see("C"), None);
    }

    #[test]
    fn a_pair_that_stops_using_hybrid_groups_is_told_once_and_one_that_never_did_is_not() {
        let mut habits = TlsHabits::default();
        let mut see = |client: &str, group: &str, times: usize| -> Vec<Change> {
            (0..times).filter_map(|_| habits.see(&session(client, group, ""))).collect()
        };
        assert_eq!(see("old", "x25519", 50), []);
        assert_eq!(see("new", "X25519MLKEM768", 9), []);
        assert_eq!(see("new", "x25519", 2), [], "a retry");
        assert_eq!(see("new", "X25519MLKEM768", 1), []);
        let change = Change::NoLongerHybrid { connections: 10, group: "x25519".to_owned() };
        assert_eq!(see("new", "x25519", 50), [change]);
    }
}
