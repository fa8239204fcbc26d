//! From the bytes of one line to a time and named fields. Pure: no clock, no files; whoever knows the reference time
//! and the time zone resolves a [`LogTime`].
//!
//! A line goes through three steps: its *envelope* yields header and fields (`envelope/`), what came beside it
//! overrules them (`attributes`), and the *program* that wrote it tells what the message means (`program/`).
//! Lines are written by attackers: whatever a client may have put into a message (user names, user agents, queries) is
//! never taken for the source address. An extractor starts from the end of the message that the program writes itself;
//! where that leaves two readings, there is no source address.

mod attributes;
pub mod config;
mod envelope;
mod fields;
mod fill;
pub mod joined;
mod level;
mod meaning;
mod parser;
pub mod program;
mod scan;
mod sender;
mod time;
mod verdict;

pub(crate) use envelope::{auditd, stamp};
pub use parser::{Parser, built_in, envelope, parse, record};
pub use time::{Calendar, LogTime, Parsed};
