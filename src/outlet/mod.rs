//! Where committed events go. Each outlet asks the outside how far it is and goes on from there.

pub mod archive;
