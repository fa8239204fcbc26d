//! The Layer-8 devices. A new one is a file here and a line in [`DEVICES`].

use crate::config::Finding;
use crate::event::Interest;
use crate::layer::stage::StageFactory;

/// What the daemon needs to know of a device.
pub struct DeviceSpec {
    /// 51 and up.
    pub number: u16,
    /// SYSLOG_IDENTIFIER of its log lines.
    pub identifier: &'static str,
    pub title: &'static str,
    pub reads: Interest,
    /// Reads its table of the configuration and the files that it names; gives what makes the stage, or all findings
    /// (their keys relative to the table).
    pub prepare: fn(&toml::Table) -> Result<StageFactory, Vec<Finding>>,
}

/// In the order of their numbers.
pub const DEVICES: &[DeviceSpec] = &[];
