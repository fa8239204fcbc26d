//! A file of patterns: what is written in `config/web/*.toml`.

use serde::Deserialize;

use super::request::Place;

/// One file.
#[derive(Debug, Clone)]
pub struct WebText {
    pub file: String,
    pub toml: String,
    /// Its tests have shown that all of it can be compiled.
    pub is_tested: bool,
}

impl WebText {
    /// Of somebody's own file.
    pub fn new(file: &str, toml: &str) -> Self {
        Self { file: file.to_owned(), toml: toml.to_owned(), is_tested: false }
    }
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct Mistake {
    pub file: String,
    pub problem: String,
}

/// How bad it is that somebody tries this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A look round: scanners by name, files that should not be there.
    Low,
    /// An attack whose success the log cannot show.
    Medium,
    /// Code or commands.
    High,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// The techniques of a file; none of one that cannot be read.
pub fn listed(text: &WebText) -> Vec<Technique> {
    toml::from_str::<File>(&text.toml).map(|file| file.technique).unwrap_or_default()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub technique: Vec<Technique>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Technique {
    /// In `reasons`.
    pub name: String,
    /// For people.
    pub title: String,
    /// ATT&CK.
    pub attack: String,
    pub level: Level,
    /// Only where the server refused it or did not have it.
    #[serde(default)]
    pub refused: bool,
    pub pattern: Vec<Pattern>,
    /// Requests that are this; their test reads them.
    #[serde(default)]
    #[cfg_attr(not(test), allow(dead_code))]
    pub sample: Vec<Sample>,
    /// Requests that only look like it.
    #[serde(default)]
    #[cfg_attr(not(test), allow(dead_code))]
    pub harmless: Vec<Sample>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    #[serde(rename = "in")]
    pub place: Place,
    /// One of these texts, in lower case, must be there.
    #[serde(default)]
    pub any: Vec<String>,
    /// It begins with one of them, or ends with one.
    #[serde(default)]
    pub begins: Vec<String>,
    #[serde(default)]
    pub ends: Vec<String>,
    /// It is one of them.
    #[serde(default)]
    pub is: Vec<String>,
    /// And this regular expression must match.
    pub regex: Option<String>,
    /// And one of these must be there, in path or query.
    #[serde(default)]
    pub with: Vec<String>,
    /// The method must be this.
    pub method: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(test), allow(dead_code))]
pub struct Sample {
    #[serde(default = "get")]
    pub method: String,
    #[serde(default)]
    pub url: String,
    #[serde(default)]
    pub agent: String,
    #[serde(default)]
    pub referrer: String,
}

fn get() -> String {
    "GET".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_without_a_method_is_a_get() {
        let method = |text: &str| toml::from_str::<Sample>(text).unwrap().method;
        assert_eq!((method("url = \"/x\""), method("method = \"POST\"")), ("GET".to_owned(), "POST".to_owned()));
    }
}
