//! Layer 3, Layer 4 and fusion, and what makes any of them an actor.

pub mod actor;
pub mod graph;
mod meters;
pub mod pipeline;
pub mod shell;
pub mod stage;
