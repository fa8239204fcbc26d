//! The formats that come with the daemon.

use std::sync::OnceLock;

use super::file::{Diagnostic, FormatText};
use super::library::Library;

/// Name and text of each file of `config/formats`, listed by the build script.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/formats.rs"));

/// Their texts.
pub fn texts() -> Vec<FormatText> {
    let text = |(file, toml): &(&str, &str)| FormatText {
        file: format!("built-in {file}"),
        toml: (*toml).to_owned(),
        is_tried: true,
    };
    FILES.iter().map(text).collect()
}

/// The library of them alone, compiled once, and what is wrong with them.
pub fn library() -> &'static (Library, Vec<Diagnostic>) {
    static LIBRARY: OnceLock<(Library, Vec<Diagnostic>)> = OnceLock::new();
    LIBRARY.get_or_init(|| Library::new(&texts()))
}
