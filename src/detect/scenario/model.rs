//! One scenario, as it was read and checked.

use std::time::Duration;

use crate::event::{Category, EventId, Evidence, Rule, cut_name};
use crate::limits;

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// Every line; each with the value of this field, by which it can be taken back.
    Lines { item: String },
    /// Different values of a field.
    Values { field: String },
    /// That lines of all of its rules came; in their order.
    All { ordered: bool },
}

/// The bits that count of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Masks {
    pub v4: u8,
    pub v6: u8,
}

impl Masks {
    /// A /64 of IPv6 is what one customer gets.
    pub const CUSTOMER: Self = Self { v4: 32, v6: 64 };
}

impl Default for Masks {
    fn default() -> Self {
        Self { v4: 32, v6: 128 }
    }
}

/// Numbers for each way to group and each item, among those that the scenarios of a set have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Places {
    pub group: usize,
    pub item: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The same for good: what was counted for it is kept by it.
    pub id: String,
    pub title: String,
    /// By which others may name it.
    pub name: Option<String>,
    /// In `reasons`.
    pub reason: String,
    pub category: Category,
    pub techniques: Vec<String>,
    /// 0 to 1, when it begins.
    pub score: f64,
    pub measure: Measure,
    /// How many lines, or values, are enough.
    pub at: usize,
    pub timespan: Duration,
    pub group_by: Vec<String>,
    pub traits: Traits,
    /// What others group by or count as well has the same place.
    pub places: Places,
    /// Its groups differ by this from those of others, for alarms are named after them.
    pub salt: u64,
    /// Groups that are counted exactly.
    pub groups_max: usize,
    /// What has to make room is remembered in a sketch.
    pub is_sketched: bool,
    pub masks: Masks,
    /// For people, with `{field}`, `{count}` and `{distinct}`.
    pub says: Option<String>,
    /// What it is called when its lines are of many values.
    pub spread: Option<Spread>,
    /// Ids of scenarios that have said it already where they go on about the same.
    pub unless: Vec<String>,
    /// The file that it stands in.
    pub file: String,
    /// What it means when the line of `followed_by` comes.
    pub then: Option<Then>,
}

/// What is asked of a scenario with nearly every line that it counts, told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    is_of_source: bool,
    is_of_user: bool,
    counts_sources: bool,
    tells_users: bool,
}

impl Traits {
    pub fn of(measure: &Measure, group_by: &[String]) -> Self {
        let counts = |beginning: &str| matches!(measure, Measure::Values { field } if field.starts_with(beginning));
        let is_of = |beginning: &str| group_by.iter().any(|field| field.starts_with(beginning));
        let is_value = matches!(measure, Measure::Values { .. });
        Self {
            is_of_source: is_of("source."),
            is_of_user: is_of("user."),
            counts_sources: counts("source."),
            tells_users: is_value && !counts("user.") && !is_of("user."),
        }
    }
}

/// Another name for a scenario that counts lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Different values.
    pub at: usize,
    pub reason: String,
    pub techniques: Vec<String>,
    pub says: Option<String>,
}

/// An alarm of its own that only comes after the scenario's.
#[derive(Debug, Clone, PartialEq)]
pub struct Then {
    pub reason: String,
    /// Instead of the scenario's own.
    pub techniques: Vec<String>,
    pub says: Option<String>,
    /// 0 to 1; the second when there is no doubt: many lines, or of several values.
    pub scores: [f64; 2],
}

impl Scenario {
    /// The field by whose value an observation differs from others.
    pub fn item(&self) -> &str {
        match &self.measure {
            Measure::Lines { item } => item,
            Measure::Values { field } => field,
            Measure::All { .. } => "",
        }
    }

    /// What it counts comes from somewhere that it tells apart.
    pub fn is_of_source(&self) -> bool {
        self.traits.is_of_source
    }

    /// It tells users apart.
    pub fn is_of_user(&self) -> bool {
        self.traits.is_of_user
    }

    /// It counts sources, and what comes after it has to come from one of them.
    pub fn asks_for_sources(&self) -> bool {
        self.then.is_some() && self.traits.counts_sources
    }

    /// Values are taken back only by the user with whom they were counted: an account of one's own clears no address of what it has
    /// tried of others.
    pub fn tells_users(&self) -> bool {
        self.traits.tells_users
    }

    /// Whether an alarm of this one can stand for one of the other.
    pub fn stands_for(&self, other: &Self) -> bool {
        self.score >= other.score || self.is_of_source() || self.group_by == other.group_by
    }

    /// Each group is an address, or the network of one customer: it is to blame for what the group has counted. Of a user, a
    /// machine or a network of many, nobody is.
    pub fn is_of_one_source(&self) -> bool {
        let customer = Masks::CUSTOMER;
        self.is_of_source() && self.masks.v4 >= customer.v4 && self.masks.v6 >= customer.v6
    }

    /// Whoever comes back within this time goes on with the alarm that was over.
    pub fn remembered_for(&self) -> Duration {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        self.ends_after().max(DAY)
    }

    /// An alarm that nothing has been added to for so long is over.
    pub fn ends_after(&self) -> Duration {
        const SHORTEST: Duration = Duration::from_secs(600);
        self.timespan.max(SHORTEST)
    }

    /// That it has measured so much, by these lines of so many that it has counted.
    pub fn evidence(&self, lines: Vec<EventId>, (counted, measured): (u64, usize)) -> Evidence {
        let field = match &self.measure {
            Measure::Values { field } => Some(field.clone()),
            Measure::Lines { .. } | Measure::All { .. } => None,
        };
        let [id, title, file] = [&self.id, &self.title, &self.file].map(|name| cut_name(name.clone()));
        Evidence {
            rule: Some(Rule { id, title, file }),
            value: Some(measured as f64),
            threshold: Some(self.at as f64),
            field,
            timespan_s: Some(self.timespan.as_secs_f64()),
            ..Evidence::of(lines, counted)
        }
    }

    /// Observations remembered of one group.
    pub fn memory(&self) -> usize {
        const FEW: usize = 32;
        (2 * self.at).clamp(FEW, limits::SCENARIO_OBSERVATIONS_MAX)
    }
}
