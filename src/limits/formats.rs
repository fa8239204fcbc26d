//! Formats of log lines.

/// Files of formats, and bytes of one.
pub const FORMAT_FILES_MAX: usize = 4096;
pub const FORMAT_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of one template.
pub const FORMAT_TEMPLATE_BYTES_MAX: usize = 4096;
/// Optional parts and alternatives within each other.
pub const FORMAT_NESTING_MAX: usize = 3;
/// Plain sequences that the optional parts and alternatives of one template make.
pub const FORMAT_EXPANSIONS_MAX: usize = 256;
/// Fields of one template.
pub const FORMAT_FIELDS_MAX: usize = 64;
/// Steps of the search for all readings of one message; a message that needs more is ambiguous. A step takes some 10 ns: a
/// node, a way on or a place of a text that was searched for is one.
pub const FORMAT_STEPS_MAX: u32 = 1000;
/// Steps that it takes to search for a text, and to read a field that has one end.
pub const FORMAT_STEPS_PER_SEARCH: usize = 3;
/// Steps that it takes to compare a reading with the others.
pub const FORMAT_STEPS_PER_READING: usize = 10;
/// Bytes that free text is searched for one step.
pub const FORMAT_BYTES_PER_STEP: usize = 256;
/// From so many fields on, a place in the templates knows which of them can begin with a byte.
pub const FORMAT_DISPATCH_FROM: usize = 4;
/// Programs of whose lines without a template `formats coverage` tells the kinds apart.
pub const FORMAT_PROGRAMS_MAX: usize = 256;
