//! The token that the daemon makes where none is configured: for its own lifetime, and shown on a terminal alone.

use std::sync::OnceLock;

use super::secret::secret;

/// The same as long as the process runs. `None` where the system has no randomness to give: then nobody knows it.
pub fn made_token() -> Option<&'static str> {
    static TOKEN: OnceLock<Option<String>> = OnceLock::new();
    TOKEN.get_or_init(secret).as_deref()
}
