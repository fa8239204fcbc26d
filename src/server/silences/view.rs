//! A silence as the list shows it.

use serde::Serialize;

use super::book::Recorded;
use super::heard::Hits;
use crate::event::{EventId, Timestamp};
use crate::silence::spec::Silence;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Active,
    /// It has not begun.
    Pending,
    /// Its time is over.
    Expired,
    /// Somebody has ended it.
    Ended,
}

impl State {
    pub fn named(name: &str) -> Option<Self> {
        [Self::Active, Self::Pending, Self::Expired, Self::Ended].into_iter().find(|state| state.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Ended => "ended",
        }
    }

    pub fn of(recorded: &Recorded, now: Timestamp) -> Self {
        match &recorded.silence {
            _ if recorded.ended.is_some() => Self::Ended,
            silence if silence.is_over(now) => Self::Expired,
            silence if !silence.has_begun(now) => Self::Pending,
            _ => Self::Active,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct View {
    pub state: State,
    #[serde(flatten)]
    pub silence: Silence,
    /// SOC events that it has covered, as far as the hot store goes back.
    hits: u64,
    last_hit: Option<EventId>,
    /// Epoch seconds.
    last_hit_ts: Option<f64>,
    ended_by: Option<String>,
    ended_note: Option<String>,
}

impl View {
    pub fn of(recorded: &Recorded, hits: Hits, now: Timestamp) -> Self {
        let (ended_by, ended_note) = recorded.ended.clone().unzip();
        let has_hit = hits.count > 0;
        Self {
            state: State::of(recorded, now),
            silence: recorded.silence.clone(),
            hits: hits.count,
            last_hit: has_hit.then_some(hits.last),
            last_hit_ts: has_hit.then_some(hits.last_ts),
            ended_by,
            ended_note,
        }
    }
}
