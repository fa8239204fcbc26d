//! Arguments and exit codes.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use dsmild::{Cli, dispatch};
use tikv_jemallocator::Jemalloc;

/// Events are made on one thread and let go of on another, which the system's allocator serialises.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    dispatch(Cli::parse())
}
