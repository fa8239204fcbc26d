//! The table of outlets.

use super::{OutletSpec, archive, flat_log, loki, mirror, notify, stdout};

/// Every outlet, in the order in which they are started.
pub static OUTLETS: &[OutletSpec] = &[
    OutletSpec::of::<archive::Archive>(),
    OutletSpec::of::<mirror::Mirror>(),
    OutletSpec::of::<flat_log::FlatLogOutlet>(),
    OutletSpec::of::<loki::Loki>(),
    OutletSpec::of::<stdout::Stdout>(),
    OutletSpec::each::<notify::Notifier>(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_outlets_have_one_name() {
        let mut names: Vec<_> = OUTLETS.iter().map(|outlet| outlet.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), OUTLETS.len());
        for outlet in OUTLETS {
            assert_eq!(outlet.about.name, outlet.name);
        }
    }
}
