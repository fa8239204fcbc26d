//! Numbers that stand for what attackers write.

use crate::event::Timestamp;

/// Items may be long and are written by attackers; equal fingerprints mean equal items.
pub fn fingerprint(item: &str) -> u64 {
    let hash = blake3::hash(item.as_bytes());
    hash.as_bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The name of an alarm about something that began then: nothing else has both.
pub fn alarm_id(about: u64, first: Timestamp) -> String {
    format!("{about:016x}-{}", first.millis())
}
