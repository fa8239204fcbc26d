//! The whole daemon as a process, started on free ports in temporary folders.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test fails by panicking

mod flat_log;
mod harness;
mod journald;
mod kill;
