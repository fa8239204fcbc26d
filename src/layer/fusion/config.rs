//! `[fusion]`: its keys.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fusion {
    pub enabled: bool,
    /// Write a SOC event of severity INFO for benign decisions as well.
    pub include_benign: bool,
}

impl Default for Fusion {
    fn default() -> Self {
        Self { enabled: true, include_benign: false }
    }
}
