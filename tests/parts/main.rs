//! Parts of the daemon against what the world does to them, and rules of the house.

// clippy.toml allows these in tests, but does not see that all of this file is one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod components;
mod file_circles;
mod hot_store;
mod observability;
mod packaging;
mod parse_properties;
mod shrink;
mod stub;
mod style;
mod supervision;
