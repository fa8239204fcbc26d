//! What nobody can guess.

use ring::rand::{SecureRandom, SystemRandom};

use crate::event::hex;

/// 192 bits as text. `None` where the system has no randomness to give.
pub fn secret() -> Option<String> {
    let mut bytes = [0; 24];
    SystemRandom::new().fill(&mut bytes).ok().map(|()| hex::encode(&bytes))
}
