//! Which time is believed: of a line, by the clock of its source.

mod source;

pub use source::{CONFIRMING_LINES, SourceClock, Told};
