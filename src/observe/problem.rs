//! What a part could not do, for its log line, its metric and its line in status.

/// Something a source or an outlet could not do. Reported when it begins or changes, not at every attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the source or outlet, the same as that of its position.
    pub source: String,
    /// One word for the metric's label: `unreadable`, `line_too_long`, `lost`, …
    pub reason: &'static str,
    /// Lines or entries lost in whole or in part; 0 while nothing is lost.
    pub lost: u64,
    /// What was tried, why it failed, what to do.
    pub text: String,
}

impl Problem {
    pub fn new(source: impl Into<String>, reason: &'static str, lost: u64, text: impl Into<String>) -> Self {
        Self { source: source.into(), reason, lost, text: text.into() }
    }
}
