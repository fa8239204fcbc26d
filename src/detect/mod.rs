//! Detectors: pure, each usable alone, none knows of the daemon.

pub mod allow_list;
pub mod beacon;
pub mod boot_messages;
pub mod boot_versions;
pub mod burst;
pub mod dga;
pub mod disagreement;
pub mod dns_names;
pub mod flow;
pub mod incident;
pub mod indicator_list;
pub mod indicators;
pub mod log_clock;
pub mod log_forgery;
pub mod log_sequence;
pub mod log_tampering;
pub mod observable;
pub mod phrases;
pub mod playbook;
pub mod recent;
pub mod response;
pub mod scan;
pub mod tactic;
pub mod top;
pub mod weak_crypto;
pub mod zeek;
