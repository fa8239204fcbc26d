//! Events on standard output, for a person at a terminal or for whatever reads a pipe.

mod config;
mod line;
mod outlet;

pub use config::{Config, Format, check};
pub use outlet::Stdout;
