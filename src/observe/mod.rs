//! What the daemon shows of itself: metrics, log, HTTP, and what systemd is told.

pub mod audit;
pub mod gateway;
pub mod http;
pub mod log;
pub mod metrics;
pub mod notice;
pub mod systemd;
