//! SOC events by whom they are about.

pub(super) mod index;
mod look_up;

pub use index::Part;
pub use look_up::Extent;
