//! Lines of one process that must come in an order: a login whose connection was never logged was not written by the
//! server. Only where the server has shown that it logs every connection.

use serde::{Deserialize, Serialize};

use super::recent::Recent;

/// Connections remembered of one machine.
const CONNECTIONS_MAX: usize = 1024;
/// Logins with their connection before the rule holds.
const LEARNT_AFTER: u32 = 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionOrder {
    connected: Recent<()>,
    announced: u32,
    unannounced: u32,
}

impl Default for SessionOrder {
    fn default() -> Self {
        Self { connected: Recent::new(CONNECTIONS_MAX), announced: 0, unannounced: 0 }
    }
}

impl SessionOrder {
    /// Takes a line of the server; true for a login that nothing announced although every one before was.
    pub fn line(&mut self, pid: u32, message: &str) -> bool {
        let pid = pid.to_string();
        if message.starts_with("Connection from ") {
            self.connected.touch(&pid, || ());
            return false;
        }
        if !message.starts_with("Accepted ") {
            return false;
        }
        if self.connected.get(&pid).is_some() {
            self.announced = self.announced.saturating_add(1);
            return false;
        }
        let holds = self.announced >= LEARNT_AFTER && self.announced / 50 >= self.unannounced;
        self.unannounced = self.unannounced.saturating_add(1);
        holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTION: &str = "Connection from 192.0.2.1 port 2 on 192.0.2.9 port 22";
    const LOGIN: &str = "Accepted publickey for bob from 192.0.2.1 port 2 ssh2";

    #[test]
    fn a_login_without_its_connection_is_noticed_once_connections_are_known_to_be_logged() {
        let mut order = SessionOrder::default();
        for pid in 0..30 {
            assert!(!order.line(pid, CONNECTION) && !order.line(pid, LOGIN));
        }
        assert!(order.line(777, LOGIN));
    }

    #[test]
    fn a_server_that_does_not_log_connections_is_not_judged() {
        let mut order = SessionOrder::default();
        assert!((0..500).all(|pid| !order.line(pid, LOGIN)));
    }
}
