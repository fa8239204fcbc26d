//! Arguments and exit codes.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use dsmild::cli::{Cli, dispatch};

fn main() -> ExitCode {
    dispatch(Cli::parse())
}
