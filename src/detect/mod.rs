//! Detectors: pure, each usable alone, none knows of the daemon.

pub mod attack;
pub mod boot_messages;
pub mod boot_versions;
pub mod burst;
pub mod command_habits;
pub mod disagreement;
pub mod habits;
pub mod beacon;
pub mod dga;
pub mod dns_names;
pub mod flow;
pub mod log_clock;
pub mod log_forgery;
pub mod log_sequence;
pub mod log_tampering;
pub mod novelty;
pub mod phrases;
pub mod rates;
pub mod recent;
pub mod risk;
pub mod sigma;
pub mod scan;
pub mod weak_crypto;
pub mod freshness;
