//! What is silenced, and for how long.

use std::time::Duration;

/// Silences of the configuration, and silences that people have made, that are in force at once.
pub const SILENCES_MAX: usize = 256;
/// Silences that people have made, of which those that are over are remembered as well; the oldest of these go first.
pub const SILENCES_KEPT: usize = 1000;
/// The longest that a silence which somebody makes while the daemon runs may last.
pub const SILENCE_SPAN_MAX: Duration = Duration::from_secs(90 * 24 * 3600);
/// Bytes of each of its texts: rule, name of an entity, filter, comment.
pub const SILENCE_TEXT_BYTES_MAX: usize = 512;
/// A silence that is over stays known to the stages for so long, for events that come late.
pub const SILENCE_KEPT_AFTER: Duration = Duration::from_secs(24 * 3600);

const _: () = assert!(SILENCES_MAX < SILENCES_KEPT, "what is in force is remembered");
const _: () = assert!(SILENCE_TEXT_BYTES_MAX <= super::FILTER_BYTES_MAX, "each filter of a silence can be read");
