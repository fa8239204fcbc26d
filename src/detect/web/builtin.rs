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
        let (patterns, mistakes) = Patterns::compile(&texts());
        (Arc::new(patterns), mistakes)
    })
}

/// Their texts.
pub fn texts() -> Vec<WebText> {
    let text = |(file, toml): &(&str, &str)| WebText {
        file: format!("built-in {file}"),
        toml: (*toml).to_owned(),
        is_tested: true,
    };
    FILES.iter().map(text).collect()
}
