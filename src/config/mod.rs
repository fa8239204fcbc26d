//! The one configuration file: loaded, checked as a whole, compared at a reload.

mod check;
mod diff;
#[cfg(test)]
mod documented;
mod finding;
mod load;
mod loki;
mod nearest;
mod read;
mod schema;
mod secret;
mod units;

pub use check::exposure_findings;
pub use diff::{Change, Effect, Part, diff};
pub use finding::Finding;
pub use load::{ConfigError, Loaded, SYSTEM_FILE, SourceName, load, load_with};
pub use loki::Loki;
pub use schema::*;
pub use secret::redact;
pub use units::{Bytes, Span};
