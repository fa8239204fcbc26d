//! The Layer-8 devices. A new one is a file here and a line in [`DEVICES`].

mod advml;
mod advml_lines;
mod analytics;
mod biometrics;
mod common;
mod crypto;
mod enclave;
mod intel;
mod intel_lists;
mod machine;
mod network;
mod network_findings;
mod offender;
mod playbook_files;
pub mod settings;
mod soar;

use std::collections::BTreeMap;

use crate::config::Finding;
use crate::event::Interest;
use crate::layer::stage::{Stage, StageFactory, StageSpec};

/// What the daemon needs to know of a device.
pub struct DeviceSpec {
    /// 51 and up.
    pub number: u16,
    /// Name of its stage: `device-51`.
    pub stage: &'static str,
    /// SYSLOG_IDENTIFIER of its log lines.
    pub identifier: &'static str,
    pub title: &'static str,
    pub reads: Interest,
    /// Reads its table of the configuration (see [`settings`]) and the files that it names. Returns what makes
    /// the stage, or all findings (their keys relative to the table).
    pub prepare: fn(&toml::Table) -> Result<Prepared, Vec<Finding>>,
}

/// A device ready to run.
pub struct Prepared {
    pub make: StageFactory,
    /// What is no reason to refuse the configuration but an operator should know; keys as in errors.
    pub warnings: Vec<Finding>,
}

impl Prepared {
    fn new(make: StageFactory) -> Self {
        Self { make, warnings: Vec::new() }
    }

    /// The device in its first state.
    pub fn stage(&self) -> Box<dyn Stage> {
        (self.make)()
    }
}

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

/// Every device that is not disabled, ready to run, and all warnings; a device without a table runs with its defaults.
///
/// # Errors
/// All findings of all devices that are not disabled (the files that a disabled one names may be absent), with keys
/// from the top of the file: `device.57.window`.
pub fn prepare_all(tables: &BTreeMap<String, toml::Table>) -> Result<(Vec<StageSpec>, Vec<Finding>), Vec<Finding>> {
    let mut findings: Vec<Finding> = tables.keys().filter_map(|number| unknown_device(number)).collect();
    let (mut stages, mut warnings) = (Vec::new(), Vec::new());
    for device in DEVICES {
        let none = toml::Table::new();
        let table = tables.get(&device.number.to_string()).unwrap_or(&none);
        if settings::enabled(table) == Ok(false) {
            continue;
        }
        let of_device =
            |finding: Finding| Finding { key: format!("device.{}.{}", device.number, finding.key), ..finding };
        match (device.prepare)(table) {
            Ok(prepared) => {
                warnings.extend(prepared.warnings.into_iter().map(of_device));
                stages.push(StageSpec {
                    name: device.stage,
                    identifier: device.identifier,
                    reads: device.reads,
                    writes: Interest::NONE.soc(device.number),
                    critical: false,
                    make: prepared.make,
                });
            }
            Err(found) => findings.extend(found.into_iter().map(of_device)),
        }
    }
    if findings.is_empty() { Ok((stages, warnings)) } else { Err(findings) }
}

/// Has device 58 know which addresses this machine cannot do without, as they are now. What the configuration says of them
/// itself stays.
pub fn know_this_machine(tables: &mut BTreeMap<String, toml::Table>) {
    let addresses: Vec<String> = machine::addresses().iter().map(ToString::to_string).collect();
    let table = tables.entry(soar::SPEC.number.to_string()).or_default();
    table.entry("machine").or_insert_with(|| addresses.into());
}

fn unknown_device(number: &str) -> Option<Finding> {
    let known = DEVICES.iter().any(|device| device.number.to_string() == number);
    (!known).then(|| {
        let numbers: Vec<String> = DEVICES.iter().map(|device| device.number.to_string()).collect();
        Finding::new(
            format!("device.{number}"),
            "there is no such device",
            format!("expected one of {}", numbers.join(", ")),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let tables = BTreeMap::from([("99".to_owned(), toml::Table::new())]);
        let Err(findings) = prepare_all(&tables) else { panic!("device 99 was accepted") };
        assert_eq!(findings.first().map(|finding| finding.key.as_str()), Some("device.99"));
    }
}
