//! Where committed events and log lines go. Every outlet asks the outside how far it is and goes on from there; what all
//! have in common is in the [`driver`].

pub mod archive;
mod committed;
mod configured;
pub mod driver;
pub mod flat_log;
pub mod loki;
pub mod mirror;
pub mod stdout;
mod table;

pub use committed::CommittedLog;
pub use configured::{Configured, OutletSpec, Resources};
pub use table::OUTLETS;
