//! Where committed events and log lines go. Every outlet asks the outside how far it is and goes on from there.

pub mod archive;
pub mod flat_log;
pub mod loki;
pub mod mirror;
mod progress;

pub use progress::Progress;
