//! What the machine measured when it booted: Secure Boot, the TPM's event log, the list of measured files.

mod observe;
mod task;

pub use observe::observe_boot;
pub use task::SOURCE;
