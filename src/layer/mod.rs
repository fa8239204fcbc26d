//! Layer 3, Layer 4 and fusion, and what makes any of them an actor.

pub mod actor;
pub mod fusion;
pub mod graph;
mod judgement;
pub mod l3;
pub mod l4;
mod meters;
pub mod pipeline;
pub mod row;
pub mod severity;
pub mod shell;
pub mod stage;
#[cfg(test)]
mod story_tests;
pub mod table;
#[cfg(test)]
pub mod testing;

pub use judgement::{one_line, verdict};
