//! The scenarios that come with the daemon.

use crate::detect::sigma::RuleText;

/// Name and text of each file of `config/scenarios`, listed by the build script.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// Their texts.
pub fn texts() -> Vec<RuleText> {
    let text = |(file, yaml): &(&str, &str)| RuleText { file: format!("built-in {file}"), yaml: (*yaml).to_owned() };
    FILES.iter().map(text).collect()
}
