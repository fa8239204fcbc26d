//! What is wrong with a rule.

/// A rule that was not loaded, or can never match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub file: String,
    pub reason: String,
    /// The rule is there, but no event of this machine can be of its log source.
    pub is_loaded: bool,
}

impl Problem {
    pub fn not_loaded(file: &str, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), reason: reason.into(), is_loaded: false }
    }
}
