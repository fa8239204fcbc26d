//! Exit codes, of sysexits where there is one.

pub const EXIT_OK: u8 = 0;
/// The daemon is there and its answer is bad, or it is not ready.
pub const EXIT_BAD: u8 = 1;
/// `EX_UNAVAILABLE`: no daemon answers.
pub const EXIT_NO_DAEMON: u8 = 69;
