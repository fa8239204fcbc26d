//! Detectors: pure, each usable alone, none knows of the daemon.

pub mod boot_digest;
pub mod boot_messages;
pub mod boot_versions;
pub mod burst;
pub mod command_habits;
pub mod disagreement;
pub mod habits;
pub mod ima_log;
pub mod log_clock;
pub mod log_forgery;
pub mod log_sequence;
pub mod log_tampering;
pub mod phrases;
pub mod recent;
pub mod session_order;
pub mod tcg_log;
pub mod weak_crypto;
