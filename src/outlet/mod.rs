//! Where committed events go. Every outlet asks the outside how far it is and goes on from there.

pub mod archive;
pub mod mirror;
