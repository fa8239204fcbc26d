//! Sigma rules: loaded from text, and matched against one record at a time. Stateless once loaded.

mod fields;
mod logsource;
mod rules;

pub use rules::{CRITICAL, HIGH, INFORMATIONAL, LOW, MEDIUM, Problem, RuleMatch, RuleSet, RuleText};
