//! Where events come from.

pub mod shrink;
