//! Exit codes, of sysexits where there is one.

/// A sample fails, or a line has no template.
pub const EXIT_BAD: u8 = 1;
/// `EX_DATAERR`: a file cannot be read.
pub const EXIT_INPUT: u8 = 65;
/// `EX_CONFIG`: a file of formats is broken.
pub const EXIT_CONFIG: u8 = 78;
