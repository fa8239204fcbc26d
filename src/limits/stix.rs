//! STIX patterns, and what they are matched with.

/// Bytes of one pattern, levels of its parentheses and qualifiers, and comparisons in it.
pub const STIX_PATTERN_BYTES_MAX: usize = 64 * 1024;
pub const STIX_PATTERN_DEPTH_MAX: usize = 32;
pub const STIX_COMPARISONS_MAX: usize = 4096;
/// Observations that one pattern asks for; which of them hold is one bit each.
pub const STIX_LEAVES_MAX: usize = 64;
const _: () = assert!(STIX_LEAVES_MAX <= u64::BITS as usize);
/// Bytes that one expression of `LIKE` or `MATCHES` takes.
pub const STIX_REGEX_BYTES_MAX: usize = 256 * 1024;
/// How often `REPEATS` can ask for.
pub const STIX_REPEATS_MAX: u32 = 1_000_000;
/// Values that one object path leads to.
pub const STIX_VALUES_MAX: usize = 1024;
/// Observations that are looked at together, and combinations of them that are tried.
pub const STIX_OBSERVATIONS_MAX: usize = 256;
pub const STIX_COMBINATIONS_MAX: usize = 10_000;
/// Patterns of all lists, and those of them that every event is tried with.
pub const STIX_PATTERNS_MAX: usize = 100_000;
pub const STIX_PATTERNS_TRIED_MAX: usize = 500;
/// Patterns of more than one observation for which something was seen.
pub const STIX_PATTERNS_GOING_ON_MAX: usize = 1000;
const _: () = assert!(STIX_PATTERNS_TRIED_MAX <= STIX_PATTERNS_MAX);
/// Objects that one event is translated to.
pub const STIX_OBJECTS_MAX: usize = 64;
