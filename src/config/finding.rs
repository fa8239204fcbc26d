//! One thing that is wrong in the configuration.

use std::fmt;

/// Shown as `key.path: what is wrong, what would be right`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Dotted key, like `intake.file[0].path`.
    pub key: String,
    pub problem: String,
    pub remedy: String,
}

impl Finding {
    pub fn new(key: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}, {}", self.key, self.problem, self.remedy)
    }
}
