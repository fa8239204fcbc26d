//! One thing that is wrong in the configuration.

use std::fmt;

/// Shown as `key.path: what is wrong, what would be right`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Dotted key, like `intake.file[0].path`; `line 3, column 5` for a syntax error; empty for the file as a whole.
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
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        write!(formatter, "{}, {}", self.problem, self.remedy)
    }
}
