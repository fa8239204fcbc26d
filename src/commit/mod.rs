//! The commit point: whatever sources and stages did goes to the hot store here, in the order of the log, and only then is
//! it seen outside, counted and logged.

mod announcer;
mod progress;
mod retention_clock;
#[cfg(test)]
mod tests;
mod writer;

pub use announcer::Announcer;
pub use progress::{ConsumerProgress, Progress};
pub use writer::{Resources, run};
