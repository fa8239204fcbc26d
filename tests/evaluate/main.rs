//! What the daemon finds in public data that nobody here wrote. `tests/eval` runs all of it; without the data these tests are
//! ignored, not passed.

// clippy.toml allows these in tests, but does not see that all of this file is one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]

mod boot;
mod dga_weights;
mod intel;
mod log_integrity;
mod masquerade;
mod network;
mod parse;
mod parse_speed;
mod playbooks;

use std::path::PathBuf;

/// A place in the public data.
fn data(place: &str) -> PathBuf {
    let data = std::env::var_os("DSMIL_DATA").expect("DSMIL_DATA names the folder of the public data");
    PathBuf::from(data).join(place)
}
