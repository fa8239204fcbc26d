//! Scenarios: what many lines mean together, described by Sigma correlation rules, counted so that nobody can be counted out.

pub(crate) mod builtin;
mod count;
mod counters;
mod file;
mod group;
mod item;
mod kept_lines;
mod marks;
mod model;
mod pacing;
#[cfg(test)]
mod pacing_tests;
mod raised;
pub(crate) mod sample;
mod says;
mod set;
mod sketch;
mod table;
#[cfg(test)]
mod tests;

pub use counters::Counters;
pub use file::listed;
pub use group::customer;
pub use pacing::Pacing;
pub use raised::{Grown, Observation, Raised};
pub use set::{Role, ScenarioSet};
