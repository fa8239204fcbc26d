//! One silence: what it covers, when, and who made it.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::entity::Named;
use super::moment;
use crate::event::Timestamp;

/// It covers what all of `rule`, `entity`, `network` and `where` that are there cover.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Silence {
    pub id: String,
    /// The name of a rule or detector, or a flag.
    #[serde(default)]
    pub rule: Option<String>,
    #[serde(default)]
    pub entity: Option<Named>,
    /// Of an address on either side.
    #[serde(default)]
    pub network: Option<IpNet>,
    /// In the language of `dsmild events --where`, without times.
    #[serde(default)]
    pub r#where: Option<String>,
    /// By the time of the event; without it from the silence's own place in the log on.
    #[serde(default, with = "moment")]
    pub from: Option<Timestamp>,
    /// By the time of the event; only one of the configuration may have no end.
    #[serde(default, with = "moment")]
    pub until: Option<Timestamp>,
    #[serde(default)]
    pub comment: String,
    /// Who made it.
    #[serde(default)]
    pub who: String,
    /// When it was made; not of the configuration.
    #[serde(default, with = "moment")]
    pub created: Option<Timestamp>,
}

impl Silence {
    /// What it covers, in words.
    pub fn what(&self) -> String {
        let entity = self.entity.as_ref().map(|named| format!("{} {}", named.kind.name(), named.value));
        let parts = [
            self.rule.as_ref().map(|rule| format!("rule {rule}")),
            entity,
            self.network.map(|network| format!("network {network}")),
            self.r#where.as_ref().map(|filter| format!("where {filter}")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    pub fn has_begun(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now)
    }

    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}
