//! From the bytes of one line to a time and named fields. Pure: no clock, no files; whoever knows the reference time
//! and the time zone resolves a [`LogTime`].
//!
//! A line goes through three steps: its *format* yields header and fields (one file each here), what came beside it
//! overrules them (`attributes`), and the *program* that wrote it tells what the message means (`program/`).
//! Lines are written by attackers: whatever a client may have put into a message (user names, user agents, queries) is
//! never taken for the source address. An extractor starts from the end of the message that the program writes itself;
//! where that leaves two readings, there is no source address.

mod attributes;
mod auditd;
pub mod config;
mod fields;
mod fill;
mod json;
mod level;
mod logfmt;
mod meaning;
mod parser;
pub mod program;
mod rfc5424;
mod scan;
mod sender;
pub(crate) mod stamp;
mod syslog;
mod text;
mod time;
mod verdict;

pub use parser::{Parser, built_in, envelope, parse, record};
pub use time::{Calendar, LogTime, Parsed};
