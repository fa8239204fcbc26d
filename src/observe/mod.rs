//! What the daemon shows of itself: metrics, log, audit log, and the notifications to systemd.

pub mod audit;
pub mod log;
pub mod memory;
pub mod metrics;
pub mod problem;
pub mod reload_mark;
pub mod systemd;
