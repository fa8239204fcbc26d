//! The Layer-8 devices. A new one is a file here and a line in [`DEVICES`]: its row in the table of
//! components, and with it its name in status and metrics and its log identifier, follows from that.

mod advml;
mod advml_lines;
mod analytics;
mod biometrics;
mod common;
mod crypto;
mod enclave;
mod gathered;
mod hourly;
mod intel;
mod intel_hits;
mod intel_lists;
mod intel_patterns;
mod keystrokes;
pub(crate) mod machine;
mod network;
mod network_findings;
mod offender;
mod operator;
mod playbook_files;
mod quotes;
pub(crate) mod settings;
mod soar;
mod spec;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use spec::DeviceSpec;

use crate::config::Finding;
use crate::event::named_source;

/// In the order of their numbers, one to a line.
#[rustfmt::skip]
pub const DEVICES: &[DeviceSpec] = &[
    advml::SPEC,
    analytics::SPEC,
    crypto::SPEC,
    intel::SPEC,
    biometrics::SPEC,
    enclave::SPEC,
    network::SPEC,
    soar::SPEC,
];

/// Has device 58 know which addresses this machine cannot do without, as they are now. What the configuration says of them
/// itself stays.
pub fn know_this_machine(tables: &mut BTreeMap<String, toml::Table>) {
    let addresses: Vec<String> = machine::addresses().iter().map(ToString::to_string).collect();
    let table = tables.entry(soar::SPEC.number.to_string()).or_default();
    table.entry("machine").or_insert_with(|| addresses.into());
}

/// Has device 51 know which sources are configured: none of them is forgotten for names that others invent. Returns the name of its
/// stage, which depends on them from then on.
pub fn know_sources(tables: &mut BTreeMap<String, toml::Table>, names: &[String]) -> &'static str {
    let table = tables.entry(advml::SPEC.number.to_string()).or_default();
    if let toml::Value::Array(sources) = table.entry("sources").or_insert_with(|| toml::Value::Array(Vec::new())) {
        // The operator may mean what senders name; the places of what the daemon reads are not for them.
        let named: Vec<_> = sources.iter().filter_map(|name| Some(named_source(name.as_str()?).into())).collect();
        sources.extend(named);
        sources.extend(names.iter().map(|name| toml::Value::from(name.as_str())));
    }
    advml::SPEC.stage
}

/// Has device 54 read these lists as well, which are fetched and may not be there yet.
pub fn know_feeds(tables: &mut BTreeMap<String, toml::Table>, lists: &[PathBuf]) {
    let table = tables.entry(intel::SPEC.number.to_string()).or_default();
    if let toml::Value::Array(feeds) = table.entry("feeds").or_insert_with(|| toml::Value::Array(Vec::new())) {
        feeds.extend(lists.iter().map(|list| toml::Value::from(list.display().to_string())));
    }
}

/// The stage that reads what is fetched.
pub const READS_FEEDS: &str = intel::SPEC.stage;

/// A finding for each table of a device that does not exist.
pub fn unknown(tables: &BTreeMap<String, toml::Table>, devices: &[DeviceSpec]) -> Vec<Finding> {
    let numbers: Vec<String> = devices.iter().map(|device| device.number.to_string()).collect();
    let unknown = tables.keys().filter(|number| !numbers.contains(number));
    let finding = |number| {
        let expected = format!("expected one of {}", numbers.join(", "));
        Finding::new(format!("device.{number}"), "there is no such device", expected)
    };
    unknown.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Interest;

    #[test]
    fn every_device_is_in_the_table_once_in_order_under_its_own_name() {
        assert!(DEVICES.iter().map(|device| device.number).is_sorted_by(|left, right| left < right));
        for device in DEVICES {
            assert_eq!(device.stage, format!("device-{}", device.number));
            assert!(device.identifier.starts_with("dsmil-soc-"), "{}", device.identifier);
            assert!(!device.reads.overlaps(Interest::NONE.soc(device.number)), "{} reads itself", device.number);
        }
    }

    #[test]
    fn a_device_that_does_not_exist_is_a_finding() {
        let tables = BTreeMap::from([("99".to_owned(), toml::Table::new()), ("53".to_owned(), toml::Table::new())]);
        let keys: Vec<_> = unknown(&tables, DEVICES).into_iter().map(|finding| finding.key).collect();
        assert_eq!(keys, ["device.99"]);
    }
}
