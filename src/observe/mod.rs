//! What the daemon shows of itself: metrics, log, audit log, and the notifications to systemd.

pub(crate) mod audit;
pub(crate) mod history;
pub(crate) mod log;
pub(crate) mod memory;
pub mod metrics;
pub(crate) mod problem;
pub(crate) mod reload_mark;
pub(crate) mod systemd;
