//! Why a pattern cannot be used, and why it cannot be decided whether one matches.

/// What is wrong with the text of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {problem}")]
pub struct PatternError {
    /// From 1.
    pub at: usize,
    pub problem: String,
}

/// Why nobody can say whether what was observed matches.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    #[error("`{0}` is compared with a timestamp and is none (as in 2024-01-31T12:00:00Z)")]
    NoTimestamp(String),
    #[error("`{0}` ends in `_hex` or `_bin` and is not written in hexadecimal or base64")]
    NoBytes(String),
    #[error("the object path leads to more than {0} values")]
    TooManyValues(usize),
    #[error("there are more than {0} observations")]
    TooManyObservations(usize),
    #[error("there are more combinations of observations than are tried ({0})")]
    TooManyCombinations(usize),
    #[error("it is no observed data: {0}")]
    NoObservedData(&'static str),
}
