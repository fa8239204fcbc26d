//! Where committed events and log lines go. Every outlet asks the outside how far it is and goes on from there; what all
//! have in common is in the [`driver`].

pub mod archive;
mod committed;
mod configured;
pub(crate) mod driver;
pub mod flat_log;
pub(crate) mod loki;
pub mod mirror;
pub(crate) mod notify;
pub(crate) mod stdout;
mod table;

pub(crate) use committed::CommittedLog;
pub(crate) use configured::{Configured, ConfiguredEach, OutletSpec, Resources};
pub(crate) use table::OUTLETS;
