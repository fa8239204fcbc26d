//! Reads the systemd journal through `journalctl`: its export format keeps every byte, and it copes with rotation and
//! damaged files. The journal intake and the flat log both read through here.

mod export;
mod follow;
mod newest;
mod wanted;

pub use export::Entry;
#[cfg(any(test, feature = "fuzz"))]
pub use export::Export;
pub use follow::{Condition, Follower};
pub use newest::newest;
pub use wanted::is_wanted;
