//! One thing that is wrong in the configuration.

use std::fmt;

use crate::detect::deceptive::escaped;

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
        // Names of files and what stands in them are of others.
        if !self.key.is_empty() {
            write!(formatter, "{}: ", escaped(&self.key))?;
        }
        write!(formatter, "{}, {}", escaped(&self.problem), escaped(&self.remedy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_that_a_feed_brings_cannot_drive_the_terminal_of_who_checks() {
        let shown = Finding::new("l3.rules", "a\n\u{1b}[2J.yml: is no rule", "remove it").to_string();
        assert_eq!(shown, "l3.rules: a\\n\\u{1b}[2J.yml: is no rule, remove it");
    }
}
