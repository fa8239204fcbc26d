//! `[parse]`: its keys.

use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parse {
    /// Files of formats or folders of them. A format here takes the place of a built-in one with the same name.
    pub formats: Vec<PathBuf>,
    /// Networks of proxies whose word on the client (`X-Forwarded-For`) counts.
    pub trusted_proxies: Vec<IpNet>,
}
