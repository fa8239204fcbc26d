//! A filter as it was understood: its form, its text, its meaning.

use std::cmp::Ordering;
use std::fmt;

use super::facts::Facts;
use super::field::{FIELDS, Field, Name};
use super::kind::Kind;
use super::moment::Moment;
use super::value::{Value, quote};
use crate::event::{Event, Timestamp};

/// Made by [`all`](Self::all), [`any`](Self::any) and [`not`](Self::not), so that each filter has one form.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// None at all is what everything passes.
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    Is(&'static Field, Test),
    Since(Moment),
    Until(Moment),
    /// In lower case.
    Anywhere(String),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    OneOf(Vec<Value>),
    Order(Order, Value),
    /// In lower case.
    Contains(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Order {
    fn name(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    fn allows(self, ordering: Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
        }
    }
}

impl Expr {
    pub fn all(parts: Vec<Self>) -> Self {
        Self::joined(parts, Self::All, |part| match part {
            Self::All(inner) => Ok(inner),
            other => Err(other),
        })
    }

    pub fn any(parts: Vec<Self>) -> Self {
        Self::joined(parts, Self::Any, |part| match part {
            Self::Any(inner) => Ok(inner),
            other => Err(other),
        })
    }

    fn joined(parts: Vec<Self>, join: fn(Vec<Self>) -> Self, inner_of: fn(Self) -> Result<Vec<Self>, Self>) -> Self {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match inner_of(part) {
                Ok(inner) => flat.extend(inner),
                Err(part) => flat.push(part),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { join(flat) }
    }

    pub fn not(expr: Self) -> Self {
        match expr {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    pub fn contains(field: &'static Field, text: &str) -> Self {
        Self::Is(field, Test::Contains(text.to_lowercase()))
    }

    pub fn anywhere(text: &str) -> Self {
        Self::Anywhere(text.to_lowercase())
    }

    pub fn passes(&self, event: &Event, facts: &Facts<'_>, now: Timestamp) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.passes(event, facts, now)),
            Self::Any(parts) => parts.iter().any(|part| part.passes(event, facts, now)),
            Self::Not(inner) => !inner.passes(event, facts, now),
            Self::Is(field, Test::OneOf(values)) => {
                facts.any(field.name, &mut |fact| values.iter().any(|value| value.covers(fact)))
            }
            Self::Is(field, Test::Order(order, value)) => {
                facts.any(field.name, &mut |fact| value.order_of(fact).is_some_and(|ordering| order.allows(ordering)))
            }
            Self::Is(field, Test::Contains(text)) => contains(facts, field, text),
            Self::Since(moment) => happened(event) >= moment.seen_from(now),
            Self::Until(moment) => happened(event) < moment.seen_from(now),
            Self::Anywhere(text) => FIELDS.iter().any(|field| contains(facts, field, text)),
        }
    }

    /// Whether it asks when something happened, or for an event by its id.
    pub fn is_of_a_moment(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::is_of_a_moment),
            Self::Not(inner) => inner.is_of_a_moment(),
            Self::Is(field, _) => field.name == Name::Id,
            Self::Since(_) | Self::Until(_) => true,
            Self::Anywhere(_) => false,
        }
    }

    /// No event that happened before this passes.
    pub fn earliest(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::All(parts) => parts.iter().map(|part| part.earliest(now)).max().unwrap_or_default(),
            Self::Any(parts) => parts.iter().map(|part| part.earliest(now)).min().unwrap_or_default(),
            Self::Since(moment) => moment.seen_from(now),
            Self::Not(_) | Self::Is(..) | Self::Until(_) | Self::Anywhere(_) => Timestamp::ZERO,
        }
    }

    /// `binding`: of what it stands in: 0 nothing, 1 `or`, 2 `and` or `not`.
    fn write(&self, formatter: &mut fmt::Formatter<'_>, binding: u8) -> fmt::Result {
        let (parts, word, own) = match self {
            Self::All(parts) => (parts, " and ", 2),
            Self::Any(parts) => (parts, " or ", 1),
            Self::Not(inner) => {
                formatter.write_str("not ")?;
                return inner.write(formatter, 2);
            }
            Self::Is(field, test) => return write_test(field, test, formatter),
            Self::Since(moment) => return write!(formatter, "since {moment}"),
            Self::Until(moment) => return write!(formatter, "until {moment}"),
            Self::Anywhere(text) => return quote(text, formatter),
        };
        let in_parentheses = binding >= own;
        formatter.write_str(if in_parentheses { "(" } else { "" })?;
        for (index, part) in parts.iter().enumerate() {
            formatter.write_str(if index == 0 { "" } else { word })?;
            part.write(formatter, own)?;
        }
        formatter.write_str(if in_parentheses { ")" } else { "" })
    }
}

/// As windows follow it, and no later than it was taken in: an id is never earlier, so that no event before an id needs to be
/// looked at for what happened after it.
fn happened(event: &Event) -> Timestamp {
    event.time().min(event.times.taken_in())
}

fn contains(facts: &Facts<'_>, field: &Field, text: &str) -> bool {
    if field.kind == Kind::Number {
        return false;
    }
    facts.any(field.name, &mut |fact| fact.text().is_some_and(|fact| fact.to_lowercase().contains(text)))
}

fn write_test(field: &Field, test: &Test, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    formatter.write_str(field.text())?;
    match test {
        Test::Order(order, value) => write!(formatter, " {} {value}", order.name()),
        Test::Contains(text) => {
            formatter.write_str(" ~ ")?;
            quote(text, formatter)
        }
        Test::OneOf(values) => match values.as_slice() {
            [network @ Value::Network(_)] => write!(formatter, " in {network}"),
            [value] => write!(formatter, " = {value}"),
            values => {
                for (index, value) in values.iter().enumerate() {
                    write!(formatter, "{}{value}", if index == 0 { " in (" } else { ", " })?;
                }
                formatter.write_str(")")
            }
        },
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(formatter, 0)
    }
}
