//! Sigma rules: loaded from text, and matched against one record at a time. Stateless once loaded.

mod event_log;
mod fields;
mod gate;
mod keywords;
mod logsource;
mod needs;
pub mod normal;
mod normal_rules;
mod only;
mod patterns;
mod problem;
mod rules;
mod sources;
mod yaml;

pub use needs::{Needs, needs, needs_of};
pub use normal_rules::NormalRules;
pub use problem::Problem;
pub use rules::{CRITICAL, HIGH, INFORMATIONAL, LOW, MEDIUM, RuleMatch, RuleSet, RuleText};
pub use yaml::parse;
