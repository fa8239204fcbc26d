//! The configuration file as a whole. Each section lies beside the component that it configures; a section that is an
//! `Option` may be left out, and then the component does not run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::daemon::Daemon;
use crate::intake::config::Intake;
use crate::intake::feed::config::Intel;
use crate::intake::shrink::config::Shrink;
use crate::layer::fusion::config::Fusion;
use crate::layer::l3::config::L3;
use crate::layer::l4::config::L4;
use crate::observe::log::config::Log;
use crate::outlet::{archive, flat_log, loki, notify, stdout};
use crate::parse::config::Parse;
use crate::redis::config::Redis;
use crate::respond::config::Respond;
use crate::server::config::Http;
use crate::silence;
use crate::store::config::Store;
use crate::supervise::config::Supervisor;

#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub daemon: Daemon,
    pub log: Log,
    pub http: Http,
    pub store: Store,
    pub redis: Option<Redis>,
    pub archive: Option<archive::Config>,
    pub shrink: Option<Shrink>,
    pub intake: Intake,
    pub intel: Intel,
    pub parse: Parse,
    pub flat_log: Option<flat_log::Config>,
    pub loki: Option<loki::Config>,
    pub stdout: Option<stdout::Config>,
    pub notify: Vec<notify::Notify>,
    pub l3: L3,
    pub l4: L4,
    pub fusion: Fusion,
    /// By number; each device reads its own table.
    pub device: BTreeMap<String, toml::Table>,
    pub respond: Respond,
    pub silence: Vec<silence::config::Configured>,
    pub supervisor: Supervisor,
}

/// The folder of what systemd's `RuntimeDirectory` makes.
const RUNTIME_FOLDER: &str = "/run/dsmil";
const SOCKET_NAME: &str = "api.sock";

impl Config {
    /// Where the API's Unix socket is: each daemon has a `state_dir` of its own, so each has a socket of its own.
    pub fn api_socket(&self) -> PathBuf {
        let usual = self.daemon.state_dir == Daemon::default().state_dir;
        let folder = if usual { Path::new(RUNTIME_FOLDER) } else { &self.daemon.state_dir };
        self.http.socket.clone().unwrap_or_else(|| folder.join(SOCKET_NAME))
    }

    /// What goes to standard output.
    pub fn stdout(&self) -> Option<stdout::Config> {
        let short = self.daemon.print_events.then(stdout::Config::for_a_person);
        self.stdout.clone().or(short)
    }
}
