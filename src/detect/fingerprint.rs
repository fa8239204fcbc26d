//! Numbers that stand for what attackers write.

use crate::event::Timestamp;

/// Items may be long and are written by attackers; equal fingerprints mean equal items.
pub fn fingerprint(item: &str) -> u64 {
    number_of(&blake3::hash(item.as_bytes()))
}

/// The fingerprint of two fingerprints together.
pub fn paired(first: u64, second: u64) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&first.to_le_bytes());
    hasher.update(&second.to_le_bytes());
    number_of(&hasher.finalize())
}

fn number_of(hash: &blake3::Hash) -> u64 {
    hash.as_bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The name of an alarm about something that began then: nothing else has both.
pub fn alarm_id(about: u64, first: Timestamp) -> String {
    format!("{about:016x}-{}", first.millis())
}
