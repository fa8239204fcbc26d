//! The scenarios that come with the daemon.

use crate::detect::sigma::RuleText;

/// Name and text of each file of `config/scenarios`, listed by the build script.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// Their texts.
pub fn texts() -> Vec<RuleText> {
    RuleText::built_in(FILES)
}
