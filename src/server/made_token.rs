//! The token that the daemon makes where none is configured: for its own lifetime, and shown on a terminal alone.

use std::sync::OnceLock;

use ring::rand::{SecureRandom, SystemRandom};

use crate::event::hex;

/// The same as long as the process runs. `None` where the system has no randomness to give: then nobody knows it.
pub fn made_token() -> Option<&'static str> {
    static TOKEN: OnceLock<Option<String>> = OnceLock::new();
    let made = TOKEN.get_or_init(|| {
        let mut bytes = [0; 24];
        SystemRandom::new().fill(&mut bytes).ok().map(|()| hex::encode(&bytes))
    });
    made.as_deref()
}
