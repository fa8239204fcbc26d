//! What comes in, and what is to be reported of it.

use std::time::Duration;

use super::model::{Measure, Scenario};
use crate::event::{Category, EventId, Evidence, Record, Timestamp};

/// An alarm that is to be reported now.
#[derive(Debug, Clone, PartialEq)]
pub struct Raised {
    /// Of the scenario, and what it counted.
    pub scenario: String,
    pub group: u64,
    /// It is over when nothing came for so long; none of an alarm that does not grow.
    pub ends_after: Option<Duration>,
    pub reason: String,
    pub score: f64,
    pub techniques: Vec<String>,
    pub summary: String,
    pub category: Category,
    /// It is about where lines come from; the user that they name is only the target.
    pub is_of_source: bool,
    /// It is about one address, or the network of one customer. Otherwise the one that its newest line names is not to blame.
    pub is_of_one_source: bool,
    /// Its lines come from somewhere, and it is about many such places.
    pub is_of_many: bool,
    /// It is about a user, who then is more than a target.
    pub is_of_user: bool,
    /// It is about the order of things rather than their number.
    pub is_sequence: bool,
    /// It is about a line that came after what was counted.
    pub is_after: bool,
    /// It comes from one of many that were counted likely, not certainly: they were too many to remember each.
    pub is_likely: bool,
    /// It has rested for long and goes on.
    pub is_resumed: bool,
    /// Of what is not of one source: who has most of the count.
    pub sources: Vec<String>,
    pub alarm: Grown,
    /// The lines that it follows from, and the scenario.
    pub evidence: Evidence,
}

impl Raised {
    /// An alarm of this scenario, about what it groups by.
    pub(super) fn of(
        scenario: &Scenario,
        group: u64,
        reason: String,
        (score, summary): (f64, String),
        alarm: Grown,
    ) -> Self {
        Self {
            scenario: scenario.id.clone(),
            group,
            ends_after: Some(scenario.ends_after()),
            reason,
            score,
            techniques: scenario.techniques.clone(),
            summary,
            category: scenario.category,
            is_of_source: scenario.is_of_source(),
            is_of_one_source: scenario.is_of_one_source(),
            is_of_many: false,
            is_of_user: scenario.group_by.iter().any(|field| field == "user.name"),
            is_sequence: matches!(scenario.measure, Measure::All { .. }),
            is_after: false,
            is_likely: false,
            is_resumed: false,
            sources: Vec::new(),
            alarm,
            evidence: Evidence::default(),
        }
    }
}

/// How far an alarm has grown: the same from its first report to its last, but for the count and the newest line.
#[derive(Debug, Clone, PartialEq)]
pub struct Grown {
    pub id: String,
    /// 1 when it begins.
    pub reports: u32,
    pub count: u64,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// One line as it comes.
pub struct Observation<'a> {
    pub id: EventId,
    pub record: &'a Record,
    pub ts: Timestamp,
    /// It is about an attempt that was counted already.
    pub is_repeated: bool,
    /// Users of failures that belong to the same session as this success.
    pub own: &'a [String],
}
