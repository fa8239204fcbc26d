//! What is wrong with a filter, and where.

/// The text says what was expected, what stands there, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {what}")]
pub struct QueryError {
    /// The character at which it is wrong, from 1.
    pub column: usize,
    pub what: String,
}

impl QueryError {
    pub fn at(column: usize, what: impl Into<String>) -> Self {
        Self { column, what: what.into() }
    }
}
