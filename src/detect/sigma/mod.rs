//! Sigma rules: loaded from text, and matched against one record at a time. Stateless once loaded.

mod fields;
mod logsource;
mod rules;

pub use rules::{HIGH, LOW, Problem, RuleMatch, RuleSet, RuleText};
