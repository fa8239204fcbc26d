//! The configuration file, one struct a section. What is optional as a section is `Option`: without it the part does
//! not run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::loki::Loki;
use super::units::{Bytes, Span};
use crate::event::{Format, Stream};

#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub daemon: Daemon,
    pub log: Log,
    pub http: Http,
    pub store: Store,
    pub redis: Option<Redis>,
    pub archive: Option<Archive>,
    pub shrink: Option<Shrink>,
    pub intake: Intake,
    pub flat_log: Option<FlatLog>,
    pub loki: Option<Loki>,
    pub l3: L3,
    pub l4: L4,
    pub fusion: Fusion,
    /// By number; each device reads its own table.
    pub device: BTreeMap<String, toml::Table>,
    pub supervisor: Supervisor,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Daemon {
    /// Name of this daemon among several: the consumer name in Redis, a label in Loki.
    pub instance: String,
    /// Positions of the sources and the audit log; survives reboots.
    pub state_dir: PathBuf,
    /// SOC events of at least LOW are printed on the terminal, one line each.
    pub print_events: bool,
    /// Sources wait while the process holds more than this, the hot store not counted.
    pub memory_max: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogTarget {
    /// The journal where there is one, else standard error.
    Auto,
    Journald,
    Stderr,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    pub level: LogLevel,
    pub target: LogTarget,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    pub listen: SocketAddr,
    /// Lines of `role token`; roles are `read`, `ingest`, `respond`. Without the file a loopback listener asks for none.
    pub tokens_file: Option<PathBuf>,
    pub tls_cert_file: Option<PathBuf>,
    pub tls_key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Commits survive the end of the process.
    Process,
    /// Sources move only after Postgres has committed, so that commits survive a loss of power.
    Power,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    pub path: PathBuf,
    pub max_size: Bytes,
    pub retention: Span,
    pub durability: Durability,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamRole {
    /// Others write, we read by consumer group.
    Ingest,
    /// We write.
    Mirror,
    Off,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `redis://`, `rediss://` (TLS), `redis+unix://`, `redis-cluster://`; no password in it: see `password_file`.
    pub url: String,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Certificates to trust besides the system's, PEM.
    #[serde(default)]
    pub tls_ca_file: Option<PathBuf>,
    #[serde(default)]
    pub key_prefix: String,
    /// Entries kept of each mirrored stream, approximately.
    #[serde(default = "Redis::maxlen")]
    pub maxlen: u64,
    #[serde(default)]
    pub streams: BTreeMap<Stream, StreamRole>,
}

impl Redis {
    fn maxlen() -> u64 {
        1_000_000
    }

    /// The role of a stream; without an entry, inputs are ingested and outputs mirrored.
    pub fn role(&self, stream: Stream) -> StreamRole {
        self.streams.get(&stream).copied().unwrap_or(match stream {
            Stream::L3In | Stream::L4In => StreamRole::Ingest,
            Stream::L3Out | Stream::L4Out | Stream::SocEvents => StreamRole::Mirror,
            Stream::Shrink | Stream::Tick => StreamRole::Off,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// `postgres://user@host/database`; no password in it: see `password_file`.
    pub url: String,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    #[serde(default = "Archive::every")]
    pub every: Span,
    /// Rows of one statement.
    #[serde(default = "Archive::batch")]
    pub batch: usize,
    /// Days kept; older partitions are dropped.
    #[serde(default = "Archive::retention")]
    pub retention: Span,
}

impl Archive {
    fn every() -> Span {
        Span::from_millis(1000)
    }
    fn batch() -> usize {
        5000
    }
    fn retention() -> Span {
        Span::from_millis(365 * 24 * 3600 * 1000)
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shrink {
    pub url: String,
    pub every: Span,
    pub timeout: Span,
    pub stale_after: Span,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Intake {
    pub journal: Vec<IntakeJournal>,
    pub file: Vec<IntakeFile>,
    pub http: IntakeSwitch,
    /// Secure Boot, TPM event log and IMA list, read once a boot.
    pub boot: IntakeSwitch,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntakeJournal {
    /// SYSLOG_IDENTIFIERs to read; empty: all. `*` at the end matches any rest.
    pub identifiers: Vec<String>,
    /// Systemd units to read; empty: all.
    pub units: Vec<String>,
    pub compartment: String,
    /// A journal directory other than the system's.
    pub directory: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IntakeFile {
    pub path: PathBuf,
    #[serde(default)]
    pub format: Format,
    #[serde(default)]
    pub compartment: String,
    /// IANA name of the zone of times without one; absent: the machine's.
    #[serde(default)]
    pub time_zone: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntakeSwitch {
    pub enabled: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlatLog {
    pub path: PathBuf,
    /// Besides every `dsmil-*`.
    pub identifiers: Vec<String>,
    /// A journal directory other than the system's.
    pub directory: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct L3 {
    pub enabled: bool,
    /// Sigma rule files or folders of them. A rule here replaces a built-in one with the same id.
    pub rules: Vec<PathBuf>,
    /// Load the rules that come with the daemon as well.
    pub builtin_rules: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct L4 {
    pub enabled: bool,
    /// After this time without news an entity's risk has halved.
    pub half_life: Span,
    /// Accumulated risk from which an entity is suspicious.
    pub suspicious_at: f64,
    /// Accumulated risk from which an entity is malicious.
    pub malicious_at: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fusion {
    pub enabled: bool,
    /// Write a SOC event of severity INFO for benign decisions as well.
    pub include_benign: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Supervisor {
    pub backoff: Backoff,
    pub intensity: Intensity,
    /// An actor that gives no sign of life for this long is taken for frozen and replaced.
    pub frozen_after: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    pub min: Span,
    pub max: Span,
    /// Without a failure for this long the next delay is `min` again.
    pub reset_after: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Intensity {
    /// More restarts than this in `within`: the actor is marked failed.
    pub restarts: u32,
    pub within: Span,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            instance: "dsmild".to_owned(),
            state_dir: PathBuf::from("/var/lib/dsmil"),
            print_events: false,
            memory_max: Bytes::from_mib(1024),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info, target: LogTarget::Auto }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8600)),
            tokens_file: None,
            tls_cert_file: None,
            tls_key_file: None,
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: PathBuf::from("/mnt/dsmil-ram/hotpath.db"),
            max_size: Bytes::from_mib(3 * 1024),
            retention: Span::from_millis(24 * 3600 * 1000),
            durability: Durability::Process,
        }
    }
}

impl Default for Shrink {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8500/api/v1/metrics".to_owned(),
            every: Span::from_millis(1000),
            timeout: Span::from_millis(500),
            stale_after: Span::from_millis(10_000),
        }
    }
}

impl Default for IntakeSwitch {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for FlatLog {
    fn default() -> Self {
        Self { path: PathBuf::from("/var/log/dsmil.log"), identifiers: Vec::new(), directory: None }
    }
}

impl Default for L3 {
    fn default() -> Self {
        Self { enabled: true, rules: Vec::new(), builtin_rules: true }
    }
}

impl Default for L4 {
    fn default() -> Self {
        Self { enabled: true, half_life: Span::from_millis(3600 * 1000), suspicious_at: 1.0, malicious_at: 2.5 }
    }
}

impl Default for Fusion {
    fn default() -> Self {
        Self { enabled: true, include_benign: false }
    }
}

impl Default for Supervisor {
    fn default() -> Self {
        Self { backoff: Backoff::default(), intensity: Intensity::default(), frozen_after: Span::from_millis(10_000) }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { min: Span::from_millis(100), max: Span::from_millis(30_000), reset_after: Span::from_millis(60_000) }
    }
}

impl Default for Intensity {
    fn default() -> Self {
        Self { restarts: 5, within: Span::from_millis(60_000) }
    }
}
