//! What the machine measured when it booted: Secure Boot, the TPM's event log, the list of measured files.

pub mod allowed;
mod observe;
mod policy;
mod task;

pub use observe::observe_boot;
pub use task::SOURCE;
