//! The one configuration file: loaded, checked as a whole, compared at a reload.

mod check;
mod current;
mod daemon;
mod diff;
#[cfg(test)]
pub(crate) mod documented;
pub(crate) mod files;
mod finding;
mod judge;
mod load;
mod nearest;
mod read;
mod schema;
pub(crate) mod secret;
mod units;

#[cfg(test)]
pub(crate) use check::tests::keys;
pub use current::CurrentConfig;
pub use daemon::Daemon;
#[cfg(test)]
pub use diff::keys_of;
pub use diff::{Change, Effect, Key, diff};
pub use finding::Finding;
pub use judge::{Judge, plain};
pub use load::{ConfigError, Loaded, SYSTEM_FILE, SourceName, load, load_with};
pub use schema::*;
pub use secret::redact;
pub use units::{Bytes, Span};

pub use crate::intake::config::{Intake, IntakeSwitch};
pub use crate::intake::file::config::IntakeFile;
pub use crate::intake::journal::config::IntakeJournal;
pub use crate::intake::shrink::config::Shrink;
pub use crate::layer::fusion::config::Fusion;
pub use crate::layer::l3::config::L3;
pub use crate::layer::l4::config::L4;
pub use crate::observe::log::config::{Log, LogLevel, LogTarget};
pub use crate::outlet::archive::Config as Archive;
pub use crate::outlet::flat_log::Config as FlatLog;
pub use crate::outlet::loki::Config as Loki;
pub use crate::parse::config::Parse;
pub use crate::redis::config::{Redis, StreamRole};
pub use crate::respond::config::Respond;
pub use crate::server::config::Http;
pub use crate::store::config::{Durability, Store};
pub use crate::supervise::config::{Backoff, Intensity, Supervisor};
