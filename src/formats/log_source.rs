//! What Sigma calls the kind of a log: rules name it, and formats say which is theirs.

use std::sync::Arc;

/// Each part that is given must fit. Shared, since every line of the format is of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSource {
    pub product: Option<Arc<str>>,
    pub category: Option<Arc<str>>,
    pub service: Option<Arc<str>>,
}
