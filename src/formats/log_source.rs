//! What Sigma calls the kind of a log: rules name it, and formats say which is theirs.

/// Each part that is given must fit.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSource {
    pub product: Option<String>,
    pub category: Option<String>,
    pub service: Option<String>,
}
