//! Layer 3, Layer 4 and fusion, and what makes any of them an actor.

pub mod stage;
