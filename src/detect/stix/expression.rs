//! What a STIX pattern is made of.

use ipnet::IpNet;
use regex::Regex;

use super::literal::Literal;

/// What is asked of observations together. Times are microseconds.
#[derive(Debug, Clone)]
pub enum Expression {
    /// One observation for which the comparisons with this number hold.
    Observation(usize),
    /// Each of different observations.
    All(Vec<Self>),
    Any(Vec<Self>),
    /// As [`Expression::All`], and none before the one that it follows.
    InOrder(Vec<Self>),
    /// All within so long.
    Within(Box<Self>, i64),
    /// All observed at `start` or later and before `stop`.
    Between {
        inner: Box<Self>,
        start: i64,
        stop: i64,
    },
    /// So many times, each time of different observations.
    Repeated(Box<Self>, u32),
}

/// What is asked of one object.
#[derive(Debug, Clone)]
pub enum Comparisons {
    One(Comparison),
    All(Vec<Self>),
    Any(Vec<Self>),
}

#[derive(Debug, Clone)]
pub struct Comparison {
    pub object: String,
    pub path: Vec<Step>,
    pub is_negated: bool,
    pub test: Test,
}

/// From an object towards a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    /// From 0; a negative one leads nowhere.
    Index(i64),
    Each,
}

#[derive(Debug, Clone)]
pub enum Test {
    Exists,
    Equal(Literal),
    NotEqual(Literal),
    Less(Literal),
    LessOrEqual(Literal),
    Greater(Literal),
    GreaterOrEqual(Literal),
    In(Vec<Literal>),
    /// `LIKE` and `MATCHES`. Bytes are only matched where the text had no character above U+00FF.
    Matches {
        regex: Regex,
        fits_bytes: bool,
    },
    /// The value lies in this network.
    Subset(IpNet),
    /// This network lies in the value.
    Superset(IpNet),
}
