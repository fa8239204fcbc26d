//! Silences: what people have said is nothing to be told of. What a silence covers is stored, marked and counted; nothing else
//! follows from it. Pure.

pub mod change;
pub mod config;
pub mod entity;
pub mod in_force;
pub mod matcher;
mod moment;
pub mod spec;
#[cfg(test)]
mod tests;
