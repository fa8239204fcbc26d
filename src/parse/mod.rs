//! From the bytes of one line to a time and named fields. Pure: no clock, no files; whoever knows the reference time
//! and the time zone resolves a [`LogTime`].
//!
//! A line goes through three steps: its *envelope* yields header and fields (`envelope/`), what came beside it
//! overrules them (`attributes`), and the library of formats tells what the message means (`meaning`). What no format speaks of
//! is guessed by its words (`guess`), and behind a proxy that is trusted the client is who the proxy names (`proxy`).
//! Lines are written by attackers: whatever a client may have put into a message (user names, user agents, queries) is
//! never taken for the source address; where two readings are possible, there is none.

mod attributes;
mod audit;
pub mod config;
mod envelope;
mod fields;
mod fill;
mod guess;
pub mod joined;
mod level;
pub mod meaning;
mod parser;
mod proxy;
mod scan;
mod sender;
#[cfg(test)]
mod tests;
mod time;

pub(crate) use envelope::{auditd, stamp};
pub(crate) use parser::lossy;
pub use parser::{Parser, built_in, envelope, parse, record};
pub use time::{Calendar, LogTime, Parsed};
