//! Where protected users are logged in from: to block such an address would lock out who could undo it.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::detect::recent::Recent;
use crate::event::{Action, Raw, Timestamp};
use crate::limits::OPERATORS_MAX;

/// A session whose end nobody logged counts no longer than this.
const SESSION_AT_MOST: Duration = Duration::from_secs(12 * 3600);

/// By address: the user, and the time of the last login.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sessions {
    from: Recent<(String, Timestamp)>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { from: Recent::new(OPERATORS_MAX) }
    }
}

impl Sessions {
    pub fn line(&mut self, raw: &Raw, users: &[String], now: Timestamp) {
        let record = raw.record();
        let Some(user) = record.entity.user.as_ref().filter(|user| users.contains(user)) else { return };
        let address = record.entity.src_ip.as_deref().and_then(|address| address.parse::<IpAddr>().ok());
        let address = address.map(|address| address.to_canonical().to_string());
        match (record.action, record.outcome, address) {
            (Action::Login, Some(true), Some(address)) => {
                *self.from.touch(&address, || (user.clone(), now)) = (user.clone(), now);
            }
            (Action::Logout, _, Some(address)) => {
                self.from.remove(&address);
            }
            _ => {}
        }
    }

    pub fn addresses(&self, now: Timestamp) -> Vec<IpAddr> {
        let current = self.from.iter().filter(|(_, (_, since))| now.since(*since) < SESSION_AT_MOST);
        current.filter_map(|(address, _)| address.parse().ok()).collect()
    }
}
