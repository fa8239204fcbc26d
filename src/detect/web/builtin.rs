//! The patterns that come with the daemon.

use std::sync::{Arc, OnceLock};

use super::file::{Mistake, WebText};
use super::patterns::Patterns;

/// Name and text of each file of `config/web`, listed by the build script.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/web.rs"));

/// Compiled once; what is wrong with them is for their test.
pub fn patterns() -> &'static (Arc<Patterns>, Vec<Mistake>) {
    static PATTERNS: OnceLock<(Arc<Patterns>, Vec<Mistake>)> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let text = |(file, toml): &(&str, &str)| WebText { file: format!("built-in {file}"), toml: (*toml).to_owned() };
        let (patterns, mistakes) = Patterns::compile(&FILES.iter().map(text).collect::<Vec<_>>());
        (Arc::new(patterns), mistakes)
    })
}
