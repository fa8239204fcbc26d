//! A filter of events.

use std::fmt;
use std::str::FromStr;

use super::error::QueryError;
use super::expr::Expr;
use super::facts::Facts;
use super::look_up::{self, Wanted};
use super::moment::Moment;
use super::parser::parse;
use crate::event::{Event, Timestamp};

/// Printed, it is a text that is read as the same filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(pub(super) Expr);

impl Filter {
    /// What every event passes.
    pub fn everything() -> Self {
        Self(Expr::all(Vec::new()))
    }

    #[must_use]
    pub fn since(self, moment: Moment) -> Self {
        Self(Expr::all(vec![self.0, Expr::Since(moment)]))
    }

    #[must_use]
    pub fn until(self, moment: Moment) -> Self {
        Self(Expr::all(vec![self.0, Expr::Until(moment)]))
    }

    /// Durations count back from `now`.
    pub fn passes(&self, event: &Event, now: Timestamp) -> bool {
        self.0.passes(event, &Facts::of(event), now)
    }

    /// Whether it asks when something happened, or for an event by its id: one that does not can be asked of an event that has no
    /// id yet, at any time.
    pub fn is_of_a_moment(&self) -> bool {
        self.0.is_of_a_moment()
    }

    /// Sets of which each is enough: every event that passes has one of the values of the set. None: it asks for no certain value.
    pub fn look_ups(&self) -> Vec<Vec<Wanted>> {
        look_up::sets(&self.0)
    }

    /// No event that was taken in before this passes.
    pub fn earliest(&self, now: Timestamp) -> Timestamp {
        self.0.earliest(now)
    }
}

impl FromStr for Filter {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        parse(text).map(Self)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
