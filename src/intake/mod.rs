//! Where events come from.

pub mod boot;
