//! SOC events by whom they are about.

pub(super) mod about;
pub(super) mod index;
mod look_up;
mod search;
mod told;

pub use about::is_unusual;
pub use index::{Part, YES};
pub use look_up::Extent;
pub use search::LookUp;
pub use told::is_told_of;
