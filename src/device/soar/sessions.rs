//! Where protected users are logged in from: to block such an address would lock out who could undo it.
//!
//! A guessed or stolen password logs in just so. What is itself part of an alarm therefore protects nobody, and neither does a
//! login from where an alarm says that somebody attacks, nor one of which the journal says that not root has written it, or that a sender
//! tells of in the name of another source. Who approves a proposal is told of it. Of a plain file nobody says who has written it: it counts,
//! for to lock the operator out is worse than to leave an address open.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::detect::client_network::behind;
use crate::detect::recent::Recent;
use crate::event::{Action, Raw, Timestamp, named};
use crate::limits::{ENTITIES_PER_DETECTOR_MAX, OPERATORS_MAX};

/// The source of what journald has kept.
const JOURNAL: &str = "journal";
/// A session whose end nobody logged counts no longer than this, and nor does an alarm.
const SESSION_AT_MOST: Duration = Duration::from_secs(12 * 3600);

/// By the address of who logged in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Sessions {
    /// The user, and the time of the last login.
    from: Recent<(String, Timestamp)>,
    /// Those that may be an intruder's.
    doubtful: Recent<(String, Timestamp)>,
    /// When an alarm last said that somebody attacks from there.
    accused: Recent<Timestamp>,
}

impl Default for Sessions {
    fn default() -> Self {
        let accused = Recent::new(ENTITIES_PER_DETECTOR_MAX);
        Self { from: Recent::new(OPERATORS_MAX), doubtful: Recent::new(OPERATORS_MAX), accused }
    }
}

impl Sessions {
    pub fn line(&mut self, raw: &Raw, users: &[String], now: Timestamp) {
        let record = raw.record();
        let Some(user) = record.entity.user.as_ref().filter(|user| users.contains(user)) else { return };
        let Some(address) = record.entity.src_ip.as_deref().and_then(client) else { return };
        match (record.action, record.outcome) {
            (Action::Login, Some(true)) => {
                let is_accused = self.accused.get(&address).is_some_and(|at| now.since(*at) < SESSION_AT_MOST);
                let is_believed = !raw.is_named && (!is_of_journal(raw) || named(&raw.attributes, "_UID") == Some("0"));
                let sessions = if is_believed && !is_accused { &mut self.from } else { &mut self.doubtful };
                *sessions.touch(&address, || (user.clone(), now)) = (user.clone(), now);
            }
            (Action::Logout, _) => {
                self.doubtful.remove(&address);
                // By the user's own process as well. A line that claims to be of another program has no action.
                if !raw.is_named {
                    self.from.remove(&address);
                }
            }
            _ => {}
        }
    }

    /// An alarm says that somebody attacks from this address; `has_got_in`: and that an account was used for it.
    pub fn accuse(&mut self, address: &str, has_got_in: bool, now: Timestamp) {
        let Some(address) = client(address) else { return };
        *self.accused.touch(&address, || now) = now;
        if has_got_in && let Some(session) = self.from.remove(&address) {
            let again = session.clone();
            *self.doubtful.touch(&address, || session) = again;
        }
    }

    pub fn addresses(&self, now: Timestamp) -> Vec<IpAddr> {
        let current = self.from.iter().filter(|(_, (_, since))| now.since(*since) < SESSION_AT_MOST);
        current.filter_map(|(address, _)| address.parse().ok()).collect()
    }

    /// The protected user as whom somebody is logged in from this address, who may be the intruder.
    pub fn doubtful(&self, address: &str, now: Timestamp) -> Option<&str> {
        let (user, since) = self.doubtful.get(&client(address)?)?;
        (now.since(*since) < SESSION_AT_MOST).then_some(user)
    }
}

/// The kernel's word of who wrote it is beside it.
fn is_of_journal(raw: &Raw) -> bool {
    !raw.is_named && &*raw.source == JOURNAL
}

fn client(address: &str) -> Option<String> {
    Some(behind(address.parse().ok()?).to_string())
}
