//! What a person does with an incident, as an event says it.

use serde::{Deserialize, Serialize};

use crate::event::{EventId, Soc};

const BY: &str = "by:";
const NOTE: &str = "note:";
const RESOLUTION: &str = "resolution:";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Acknowledge,
    Close,
    Note,
}

impl Action {
    const ALL: [Self; 3] = [Self::Acknowledge, Self::Close, Self::Note];

    pub fn flag(self) -> &'static str {
        match self {
            Self::Acknowledge => "INCIDENT_ACKNOWLEDGED",
            Self::Close => "INCIDENT_CLOSED",
            Self::Note => "INCIDENT_NOTE",
        }
    }

    /// Its name in the audit log.
    pub fn audited(self) -> &'static str {
        match self {
            Self::Acknowledge => "incident.acknowledge",
            Self::Close => "incident.close",
            Self::Note => "incident.note",
        }
    }

    pub fn done(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledged",
            Self::Close => "closed",
            Self::Note => "noted",
        }
    }
}

/// What an incident turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resolution {
    /// An attack, or a rule broken.
    #[serde(rename = "true_positive")]
    True,
    /// Nothing of the kind happened.
    #[serde(rename = "false_positive")]
    False,
    /// It happened, and was allowed to.
    #[serde(rename = "benign_true_positive")]
    Benign,
}

impl Resolution {
    const ALL: [Self; 3] = [Self::True, Self::False, Self::Benign];

    pub fn name(self) -> &'static str {
        match self {
            Self::True => "true_positive",
            Self::False => "false_positive",
            Self::Benign => "benign_true_positive",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resolution| resolution.name() == name)
    }
}

/// What somebody has done, as an incident shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub event_id: EventId,
    /// Epoch seconds.
    pub ts: f64,
    pub who: String,
    pub action: Action,
    /// Of one that was closed.
    pub resolution: Option<Resolution>,
    pub note: String,
}

impl Change {
    /// `None` for an event that says something else.
    pub fn of(event_id: EventId, ts: f64, soc: &Soc) -> Option<Self> {
        let action = Action::ALL.into_iter().find(|action| soc.flags.iter().any(|flag| flag == action.flag()))?;
        let of = |prefix: &str| soc.reasons.iter().find_map(|reason| reason.strip_prefix(prefix));
        Some(Self {
            event_id,
            ts,
            who: of(BY).unwrap_or_default().to_owned(),
            action,
            resolution: of(RESOLUTION).and_then(Resolution::named),
            note: of(NOTE).unwrap_or_default().to_owned(),
        })
    }
}

/// The reasons of an event that says that somebody has done something, as [`Change::of`] reads them.
pub fn reasons(resolution: Option<Resolution>, who: &str, note: &str) -> Vec<String> {
    let mut reasons = vec![format!("{BY}{who}")];
    reasons.extend(resolution.map(|resolution| format!("{RESOLUTION}{}", resolution.name())));
    reasons.extend((!note.is_empty()).then(|| format!("{NOTE}{note}")));
    reasons
}
