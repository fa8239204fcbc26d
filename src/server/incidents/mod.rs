//! Incidents as objects: the fold of what the log tells of them, and what people do with them.

pub mod change;
pub mod fold;
pub mod handlers;
