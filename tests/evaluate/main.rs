//! What the daemon finds in public data that nobody here wrote. `tests/eval` runs all of it; without the data these tests are
//! ignored, not passed.

// clippy.toml allows these in tests, but does not see that all of this file is one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]

mod attackers;
mod boot;
mod cases;
mod crowdsec;
mod dga_families;
mod dga_weights;
mod fail2ban;
mod flows;
mod intel;
mod keystrokes;
mod log_integrity;
mod loghub;
mod masquerade;
mod network;
mod parse_speed;
mod playbooks;
mod quiet;
mod quiet_days;
mod replayed;
mod series;
mod stix;
mod syscalls;
mod table;
mod templates;
mod wazuh;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

/// A place in the public data.
fn data(place: &str) -> PathBuf {
    let data = std::env::var_os("DSMIL_DATA").expect("DSMIL_DATA names the folder of the public data");
    PathBuf::from(data).join(place)
}

/// An address in the one way to write it.
fn address(text: &str) -> Option<String> {
    Some(text.trim_matches(['[', ']']).parse::<IpAddr>().ok()?.to_canonical().to_string())
}

/// All addresses that stand by themselves in a line, perhaps with a port.
fn addresses(line: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_');
    let words = line.split(|c: char| !is_part(c)).map(|word| word.trim_end_matches(['.', ':']));
    words.filter_map(|word| address(word).or_else(|| address(word.rsplit_once(':')?.0))).collect()
}
